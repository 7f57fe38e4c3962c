//! Streams: their grammar, and that they say what a whole message says.

use std::num::NonZeroUsize;

use claude_sim::{Reply, Simulator};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::checker::{Event, assemble, events};
use crate::support::{FORCED, ask, message, send, weather};

async fn stream(simulator: &Simulator, fields: &Value) -> Vec<Event> {
    let mut fields = fields.clone();
    fields["stream"] = json!(true);
    let answer = send(simulator, ask(&fields)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    events(&answer.body).unwrap()
}

fn deltas<'a>(events: &'a [Event], kind: &str) -> Vec<&'a Value> {
    events.iter().map(|event| &event.data["delta"]).filter(|delta| delta["type"] == kind).collect()
}

#[tokio::test]
async fn the_head_is_that_of_a_stream() {
    let answer = send(&Simulator::new(), ask(&json!({"stream": true}))).await;
    assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("vary"), "Accept-Encoding");
    assert!(answer.headers.get("content-length").is_none());
    assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), "1000");
}

#[tokio::test]
async fn a_stream_says_what_the_whole_message_says() {
    for fields in [
        json!({}),
        json!({"max_tokens": 1}),
        json!({"max_tokens": 40}),
        json!({"stop_sequences": ["漢字"]}),
        json!({"thinking": {"type": "adaptive"}}),
        json!({"thinking": {"type": "adaptive", "display": "omitted"}}),
        json!({"thinking": {"type": "adaptive"}, "tools": weather()}),
        json!({"model": FORCED, "tools": weather(), "tool_choice": {"type": "any"}}),
        json!({"tools": [{"name": "now", "input_schema": {"type": "object"}}]}),
        json!({"messages": [{"role": "user", "content": "\"\\\n\u{0}\u{2028}🦀"}]}),
    ] {
        for seed in 0..20 {
            let whole = message(&Simulator::builder().with_seed(seed).build(), &fields).await;
            let events = stream(&Simulator::builder().with_seed(seed).build(), &fields).await;
            assert_eq!(assemble(&events).unwrap(), whole, "{fields}");
        }
    }
}

#[tokio::test]
async fn the_first_usage_is_a_beginning_and_the_last_one_cumulative() {
    let simulator = Simulator::new();
    simulator.script([Reply::echo().with_cache_read(9).with_cache_written(4, 3)]);
    let events = stream(&simulator, &json!({"thinking": {"type": "adaptive"}})).await;
    let start = &events[0].data["message"]["usage"];
    assert_eq!(start["output_tokens"], 1);
    assert_eq!(start["cache_creation"]["ephemeral_1h_input_tokens"], 3);
    let delta = &events[events.len() - 2].data["usage"];
    assert!(delta["output_tokens"].as_u64().unwrap() > 1);
    assert!(delta["output_tokens_details"]["thinking_tokens"].as_u64().unwrap() > 1);
    for field in ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"] {
        assert_eq!(start[field], delta[field]);
    }
    assert!(delta.get("cache_creation").is_none() && delta.get("service_tier").is_none());
}

#[tokio::test]
async fn pieces_are_of_the_documented_kinds() {
    let simulator = Simulator::new();
    let thought = stream(&simulator, &json!({"thinking": {"type": "adaptive"}})).await;
    assert!(deltas(&thought, "thinking_delta").len() > 1);
    assert_eq!(deltas(&thought, "signature_delta").len(), 1);
    assert!(deltas(&thought, "text_delta").len() > 2);
    let omitted = stream(&simulator, &json!({"thinking": {"type": "adaptive", "display": "omitted"}})).await;
    assert_eq!(deltas(&omitted, "thinking_delta").len(), 0);
    assert_eq!(deltas(&omitted, "signature_delta").len(), 1);
    let called =
        stream(&simulator, &json!({"model": FORCED, "tools": weather(), "tool_choice": {"type": "any"}}))
            .await;
    let inputs = deltas(&called, "input_json_delta");
    assert!(inputs.len() > 1);
    assert_eq!(inputs[0]["partial_json"], "");
    let first_start = called.iter().position(|event| event.name == "content_block_start").unwrap();
    assert_eq!(called[first_start + 1].name, "ping");
}

#[tokio::test]
async fn pings_come_between_events_too() {
    let simulator = Simulator::new();
    let events = stream(&simulator, &json!({"max_tokens": 4096, "thinking": {"type": "adaptive"}})).await;
    let mut pings = events.iter().filter(|event| event.name == "ping").count();
    for _ in 0..40 {
        pings += stream(&simulator, &json!({})).await.iter().filter(|event| event.name == "ping").count();
    }
    assert!(pings > 45, "{pings}");
    assert_eq!(events[1].name, "content_block_start", "none before content");
}

#[tokio::test]
async fn data_is_padded_before_the_last_brace() {
    let events = stream(&Simulator::new(), &json!({"max_tokens": 400})).await;
    let padding =
        |event: &Event| event.raw.trim_end_matches('}').len() - event.raw.trim_end_matches(['}', ' ']).len();
    let mut seen: Vec<usize> = events.iter().map(padding).collect();
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 4, "{seen:?}");
}

#[tokio::test]
async fn nothing_to_say_is_a_stream_too() {
    let simulator = Simulator::new();
    simulator.script([Reply::text("")]);
    let events = stream(&simulator, &json!({})).await;
    assert_eq!(assemble(&events).unwrap()["content"], json!([]));
}

#[tokio::test]
async fn frames_are_events_unless_they_are_cut() {
    let fields = json!({"stream": true});
    let whole = send(&Simulator::new(), ask(&fields)).await.body;
    let mut body = Simulator::new().oneshot(ask(&fields)).await.unwrap().into_body();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.starts_with(b"event: ") && data.ends_with(b"\n\n"));
    }
    assert!(body.is_end_stream());

    for size in [1, 7, 1000, 1 << 20] {
        let cut = Simulator::builder().with_frame_bytes(NonZeroUsize::new(size).unwrap()).build();
        let mut body = cut.oneshot(ask(&fields)).await.unwrap().into_body();
        let mut joined = Vec::new();
        while !body.is_end_stream() {
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(data.len() == size || body.is_end_stream());
            joined.extend_from_slice(&data);
        }
        assert!(body.frame().await.is_none());
        assert_eq!(joined, whole);
    }
}

#[tokio::test]
async fn a_large_answer_streams() {
    let simulator = Simulator::builder().with_reply(Reply::of_length(1 << 20).ignoring_max_tokens()).build();
    let message = assemble(&stream(&simulator, &json!({})).await).unwrap();
    assert_eq!(message["content"][0]["text"].as_str().unwrap().len(), 1 << 20);
}
