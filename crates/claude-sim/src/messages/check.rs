//! The conversation: whether it has the form that the API takes, and what of it the answer is made from.

use serde_json::Value;

use super::fields::{self, Object};
use super::replay;
use super::request::Version;
use crate::errors::ApiError;

/// The API's limit.
const MAX_MESSAGES: usize = 100_000;

/// How much of the last user text is kept.
const MAX_EXCERPT_CHARS: usize = 200;

/// The types of blocks that a message may have on 2026-11-22, by the request parameters of the Python SDK 2.12.0; in
/// the last line what only responses are documented to have, and comes back with the conversation.
const BLOCKS: &[&str] = &[
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "tool_addition",
    "tool_removal",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "container_upload",
    "mcp_tool_use",
    "mcp_tool_result",
    "mcp_tool_listing",
    "advisor_tool_result",
    "compaction",
    "fallback",
    "connector_text",
];

pub(super) struct Conversation {
    /// The beginning of the last text that a user wrote.
    pub(super) excerpt: String,
    /// Whether the last message brings results of tools.
    pub(super) brings_results: bool,
    /// Whether the model is in the middle of its turn: after results, or after what it said itself.
    pub(super) goes_on: bool,
    /// Whether the last message is the beginning of an answer, for the model to go on with. A turn that was paused
    /// is none: it ends in the work of the server's tools.
    pub(super) prefills: bool,
}

pub(super) fn conversation(messages: &Value, version: &Version) -> Result<Conversation, ApiError> {
    let messages = fields::list(messages, "messages")?;
    match messages.len() {
        0 => return Err(fields::wrong("messages", "at least one message is required")),
        length if length > MAX_MESSAGES => {
            return Err(fields::wrong("messages", "at most 100000 messages are allowed"));
        }
        _ => {}
    }
    let mut conversation =
        Conversation { excerpt: String::new(), brings_results: false, goes_on: false, prefills: false };
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages.{index}");
        let message = fields::object(message, &at)?;
        let role = fields::string(fields::required(message, &at, "role")?, &fields::path(&at, "role"))?;
        if !matches!(role, "user" | "assistant" | "system") {
            let complaint = "Input should be 'user', 'assistant' or 'system'";
            return Err(fields::wrong(&fields::path(&at, "role"), complaint));
        }
        let content = fields::required(message, &at, "content")?;
        let mut said = Said { text: None, brings_results: false, last: "text" };
        said.read(content, &fields::path(&at, "content"), role, version)?;
        if let (Some(text), "user") = (said.text, role) {
            conversation.excerpt = text.chars().take(MAX_EXCERPT_CHARS).collect();
        }
        conversation.brings_results = said.brings_results;
        conversation.goes_on = said.brings_results || role == "assistant";
        conversation.prefills = role == "assistant" && !is_work_of_the_server(said.last);
    }
    replay::check_thinking(messages)?;
    Ok(conversation)
}

/// The system prompt: a text, or blocks of text.
pub(super) fn system(body: &Object) -> Result<(), ApiError> {
    let Some(system) = fields::optional(body, "system").filter(|system| !system.is_string()) else {
        return Ok(());
    };
    for (index, block) in fields::list(system, "system")?.iter().enumerate() {
        let at = format!("system.{index}");
        let block = fields::object(block, &at)?;
        fields::string(fields::required(block, &at, "text")?, &fields::path(&at, "text"))?;
    }
    Ok(())
}

/// What one message says.
struct Said<'a> {
    text: Option<&'a str>,
    brings_results: bool,
    /// The kind of its last block.
    last: &'a str,
}

impl<'a> Said<'a> {
    fn read(&mut self, content: &'a Value, at: &str, role: &str, version: &Version) -> Result<(), ApiError> {
        if let Some(text) = content.as_str() {
            self.text = Some(text);
            return Ok(());
        }
        for (index, block) in fields::list(content, at)?.iter().enumerate() {
            let at = format!("{at}.{index}");
            let block = fields::object(block, &at)?;
            let kind = fields::string(fields::required(block, &at, "type")?, &fields::path(&at, "type"))?;
            if !BLOCKS.contains(&kind) {
                return Err(fields::wrong(
                    &at,
                    &format!("Input tag '{kind}' does not match any of the expected tags"),
                ));
            }
            if version.strict {
                check_strictly(block, kind, role, &at)?;
            }
            self.last = kind;
            match kind {
                "text" => {
                    let text = fields::required(block, &at, "text")?;
                    self.text = Some(fields::string(text, &fields::path(&at, "text"))?);
                }
                "tool_result" => self.brings_results = true,
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_work_of_the_server(kind: &str) -> bool {
    matches!(kind, "server_tool_use" | "mcp_tool_use" | "compaction") || kind.ends_with("_tool_result")
}

/// What version 2026-10-21 no longer takes.
fn check_strictly(block: &Object, kind: &str, role: &str, at: &str) -> Result<(), ApiError> {
    let cited = || block.get("citations").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    match (kind, role) {
        ("document", "assistant") => {
            Err(fields::wrong(at, "document blocks are not supported in assistant messages"))
        }
        ("text", "user") if cited() => {
            Err(fields::wrong(&fields::path(at, "citations"), "not supported in user messages"))
        }
        _ => Ok(()),
    }
}
