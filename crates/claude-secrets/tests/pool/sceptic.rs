//! What an engineer on call would ask of slow starts and pauses.

use std::time::Duration;

use claude_secrets::source::{Fetched, SourceError, SourceErrorKind, source_fn};
use claude_secrets::{Affinity, Key, KeyRing, SecretString, SlowStart};
use claude_wire::call::Caller;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::{
    Api, Claude, OPUS, SECOND, SONNET, answer, coded, curve, limited, millis, of_key, pool, send, since,
    start, talk, turn,
};

/// Sends one of these every so often, for so long.
async fn steadily(
    claude: &Claude,
    every: Duration,
    time: Duration,
    request: impl Fn() -> http::Request<claude_wire::Body>,
) {
    let begin = Instant::now();
    let mut calls = Vec::new();
    let mut next = begin;
    while next < begin + time {
        sleep_until(next).await;
        let (claude, request) = (claude.clone(), request());
        calls.push(tokio::spawn(async move { send(&claude, request).await.unwrap() }));
        next += every;
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
}

fn of_caller(model: &str) -> http::Request<claude_wire::Body> {
    let mut request = turn(1, 0, model);
    request.extensions_mut().insert(Caller::new().with_line("search"));
    request
}

/// A spend limit ends for every class at once: each of them comes back slowly, not only the one that looks first.
#[tokio::test(start_paused = true)]
async fn after_a_spend_limit_every_class_comes_back_slowly() {
    let api = Api::new();
    let (claude, _) = start(pool(&["a", "b"]).with_affinity(Affinity::Caller), &api).await;
    send(&claude, of_caller(SONNET)).await.unwrap();
    let home = api.take().pop().unwrap();
    api.says(&home, coded("enforced_spend_limit_reached"));
    send(&claude, of_caller(SONNET)).await.unwrap();
    api.says(&home, answer(200));
    sleep(61 * SECOND).await;
    api.take();
    let begin = Instant::now();
    send(&claude, of_caller(SONNET)).await.unwrap();
    for _ in 0..50 {
        let claude = claude.clone();
        tokio::spawn(async move { send(&claude, of_caller(OPUS)).await });
    }
    sleep(millis(5)).await;
    assert!(since(begin) < millis(10));
    let at_home = api.seen().iter().filter(|seen| seen.key == home).count();
    assert!(at_home <= 2, "{at_home} at once");
}

/// Whoever waits for his turn to come back, when the key is limited once more, has no turn in the next slow start by that.
#[tokio::test(start_paused = true)]
async fn a_turn_of_a_slow_start_that_was_cut_short_is_none_in_the_next() {
    let api = Api::new();
    let slow = SlowStart::new(1.0, 60 * SECOND).unwrap();
    let (claude, _) = start(pool(&["a", "b"]).with_slow_start(slow), &api).await;
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    send(&claude, talk(of_key(&["a", "b"], "b", 1).await[0])).await.unwrap();
    api.says("a", limited(1));
    send(&claude, talk(conversation)).await.unwrap();
    api.says("a", answer(200));
    sleep(2 * SECOND).await;
    // One returns, and meets the limit again, while two hundred wait for either key.
    api.says("a", limited(3).after(millis(100)));
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let claude = claude.clone();
            tokio::spawn(async move { send(&claude, talk(conversation)).await })
        })
        .collect();
    sleep(millis(200)).await;
    api.says("a", answer(200));
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // From the second return on, the curve holds again: of a rate of one a second.
    let again: Vec<_> = api
        .seen()
        .into_iter()
        .filter(|seen| seen.key == "a" && seen.at > millis(2_500))
        .map(|seen| seen.at)
        .collect();
    let first = again[0];
    for (number, at) in (1_u32..).zip(&again) {
        assert!(f64::from(number) <= curve(1.0, *at - first) + 1e-6, "{number} after {:?}", *at - first);
    }
}

