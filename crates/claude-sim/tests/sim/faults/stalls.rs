//! Answers that stand still.

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::time::Duration;

use claude_sim::{Fault, Simulator};
use serde_json::json;

use super::{Seen, failing, joined, right_events, stream, watch};
use crate::support::ask;

const MINUTE: Duration = Duration::from_secs(60);

fn times(seen: &Seen) -> Vec<u64> {
    seen.iter().map(|(time, _)| *time).collect()
}

fn is_ping(seen: &(u64, Result<bytes::Bytes, ErrorKind>)) -> bool {
    seen.1.as_ref().is_ok_and(|bytes| bytes.starts_with(b"event: ping"))
}

#[tokio::test(start_paused = true)]
async fn before_the_head() {
    for request in [stream(), ask(&json!({}))] {
        let seen = watch(&failing(Fault::stall_headers(MINUTE)), request.clone()).await;
        let right = watch(&Simulator::new(), request).await;
        assert!(times(&seen).iter().all(|&time| time == 60_000));
        assert_eq!(joined(&seen), joined(&right));
    }
    // Errors stall as well.
    let fault = Fault::overloaded().and(Fault::stall_headers(MINUTE));
    assert_eq!(times(&watch(&failing(fault), stream()).await), [60_000]);
    let fault = Fault::reset_before_headers().and(Fault::stall_headers(MINUTE));
    assert_eq!(watch(&failing(fault), stream()).await, [(60_000, Err(ErrorKind::ConnectionReset))]);
}

#[tokio::test(start_paused = true)]
async fn before_the_head_for_ever() {
    let simulator = failing(Fault::stall_headers(Duration::MAX));
    let waiting = tokio::time::timeout(86_400 * MINUTE, watch(&simulator, stream()));
    waiting.await.unwrap_err();
    assert_eq!((simulator.in_flight(), simulator.requests()[0].status), (0, None));
}

#[tokio::test(start_paused = true)]
async fn before_the_first_event() {
    let right = right_events().await;
    let seen = watch(&failing(Fault::stall_first_event(MINUTE)), stream()).await;
    assert_eq!(joined(&seen), (right.concat(), None));
    assert!(times(&seen).iter().all(|&time| time == 60_000));

    let pinging = Fault::stall_first_event(MINUTE).with_pings(Duration::from_secs(25));
    let seen = watch(&failing(pinging), stream()).await;
    assert_eq!(times(&seen)[..3], [25_000, 50_000, 60_000]);
    assert!(is_ping(&seen[0]) && is_ping(&seen[1]) && !is_ping(&seen[2]));
    assert_eq!(joined(&seen[2..].to_vec()).0, right.concat());

    let seen = watch(&failing(Fault::stall_first_event(MINUTE)), ask(&json!({}))).await;
    assert_eq!(times(&seen), [60_000]);
}

#[tokio::test(start_paused = true)]
async fn between_events() {
    let right = right_events().await;
    for after in [1, 3, right.len() - 1, right.len() + 5] {
        let fault = Fault::stall_between_events(u32::try_from(after).unwrap(), MINUTE);
        let seen = watch(&failing(fault.clone()), stream()).await;
        assert_eq!(joined(&seen), (right.concat(), None));
        let before = after.min(right.len() - 1);
        let expected = (0..right.len()).map(|index| if index < before { 0 } else { 60_000 });
        assert_eq!(times(&seen), expected.collect::<Vec<_>>());

        let seen = watch(&failing(fault.with_pings(Duration::from_secs(20))), stream()).await;
        let pings = &seen[before..before + 2];
        assert!(pings.iter().all(is_ping));
        assert_eq!(times(&pings.to_vec()), [20_000, 40_000]);
        assert_eq!(seen.len(), right.len() + 2);
    }
    let seen = watch(&failing(Fault::stall_between_events(1, MINUTE)), ask(&json!({}))).await;
    assert_eq!(times(&seen), [0, 60_000]);
}

#[tokio::test(start_paused = true)]
async fn for_ever_in_a_body() {
    let right = right_events().await;
    let seen = watch(&failing(Fault::stall_between_events(2, Duration::MAX)), stream()).await;
    assert_eq!(joined(&seen), (right[..2].concat(), Some(ErrorKind::TimedOut)));
    let seen = watch(&failing(Fault::stall_first_event(Duration::MAX)), ask(&json!({}))).await;
    assert_eq!(joined(&seen), (vec![], Some(ErrorKind::TimedOut)));

    // With pings there is always something to read, and never an event.
    let fault = Fault::stall_first_event(Duration::MAX).with_pings(Duration::from_secs(10));
    let simulator = failing(fault);
    let reading = tokio::time::timeout(Duration::from_secs(3_601), async {
        use http_body_util::BodyExt;
        use tower::ServiceExt;
        let mut body = simulator.clone().oneshot(stream()).await.unwrap().into_body();
        while let Some(frame) = body.frame().await {
            assert!(frame.unwrap().into_data().unwrap().starts_with(b"event: ping"));
        }
    });
    reading.await.unwrap_err();
    assert_eq!(simulator.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_does_not_wait_for_a_full_frame() {
    let simulator = Simulator::builder().with_frame_bytes(NonZeroUsize::MAX).build();
    simulator.fail_next(1, Fault::stall_between_events(2, MINUTE));
    let seen = watch(&simulator, stream()).await;
    let right = right_events().await;
    let expected = [(0, Ok(right[..2].concat().into())), (60_000, Ok(right[2..].concat().into()))];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn several_together() {
    let fault = Fault::stall_headers(MINUTE)
        .and(Fault::stall_first_event(MINUTE))
        .and(Fault::stall_between_events(2, MINUTE))
        .and(Fault::reset_mid_event(4));
    let seen = watch(&failing(fault), stream()).await;
    assert_eq!(times(&seen), [120_000, 120_000, 180_000, 180_000, 180_000]);
    assert_eq!(joined(&seen).1, Some(ErrorKind::ConnectionReset));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_waits_the_same() {
    let script = || {
        [
            Fault::stall_between_events(3, MINUTE)
                .with_pings(Duration::from_secs(7))
                .and(Fault::cut_randomly()),
            Fault::noise().and(Fault::drip(5.try_into().unwrap(), Duration::from_millis(3))),
            Fault::error_event("api_error").after_content_events(1).and(Fault::noise()),
            Fault::rate_limited(3).without_json(),
        ]
    };
    let session = async |seed| {
        let simulator = Simulator::builder().with_seed(seed).with_still_date().build();
        simulator.fail_with(script());
        let mut seen = Vec::new();
        for _ in script() {
            seen.push(watch(&simulator, stream()).await);
        }
        seen
    };
    let first = session(1).await;
    assert_eq!(first, session(1).await);
    assert_ne!(first, session(2).await);
}
