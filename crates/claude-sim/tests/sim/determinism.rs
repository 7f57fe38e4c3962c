//! The seed and the number of a request decide everything.

use claude_sim::Simulator;
use serde_json::json;

use crate::support::{ask, full, get, send, weather};

async fn session(seed: u64) -> Vec<(String, Vec<u8>)> {
    let simulator = Simulator::builder().with_seed(seed).with_still_date().build();
    let mut seen = Vec::new();
    for request in [
        ask(&json!({})),
        ask(&json!({"stream": true, "thinking": {"type": "adaptive"}})),
        ask(&json!({"tools": weather(), "stream": true})),
        ask(&json!({"model": "nobody"})),
        full(get("/v1/models"), ""),
        ask(&json!({})),
    ] {
        let answer = send(&simulator, request).await;
        seen.push((format!("{:?}", answer.headers), answer.body.to_vec()));
    }
    seen
}

#[tokio::test]
async fn the_same_seed_answers_the_same() {
    let first = session(7).await;
    assert_eq!(first, session(7).await);
    assert_ne!(first[0], first[5], "the same request twice is two messages");
    let other = session(8).await;
    for index in [0, 1, 2, 3] {
        assert_ne!(first[index].1, other[index].1);
    }
}

#[tokio::test]
async fn request_ids_depend_on_the_number_alone() {
    let ids = async |requests: Vec<_>| {
        let simulator = Simulator::builder().with_seed(3).build();
        let mut ids = Vec::new();
        for request in requests {
            ids.push(send(&simulator, request).await.header("request-id").to_owned());
        }
        ids
    };
    let messages =
        ids(vec![ask(&json!({})), ask(&json!({"stream": true})), ask(&json!({"max_tokens": 1}))]).await;
    let others = ids(vec![full(get("/"), ""), full(get("/v1/models"), ""), ask(&json!({"model": 1}))]).await;
    assert_eq!(messages, others);
    assert_ne!(messages[0], messages[1]);
    assert!(messages.iter().all(|id| id.len() == 28 && id.starts_with("req_011C")));
}