/// A trickle of diverted requests does not keep the door open for a herd.
#[tokio::test(start_paused = true)]
async fn a_key_that_takes_over_a_little_for_long_still_takes_over_much_slowly() {
    let names = ["a", "b", "c"];
    let api = Api::new();
    let (claude, _) = start(pool(&names), &api).await;
    for name in names {
        send(&claude, talk(of_key(&names, name, 1).await[0])).await.unwrap();
    }
    // `a` is limited for long. One of its conversations, of few requests, goes to `c` meanwhile.
    api.says("a", limited(600));
    let of_a = of_key(&names, "a", 10).await;
    send(&claude, talk(of_a[0])).await.unwrap();
    let mut little = None;
    for conversation in of_a {
        api.take();
        send(&claude, talk(conversation)).await.unwrap();
        if api.take() == ["c"] {
            little = Some(conversation);
        }
    }
    let little = little.unwrap();
    steadily(&claude, SECOND, 60 * SECOND, || talk(little)).await;
    // Then `b` is limited, too, which has many.
    let much = of_key(&names, "b", 1).await[0];
    api.says("b", limited(600));
    send(&claude, talk(much)).await.unwrap();
    api.take();
    steadily(&claude, millis(2), 2 * SECOND, || talk(much)).await;
    // By the curve it is three; a few more are no herd.
    let first = api.seen()[0].at;
    let at_once = api.seen().iter().filter(|seen| seen.at < first + millis(250)).count();
    assert!(at_once <= 12, "{at_once} in the first quarter of a second");
}

/// A slow start that is over before the load has passed does not let the rest go all at once.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_slow_start_is_no_herd() {
    let api = Api::new();
    let slow = SlowStart::new(10.0, 2 * SECOND).unwrap();
    let (claude, _) = start(pool(&["a", "b"]).with_slow_start(slow), &api).await;
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    send(&claude, talk(of_key(&["a", "b"], "b", 1).await[0])).await.unwrap();
    api.says("a", limited(600));
    send(&claude, talk(conversation)).await.unwrap();
    api.take();
    steadily(&claude, millis(2), 20 * SECOND, || talk(conversation)).await;
    // It goes on along the curve until nobody waits any more.
    let arrivals: Vec<_> = api.seen().into_iter().map(|seen| seen.at).collect();
    for (number, at) in (1_u32..).zip(&arrivals) {
        let since = *at - arrivals[0];
        assert!(f64::from(number) <= curve(10.0, since) + 1e-6, "{number} after {since:?}");
    }
}

/// A slow start in which many wait is not begun anew, which would send all of them back to its foot.
#[tokio::test(start_paused = true)]
async fn a_slow_start_is_not_forgotten_while_somebody_waits() {
    let api = Api::new();
    let slow = SlowStart::new(10.0, 2 * SECOND).unwrap();
    let (claude, _) = start(pool(&["a", "b"]).with_slow_start(slow), &api).await;
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    send(&claude, talk(of_key(&["a", "b"], "b", 1).await[0])).await.unwrap();
    api.says("a", limited(600));
    send(&claude, talk(conversation)).await.unwrap();
    let begin = Instant::now();
    let mut calls = Vec::new();
    let mut call = |number: u32| {
        let claude = claude.clone();
        calls.push(tokio::spawn(async move {
            send(&claude, talk(conversation)).await.unwrap();
            (number, since(begin))
        }));
    };
    (0..2_000).for_each(&mut call);
    // Others come so seldom that it would be forgotten before each of them.
    for number in 2_000..2_003 {
        sleep(millis(2_100)).await;
        call(number);
    }
    let mut ends = Vec::new();
    for call in calls {
        ends.push(call.await.unwrap());
    }
    // 2000 leave in 7.13 seconds, and nobody overtakes them.
    let (last, longest) = ends[1_999];
    assert!(last == 1_999 && longest <= millis(7_200), "{longest:?}");
    assert!(ends[2_000..].iter().all(|(_, ended)| *ended >= longest));
}

/// Models that nobody knows are classes of their own; those of a caller that makes names up do not push out what is known of
/// the others.
#[tokio::test(start_paused = true)]
async fn made_up_models_do_not_begin_the_slow_starts_of_others_anew() {
    let api = Api::new();
    let ring = pool(&["a", "b"]).with_affinity(Affinity::Caller);
    let (claude, _) = start(ring, &api).await;
    send(&claude, of_caller(SONNET)).await.unwrap();
    let home = api.take().pop().unwrap();
    // Everything of this caller moves, for a minute.
    api.says(&home, coded("enforced_spend_limit_reached"));
    send(&claude, of_caller(SONNET)).await.unwrap();
    // The known class is past its slow start by then.
    steadily(&claude, millis(5), 12 * SECOND, || of_caller(SONNET)).await;
    let begin = Instant::now();
    for number in 100..300 {
        send(&claude, of_caller(&format!("made-up-{number}"))).await.unwrap();
        send(&claude, of_caller(SONNET)).await.unwrap();
        sleep(millis(5)).await;
    }
    assert!(since(begin) < millis(1_100), "the known class waited: {:?}", since(begin));
}

