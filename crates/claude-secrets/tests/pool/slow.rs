//! Traffic that moves grows slowly.

use std::time::Duration;

use claude_secrets::SlowStart;
use claude_wire::call::{Deadline, Refusal, RefusalKind};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::{
    Api, CLOCK, Claude, OPUS, SECOND, answer, curve, kind, limited, millis, of_key, pool, refused, send,
    since, start, talk, turn,
};

const NAMES: [&str; 2] = ["a", "b"];

/// A pool of which `a` is limited for so long, and a conversation of it.
async fn limited_for(seconds: u64, slow: SlowStart) -> (Claude, Api, u32) {
    let conversation = of_key(&NAMES, "a", 1).await[0];
    let api = Api::new();
    let (claude, _) = start(pool(&NAMES).with_slow_start(slow), &api).await;
    // The organisation of each is known.
    send(&claude, talk(of_key(&NAMES, "b", 1).await[0])).await.unwrap();
    api.says("a", limited(seconds));
    send(&claude, talk(conversation)).await.unwrap();
    api.says("a", answer(200));
    api.take();
    (claude, api, conversation)
}

/// A pool of which `a` is dead, and a conversation of it.
async fn dead(slow: SlowStart) -> (Claude, Api, u32) {
    let conversation = of_key(&NAMES, "a", 1).await[0];
    let api = Api::new();
    let (claude, _) = start(pool(&NAMES).with_slow_start(slow), &api).await;
    send(&claude, talk(of_key(&NAMES, "b", 1).await[0])).await.unwrap();
    api.says("a", refused());
    api.take();
    (claude, api, conversation)
}

/// Sends so many at once, one after the other; the handles are theirs, in this order.
fn all(claude: &Claude, conversation: u32, count: usize) -> Vec<JoinHandle<Result<u16, String>>> {
    let one = |_| {
        let claude = claude.clone();
        tokio::spawn(async move { send(&claude, talk(conversation)).await.map_err(|error| kind(&error)) })
    };
    (0..count).map(one).collect()
}

/// When the requests came that a key has seen.
fn arrivals(api: &Api, key: &str) -> Vec<Duration> {
    api.seen().iter().filter(|seen| seen.key == key).map(|seen| seen.at).collect()
}

