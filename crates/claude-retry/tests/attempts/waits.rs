//! How long it is waited before each attempt: after backoff, hints, and what layers below say. Exact, in paused time.

use std::time::{Duration, SystemTime};

use claude_retry::{Backoff, Reason, RetryLayer};
use claude_wire::call::Attempt;
use claude_wire::headers::MAX_RETRY_AFTER;
use tokio_test::{assert_pending, task};
use tower::{Layer, ServiceExt};

use crate::support::{
    Client, Deed, Step, coded, gave_up, io, millis, ok, plain, post, post_of_call, secs, send, status,
};

/// The waits after each of these failures, which a success follows.
async fn waits(layer: &RetryLayer, deeds: impl IntoIterator<Item = Deed>) -> Vec<Duration> {
    let client = Client::new(deeds.into_iter().chain([ok()]));
    assert_eq!(send(layer, &client, post()).await.unwrap().status(), 200);
    client.waits()
}

#[tokio::test(start_paused = true)]
async fn of_the_backoff() {
    let many = |deed: Deed| vec![deed; 7];
    let layer = plain().with_max_retries(7);
    let doubling = [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000].map(millis);
    for deed in [status(500), status(503), status(429), status(408), io(std::io::ErrorKind::ConnectionReset)]
    {
        assert_eq!(waits(&layer, many(deed)).await, doubling);
    }
    // Who is overloaded is left alone for a second at the least.
    let floored = [1_000, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000].map(millis);
    assert_eq!(waits(&layer, many(status(529))).await, floored);
    // It goes by the number of the retry, whatever came before.
    let mixed = [status(500), status(529), status(503), status(529)];
    assert_eq!(waits(&layer, mixed).await, [500, 1_000, 2_000, 4_000].map(millis));

    let own = Backoff::new(millis(10), millis(35)).unwrap().with_jitter(0.0).unwrap();
    let own = own.with_overload_floor(millis(15));
    let layer = layer.with_backoff(own);
    assert_eq!(waits(&layer, vec![status(500); 4]).await, [10, 20, 35, 35].map(millis));
    assert_eq!(waits(&layer, vec![status(529); 4]).await, [15, 20, 35, 35].map(millis));

    let patient = RetryLayer::patient().with_seed(1);
    let client = Client::new([status(500)]);
    drop(send(&patient, &client, post()).await.unwrap());
    assert_eq!(client.calls(), 6);
    for (wait, step) in client.waits().into_iter().zip([1, 2, 4, 8, 16]) {
        assert!(wait >= secs(step) * 3 / 4 && wait <= secs(step), "{wait:?} of {step}");
    }
}

/// Fri, 29 Sep 2023 16:26:37 UTC: the clock of the official SDK's own table.
fn wall_clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + secs(1_696_004_797)
}

/// What a server may say, and how long is waited after the first failure; half a second is the layer's own.
const HINTS: [(&[(&str, &str)], Duration); 34] = [
    (&[("retry-after", "20")], secs(20)),
    (&[("retry-after", "0")], millis(500)),
    (&[("retry-after", "-10")], millis(500)),
    (&[("retry-after", "60")], secs(60)),
    (&[("retry-after", "61")], secs(61)),
    (&[("retry-after", "99999999999999999999999999999999999")], MAX_RETRY_AFTER),
    (&[("retry-after", "inf")], MAX_RETRY_AFTER),
    (&[("retry-after", "nan")], millis(500)),
    (&[("retry-after", "Fri, 29 Sep 2023 16:26:57 GMT")], secs(20)),
    (&[("retry-after", "Fri, 29 Sep 2023 16:26:37 GMT")], millis(500)),
    (&[("retry-after", "Fri, 29 Sep 2023 16:26:27 GMT")], millis(500)),
    (&[("retry-after", "Fri, 29 Sep 2023 16:27:37 GMT")], secs(60)),
    (&[("retry-after", "Fri, 29 Sep 2023 16:27:38 GMT")], secs(61)),
    (&[("retry-after", "Zun, 29 Sep 2023 16:26:27 GMT")], millis(500)),
    (&[("retry-after", "")], millis(500)),
    // Not in that table.
    (&[("retry-after", "soon")], millis(500)),
    (&[("retry-after", "0.25")], millis(250)),
    (&[("retry-after", " 5 ")], secs(5)),
    (&[("retry-after", "1e2")], secs(100)),
    (&[("retry-after", "Sun, 06 Nov 9994 08:49:37 GMT")], MAX_RETRY_AFTER),
    (&[("retry-after", "3"), ("retry-after", "30")], secs(3)),
    // Milliseconds come first, unless they are of no use.
    (&[("retry-after-ms", "50")], millis(50)),
    (&[("retry-after-ms", "50"), ("retry-after", "2")], millis(50)),
    (&[("retry-after", "2"), ("retry-after-ms", "1500")], millis(1_500)),
    (&[("retry-after-ms", "0"), ("retry-after", "2")], secs(2)),
    (&[("retry-after-ms", "-1"), ("retry-after", "2")], secs(2)),
    (&[("retry-after-ms", "nan"), ("retry-after", "2")], secs(2)),
    (&[("retry-after-ms", "soon"), ("retry-after", "Fri, 29 Sep 2023 16:26:57 GMT")], secs(20)),
    // A date is against the response's own, where that is one.
    (&[("retry-after", "Fri, 29 Sep 2023 16:26:57 GMT"), ("date", "Fri, 29 Sep 2023 16:26:50 GMT")], secs(7)),
    (
        &[("retry-after", "Fri, 29 Sep 2023 16:26:57 GMT"), ("date", "Fri, 29 Sep 2023 16:26:57 GMT")],
        millis(500),
    ),
    (&[("retry-after", "Fri, 29 Sep 2023 16:26:57 GMT"), ("date", "garbage")], secs(20)),
    (
        &[("retry-after", "Wed, 01 Jan 2020 00:00:20 GMT"), ("date", "Wed, 01 Jan 2020 00:00:00 GMT")],
        secs(20),
    ),
    (&[("retry-after", "20"), ("date", "Wed, 01 Jan 2020 00:00:00 GMT")], secs(20)),
    (&[("retry-after-ms", "20"), ("date", "Wed, 01 Jan 2020 00:00:00 GMT")], millis(20)),
];

