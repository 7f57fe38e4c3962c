//! Thinking that comes back: it must be as it was.

use serde_json::Value;

use super::fields::{self, Object};
use super::seal::holds;
use crate::errors::ApiError;

const CHANGED: &str = "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. \
     These blocks must remain as they were in the original response.";

/// Checks the latest message of the assistant. Thinking of earlier ones is not looked at, nor can it be seen that the
/// last thinking of a message was dropped.
pub(super) fn check_thinking(messages: &[Value]) -> Result<(), ApiError> {
    let latest = messages.iter().enumerate().rfind(|(_, message)| message["role"] == "assistant");
    let Some((index, message)) = latest else { return Ok(()) };
    let blocks = message["content"].as_array().into_iter().flatten().enumerate();
    let thinking = blocks.filter_map(|(at, block)| Some((at, Thought::of(block.as_object()?)?)));
    for (place, (at, thought)) in thinking.enumerate() {
        if !holds(thought.seal, place, thought.text) {
            return Err(fields::wrong(&format!("messages.{index}.content.{at}"), CHANGED));
        }
    }
    Ok(())
}

struct Thought<'a> {
    text: &'a str,
    seal: &'a str,
}

impl<'a> Thought<'a> {
    fn of(block: &'a Object) -> Option<Self> {
        let text = |name| block.get(name).and_then(Value::as_str).unwrap_or_default();
        match block.get("type")?.as_str()? {
            "thinking" => Some(Self { text: text("thinking"), seal: text("signature") }),
            "redacted_thinking" => Some(Self { text: "", seal: text("data") }),
            _ => None,
        }
    }
}
