//! The facts of a request against the tree that serde makes of it, and what a fingerprint must not see.

use bytes::Bytes;
use claude_wire::facts::{Endpoint, RequestFacts, Shape};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const DEEPEST_BLOCK: u32 = 16;
const MOST_MEMBERS: usize = 64;

/// The bytes are the body of a request, and its path.
pub fn facts(data: &[u8]) {
    let facts = read(data);
    drop(format!("{facts:?} {facts:#?}"));
    assert!(facts.fingerprint().is_some(), "any bytes have one");
    let unread = RequestFacts::read(Endpoint::Files, Some(&Bytes::copy_from_slice(data)));
    assert!(unread.shape() == Shape::Unread && unread.fingerprint().is_some());
    // This goes as deep as the text does, and asks for JSON's grammar alone.
    let is_json = serde_json::from_slice::<IgnoredAny>(data).is_ok();
    assert!(facts.shape() == Shape::TooDeep || is_json == (facts.shape() != Shape::Malformed));
    if let Ok(body) = serde_json::from_slice(data) {
        agree(&facts, &body);
        printed_anew(&facts, &body);
        fingerprints(data, &facts, &body);
    }
    if let Ok(path) = std::str::from_utf8(data) {
        paths(path);
    }
}

fn read(body: &[u8]) -> RequestFacts {
    RequestFacts::read(Endpoint::Messages, Some(&Bytes::copy_from_slice(body)))
}

/// In both the last of several keys counts.
fn agree(facts: &RequestFacts, body: &Value) {
    assert_eq!(facts.shape() == Shape::NotAnObject, !body.is_object());
    assert_eq!(facts.model(), body["model"].as_str());
    assert_eq!(facts.is_stream(), body["stream"] == true);
    assert_eq!(facts.max_tokens(), body["max_tokens"].as_u64().or(body["max_tokens_to_sample"].as_u64()));
    assert_eq!(facts.user_id(), body["metadata"]["user_id"].as_str());
    assert_eq!(facts.cache_control_marks(), marks(body));
    assert_eq!(facts.is_stateful(), is_stateful(body));
    assert_eq!(facts.has_server_tools(), has_server_tools(body));
}

/// The same body as serde prints it has no key twice and no escape that need not be.
fn printed_anew(facts: &RequestFacts, body: &Value) {
    let anew = read(body.to_string().as_bytes());
    agree(&anew, body);
    if !body.is_object() {
        return;
    }
    assert_eq!(anew.shape(), if is_unexpected(body) { Shape::Unexpected } else { Shape::Object });
    assert_eq!(anew.is_ambiguous(), is_ambiguous(body));
    assert!(facts.is_ambiguous() || !anew.is_ambiguous(), "printing adds no doubt");
    let parts = ["system", "messages", "tools", "prompt"].map(|name| match &body[name] {
        other if name == "tools" && !other.is_array() => 0,
        _ if body.get(name).is_none() => 0,
        part => part.to_string().len() as u64,
    });
    assert_eq!(anew.prompt_bytes(), parts.iter().sum::<u64>());

    // Whoever the user is, the facts look the same.
    let mut other = body.clone();
    if let Some(user) = other.pointer_mut("/metadata/user_id").filter(|user| user.is_string()) {
        *user = json!("another");
        assert_eq!(format!("{:?}", read(other.to_string().as_bytes())), format!("{anew:?}"));
    }
}

/// A fingerprint passes over space around members, `stream` and `metadata`, and over nothing else.
fn fingerprints(data: &[u8], facts: &RequestFacts, body: &Value) {
    let members = body.as_object().map_or(0, serde_json::Map::len);
    let Some(open) = data.iter().position(|byte| *byte == b'{') else { return };
    if facts.is_ambiguous() || members == 0 || members == MOST_MEMBERS {
        return;
    }
    let with = |more: &str| {
        let (head, tail) = data.split_at(open + 1);
        read(&[b"\n", head, more.as_bytes(), tail, b" "].concat()).fingerprint()
    };
    for unseen in [" ", "\"stream\":true ,", "\"metadata\" :{\"user_id\":\"u\"},"] {
        assert_eq!(with(unseen), facts.fingerprint(), "with {unseen}");
    }
    for seen in ["\"streams\":true,", "\"\":null,"] {
        assert_ne!(with(seen), facts.fingerprint(), "with {seen}");
    }
}