#[tokio::test(start_paused = true)]
async fn that_the_server_asks_for() {
    let layer = plain().with_wall_clock(wall_clock).with_max_wait(Duration::MAX);
    for (headers, expected) in HINTS {
        for code in [408, 409, 429, 500, 502, 503, 504, 529] {
            let mut deed = status(code);
            for &(name, value) in headers {
                deed = deed.header(name, value);
            }
            // 529 without a hint has its floor.
            let floored = if code == 529 && expected == millis(500) { secs(1) } else { expected };
            assert_eq!(waits(&layer, [deed]).await, [floored], "{code} {headers:?}");
        }
    }
}

/// A hint is of one answer. It counts for one wait, also below a backoff's.
#[tokio::test(start_paused = true)]
async fn a_hint_is_for_one_wait() {
    let hinted = |seconds: &str| status(503).header("retry-after", seconds);
    let deeds = [hinted("20"), status(503), hinted("0.001"), status(503)];
    let layer = plain().with_max_retries(4);
    assert_eq!(waits(&layer, deeds).await, [20_000, 1_000, 1, 4_000].map(millis));
}

/// What is waited longer than is allowed is not begun, and the caller sees for how long it would have been.
#[tokio::test(start_paused = true)]
async fn too_long_ones_are_not_begun() {
    let begun = tokio::time::Instant::now();
    for (limit, asked, is_too_long) in [
        (secs(300), "300", false),
        (secs(300), "300.001", true),
        (secs(300), "inf", true),
        (secs(5), "6", true),
    ] {
        let client = Client::new([status(429).header("retry-after", asked).saying("{}"), ok()]);
        let before = tokio::time::Instant::now();
        let response = send(&plain().with_max_wait(limit), &client, post()).await.unwrap();
        if is_too_long {
            assert_eq!(tokio::time::Instant::now(), before, "at once");
            assert_eq!((client.calls(), response.status().as_u16()), (1, 429));
            assert_eq!(gave_up(&response).unwrap().reason, Reason::LongWait);
            assert_eq!(response.headers()["retry-after"], asked, "the hint is the caller's");
        } else {
            assert_eq!((client.calls(), response.status().as_u16()), (2, 200));
        }
    }
    assert_eq!(tokio::time::Instant::now() - begun, secs(300));
    // The layer's own waits too.
    let client = Client::new([status(500)]);
    let response = send(&plain().with_max_wait(secs(1)), &client, post()).await.unwrap();
    assert_eq!((client.calls(), client.waits()), (3, vec![millis(500), secs(1)]));
    assert_eq!(gave_up(&response).unwrap().reason, Reason::LongWait);
    // And no wait at all is allowed where nothing is.
    let client = Client::new([status(500), ok()]);
    let response = send(&plain().with_max_wait(Duration::ZERO), &client, post()).await.unwrap();
    assert_eq!(gave_up(&response).unwrap().reason, Reason::LongWait);
}

/// What a layer says that makes the next attempt wait itself.
fn paused(attempt: &Attempt) {
    attempt.set_wait_handled(true);
}

/// Another limit group knows nothing of this failure, and whoever has paused the group makes the next attempt wait below.
#[tokio::test(start_paused = true)]
async fn layers_below_that_know_better() {
    let asked = || status(429).header("retry-after", "200");
    for deed in [asked(), status(529), io(std::io::ErrorKind::ConnectionRefused)] {
        for note in [Attempt::offer_alternative as fn(&Attempt), paused] {
            let deeds = vec![deed.clone().noting(note); 3];
            assert_eq!(waits(&plain(), deeds).await, [Duration::ZERO; 3]);
            // Also where the wait would be too long, or none is allowed.
            let layer = plain().with_max_wait(Duration::ZERO);
            assert_eq!(waits(&layer, [deed.clone().noting(note)]).await, [Duration::ZERO]);
        }
        let taken_back = deed.clone().noting(|attempt| {
            attempt.set_wait_handled(true);
            attempt.set_wait_handled(false);
        });
        assert_ne!(waits(&plain(), [taken_back]).await, [Duration::ZERO]);
    }
    // It is said of one attempt, and counts for the wait behind it.
    let deeds = [asked().noting(Attempt::offer_alternative), asked(), asked().noting(paused)];
    assert_eq!(waits(&plain(), deeds).await, [Duration::ZERO, secs(200), Duration::ZERO]);
}

