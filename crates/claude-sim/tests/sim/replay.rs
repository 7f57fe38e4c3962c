//! Thinking that comes back with the conversation.

use claude_sim::{Block, Reply, Simulator};
use serde_json::{Value, json};

use crate::support::{ask, message, send};

async fn thoughts() -> Vec<Value> {
    let simulator = Simulator::builder().with_seed(4).build();
    simulator.script([Reply::of([
        Block::thinking("é1"),
        Block::omitted_thinking("2"),
        Block::redacted_thinking("3"),
        Block::text("x"),
        Block::tool_use("now", json!({})),
    ])]);
    message(&simulator, &json!({})).await["content"].as_array().unwrap().clone()
}

async fn replay(content: &[Value], later: &[Value]) -> (u16, String) {
    let result =
        json!({"type": "tool_result", "tool_use_id": content.last().unwrap()["id"], "content": "noon"});
    let mut messages = vec![
        json!({"role": "user", "content": "When?"}),
        json!({"role": "assistant", "content": content}),
        json!({"role": "user", "content": [result]}),
    ];
    messages.extend_from_slice(later);
    // Another simulator knows it too: what is bound to an account is dropped silently elsewhere.
    let answer = send(&Simulator::new(), ask(&json!({"messages": messages}))).await;
    (answer.status.as_u16(), answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn it_may_come_back_as_it_was() {
    let content = thoughts().await;
    assert_eq!(replay(&content, &[]).await, (200, String::new()));
}

#[tokio::test]
async fn it_must_not_be_edited_reordered_or_dropped() {
    let content = thoughts().await;
    let mut edits: Vec<(usize, Vec<Value>)> = Vec::new();
    for (index, field) in [(0, "thinking"), (0, "signature"), (1, "thinking"), (1, "signature"), (2, "data")]
    {
        for text in ["", "[REDACTED]", "EpA"] {
            let mut edited = content.clone();
            if edited[index][field] != text {
                edited[index][field] = json!(text);
                edits.push((index, edited));
            }
        }
    }
    let mut swapped = content.clone();
    swapped.swap(0, 1);
    edits.push((0, swapped));
    edits.push((0, content[1..].to_vec()));
    for (index, edited) in edits {
        let (status, said) = replay(&edited, &[]).await;
        assert_eq!(status, 400, "{edited:?}");
        let start = format!("messages.1.content.{index}: `thinking` or `redacted_thinking` blocks");
        assert!(said.starts_with(&start) && said.contains("cannot be modified"), "{said}");
    }
}

#[tokio::test]
async fn only_the_latest_turn_is_looked_at() {
    let mut content = thoughts().await;
    content[0]["thinking"] = json!("edited");
    let later =
        [json!({"role": "assistant", "content": "Noon."}), json!({"role": "user", "content": "Thanks"})];
    assert_eq!(replay(&content, &later).await.0, 200);
}
