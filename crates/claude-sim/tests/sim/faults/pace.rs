//! How fast messages are written.

use std::num::NonZeroU32;
use std::time::Duration;

use claude_sim::{Pace, Reply, Simulator};
use serde_json::json;

use super::{joined, stream, watch};
use crate::checker::{assemble, events};
use crate::support::ask;

fn pace() -> Pace {
    Pace::instant()
        .with_first_token(Duration::from_millis(800))
        .with_tokens_per_second(NonZeroU32::new(50).unwrap())
}

fn paced(pace: Pace) -> Simulator {
    let reply = Reply::of_length(2_800).ignoring_max_tokens();
    Simulator::builder().with_pace(pace).with_reply(reply).with_still_date().build()
}

/// 800 tokens, of which the first comes after 800 ms.
const ALL_WRITTEN: u64 = 800 + 799 * 20;

#[tokio::test(start_paused = true)]
async fn a_whole_message_comes_when_it_is_written() {
    let simulator = paced(pace());
    let seen = watch(&simulator, ask(&json!({}))).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, ALL_WRITTEN);
    assert_eq!(simulator.bill()[0].tokens.output, 800);
}

#[tokio::test(start_paused = true)]
async fn a_stream_comes_as_it_is_written() {
    let seen = watch(&paced(pace()), stream()).await;
    let mut written = 0_u64;
    for (time, frame) in &seen {
        let event = &events(frame.as_ref().unwrap()).unwrap()[0];
        let expected = match event.name.as_str() {
            "message_start" | "content_block_start" => 0,
            "ping" => continue,
            "content_block_delta" => {
                let tokens = (2 * written).div_ceil(7);
                written += event.data["delta"]["text"].as_str().unwrap().len() as u64;
                800 + 20 * tokens.saturating_sub(1)
            }
            _ => ALL_WRITTEN,
        };
        assert!(time.abs_diff(expected) <= 20, "{time} and not {expected}: {}", event.raw);
    }
    assert!(seen.len() > 40);
    assert_eq!(seen.last().unwrap().0, ALL_WRITTEN);
    assemble(&events(&joined(&seen).0).unwrap()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn pings_while_nothing_else_comes() {
    let slow = pace().with_first_token(Duration::from_secs(35)).with_pings(Duration::from_secs(10));
    let seen = watch(&paced(slow), stream()).await;
    let pings: Vec<u64> = seen
        .iter()
        .filter(|(_, frame)| frame.as_ref().unwrap().starts_with(b"event: ping"))
        .map(|(time, _)| *time)
        .collect();
    // After the first token the stream has the API's own.
    assert_eq!(pings[..4], [0, 10_000, 20_000, 30_000]);
    assert!(pings[4..].iter().all(|&time| time >= 35_000), "{pings:?}");
    assemble(&events(&joined(&seen).0).unwrap()).unwrap();
    // A whole message has no place for pings.
    assert_eq!(watch(&paced(slow), ask(&json!({}))).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_tokens_does_not_wait() {
    let simulator = paced(pace());
    for request in
        [ask(&json!({"model": "nobody"})), crate::support::full(crate::support::get("/v1/models"), "")]
    {
        assert!(watch(&simulator, request).await.iter().all(|(time, _)| *time == 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_finds_what_has_been_written() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let mut body = paced(pace()).oneshot(stream()).await.unwrap().into_body();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let started = tokio::time::Instant::now();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
    assert_eq!(tokio::time::Instant::now(), started);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_wait_at_the_same_time() {
    let simulator = paced(pace());
    let started = tokio::time::Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let simulator = simulator.clone();
        calls.spawn(async move { watch(&simulator, stream()).await.last().unwrap().0 });
    }
    while let Some(ended) = calls.join_next().await {
        assert_eq!(ended.unwrap(), ALL_WRITTEN);
    }
    assert_eq!(tokio::time::Instant::now() - started, Duration::from_millis(ALL_WRITTEN));
    assert_eq!((simulator.max_in_flight(), simulator.in_flight()), (200, 0));
}
