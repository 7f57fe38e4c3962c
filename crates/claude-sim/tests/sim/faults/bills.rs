//! What is billed of what goes wrong, with both settings.

use std::time::Duration;

use claude_sim::{Fault, Reply, Simulator, TokenCounts};
use serde_json::json;

use super::{stream, watch};
use crate::support::ask;

async fn billed(fault: Fault, streamed: bool, failed: bool, lost: bool) -> Option<TokenCounts> {
    let simulator = Simulator::builder()
        .with_failed_streams_billed(failed)
        .with_lost_answers_billed(lost)
        .with_reply(Reply::of_length(700))
        .build();
    simulator.fail_next(1, fault);
    let request = if streamed { stream() } else { ask(&json!({})) };
    watch(&simulator, request).await;
    assert_eq!(simulator.in_flight(), 0);
    simulator.bill().first().map(|line| line.tokens)
}

#[tokio::test(start_paused = true)]
async fn what_is_not_executed_is_not_billed() {
    for fault in [
        Fault::refuse(),
        Fault::reset_before_headers(),
        Fault::overloaded(),
        Fault::rate_limited(1),
        Fault::internal().without_json(),
        Fault::spend_cap().and(Fault::stall_headers(Duration::from_secs(9))),
    ] {
        for streamed in [false, true] {
            assert_eq!(billed(fault.clone(), streamed, true, true).await, None, "{fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_billed_by_setting() {
    for fault in [
        Fault::internal().after_execution(),
        Fault::overloaded().after_execution().without_json(),
        Fault::reset_before_headers().after_execution(),
    ] {
        for streamed in [false, true] {
            let whole = billed(Fault::none(), streamed, true, true).await;
            assert_eq!(whole.unwrap().output, 200);
            assert_eq!(billed(fault.clone(), streamed, false, true).await, whole, "{fault}");
            assert_eq!(billed(fault.clone(), streamed, true, false).await, None, "{fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_is_billed_by_setting() {
    let whole = billed(Fault::none(), true, true, true).await.unwrap();
    for (fault, least) in [
        (Fault::error_event("api_error"), 0),
        (Fault::error_event("api_error").at_the_start(), 0),
        (Fault::error_event("api_error").after_content_events(3), 3),
        (Fault::reset_after_headers(), 0),
        (Fault::reset_mid_event(6), 1),
        (Fault::reset_mid_event(9_999), 200),
    ] {
        let tokens = billed(fault.clone(), true, true, false).await.unwrap();
        assert_eq!(tokens.input, whole.input);
        assert!((least..=200).contains(&tokens.output), "{fault}: {}", tokens.output);
        assert!(tokens.output == 200 || tokens.output < 100, "{fault}: {}", tokens.output);
        assert_eq!(billed(fault.clone(), true, false, true).await, None, "{fault}");
    }
    for fault in [Fault::error_event("api_error"), Fault::reset_mid_event(1)] {
        assert!(billed(fault.clone(), false, true, false).await.is_some());
        assert_eq!(billed(fault, false, false, true).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_only_damaged_is_billed_in_full() {
    for streamed in [false, true] {
        let whole = billed(Fault::none(), streamed, true, true).await;
        for fault in [
            Fault::truncated_json(),
            Fault::truncated_json_in_event(1),
            Fault::truncated_json_in_event(5),
            Fault::no_message_stop(),
            Fault::wrong_length(3),
            Fault::wrong_length(-3),
            Fault::gzip_unasked(),
            Fault::cut_randomly(),
            Fault::noise(),
            Fault::drip(7.try_into().unwrap(), Duration::from_millis(1)),
            Fault::stall_headers(Duration::from_secs(1)),
        ] {
            assert_eq!(billed(fault.clone(), streamed, false, false).await, whole, "{fault} {streamed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_leaves_its_prompt_in_the_cache() {
    let marked = json!([{"type": "text", "text": "x".repeat(8_000), "cache_control": {"type": "ephemeral"}}]);
    for fault in [Fault::internal().after_execution(), Fault::reset_before_headers().after_execution()] {
        for streamed in [false, true] {
            let simulator = Simulator::builder().with_reply(Reply::text("x")).build();
            simulator.fail_next(1, fault.clone());
            for _ in 0..2 {
                watch(&simulator, ask(&json!({"system": marked, "stream": streamed}))).await;
            }
            let tokens = simulator.bill()[0].tokens;
            assert!(tokens.cache_write_5m > 2_000, "{tokens:?}");
            assert_eq!(tokens.cache_read, tokens.cache_write_5m, "{fault}");
        }
    }
}