/// What stands before `/v1/` makes no difference, and neither does a slash at the end.
fn paths(path: &str) {
    let endpoint = Endpoint::from_path(path);
    if path.contains("/v1/") {
        assert_eq!(Endpoint::from_path(&format!("/base/v1/more/{path}")), endpoint);
        assert_eq!(Endpoint::from_path(&format!("{path}/")), endpoint);
    } else {
        assert_eq!(endpoint, Endpoint::Other);
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn tools(body: &Value) -> impl Iterator<Item = &Value> {
    body["tools"].as_array().into_iter().flatten()
}

fn marks(body: &Value) -> u32 {
    let own = |value: &Value| u32::from(says_something(&value["cache_control"]));
    let blocks: u32 = ["system", "messages", "prompt"].iter().map(|name| block_marks(&body[*name], 0)).sum();
    own(body) + blocks + tools(body).map(own).sum::<u32>()
}

fn block_marks(value: &Value, level: u32) -> u32 {
    match value {
        Value::Array(blocks) if level < DEEPEST_BLOCK => {
            blocks.iter().map(|block| block_marks(block, level + 1)).sum()
        }
        Value::Object(_) if level < DEEPEST_BLOCK => {
            let inside = ["content", "source"].map(|name| block_marks(&value[name], level + 1));
            u32::from(says_something(&value["cache_control"])) + inside.iter().sum::<u32>()
        }
        _ => 0,
    }
}

fn is_stateful(body: &Value) -> bool {
    ["thread", "container", "fallback_credit_token"].iter().any(|name| says_something(&body[*name]))
        || says_something(&body["diagnostics"]["previous_message_id"])
}

fn has_server_tools(body: &Value) -> bool {
    let at_client = |kind: &str| {
        kind == "custom"
            || ["bash_", "text_editor_", "computer_", "memory_"].iter().any(|known| kind.starts_with(known))
    };
    says_something(&body["mcp_servers"])
        || tools(body).filter_map(|tool| tool["type"].as_str()).any(|kind| !at_client(kind))
}

/// Whether a field that is read has a type that the API does not take. `null` is taken for absent.
fn is_unexpected(body: &Value) -> bool {
    let text = |value: &Value| value.is_null() || value.is_string();
    let count = |value: &Value| value.is_null() || value.is_u64();
    let object = |value: &Value| value.is_null() || value.is_object();
    !(text(&body["model"])
        && (body["stream"].is_null() || body["stream"].is_boolean())
        && count(&body["max_tokens"])
        && count(&body["max_tokens_to_sample"])
        && object(&body["metadata"])
        && text(&body["metadata"]["user_id"])
        && object(&body["diagnostics"])
        && (body["tools"].is_null() || body["tools"].is_array())
        && tools(body).all(|tool| object(tool) && text(&tool["type"])))
}

/// Whether a body that serde printed is in doubt: more members than anybody compares, a key that must be escaped
/// where keys are read, or blocks deeper than anybody looks.
fn is_ambiguous(body: &Value) -> bool {
    body.as_object().is_some_and(|members| members.len() > MOST_MEMBERS)
        || [body, &body["metadata"], &body["diagnostics"]].into_iter().chain(tools(body)).any(has_escaped_key)
        || ["system", "messages", "prompt"].iter().any(|name| ambiguous_blocks(&body[*name], 0))
}

fn has_escaped_key(value: &Value) -> bool {
    let is_special = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
    value.as_object().is_some_and(|members| members.keys().any(|key| key.bytes().any(is_special)))
}

fn ambiguous_blocks(value: &Value, level: u32) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if level == DEEPEST_BLOCK => true,
        Value::Array(blocks) => blocks.iter().any(|block| ambiguous_blocks(block, level + 1)),
        Value::Object(_) => {
            has_escaped_key(value)
                || ["content", "source"].iter().any(|name| ambiguous_blocks(&value[*name], level + 1))
        }
        _ => false,
    }
}
