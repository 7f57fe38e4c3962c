//! An independent reader of streams: it knows the documented grammar and nothing of the simulator.

use serde_json::{Value, json};

/// One event of a stream.
pub(crate) struct Event {
    pub(crate) name: String,
    /// The data as it came.
    pub(crate) raw: String,
    pub(crate) data: Value,
}

/// Cuts a stream into events. Every one must be two lines and an empty one.
pub(crate) fn events(body: &[u8]) -> Result<Vec<Event>, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let mut rest = text;
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (event, after) = rest.split_once("\n\n").ok_or("the last event has no end")?;
        rest = after;
        let (name, raw) = event.split_once('\n').ok_or_else(|| format!("one line: {event}"))?;
        let name = name.strip_prefix("event: ").ok_or_else(|| format!("no name: {event}"))?;
        let raw = raw.strip_prefix("data: ").ok_or_else(|| format!("no data: {event}"))?;
        let data: Value = serde_json::from_str(raw).map_err(|error| format!("{error}: {raw}"))?;
        if data["type"] != name {
            return Err(format!("{name} carries {raw}"));
        }
        events.push(Event { name: name.to_owned(), raw: raw.to_owned(), data });
    }
    Ok(events)
}

/// Checks the grammar, and puts the message together as an SDK does.
pub(crate) fn assemble(events: &[Event]) -> Result<Value, String> {
    let mut message = Value::Null;
    let mut open: Option<Open> = None;
    let mut ended = false;
    let mut stopped = false;
    for event in events {
        let data = &event.data;
        let unexpected = || Err(format!("unexpected {}", event.raw));
        if stopped || (message.is_null() && event.name != "message_start") {
            return unexpected();
        }
        match event.name.as_str() {
            "ping" => {}
            "message_start" if message.is_null() => {
                message = data["message"].clone();
                if message["content"] != json!([]) || !message["stop_reason"].is_null() {
                    return unexpected();
                }
            }
            "content_block_start" if open.is_none() && !ended => {
                let block = &data["content_block"];
                if block["type"] == "fallback" {
                    message["model"] = block["to"]["model"].clone();
                }
                let content = message["content"].as_array_mut().ok_or("no content")?;
                if data["index"] != content.len() {
                    return unexpected();
                }
                open = Some(Open { index: content.len(), ..Open::default() });
                content.push(block.clone());
            }
            "content_block_delta" => {
                let Some(open) = &mut open else { return unexpected() };
                if data["index"] != open.index {
                    return unexpected();
                }
                open.apply(&mut message["content"][open.index], &data["delta"])?;
            }
            "content_block_stop" => {
                let Some(open) = open.take() else { return unexpected() };
                if data["index"] != open.index {
                    return unexpected();
                }
                open.close(&mut message["content"][open.index])?;
            }
            "message_delta" if open.is_none() => {
                let delta = data["delta"].as_object().ok_or("no delta")?;
                if ended && delta["stop_reason"].is_null() {
                    return unexpected();
                }
                ended |= !delta["stop_reason"].is_null();
                for (name, value) in delta {
                    message[name] = value.clone();
                }
                let usage = data["usage"].as_object().ok_or("no usage")?;
                for (name, value) in usage.iter().filter(|(_, value)| !value.is_null()) {
                    message["usage"][name] = value.clone();
                }
            }
            "message_stop" if ended => stopped = true,
            _ => return unexpected(),
        }
    }
    if stopped { Ok(message) } else { Err("no message_stop".to_owned()) }
}

/// A block that has begun.
#[derive(Default)]
struct Open {
    index: usize,
    input: String,
    /// It has had a delta of a kind that comes once, and last.
    closed: bool,
}

const CALLS: [&str; 3] = ["tool_use", "server_tool_use", "mcp_tool_use"];

impl Open {
    fn apply(&mut self, block: &mut Value, delta: &Value) -> Result<(), String> {
        let wrong = || format!("{delta} in {block}");
        let kind = block["type"].as_str().ok_or_else(wrong)?.to_owned();
        if self.closed {
            return Err(wrong());
        }
        let field = match (kind.as_str(), delta["type"].as_str().ok_or_else(wrong)?) {
            ("text", "text_delta") => "text",
            ("thinking", "thinking_delta") => "thinking",
            ("thinking", "signature_delta") => {
                block["signature"] = delta["signature"].clone();
                self.closed = true;
                return Ok(());
            }
            ("text", "citations_delta") => {
                let citations = block["citations"].as_array_mut();
                citations.ok_or("citations where none were announced")?.push(delta["citation"].clone());
                return Ok(());
            }
            ("compaction", "compaction_delta") => {
                for field in ["content", "encrypted_content"] {
                    block[field] = delta[field].clone();
                }
                return Ok(());
            }
            (call, "input_json_delta") if CALLS.contains(&call) => {
                self.input.push_str(delta["partial_json"].as_str().ok_or_else(wrong)?);
                return Ok(());
            }
            _ => return Err(wrong()),
        };
        let piece = delta[field].as_str().ok_or_else(wrong)?;
        let text = block[field].as_str().ok_or_else(wrong)?;
        block[field] = format!("{text}{piece}").into();
        Ok(())
    }