/// Panics if more came by any time than the curve allows, which begins at `begin`. Timers round up to milliseconds.
fn assert_on_curve(arrivals: &[Duration], begin: Duration, per_second: f64, time: Duration) {
    for (number, at) in arrivals.iter().enumerate() {
        let since = at.saturating_sub(begin);
        if since >= time {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let count = number as f64 + 1.0;
        assert!(count <= curve(per_second, since) + 1e-6, "{count} had come after {since:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_over_is_reached_on_the_curve() {
    let (claude, api, conversation) = limited_for(60, SlowStart::default()).await;
    let begin = Instant::now();
    let base = api_now(&api, &claude, conversation).await;
    let mut calls = Vec::new();
    for _ in 0..1_500 {
        calls.extend(all(&claude, conversation, 1));
        sleep(millis(5)).await;
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(200));
    }
    let arrived = arrivals(&api, "b");
    assert_eq!(arrived.len(), 1_501, "all of them were served by the other");
    assert_on_curve(&arrived, base, 10.0, 10 * SECOND);
    // And no slower than that: those that waited left by the curve.
    let by_three = arrived.iter().filter(|at| **at - base <= 3 * SECOND).count();
    assert!((98..=102).contains(&by_three), "{by_three}");
    assert!(since(begin) < 10 * SECOND);
}

/// When the first of these requests comes, which begins the slow start.
async fn api_now(api: &Api, claude: &Claude, conversation: u32) -> Duration {
    send(claude, talk(conversation)).await.unwrap();
    api.seen().last().unwrap().at
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_leave_in_the_order_in_which_they_came() {
    let (claude, api, _) = limited_for(60, SlowStart::default()).await;
    let conversations = of_key(&NAMES, "a", 60).await;
    let mut calls = Vec::new();
    for conversation in &conversations {
        calls.extend(all(&claude, *conversation, 1));
        tokio::task::yield_now().await;
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(200));
    }
    let order: Vec<u32> = api.seen().iter().map(|seen| seen.number).collect();
    assert_eq!(order, conversations);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_given_up_is_free() {
    let (claude, _, conversation) = limited_for(60, SlowStart::default()).await;
    assert_eq!(send(&claude, talk(conversation)).await.unwrap(), 200);
    let wait = || async {
        let begin = Instant::now();
        assert_eq!(send(&claude, talk(conversation)).await.unwrap(), 200);
        since(begin)
    };
    let waiting = all(&claude, conversation, 500);
    sleep(millis(1)).await;
    for call in waiting {
        call.abort();
        drop(call.await);
    }
    // It is the second again, and not the 502nd, which would be 5 seconds.
    let waited = wait().await;
    assert!((millis(90)..=millis(110)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_before_the_turn_is_told_at_once() {
    let (claude, api, conversation) = dead(SlowStart::default()).await;
    let within = |time| {
        let mut request = talk(conversation);
        request.extensions_mut().insert(Deadline::after(CLOCK(), time).unwrap());
        request
    };
    assert_eq!(send(&claude, within(SECOND)).await.unwrap(), 200);
    let waiting = all(&claude, conversation, 100);
    sleep(millis(1)).await;
    let (begin, before) = (Instant::now(), api.seen().len());
    let error = send(&claude, within(SECOND)).await.unwrap_err();
    assert_eq!((kind(&error).as_str(), since(begin)), ("TooLate", Duration::ZERO));
    let refusal = Refusal::find(&*error).unwrap();
    assert_eq!((refusal.kind(), refusal.code()), (RefusalKind::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!(api.seen().len(), before);
    // It took nobody's place; and who has time waits.
    let begin = Instant::now();
    assert_eq!(send(&claude, within(10 * SECOND)).await.unwrap(), 200);
    let waited = since(begin);
    assert!((millis(2_950)..=millis(3_050)).contains(&waited), "{waited:?}");
    for call in waiting {
        assert_eq!(call.await.unwrap(), Ok(200));
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_may_wait_and_the_next_is_told_to_come_back() {
    let slow = SlowStart::new(0.1, 3_600 * SECOND).unwrap();
    let (claude, _, conversation) = dead(slow).await;
    assert_eq!(send(&claude, talk(conversation)).await.unwrap(), 200);
    let waiting = all(&claude, conversation, 10_000);
    sleep(millis(1)).await;
    let begin = Instant::now();
    let error = send(&claude, talk(conversation)).await.unwrap_err();
    assert_eq!((kind(&error).as_str(), since(begin)), ("Busy", Duration::ZERO));
    let refusal = Refusal::find(&*error).unwrap();
    assert_eq!((refusal.kind(), refusal.code()), (RefusalKind::Overloaded, "KEYS_BUSY"));
    assert!(refusal.retry_after().is_some());
    waiting[5_000].abort();
    sleep(millis(1)).await;
    let next = all(&claude, conversation, 1).remove(0);
    for call in waiting.into_iter().chain([next]) {
        match call.await {
            Ok(end) => assert_eq!(end, Ok(200)),
            Err(aborted) => assert!(aborted.is_cancelled()),
        }
    }
}

/// Its limits say no, which is not final, as a refusal would be: whoever repeats can wait for it.
#[tokio::test(start_paused = true)]
async fn who_has_no_turn_in_time_goes_to_a_key_that_is_whole_again_in_time() {
    let (claude, api, conversation) = limited_for(3, SlowStart::default()).await;
    let waiting = all(&claude, conversation, 1_000);
    sleep(millis(1)).await;
    let within = |time| {
        let mut request = talk(conversation);
        request.extensions_mut().insert(Deadline::after(CLOCK(), time).unwrap());
        request
    };
    let begin = Instant::now();
    let error = send(&claude, within(2 * SECOND)).await.unwrap_err();
    assert_eq!((kind(&error).as_str(), since(begin)), ("TooLate", Duration::ZERO));
    // Its turn at the other would be after six seconds.
    assert_eq!(send(&claude, within(5 * SECOND)).await.unwrap(), 200);
    assert_eq!((since(begin), arrivals(&api, "a").len()), (Duration::ZERO, 1));
    for call in waiting {
        assert_eq!(call.await.unwrap(), Ok(200));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_slow_start_all_go_at_once() {
    let (claude, api, conversation) = limited_for(60, SlowStart::off()).await;
    let begin = Instant::now();
    for call in all(&claude, conversation, 1_000) {
        assert_eq!(call.await.unwrap(), Ok(200));
    }
    assert_eq!(since(begin), Duration::ZERO);
    assert_eq!(arrivals(&api, "b").len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_comes_on_the_curve_and_the_rest_stays_where_it_was() {
    let (claude, api, conversation) = limited_for(5, SlowStart::default()).await;
    let begin = Instant::now();
    let mut calls = Vec::new();
    for number in 0..4_000_u32 {
        sleep_until(begin + millis(5) * number).await;
        calls.extend(all(&claude, conversation, 1));
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(200));
    }
    let back = arrivals(&api, "a");
    let first = back[0];
    assert!((millis(5_000)..=millis(5_010)).contains(&first), "{first:?}");
    assert_on_curve(&back, first, 10.0, 10 * SECOND);
    // All of it is back in the end.
    let last = arrivals(&api, "b").last().copied().unwrap();
    assert!(last < 15 * SECOND, "{last:?}");
    let late: Vec<_> = back.iter().filter(|at| **at >= 16 * SECOND).collect();
    assert!((780..=801).contains(&late.len()), "{}", late.len());
}

#[tokio::test(start_paused = true)]
async fn each_class_has_a_slow_start_of_its_own() {
    let (claude, api, conversation) = limited_for(60, SlowStart::default()).await;
    let waiting = all(&claude, conversation, 200);
    sleep(millis(1)).await;
    // One of another class, whose own key is the other: nothing is slow for it.
    let begin = Instant::now();
    for other in 0..200 {
        assert_eq!(send(&claude, turn(other, 0, OPUS)).await.unwrap(), 200);
    }
    assert_eq!(since(begin), Duration::ZERO);
    assert!(arrivals(&api, "a").len() > 50);
    for call in waiting {
        assert_eq!(call.await.unwrap(), Ok(200));
    }
}

/// Whoever was taken out of use, or had no key, gets its traffic back as slowly as one that was limited.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_out_of_use_comes_back_slowly() {
    let conversation = of_key(&NAMES, "a", 1).await[0];
    let api = Api::new();
    let (claude, ring) = start(pool(&NAMES), &api).await;
    send(&claude, talk(conversation)).await.unwrap();
    ring.drain("a").unwrap();
    for wait in all(&claude, conversation, 50) {
        assert_eq!(wait.await.unwrap(), Ok(200));
    }
    assert_eq!(arrivals(&api, "a").len(), 1);
    api.take();
    sleep(20 * SECOND).await;
    ring.restore("a").unwrap();
    for wait in all(&claude, conversation, 500) {
        assert_eq!(wait.await.unwrap(), Ok(200));
    }
    let came = arrivals(&api, "a");
    let at_once = came.iter().filter(|at| **at <= came[0] + millis(100)).count();
    assert!(came.len() > 1 && at_once <= 3, "{at_once} of {} at once", came.len());
}

/// Others of its group have been there all the time: nothing comes that was not there.
#[tokio::test(start_paused = true)]
async fn one_whose_group_was_in_use_comes_back_at_once() {
    let api = Api::new();
    let names = ["a", "b", "c"];
    let keys = names.iter().map(|name| {
        let group = if *name == "c" { "other" } else { "one" };
        crate::support::key(name).with_limit_group(group)
    });
    let builder = keys.fold(claude_secrets::KeyRing::builder(), claude_secrets::KeyRingBuilder::with_key);
    let (claude, ring) = start(builder, &api).await;
    let conversation = of_key(&names, "a", 1).await[0];
    ring.drain("a").unwrap();
    send(&claude, talk(conversation)).await.unwrap();
    ring.restore("a").unwrap();
    let begin = Instant::now();
    for wait in all(&claude, conversation, 100) {
        assert_eq!(wait.await.unwrap(), Ok(200));
    }
    assert!(since(begin) < millis(100), "{:?}", since(begin));
}
