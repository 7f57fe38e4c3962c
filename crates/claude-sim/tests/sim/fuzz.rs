//! Requests that are almost right.

use claude_sim::Simulator;
use fastrand::Rng;
use serde_json::json;

use crate::checker::{assemble, events};
use crate::support::{body, full, post, send, weather};

/// Whatever comes in, the answer is a message, a whole stream or an error in the API's shape.
#[tokio::test]
async fn mutations_of_a_request() {
    let valid = body(&json!({
        "stream": true, "tools": weather(), "tool_choice": {"type": "auto"}, "thinking": {"type": "adaptive"},
        "stop_sequences": ["漢"], "system": [{"type": "text", "text": "é"}], "speed": "fast", "inference_geo": "us",
    }))
    .to_string()
    .into_bytes();
    let tokens: [&[u8]; 18] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b":",
        b",",
        b"null",
        b"-1",
        b"1e999",
        b"0",
        b"true",
        b"false",
        b"\\ud800",
        b"\xff",
        b"\"type\"",
        b"\"tool_result\"",
        b"18446744073709551616",
    ];
    let simulator = Simulator::new();
    let mut rng = Rng::with_seed(11);
    let mut statuses = [0_usize; 6];
    for _ in 0..4_000 {
        let mut mutated = valid.clone();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..mutated.len());
            match rng.usize(..4) {
                0 => mutated[at] = rng.u8(..),
                1 => mutated.truncate(at + 1),
                2 => drop(mutated.splice(at..at, rng.choice(tokens).unwrap().iter().copied())),
                _ => {
                    let end = (at + rng.usize(..20)).min(mutated.len());
                    let value = rng.choice(tokens).unwrap().iter().copied();
                    drop(mutated.splice(at..end, value));
                }
            }
        }
        let answer = send(&simulator, full(post("/v1/messages"), mutated)).await;
        statuses[usize::from(answer.status.as_u16() / 100)] += 1;
        if answer.header("content-type").starts_with("text/event-stream") {
            assemble(&events(&answer.body).unwrap()).unwrap();
        } else if answer.status != 200 {
            assert_eq!(answer.json()["type"], "error");
        }
    }
    assert!(statuses[2] > 100 && statuses[4] > 100 && statuses[5] == 0, "{statuses:?}");
    assert_eq!(simulator.in_flight(), 0);
}