    fn close(&self, block: &mut Value) -> Result<(), String> {
        let kind = block["type"].as_str().ok_or("no type")?.to_owned();
        if CALLS.contains(&kind.as_str()) {
            let input = if self.input.is_empty() { "{}" } else { &self.input };
            block["input"] = serde_json::from_str(input).map_err(|error| error.to_string())?;
        }
        if kind == "thinking" && !self.closed {
            return Err("thinking without a signature".into());
        }
        Ok(())
    }
}

/// Checks that the counts of a usage agree with each other.
pub(crate) fn check_usage(usage: &Value) -> Result<(), String> {
    let count = |value: &Value| value.as_u64().ok_or_else(|| format!("no count: {value} in {usage}"));
    let written = |value: &Value| {
        let split = &value["cache_creation"];
        let sum = count(&split["ephemeral_5m_input_tokens"])? + count(&split["ephemeral_1h_input_tokens"])?;
        if sum == count(&value["cache_creation_input_tokens"])? {
            Ok(())
        } else {
            Err(format!("the split is not the sum: {value}"))
        }
    };
    written(usage)?;
    let Some(iterations) = usage["iterations"].as_array() else { return Ok(()) };
    let has_fallback = iterations.iter().any(|iteration| iteration["type"] == "fallback_message");
    let serving = if has_fallback { "fallback_message" } else { "message" };
    for field in ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"] {
        let mut sum = 0;
        for iteration in iterations.iter().filter(|iteration| iteration["type"] == serving) {
            sum += count(&iteration[field])?;
            written(iteration)?;
        }
        if sum != count(&usage[field])? {
            return Err(format!("{field} of the iterations is {sum}: {usage}"));
        }
    }
    Ok(())
}

#[test]
fn the_checker_finds_faults() {
    let event = |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n");
    let start = event("message_start", r#","message":{"content":[],"stop_reason":null,"usage":{}}"#);
    let block = event("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#);
    let text = event("content_block_delta", r#","index":0,"delta":{"type":"text_delta","text":"a"}"#);
    let end = event("content_block_stop", r#","index":0"#);
    let delta = event("message_delta", r#","delta":{"stop_reason":"end_turn"},"usage":{}"#);
    let told =
        event("message_delta", r#","delta":{"stop_reason":null},"usage":{"output_tokens":3,"x":null}"#);
    let cited = event(
        "content_block_start",
        r#","index":0,"content_block":{"type":"text","text":"","citations":[]}"#,
    );
    let cite = event("content_block_delta", r#","index":0,"delta":{"type":"citations_delta","citation":7}"#);
    let input =
        event("content_block_delta", r#","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}"#);
    let call = event("content_block_start", r#","index":0,"content_block":{"type":"server_tool_use"}"#);
    let thinking = event(
        "content_block_start",
        r#","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}"#,
    );
    let signature =
        event("content_block_delta", r#","index":0,"delta":{"type":"signature_delta","signature":"s"}"#);
    let fallback = event(
        "content_block_start",
        r#","index":0,"content_block":{"type":"fallback","to":{"model":"other"}}"#,
    );
    let compaction = event("content_block_start", r#","index":0,"content_block":{"type":"compaction"}"#);
    let compact = |summary: &str| {
        let delta = format!(r#","index":0,"delta":{{"type":"compaction_delta","content":"{summary}"}}"#);
        event("content_block_delta", &delta)
    };
    let (first, second) = (compact("a"), compact("b"));
    let stop = event("message_stop", "");
    let check = |parts: &[&String]| {
        let stream: String = parts.iter().map(|part| part.as_str()).collect();
        events(stream.as_bytes()).and_then(|events| assemble(&events))
    };
    let good = check(&[&start, &block, &text, &text, &end, &delta, &stop]).unwrap();
    assert_eq!(good["content"][0]["text"], "aa");
    let good =
        check(&[&start, &told, &cited, &text, &cite, &cite, &end, &told, &delta, &delta, &stop]).unwrap();
    assert_eq!(
        (&good["content"][0]["citations"], &good["usage"]),
        (&json!([7, 7]), &json!({"output_tokens": 3}))
    );
    let good = check(&[&start, &fallback, &end, &delta, &stop]).unwrap();
    assert_eq!(good["model"], "other");
    let good = check(&[&start, &compaction, &first, &second, &end, &delta, &stop]).unwrap();
    assert_eq!(good["content"][0]["content"], "b");
    for bad in [
        &[&block, &text, &end, &delta, &stop][..],
        &[&start, &text, &delta, &stop],
        &[&start, &block, &delta, &stop],
        &[&start, &block, &end, &stop],
        &[&start, &block, &end, &delta],
        &[&start, &block, &block, &end, &delta, &stop],
        &[&start, &start, &delta, &stop],
        &[&start, &delta, &block, &end, &stop],
        &[&start, &delta, &stop, &stop],
        &[&start, &block, &told, &end, &delta, &stop],
        &[&start, &told, &stop],
        &[&start, &delta, &told, &stop],
        &[&start, &block, &cite, &end, &delta, &stop],
        &[&start, &fallback, &text, &end, &delta, &stop],
        &[&start, &call, &input, &end, &delta, &stop],
        &[&start, &thinking, &end, &delta, &stop],
        &[&start, &thinking, &signature, &signature, &end, &delta, &stop],
    ] {
        check(bad).unwrap_err();
    }
    for bad in
        ["event: ping\ndata: {}\n\n", "data: {}\n\n", "event: a\ndata: {\"type\":\"a\"}\n", "event: a\n\n"]
    {
        assert!(events(bad.as_bytes()).is_err(), "{bad}");
    }
}
