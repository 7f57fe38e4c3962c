//! Callers that leave, at every stage.

use std::time::Duration;

use claude_sim::{Fault, Pace, Simulator};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use super::stream;
use crate::support::ask;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn at_any_moment() {
    let pace = Pace::instant()
        .with_first_token(3 * SECOND)
        .with_tokens_per_second(20.try_into().unwrap())
        .with_pings(SECOND);
    for fault in [
        Fault::none(),
        Fault::stall_headers(2 * SECOND),
        Fault::stall_headers(Duration::MAX),
        Fault::stall_first_event(2 * SECOND).with_pings(SECOND / 2),
        Fault::stall_between_events(2, Duration::MAX),
        Fault::internal().after_execution().and(Fault::stall_headers(SECOND)),
        Fault::drip(3.try_into().unwrap(), SECOND / 10).and(Fault::gzip_unasked()),
        Fault::reset_mid_event(9).and(Fault::cut_randomly()),
        Fault::wrong_length(-4),
    ] {
        let simulator = Simulator::builder().with_pace(pace).build();
        for quarters in 0..60 {
            for request in [stream(), ask(&json!({}))] {
                simulator.fail_with([fault.clone()]);
                let call = async {
                    let body = simulator.clone().oneshot(request).await.unwrap().into_body();
                    body.collect().await.ok();
                };
                tokio::time::timeout(quarters * SECOND / 4, call).await.ok();
                assert_eq!(simulator.in_flight(), 0, "{fault} after {quarters} quarters of a second");
            }
        }
        assert_eq!((simulator.max_in_flight(), simulator.arrived()), (1, 120));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_until_then_is_billed() {
    let pace = Pace::instant().with_first_token(SECOND).with_tokens_per_second(1.try_into().unwrap());
    let output = async |request, seconds| {
        let simulator = Simulator::builder().with_pace(pace).build();
        let call =
            async { simulator.clone().oneshot(request).await.unwrap().into_body().collect().await.ok() };
        tokio::time::timeout(seconds * SECOND, call).await.ok();
        simulator.bill()[0].tokens.output
    };
    let early = output(stream(), 2).await;
    let late = output(stream(), 12).await;
    assert!(early < late && late < 20, "{early} {late}");
    // A whole message has come as far, though nobody has seen it.
    assert_eq!(output(ask(&json!({})), 2).await, early);
    assert_eq!(output(ask(&json!({})), 12).await, late);
    assert!(output(ask(&json!({})), 2_000).await > 20);
}