/// From the moment that it is known that it failed: the reading of its body is no part of the wait, and neither is the
/// attempt.
#[tokio::test(start_paused = true)]
async fn from_the_end_of_the_failure() {
    let slow = status(500).after(secs(3)).streaming([Step::Sleep(secs(2)), Step::Data("{}".into())]);
    assert_eq!(waits(&plain(), [slow]).await, [millis(5_500)]);
    // An answer's body is waited for five seconds.
    let endless = status(500).streaming([Step::Data("{".into()), Step::Never]);
    assert_eq!(waits(&plain(), [endless]).await, [millis(5_500)]);
    let (request, call) = post_of_call();
    let client = Client::new([status(500).after(secs(3)), ok().after(secs(4))]);
    drop(send(&plain(), &client, request).await.unwrap());
    let told: Vec<_> = call.attempts().iter().map(|attempt| attempt.outcome().unwrap()).collect();
    assert_eq!((told[0].duration, told[0].wait), (secs(3), Some(millis(500))));
    assert_eq!((told[1].duration, told[1].wait), (secs(4), None));
}

/// Whoever could be asked at once instead is not kept waiting by a body that does not come.
#[tokio::test(start_paused = true)]
async fn for_a_body_are_short_where_another_limit_group_is_left() {
    let (piece, pause) = (|text: &str| Step::Data(text.to_owned().into()), |time| Step::Sleep(millis(time)));
    for (steps, expected) in [
        (vec![Step::Never], 100),
        (vec![piece("{"), Step::Never], 100),
        (vec![pause(101), piece("{}")], 100),
        // All of it together.
        (vec![piece("{"), pause(60), piece(" "), pause(60), piece("}")], 100),
        (vec![pause(99), piece("{}")], 99),
        (vec![piece("{}")], 0),
    ] {
        let stalled = status(529).streaming(steps);
        let offered = stalled.clone().noting(Attempt::offer_alternative);
        assert_eq!(waits(&plain(), [offered]).await, [millis(expected)]);
        // With nobody else to ask it is waited for as ever, also if the pause is somebody else's affair.
        let handled = waits(&plain(), [stalled.noting(paused)]).await;
        assert!(handled != [millis(100)] && handled[0] <= secs(5), "{handled:?}");
    }
    // Each has its own.
    let stalled = || status(529).streaming([Step::Never]).noting(Attempt::offer_alternative);
    let (request, call) = post_of_call();
    let client = Client::new([stalled(), stalled(), status(529).streaming([Step::Never]), ok()]);
    drop(send(&plain(), &client, request).await.unwrap());
    assert_eq!(client.waits(), [100, 100, 5_000 + 2_000].map(millis));
    assert_eq!(call.attempts()[0].outcome().unwrap().wait, Some(Duration::ZERO));
    // What it says in time is heard.
    let spent = coded("rate_limit_error", "enforced_spend_limit_reached");
    let steps = [pause(50), piece(&spent)];
    let client = Client::new([status(429).streaming(steps).noting(Attempt::offer_alternative)]);
    let response = send(&plain(), &client, post()).await.unwrap();
    assert_eq!((client.calls(), gave_up(&response)), (1, None));
}

/// Attempts that nothing waits between keep no other task out.
#[tokio::test(start_paused = true)]
async fn of_no_time_yield() {
    let failures: [fn() -> Deed; 3] =
        [|| status(529), || status(503).saying("{}"), || io(std::io::ErrorKind::ConnectionRefused)];
    for failure in failures {
        for note in [paused as fn(&Attempt), Attempt::offer_alternative] {
            let client = Client::new([failure().noting(note)]);
            let layer = plain().with_max_retries(29);
            let mut call = task::spawn(layer.layer(client.clone()).oneshot(post()));
            for calls in [8, 16, 24] {
                assert_pending!(call.poll());
                assert!(call.is_woken(), "or it would never go on");
                assert_eq!(client.calls(), calls);
            }
            assert!(call.poll().is_ready());
            assert_eq!((client.calls(), client.waits()), (30, vec![Duration::ZERO; 29]));
        }
    }
    // Others come to their turn, and the deadline to its own.
    let client = Client::new([status(529).noting(paused)]);
    let layer = plain().with_max_retries(u32::MAX).with_timeout(secs(1));
    let mut call = task::spawn(layer.layer(client.clone()).oneshot(post()));
    assert_pending!(call.poll());
    tokio::time::advance(secs(1)).await;
    assert!(call.poll().is_ready());
    assert_eq!(client.calls(), 8);
}
