//! Bodies and streams of the size and make that the API sees. The same on every run.

use std::fmt::Write as _;

use bytes::Bytes;
use fastrand::Rng;
use serde_json::{Value, json};

const WORDS: [&str; 32] = [
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "is",
    "that",
    "request",
    "budget",
    "model",
    "answer",
    "between",
    "every",
    "should",
    "because",
    "latency",
    "naïve",
    "question",
    "it",
    "we",
    "not",
    "for",
    "with",
    "retention",
    "customer",
    "on",
    "as",
    "paragraph",
    "über",
    "which",
    "summary",
];

const CODE: [&str; 12] = [
    "    let mut total = 0_u64;",
    "fn parse(line: &str) -> Option<(&str, u32)> {",
    "\tprintln!(\"{name}: {value:?}\");",
    "        assert_eq!(reader.next(), Some(\"first\\n\"));",
    "    }",
    "",
    "#[derive(Clone, Debug)]",
    "    if (options[\"verbose\"] === true) { console.log(\"done\"); }",
    "    match kind { \"text\" => Kind::Text, \"image\" => Kind::Image, _ => return None }",
    "\t\treturn fmt.Errorf(\"open %q: %w\", path, err)",
    "    // nothing is left to do here",
    "SELECT \"id\", \"name\" FROM \"users\" WHERE \"path\" LIKE 'C:\\\\%';",
];

/// What a request body is mostly made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Make {
    /// A conversation in plain prose.
    Prose,
    /// Source code in strings: an escape every few bytes.
    Code,
    /// One image in base64.
    Image,
    /// Schemas of tools, and many small blocks that use them.
    Tools,
}

impl Make {
    pub(crate) const ALL: [Self; 4] = [Self::Prose, Self::Code, Self::Image, Self::Tools];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Code => "code",
            Self::Image => "image",
            Self::Tools => "tools",
        }
    }
}

/// A request body of about `size` bytes, compact as the SDKs write it.
pub(crate) fn request(make: Make, size: usize) -> Bytes {
    let mut rng = Rng::with_seed(7);
    let system = prose(&mut rng, 120);
    let room = size.saturating_sub(system.len() + 200);
    let (messages, tools) = match make {
        Make::Prose | Make::Code => (conversation(&mut rng, make, room), String::new()),
        Make::Image => (image(&mut rng, room), String::new()),
        Make::Tools => {
            let tools = tools(&mut rng, (room / 2).min(24 * 1024));
            (agent(&mut rng, room.saturating_sub(tools.len())), tools)
        }
    };
    let system = Value::from(system);
    // The Python SDK's order of fields: the prompt on both sides of what is no part of its meaning.
    let mut body = format!(r#"{{"max_tokens":4096,"messages":[{messages}],"model":"claude-sonnet-5-5","#);
    body += r#""metadata":{"user_id":"user_0192f7c4"},"stream":true,"#;
    let written = write!(body, r#""system":{system},"temperature":0.7"#);
    written.expect("a String takes everything");
    if !tools.is_empty() {
        body += &format!(r#","tools":[{tools}]"#);
    }
    body.push('}');
    Bytes::from(body)
}

fn conversation(rng: &mut Rng, make: Make, room: usize) -> String {
    list(room, |index| {
        let length = rng.usize(200..1500).min(room);
        let text = if let Make::Code = make { code(rng, length) } else { prose(rng, length) };
        let role = if index % 2 == 0 { "user" } else { "assistant" };
        json!({"role": role, "content": text})
    })
}

fn image(rng: &mut Rng, room: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let data: String =
        (0..room.saturating_sub(200)).map(|_| char::from(ALPHABET[rng.usize(..ALPHABET.len())])).collect();
    let source = json!({"type": "base64", "media_type": "image/png", "data": data});
    let image = json!({"type": "image", "source": source});
    let text = json!({"type": "text", "text": "What does this picture show?"});
    json!({"role": "user", "content": [image, text]}).to_string()
}

fn tools(rng: &mut Rng, room: usize) -> String {
    list(room, |index| {
        let property = |kind: &str, rng: &mut Rng| json!({"type": kind, "description": prose(rng, 60)});
        let properties = json!({
            "path": property("string", rng),
            "limit": property("integer", rng),
            "recursive": property("boolean", rng),
        });
        json!({
            "name": format!("tool_{index}"),
            "description": prose(rng, 150),
            "input_schema": {"type": "object", "properties": properties, "required": ["path"]},
        })
    })
}

fn agent(rng: &mut Rng, room: usize) -> String {
    list(room, |index| {
        let id = format!("toolu_{index:020}");
        if index % 2 == 0 {
            let input = json!({"path": format!("src/part_{index}.rs"), "limit": index, "recursive": false});
            let text = json!({"type": "text", "text": prose(rng, 40)});
            let used = json!({"type": "tool_use", "id": id, "name": "tool_3", "input": input});
            json!({"role": "assistant", "content": [text, used]})
        } else {
            let result = json!({"type": "tool_result", "tool_use_id": id, "content": prose(rng, 80)});
            json!({"role": "user", "content": [result]})
        }
    })
}

/// Elements with commas between them, at least one, until the room is used.
fn list(room: usize, mut element: impl FnMut(usize) -> Value) -> String {
    let mut list = String::new();
    let mut count = 0;
    while count == 0 || list.len() < room {
        if count > 0 {
            list.push(',');
        }
        list += &element(count).to_string();
        count += 1;
    }
    list
}

fn prose(rng: &mut Rng, length: usize) -> String {
    let mut text = String::new();
    let mut words = 0;
    while text.len() < length {
        text += WORDS[rng.usize(..WORDS.len())];
        words += 1;
        text += match words {
            _ if words % 90 == 0 => ".\n\n",
            _ if words % 14 == 0 => ", ",
            _ => " ",
        };
    }
    text
}

fn code(rng: &mut Rng, length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text += CODE[rng.usize(..CODE.len())];
        text.push('\n');
    }
    text
}

/// A streamed answer as the API sends it: text in small deltas, each with spaces before its last brace, and
/// pings. The events one by one.
pub(crate) fn events(size: usize) -> Vec<String> {
    let mut rng = Rng::with_seed(11);
    let event = |name: &str, data: &Value| format!("event: {name}\ndata: {data}\n\n");
    let usage = json!({"input_tokens": 2095, "cache_read_input_tokens": 0, "output_tokens": 3});
    let message = json!({"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5",
        "content": [], "stop_reason": null, "usage": usage});
    let block =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let ping = event("ping", &json!({"type": "ping"}));
    let mut events = vec![
        event("message_start", &json!({"type": "message_start", "message": message})),
        event("content_block_start", &block),
        ping.clone(),
    ];
    let mut length = 0;
    while length < size {
        let letters = rng.usize(20..=80);
        let text = Value::from(prose(&mut rng, letters));
        let padding = " ".repeat(rng.usize(0..=30));
        let delta = format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{{\"type\":\"text_delta\",\"text\":{text}}}{padding}}}\n\n"
        );
        length += delta.len();
        events.push(delta);
        if events.len() % 200 == 0 {
            events.push(ping.clone());
        }
    }
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": 4711}});
    events.push(event("content_block_stop", &json!({"type": "content_block_stop", "index": 0})));
    events.push(event("message_delta", &end));
    events.push(event("message_stop", &json!({"type": "message_stop"})));
    events
}