/// A source that hangs holds up only those who have no other key.
#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_waited_for_once_while_another_key_is_there() {
    let hanging = Key::new("a", source_fn("test:hanging", std::future::pending));
    let ring = KeyRing::builder().with_key(hanging).with_key(crate::support::key("b"));
    let ring = ring.with_slow_start(SlowStart::off()).build().unwrap();
    let api = Api::new();
    let claude = tower::Layer::layer(&claude_secrets::SecretsLayer::new(ring.clone()), api.clone());
    ring.start().await.unwrap();
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    let mut longest = Duration::ZERO;
    for _ in 0..300 {
        let begin = Instant::now();
        assert_eq!(send(&claude, talk(conversation)).await.unwrap(), 200);
        longest = longest.max(since(begin));
        sleep(SECOND).await;
    }
    assert!(longest < SECOND, "waited {longest:?} for a source that is known to be down");
}

/// A source that hangs does not hold up those who have what it gave last.
#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_not_waited_for_while_its_last_key_is_good() {
    let fetches = std::sync::atomic::AtomicUsize::new(0);
    let source = source_fn("test:hanging", move || {
        let first = fetches.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move {
            if !first {
                std::future::pending::<()>().await;
            }
            Ok(Fetched::new(SecretString::from("sk-ant-a-canary")))
        }
    });
    let api = Api::new();
    let ring = KeyRing::builder().with_key(Key::new("a", source)).with_ttl(60 * SECOND);
    let (claude, _) = start(ring, &api).await;
    let begin = Instant::now();
    for _ in 0..600 {
        assert_eq!(send(&claude, talk(1)).await.unwrap(), 200);
        sleep(SECOND).await;
    }
    // The end of the first fetch is waited for, which began in the background; after that it is known.
    assert!(since(begin) <= 602 * SECOND, "{:?}", since(begin));
}

/// A key whose source comes back after long takes its own conversations back, and nothing is lost on the way.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_found_again_has_its_conversations_again() {
    let is_down = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let source = source_fn("test:down", {
        let is_down = std::sync::Arc::clone(&is_down);
        move || {
            let is_down = is_down.load(std::sync::atomic::Ordering::SeqCst);
            async move {
                if is_down {
                    Err(SourceError::new("test:down", SourceErrorKind::Unavailable, "down"))
                } else {
                    Ok(Fetched::new(SecretString::from("sk-ant-a-canary")))
                }
            }
        }
    });
    let ring = KeyRing::builder().with_key(Key::new("a", source)).with_key(crate::support::key("b"));
    let api = Api::new();
    let (claude, _) = start(ring, &api).await;
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    steadily(&claude, millis(100), 30 * SECOND, || talk(conversation)).await;
    assert!(api.take().iter().all(|key| key == "b"));
    is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    steadily(&claude, millis(100), 90 * SECOND, || talk(conversation)).await;
    assert_eq!(api.take().pop().unwrap(), "a");
}

/// However often a key is limited, a caller waits for no more than one slow start, and none is left behind.
#[tokio::test(start_paused = true)]
async fn flapping_limits_starve_nobody() {
    let api = Api::new();
    let (claude, _) = start(pool(&["a", "b"]), &api).await;
    let of_a = of_key(&["a", "b"], "a", 1).await[0];
    let of_b = of_key(&["a", "b"], "b", 1).await[0];
    send(&claude, talk(of_a)).await.unwrap();
    send(&claude, talk(of_b)).await.unwrap();
    let flapping = tokio::spawn({
        let api = api.clone();
        async move {
            for round in 0..30 {
                let name = if round % 2 == 0 { "a" } else { "b" };
                api.says(name, limited(2));
                sleep(millis(50)).await;
                api.says(name, answer(200));
                sleep(millis(950)).await;
            }
        }
    });
    let begin = Instant::now();
    let mut calls = Vec::new();
    for number in 0..3_000_u32 {
        sleep_until(begin + millis(10) * number).await;
        let claude = claude.clone();
        let request = talk(if number % 2 == 0 { of_a } else { of_b });
        calls.push(tokio::spawn(async move {
            let begin = Instant::now();
            let status = send(&claude, request).await.unwrap();
            (status, since(begin))
        }));
    }
    flapping.await.unwrap();
    let mut longest = Duration::ZERO;
    for call in calls {
        let (status, took) = call.await.unwrap();
        assert!(status == 200 || status == 429);
        longest = longest.max(took);
    }
    assert!(longest <= 10 * SECOND, "{longest:?}");
}
