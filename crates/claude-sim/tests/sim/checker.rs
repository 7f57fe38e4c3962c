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
    let mut open: Option<(usize, String)> = None;
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
                let content = message["content"].as_array_mut().ok_or("no content")?;
                if data["index"] != content.len() {
                    return unexpected();
                }
                open = Some((content.len(), String::new()));
                content.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                let Some((index, input)) = &mut open else { return unexpected() };
                if data["index"] != *index {
                    return unexpected();
                }
                apply(&mut message["content"][*index], &data["delta"], input)?;
            }
            "content_block_stop" => {
                let Some((index, input)) = open.take() else { return unexpected() };
                if data["index"] != index {
                    return unexpected();
                }
                let block = &mut message["content"][index];
                if block["type"] == "tool_use" {
                    let input = if input.is_empty() { "{}" } else { &input };
                    block["input"] = serde_json::from_str(input).map_err(|error| error.to_string())?;
                }
            }
            "message_delta" if open.is_none() => {
                ended = true;
                for (name, value) in data["delta"].as_object().ok_or("no delta")? {
                    message[name] = value.clone();
                }
                for (name, value) in data["usage"].as_object().ok_or("no usage")? {
                    message["usage"][name] = value.clone();
                }
            }
            "message_stop" if ended => stopped = true,
            _ => return unexpected(),
        }
    }
    if stopped { Ok(message) } else { Err("no message_stop".to_owned()) }
}

fn apply(block: &mut Value, delta: &Value, input: &mut String) -> Result<(), String> {
    let wrong = || format!("{delta} in {block}");
    let field = match (block["type"].as_str(), delta["type"].as_str()) {
        (Some("text"), Some("text_delta")) => "text",
        (Some("thinking"), Some("thinking_delta")) => "thinking",
        (Some("thinking"), Some("signature_delta")) => {
            if block["signature"] != "" {
                return Err(wrong());
            }
            block["signature"] = delta["signature"].clone();
            return Ok(());
        }
        (Some("tool_use"), Some("input_json_delta")) => {
            input.push_str(delta["partial_json"].as_str().ok_or_else(wrong)?);
            return Ok(());
        }
        _ => return Err(wrong()),
    };
    let piece = delta[field].as_str().ok_or_else(wrong)?;
    let text = block[field].as_str().ok_or_else(wrong)?;
    block[field] = format!("{text}{piece}").into();
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
    let stop = event("message_stop", "");
    let check = |parts: &[&String]| {
        let stream: String = parts.iter().map(|part| part.as_str()).collect();
        events(stream.as_bytes()).and_then(|events| assemble(&events))
    };
    let good = check(&[&start, &block, &text, &text, &end, &delta, &stop]).unwrap();
    assert_eq!(good["content"][0]["text"], "aa");
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
    ] {
        check(bad).unwrap_err();
    }
    for bad in
        ["event: ping\ndata: {}\n\n", "data: {}\n\n", "event: a\ndata: {\"type\":\"a\"}\n", "event: a\n\n"]
    {
        assert!(events(bad.as_bytes()).is_err(), "{bad}");
    }
}
