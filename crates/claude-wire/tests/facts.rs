//! The facts of a request against an oracle that builds the whole tree, and the fingerprint against the members
//! that it is made of.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use std::fmt::Write;
use std::ops::Range;

use bytes::Bytes;
use claude_wire::Body;
use claude_wire::facts::{Endpoint, Fingerprint, RequestFacts, Shape, facts};
use http::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

fn read(text: impl Into<Bytes>) -> RequestFacts {
    RequestFacts::read(Endpoint::Messages, Some(&text.into()))
}

fn fingerprint(text: impl Into<Bytes>) -> Fingerprint {
    read(text).fingerprint().unwrap()
}

// ---------------------------------------------------------------------------------------------------------
// JSON as somebody might write it: with white space, escapes and keys that stand twice

#[derive(Clone, Debug)]
enum Json {
    /// A number or a literal, as written.
    Scalar(&'static str),
    Text {
        text: String,
        escaped: bool,
    },
    List(Vec<Json>),
    Object(Vec<(Key, Json)>),
}

#[derive(Clone, Debug)]
struct Key {
    name: &'static str,
    escaped: bool,
}

impl Json {
    fn text(text: &str) -> Self {
        Self::Text { text: text.to_owned(), escaped: false }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Scalar("null"))
    }

    /// The same without what makes it ambiguous: no key twice, none with escapes.
    fn tidy(self) -> Self {
        match self {
            Self::List(elements) => Self::List(elements.into_iter().map(Self::tidy).collect()),
            Self::Object(members) => {
                let mut tidy: Vec<(Key, Self)> = Vec::new();
                for (key, value) in members {
                    if tidy.iter().all(|(other, _)| other.name != key.name) {
                        tidy.push((Key { escaped: false, ..key }, value.tidy()));
                    }
                }
                Self::Object(tidy)
            }
            other => other,
        }
    }
}

/// Where a top-level member stands.
#[derive(Clone, Debug)]
struct Place {
    name: &'static str,
    member: Range<usize>,
    value: Range<usize>,
}

/// Prints with white space that a seed chooses.
struct Printer {
    out: String,
    seed: u64,
    loose: bool,
}

impl Printer {
    /// The text of a request and where its members are.
    fn request(members: &[(Key, Json)], seed: u64, loose: bool) -> (String, Vec<Place>) {
        let mut printer = Self { out: String::new(), seed, loose };
        let mut places = Vec::new();
        printer.space();
        printer.out.push('{');
        for (number, (key, value)) in members.iter().enumerate() {
            if number > 0 {
                printer.out.push(',');
            }
            printer.space();
            let start = printer.out.len();
            printer.key(key);
            let value_start = printer.out.len();
            printer.value(value);
            let end = printer.out.len();
            places.push(Place { name: key.name, member: start..end, value: value_start..end });
            printer.space();
        }
        printer.space();
        printer.out.push('}');
        printer.space();
        (printer.out, places)
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn space(&mut self) {
        while self.loose && self.random(3) == 0 {
            let space = [" ", "\n", "\t", "\r\n", "    "][usize::try_from(self.random(5)).unwrap()];
            self.out.push_str(space);
        }
    }

    /// A key and its colon, and the space behind it.
    fn key(&mut self, key: &Key) {
        self.text(key.name, key.escaped);
        self.space();
        self.out.push(':');
        self.space();
    }

    /// A string; with escapes for at least its first character if it is to be escaped.
    fn text(&mut self, text: &str, escaped: bool) {
        if !escaped {
            self.out.push_str(&Value::from(text).to_string());
            return;
        }
        self.out.push('"');
        for (number, character) in text.chars().enumerate() {
            if number == 0 || self.random(2) == 0 || matches!(character, '"' | '\\' | '\0'..' ') {
                let upper = self.random(2) == 0;
                for unit in character.encode_utf16(&mut [0; 2]) {
                    if upper {
                        write!(self.out, "\\u{unit:04X}").unwrap();
                    } else {
                        write!(self.out, "\\u{unit:04x}").unwrap();
                    }
                }
            } else {
                self.out.push(character);
            }
        }
        self.out.push('"');
    }

    fn value(&mut self, value: &Json) {
        match value {
            Json::Scalar(text) => self.out.push_str(text),
            Json::Text { text, escaped } => self.text(text, *escaped),
            Json::List(elements) => {
                self.out.push('[');
                for (number, element) in elements.iter().enumerate() {
                    if number > 0 {
                        self.out.push(',');
                    }
                    self.space();
                    self.value(element);
                    self.space();
                }
                self.space();
                self.out.push(']');
            }
            Json::Object(members) => {
                self.out.push('{');
                for (number, (key, value)) in members.iter().enumerate() {
                    if number > 0 {
                        self.out.push(',');
                    }
                    self.space();
                    self.key(key);
                    self.value(value);
                    self.space();
                }
                self.space();
                self.out.push('}');
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------
// Requests

fn key(name: &'static str) -> impl Strategy<Value = Key> {
    prop::bool::weighted(0.02).prop_map(move |escaped| Key { name, escaped })
}

fn member(name: &'static str, value: impl Strategy<Value = Json> + 'static) -> BoxedStrategy<(Key, Json)> {
    (key(name), value).boxed()
}

fn scalar() -> impl Strategy<Value = Json> {
    select(vec![
        "null",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "64",
        "4096",
        "-1",
        "1.5",
        "1.0",
        "1e3",
        "18446744073709551615",
        "18446744073709551616",
    ])
    .prop_map(Json::Scalar)
}

fn text() -> impl Strategy<Value = Json> {
    let texts = select(vec![
        "",
        "hi",
        "claude-opus-5-5",
        "ephemeral",
        "a \"quoted\" word",
        "back\\slash",
        "line\nbreak",
        "ä€👍",
        "cache_control",
        "\"cache_control\":{}",
        "{",
        "]",
        "\u{1}",
    ]);
    (texts, prop::bool::weighted(0.2))
        .prop_map(|(text, escaped)| Json::Text { text: text.to_owned(), escaped })
}

/// Any value, with keys in it that mean something elsewhere.
fn anything() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![scalar(), text()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let name =
            select(vec!["cache_control", "content", "source", "type", "user_id", "previous_message_id", "x"]);
        let members = vec((name.prop_flat_map(key), inner.clone()), 0..4);
        prop_oneof![vec(inner, 0..4).prop_map(Json::List), members.prop_map(Json::Object)]
    })
}

fn object(members: Vec<(Key, Json)>) -> Json {
    Json::Object(members)
}

fn mark() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => Just(object(vec![(Key { name: "type", escaped: false }, Json::text("ephemeral"))])),
        1 => select(vec!["null", "true"]).prop_map(Json::Scalar),
        1 => Just(Json::Object(Vec::new())),
        1 => Just(Json::List(Vec::new())),
        1 => anything(),
    ]
}

fn block() -> impl Strategy<Value = Json> {
    let simple =
        prop_oneof![3 => vec(block_member(anything().boxed()), 0..4).prop_map(object), 1 => anything()];
    simple.prop_recursive(4, 24, 3, |inner| {
        let inside = prop_oneof![
            3 => vec(inner.clone(), 0..3).prop_map(Json::List),
            1 => inner,
            1 => text(),
        ];
        vec(block_member(inside.boxed()), 0..5).prop_map(object)
    })
}

fn block_member(inside: BoxedStrategy<Json>) -> impl Strategy<Value = (Key, Json)> {
    prop_oneof![
        2 => member("type", text()),
        2 => member("text", text()),
        3 => member("cache_control", mark()),
        3 => member("content", inside.clone()),
        2 => member("source", inside),
        1 => member("input", anything()),
        1 => member("citations", anything()),
    ]
}

/// Blocks inside blocks, deeper than anybody looks, each with a mark.
fn deep_block() -> impl Strategy<Value = Json> {
    (0_usize..24, any::<bool>()).prop_map(|(depth, in_lists)| {
        (0..depth).fold(Json::text("core"), |inside, _| {
            let inside = if in_lists { Json::List(vec![inside]) } else { inside };
            object(vec![
                (Key { name: "cache_control", escaped: false }, Json::Scalar("1")),
                (Key { name: "content", escaped: false }, inside),
            ])
        })
    })
}

fn prompt() -> impl Strategy<Value = Json> {
    prop_oneof![
        6 => vec(block(), 0..4).prop_map(Json::List),
        1 => deep_block(),
        2 => text(),
        1 => anything(),
    ]
}

fn tools() -> impl Strategy<Value = Json> {
    let kind = select(vec![
        "custom",
        "bash_20250124",
        "text_editor_20250728",
        "computer_20251124",
        "memory_20250818",
        "web_search_20250305",
        "web_fetch_20250910",
        "code_execution_20250825",
        "mcp_toolset",
        "customised",
        "bash",
        "a_bash_20250124",
        "",
    ]);
    let kind = (kind, prop::bool::weighted(0.2))
        .prop_map(|(kind, escaped)| Json::Text { text: kind.to_owned(), escaped });
    let tool_member = prop_oneof![
        3 => member("type", kind),
        1 => member("type", anything()),
        3 => member("name", text()),
        3 => member("cache_control", mark()),
        // The schema of a tool may well have a property of this name.
        3 => member("input_schema", block()),
    ];
    let tool = prop_oneof![6 => vec(tool_member, 0..5).prop_map(object), 1 => anything()];
    prop_oneof![6 => vec(tool, 0..4).prop_map(Json::List), 1 => anything()]
}

fn holder(name: &'static str) -> impl Strategy<Value = Json> {
    let inside = prop_oneof![
        4 => member(name, text()),
        1 => member(name, anything()),
        2 => member("other", anything()),
    ];
    prop_oneof![5 => vec(inside, 0..4).prop_map(object), 1 => anything()]
}

fn top_member() -> impl Strategy<Value = (Key, Json)> {
    prop_oneof![
        3 => member("model", prop_oneof![3 => text(), 1 => anything()]),
        2 => member("stream", prop_oneof![3 => select(vec!["true", "false"]).prop_map(Json::Scalar), 1 => anything()]),
        2 => member("max_tokens", prop_oneof![3 => scalar(), 1 => anything()]),
        3 => member("metadata", holder("user_id")),
        2 => member("diagnostics", holder("previous_message_id")),
        3 => member("system", prompt()),
        4 => member("messages", prompt()),
        3 => member("tools", tools()),
        1 => member("prompt", prompt()),
        2 => member("cache_control", mark()),
        1 => member("mcp_servers", mark()),
        1 => member("thread", mark()),
        1 => member("container", mark()),
        1 => member("fallback_credit_token", mark()),
        1 => member("thinking", anything()),
        1 => member("stop_sequences", anything()),
        1 => member("ä", anything()),
        1 => member("a longer name than any of those that the API has at present", anything()),
    ]
}

fn request() -> impl Strategy<Value = Vec<(Key, Json)>> {
    vec(top_member(), 0..14)
}

fn tidy_request() -> impl Strategy<Value = Vec<(Key, Json)>> {
    request().prop_map(|members| match Json::Object(members).tidy() {
        Json::Object(members) => members,
        _ => unreachable!("an object stays one"),
    })
}

// ---------------------------------------------------------------------------------------------------------
// The oracle: what the values are from serde's tree, where the last of several keys counts; what is written
// twice, with escapes or with another type from what was printed

const DEEPEST_BLOCK: u32 = 16;

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn block_marks(value: &Value, level: u32) -> u32 {
    match value {
        Value::Array(elements) if level < DEEPEST_BLOCK => {
            elements.iter().map(|element| block_marks(element, level + 1)).sum()
        }
        Value::Object(_) if level < DEEPEST_BLOCK => {
            u32::from(says_something(&value["cache_control"]))
                + block_marks(&value["content"], level + 1)
                + block_marks(&value["source"], level + 1)
        }
        _ => 0,
    }
}

fn marks(body: &Value) -> u32 {
    let in_tools = body["tools"].as_array().into_iter().flatten();
    u32::from(says_something(&body["cache_control"]))
        + ["system", "messages", "prompt"].iter().map(|name| block_marks(&body[*name], 0)).sum::<u32>()
        + in_tools.map(|tool| u32::from(says_something(&tool["cache_control"]))).sum::<u32>()
}

fn has_server_tools(body: &Value) -> bool {
    let tools = body["tools"].as_array().into_iter().flatten();
    let mut kinds = tools.filter_map(|tool| tool["type"].as_str());
    says_something(&body["mcp_servers"])
        || kinds.any(|kind| {
            kind != "custom"
                && !["bash_", "text_editor_", "computer_", "memory_"]
                    .iter()
                    .any(|known| kind.starts_with(known))
        })
}

fn is_stateful(body: &Value) -> bool {
    ["thread", "container", "fallback_credit_token"].iter().any(|name| says_something(&body[*name]))
        || says_something(&body["diagnostics"]["previous_message_id"])
}

/// The length of the last of each part, as printed.
fn prompt_bytes(body: &Value, places: &[Place]) -> u64 {
    ["system", "messages", "tools", "prompt"]
        .iter()
        .filter(|name| **name != "tools" || body["tools"].is_array())
        .filter_map(|name| places.iter().rfind(|place| place.name == *name))
        .map(|place| place.value.len() as u64)
        .sum()
}

/// Whether a key that is read stands twice, or any key is written with escapes.
fn doubtful(members: &[(Key, Json)], read: &[&str]) -> bool {
    members.iter().any(|(key, _)| key.escaped)
        || read.iter().any(|name| members.iter().filter(|(key, _)| key.name == *name).count() > 1)
}

fn is_ambiguous(members: &[(Key, Json)]) -> bool {
    let names: Vec<&str> = members.iter().map(|(key, _)| key.name).collect();
    doubtful(members, &names)
        || members.iter().any(|(key, value)| match (key.name, value) {
            ("metadata", Json::Object(inside)) => doubtful(inside, &["user_id"]),
            ("diagnostics", Json::Object(inside)) => doubtful(inside, &["previous_message_id"]),
            ("system" | "messages" | "prompt", value) => ambiguous_blocks(value, 0),
            ("tools", Json::List(tools)) => tools.iter().any(|tool| match tool {
                Json::Object(inside) => doubtful(inside, &["cache_control", "type"]),
                _ => false,
            }),
            _ => false,
        })
}

fn ambiguous_blocks(value: &Json, level: u32) -> bool {
    match value {
        Json::List(elements) if level < DEEPEST_BLOCK => {
            elements.iter().any(|element| ambiguous_blocks(element, level + 1))
        }
        Json::Object(members) if level < DEEPEST_BLOCK => {
            doubtful(members, &["cache_control", "content", "source"])
                || members.iter().any(|(key, value)| {
                    matches!(key.name, "content" | "source") && ambiguous_blocks(value, level + 1)
                })
        }
        // Deeper than anybody looks.
        Json::List(_) | Json::Object(_) => true,
        _ => false,
    }
}

/// Whether a field that is read has another type than it should have. `null` is always taken for absent.
fn is_unexpected(members: &[(Key, Json)]) -> bool {
    let is_text = |value: &Json| matches!(value, Json::Text { .. }) || value.is_null();
    let inside = |value: &Json, name: &str| match value {
        Json::Object(members) => members.iter().any(|(key, value)| key.name == name && !is_text(value)),
        other => !other.is_null(),
    };
    members.iter().any(|(key, value)| match key.name {
        "model" => !is_text(value),
        "stream" => !matches!(value, Json::Scalar("true" | "false" | "null")),
        "max_tokens" => match value {
            Json::Scalar(number) => number.parse::<u64>().is_err() && !value.is_null(),
            _ => true,
        },
        "metadata" => inside(value, "user_id"),
        "diagnostics" => inside(value, ""),
        "tools" => match value {
            Json::List(tools) => tools.iter().any(|tool| inside(tool, "type")),
            other => !other.is_null(),
        },
        _ => false,
    })
}

fn check(members: &[(Key, Json)], text: &str, places: &[Place]) -> Result<(), TestCaseError> {
    let facts = read(text.to_owned());
    let body: Value = serde_json::from_str(text).unwrap();
    let shape = if is_unexpected(members) { Shape::Unexpected } else { Shape::Object };
    prop_assert_eq!(facts.shape(), shape);
    prop_assert_eq!(facts.is_ambiguous(), is_ambiguous(members));
    prop_assert_eq!(facts.model(), body["model"].as_str());
    prop_assert_eq!(facts.is_stream(), body["stream"] == true);
    prop_assert_eq!(facts.max_tokens(), body["max_tokens"].as_u64());
    prop_assert_eq!(facts.user_id(), body["metadata"]["user_id"].as_str());
    prop_assert_eq!(facts.cache_control_marks(), marks(&body));
    prop_assert_eq!(facts.is_stateful(), is_stateful(&body));
    prop_assert_eq!(facts.has_server_tools(), has_server_tools(&body));
    prop_assert_eq!(facts.has_mcp_servers(), says_something(&body["mcp_servers"]));
    prop_assert_eq!(facts.prompt_bytes(), prompt_bytes(&body, places));
    prop_assert_eq!(facts.endpoint(), Endpoint::Messages);
    Ok(())
}

proptest! {
    #[test]
    fn every_fact_of_any_request(members in request(), seed: u64, loose: bool) {
        let (text, places) = Printer::request(&members, seed, loose);
        check(&members, &text, &places)?;
    }

    #[test]
    fn every_fact_of_a_tidy_request(members in tidy_request(), seed: u64, loose: bool) {
        let (text, places) = Printer::request(&members, seed, loose);
        check(&members, &text, &places)?;
        // Tidy to the last block, unless that lies deeper than anybody looks.
        let deep = members.iter().any(|(key, value)| {
            matches!(key.name, "system" | "messages" | "prompt") && ambiguous_blocks(value, 0)
        });
        prop_assert_eq!(read(text).is_ambiguous(), deep);
    }

    /// One more member of a name that is there already, or one key with an escape, and it is ambiguous.
    #[test]
    fn one_flaw_at_the_top(
        members in tidy_request(),
        seed: u64,
        which: Index,
        place: Index,
        value in anything(),
        twice: bool,
    ) {
        // No assumption: of many cases too many would be in vain.
        if members.is_empty() {
            return Ok(());
        }
        let mut members = members;
        let which = which.index(members.len());
        if twice {
            let key = members[which].0.clone();
            members.insert(place.index(members.len() + 1), (key, value));
        } else {
            members[which].0.escaped = true;
        }
        let (text, places) = Printer::request(&members, seed, true);
        check(&members, &text, &places)?;
        prop_assert!(read(text).is_ambiguous());
    }
}

#[test]
fn a_flaw_in_every_place_that_is_read() {
    for (clean, doubled) in [
        (r#"{"model":"m","max_tokens":1}"#, r#"{"model":"m","max_tokens":1,"model":"m"}"#),
        (r#"{"unknown":1}"#, r#"{"unknown":1,"unknown":1}"#),
        (r#"{"metadata":{"user_id":"a","x":1,"x":2}}"#, r#"{"metadata":{"user_id":"a","user_id":"a"}}"#),
        (
            r#"{"diagnostics":{"previous_message_id":null}}"#,
            r#"{"diagnostics":{"previous_message_id":null,"previous_message_id":null}}"#,
        ),
        (r#"{"tools":[{"type":"custom"}]}"#, r#"{"tools":[{"type":"custom","type":"custom"}]}"#),
        (r#"{"tools":[{"cache_control":1}]}"#, r#"{"tools":[{"cache_control":1,"cache_control":1}]}"#),
        (
            r#"{"tools":[{"input_schema":{"type":1,"type":2,"cache_control":1,"cache_control":2}}]}"#,
            r#"{"tools":[{},{"t\u0079pe":"custom"}]}"#,
        ),
        (r#"{"system":[{"cache_control":1}]}"#, r#"{"system":[{"cache_control":1,"cache_control":1}]}"#),
        (r#"{"messages":[{"content":"x"}]}"#, r#"{"messages":[{"content":"x","content":"x"}]}"#),
        (
            r#"{"messages":[{"content":[{"source":{"content":"x"}}]}]}"#,
            r#"{"messages":[{"content":[{"source":{"content":"x","content":"x"}}]}]}"#,
        ),
        (
            r#"{"messages":[{"content":[{"type":"a","type":"b","input":{"content":1,"content":2}}]}]}"#,
            r#"{"messages":[{"content":[{"source":1,"source":1}]}]}"#,
        ),
        (
            r#"{"messages":[{"content":[{"content":[{"text":"x"}]}]}]}"#,
            r#"{"messages":[{"content":[{"content":[{"te\u0078t":"x"}]}]}]}"#,
        ),
        (r#"{"model":"\u006d"}"#, r#"{"mod\u0065l":"m"}"#),
        // The first is overwritten, but whoever reads the first sees this.
        (
            r#"{"messages":[{"content":"x"}],"model":"m"}"#,
            r#"{"messages":[{"content":"x","content":"y"}],"messages":[]}"#,
        ),
    ] {
        assert!(!read(clean).is_ambiguous(), "{clean}");
        assert!(read(doubled).is_ambiguous(), "{doubled}");
    }
}

#[test]
fn escapes_in_keys_and_texts_are_read() {
    let facts = read(
        r#"{"mod\u0065l":"cl\u0061ude-\"5\"","metadata":{"user\u005Fid":"\ud83d\udc4d"},"str\u0065am":true}"#,
    );
    assert_eq!(facts.model(), Some("claude-\"5\""));
    assert_eq!(facts.user_id(), Some("👍"));
    assert!(facts.is_stream());
    assert!(facts.is_ambiguous());
}

#[test]
fn a_text_that_is_no_text_counts_as_another_type() {
    for (text, model) in [
        (&b"{\"model\":\"\\ud800\"}"[..], None),
        (b"{\"model\":\"\\udc00\\ud800\"}", None),
        (b"{\"model\":\"a\xffb\"}", None),
        (b"{\"model\":\"\\u0061\xff\"}", None),
        (b"{\"metadata\":{\"user_id\":\"\xff\"},\"model\":\"m\"}", Some("m")),
        (b"{\"tools\":[{\"type\":\"\xff\"}],\"model\":\"m\"}", Some("m")),
    ] {
        let facts = read(text);
        assert_eq!(facts.shape(), Shape::Unexpected, "{}", text.escape_ascii());
        assert_eq!((facts.model(), facts.user_id()), (model, None), "{}", text.escape_ascii());
    }
    let facts = read(&b"{\"model\":\"m\",\"messages\":\"\xff\",\"\xff\":\"\xff\"}"[..]);
    assert_eq!((facts.shape(), facts.model()), (Shape::Object, Some("m")));
}

#[test]
fn the_legacy_endpoint_has_names_of_its_own() {
    let text = Bytes::from(r#"{"model":"claude-2","prompt":"\n\nHuman: hi","max_tokens_to_sample":300}"#);
    let facts = RequestFacts::read(Endpoint::Complete, Some(&text));
    assert_eq!(facts.max_tokens(), Some(300));
    assert_eq!(facts.prompt_bytes(), 15);
    // A field of its own, not a second name: it must not hide the other.
    for text in [
        r#"{"max_tokens":8,"max_tokens_to_sample":null}"#,
        r#"{"max_tokens":8,"max_tokens_to_sample":9000}"#,
        r#"{"max_tokens_to_sample":9000,"max_tokens":8}"#,
    ] {
        assert_eq!(read(text).max_tokens(), Some(8), "{text}");
    }
}

// ---------------------------------------------------------------------------------------------------------
// Validity

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// All texts of up to five of these bytes.
#[test]
fn malformed_is_what_serde_refuses_in_every_short_text() {
    const BYTES: &[u8] = b"{}[]\",:0-1.e\\ ";
    let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
    let mut checked = 0;
    for length in 0..=5 {
        for text in &texts {
            let malformed = read(Bytes::copy_from_slice(text)).shape() == Shape::Malformed;
            assert_eq!(malformed, !is_json(text), "{}", text.escape_ascii());
            checked += 1;
        }
        // What is malformed for good in its first bytes needs no further ones; the rest grows by one.
        if length < 5 {
            texts = texts
                .iter()
                .flat_map(|text| BYTES.iter().map(move |&byte| [&text[..], &[byte]].concat()))
                .filter(|text| length < 3 || may_go_on(text))
                .collect();
        }
    }
    assert!(checked > 20_000, "{checked}");
}

/// Whether some text with this beginning is JSON, as far as serde says that it stopped at the end only.
fn may_go_on(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).map_or_else(|error| error.is_eof(), |_| true)
}

/// Bytes that often look like JSON.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let pieces = select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "00e9",
        "\\\"",
        "\"a\"",
        "\"model\":",
        "\"messages\":",
        "\"content\":",
        "\"metadata\":",
        "\"tools\":",
        "\"type\":",
        "null",
        "true",
        "false",
        "tru",
        "nul",
        "0",
        "01",
        "-",
        "1",
        ".",
        "e",
        "E+",
        "12",
        " ",
        "\n",
        "\t",
        "\u{b}",
        "\u{c}",
        "\u{0}",
        "\u{1f}",
        "\u{7f}",
        "ä",
        "\u{feff}",
        "/",
        "'",
    ]);
    vec(prop_oneof![8 => pieces.prop_map(|piece| piece.as_bytes().to_vec()), 1 => vec(any::<u8>(), 1)], 0..24)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn malformed_is_what_serde_refuses_of_any_bytes(text in texts()) {
        let malformed = read(text.clone()).shape() == Shape::Malformed;
        prop_assert_eq!(malformed, !is_json(&text), "{}", text.escape_ascii());
        // The same inside an object, where the reader of facts goes its own ways.
        for name in ["x", "model", "stream", "max_tokens", "metadata", "messages", "tools", "thread", "diagnostics"] {
            let text = [b"{\"", name.as_bytes(), b"\":", &text[..], b"}"].concat();
            let malformed = read(text.clone()).shape() == Shape::Malformed;
            prop_assert_eq!(malformed, !is_json(&text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn malformed_is_what_serde_refuses_of_damaged_requests(
        members in request(),
        seed: u64,
        edits in vec((any::<Index>(), 0_usize..3, select(b"{}[]\",:\\0-e. u\x0c\x00\xff".to_vec())), 1..3),
        length: Index,
        truncate in prop::bool::weighted(0.2),
    ) {
        let mut text = Printer::request(&members, seed, true).0.into_bytes();
        if truncate {
            text.truncate(length.index(text.len() + 1));
        }
        for (place, kind, byte) in edits {
            let place = place.index(text.len() + 1);
            match kind {
                0 => text.insert(place, byte),
                1 if place < text.len() => text[place] = byte,
                2 if place < text.len() => drop(text.remove(place)),
                _ => {}
            }
        }
        let facts = read(text.clone());
        prop_assert_eq!(facts.shape() == Shape::Malformed, !is_json(&text), "{}", text.escape_ascii());
        if facts.shape() == Shape::Malformed {
            let nothing = (facts.model(), facts.user_id(), facts.max_tokens(), facts.prompt_bytes());
            prop_assert_eq!(nothing, (None, None, None, 0));
        }
    }
}

/// Strings are read in blocks: each byte that means something, at every place of a block and behind it.
#[test]
fn a_byte_with_a_meaning_at_every_place_of_a_string() {
    for length in 0..80 {
        for place in 0..length {
            for byte in [b'"', b'\\', b'\0', 0x1f, b'\n', 0x7f, 0x80, 0xff] {
                let mut inside = vec![b'n'; length];
                inside[place] = byte;
                let text = [b"{\"model\":\"", &inside[..], b"\"}"].concat();
                let facts = read(text.clone());
                let malformed = facts.shape() == Shape::Malformed;
                assert_eq!(malformed, !is_json(&text), "{}", text.escape_ascii());
                let body = serde_json::from_slice::<Value>(&text).ok();
                let model = body.as_ref().and_then(|body| body["model"].as_str());
                assert_eq!(facts.model(), model, "{}", text.escape_ascii());
            }
        }
    }
}

#[test]
fn depth_has_a_limit_and_needs_no_stack() {
    let nested = |open: &str, close: &str, depth: usize| [open.repeat(depth), close.repeat(depth)].concat();
    for (before, after) in [
        ("", ""),
        ("{\"x\":", "}"),
        ("{\"messages\":", "}"),
        ("{\"tools\":", "}"),
        ("{\"metadata\":", "}"),
        ("{\"metadata\":{\"user_id\":", "}}"),
        ("{\"thread\":", "}"),
        ("{\"model\":", "}"),
        ("{\"stream\":", "}"),
    ] {
        for (open, close) in [("[", "]"), ("{\"a\":[", "]}"), ("[{\"content\":", "}]")] {
            // The innermost value makes each of them a text with something in it.
            let text = |depth: usize| {
                let inside = nested(open, close, depth).replacen(
                    &format!("{open}{close}"),
                    &format!("{open}0{close}"),
                    1,
                );
                format!("{before}{inside}{after}")
            };
            let per_level = if open == "[" { 1 } else { 2 };
            let shape = read(text(900 / per_level)).shape();
            assert!(!matches!(shape, Shape::Malformed | Shape::TooDeep), "{before}{open}: {shape:?}");
            for depth in [1_100, 200_000] {
                let facts = read(text(depth));
                assert_eq!(facts.shape(), Shape::TooDeep, "{before}{open}");
                assert!(facts.fingerprint().is_some());
            }
        }
    }
}

#[test]
fn other_shapes() {
    for (text, expected) in [
        ("{}", Shape::Object),
        (" { } ", Shape::Object),
        ("[]", Shape::NotAnObject),
        ("\"model\"", Shape::NotAnObject),
        ("null", Shape::NotAnObject),
        (" 12 ", Shape::NotAnObject),
        ("", Shape::Malformed),
        ("{}{}", Shape::Malformed),
        ("\u{feff}{}", Shape::Malformed),
        ("{} x", Shape::Malformed),
    ] {
        let facts = read(text);
        assert_eq!(facts.shape(), expected, "{text:?}");
        assert!(!facts.is_ambiguous(), "{text:?}");
    }
}

#[test]
fn what_is_not_looked_at() {
    let body = Bytes::from_static(b"{\"model\":\"m\"}");
    for endpoint in [Endpoint::Batches, Endpoint::Models, Endpoint::Files, Endpoint::Skills, Endpoint::Other]
    {
        let facts = RequestFacts::read(endpoint, Some(&body));
        assert_eq!((facts.shape(), facts.model(), facts.endpoint()), (Shape::Unread, None, endpoint));
        assert!(facts.fingerprint().is_some());
    }
    for endpoint in [Endpoint::Messages, Endpoint::CountTokens, Endpoint::Complete] {
        assert_eq!(RequestFacts::read(endpoint, Some(&body)).model(), Some("m"));
    }
    let stream = RequestFacts::read(Endpoint::Messages, None);
    assert_eq!((stream.shape(), stream.fingerprint()), (Shape::Unread, None));
}

/// A gateway's own base path may have a version of its own, as that of Cloudflare's does.
#[test]
fn a_base_path_with_a_version_of_its_own() {
    for (path, expected) in [
        ("/v1/account/gateway/anthropic/v1/messages", Endpoint::Messages),
        ("/v1/account/gateway/anthropic/v1/messages/count_tokens", Endpoint::CountTokens),
        ("/v1/account/gateway/anthropic/v1/files/file_1/content", Endpoint::Files),
        ("/v1/account/gateway/anthropic", Endpoint::Other),
    ] {
        assert_eq!(Endpoint::from_path(path), expected, "{path}");
    }
}

// ---------------------------------------------------------------------------------------------------------
// Fingerprints

fn kept<'a>(text: &'a str, places: &[Place]) -> Vec<&'a str> {
    places
        .iter()
        .filter(|place| !matches!(place.name, "metadata" | "stream"))
        .map(|place| &text[place.member.clone()])
        .collect()
}

/// An object of these members as they are written, with white space that a seed chooses.
fn joined(members: &[String], seed: u64) -> String {
    let mut printer = Printer { out: String::new(), seed, loose: true };
    printer.space();
    printer.out.push('{');
    for (number, member) in members.iter().enumerate() {
        if number > 0 {
            printer.out.push(',');
        }
        printer.space();
        printer.out.push_str(member);
        printer.space();
    }
    printer.out.push('}');
    printer.space();
    printer.out
}

#[derive(Clone, Debug)]
enum Change {
    /// Another member that carries no meaning.
    Ignored(Index, &'static str),
    Swap(Index, Index),
    Remove(Index),
    Repeat(Index),
    SpaceInside(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let ignored = select(vec![
        "\"metadata\":{\"user_id\":\"x\"}",
        "\"metadata\" : null",
        "\"stream\":true",
        "\"stream\": false",
        "\"str\\u0065am\":1",
    ]);
    prop_oneof![
        3 => (any::<Index>(), ignored).prop_map(|(place, text)| Change::Ignored(place, text)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => any::<Index>().prop_map(Change::Repeat),
        1 => any::<Index>().prop_map(Change::SpaceInside),
    ]
}

fn is_kept(member: &str) -> bool {
    !["\"metadata\"", "\"stream\"", "\"str\\u0065am\""].iter().any(|name| member.starts_with(name))
}

proptest! {
    #[test]
    fn equal_fingerprints_mean_equal_kept_members(
        members in tidy_request(),
        seed: u64,
        seeds: (u64, u64),
        changes in vec(change(), 0..4),
    ) {
        let (text, places) = Printer::request(&members, seed, true);
        // With no member at all there is nothing that could be left out; see below.
        // No assumption: of many cases too many would be in vain.
        if places.is_empty() {
            return Ok(());
        }
        let one: Vec<String> = places.iter().map(|place| text[place.member.clone()].to_owned()).collect();
        let mut other = one.clone();
        for change in changes {
            let length = other.len().max(1);
            match change {
                Change::Ignored(place, text) => other.insert(place.index(length), text.to_owned()),
                Change::Swap(one, two) if !other.is_empty() => other.swap(one.index(length), two.index(length)),
                Change::Remove(which) if other.len() > 1 => drop(other.remove(which.index(length))),
                Change::Repeat(which) if !other.is_empty() => other.push(other[which.index(length)].clone()),
                Change::SpaceInside(which) if !other.is_empty() => {
                    let member = &mut other[which.index(length)];
                    *member = member.replacen(':', ": ", 1);
                }
                _ => {}
            }
        }
        let kept = |members: &[String]| -> Vec<String> {
            members.iter().filter(|member| is_kept(member)).cloned().collect()
        };
        prop_assert_eq!(fingerprint(joined(&one, seeds.0)), fingerprint(text));
        prop_assert_eq!(
            fingerprint(joined(&one, seeds.0)) == fingerprint(joined(&other, seeds.1)),
            kept(&one) == kept(&other)
        );
    }

    /// Also where the text is not JSON any more.
    #[test]
    fn any_other_byte_of_a_kept_member_changes_it(members in tidy_request(), seed: u64, flip in 1_u8..) {
        let (text, places) = Printer::request(&members, seed, true);
        let print = fingerprint(text.clone());
        let text = text.into_bytes();
        for place in places.iter().filter(|place| !matches!(place.name, "metadata" | "stream")) {
            // Every place of a short one, and places all over a long one.
            let step = place.member.len().div_ceil(40);
            for position in place.member.clone().step_by(step) {
                let mut changed = text.clone();
                changed[position] ^= flip;
                prop_assert_ne!(fingerprint(changed), print, "at {}", position);
            }
        }
    }

    #[test]
    fn white_space_and_ignored_members_change_nothing(members in tidy_request(), seeds: (u64, u64)) {
        let (one, places) = Printer::request(&members, seeds.0, false);
        let members: Vec<String> = kept(&one, &places).into_iter().map(str::to_owned).collect();
        // No assumption: of many cases too many would be in vain.
        if members.is_empty() {
            return Ok(());
        }
        prop_assert_eq!(fingerprint(joined(&members, seeds.1)), fingerprint(one));
    }
}

#[test]
fn fingerprints_of_small_bodies() {
    let same = |one: &'static str, other: &'static str| fingerprint(one) == fingerprint(other);
    assert!(same(r#"{"a":1,"b":2}"#, " {\r\n\t\"a\":1 , \"b\":2 } "));
    assert!(same(r#"{"a":1,"b":2}"#, r#"{"stream":true,"a":1,"metadata":{},"b":2,"stream":false}"#));
    assert!(same(r#"{"metadata":{}}"#, r#"{"stream":true}"#));
    assert!(!same(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#));
    assert!(!same(r#"{"a":1}"#, r#"{"a": 1}"#));
    assert!(!same(r#"{"a":1}"#, r#"{"a":1.0}"#));
    assert!(!same(r#"{"a":1}"#, r#"{"\u0061":1}"#));
    assert!(!same(r#"{"a":{"stream":true}}"#, r#"{"a":{"stream":false}}"#));
    // What is no object with members is taken as it is.
    assert!(!same("{}", "{ }"));
    assert!(!same("[1]", "[1] "));
    assert!(!same(r#"{"a":1"#, r#"{"a":1}"#));
    // Only the body counts: neither the endpoint nor whether anybody looked.
    let text = Bytes::from_static(b"[]");
    let print = |endpoint| RequestFacts::read(endpoint, Some(&text)).fingerprint();
    assert_eq!(print(Endpoint::Messages), print(Endpoint::Files));
}

#[test]
fn a_fingerprint_shows_as_hexadecimal() {
    let print = fingerprint("{\"a\":1}");
    let shown = print.to_string();
    assert_eq!(shown.len(), 64);
    for (byte, digits) in print.as_bytes().iter().zip(shown.as_bytes().chunks(2)) {
        assert_eq!(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap(), *byte);
    }
    assert_eq!(format!("{print:?}"), format!("Fingerprint({shown})"));
}

#[test]
fn more_keys_than_anybody_compares() {
    let body = |keys: usize, more: &str| {
        let members: Vec<String> = (0..keys).map(|key| format!("\"key{key}\":{key}")).collect();
        format!("{{{}{more}}}", members.join(","))
    };
    assert!(!read(body(64, "")).is_ambiguous());
    assert!(read(body(64, ",\"key0\":0")).is_ambiguous());
    assert!(read(body(65, "")).is_ambiguous());
    // Everything is still read, and everything still tells bodies apart.
    let facts = read(body(70, ",\"model\":\"m\",\"metadata\":{\"user_id\":\"u\"}"));
    assert_eq!((facts.shape(), facts.model(), facts.user_id()), (Shape::Object, Some("m"), Some("u")));
    assert_ne!(fingerprint(body(70, "")), fingerprint(body(70, " ")));
    assert_ne!(fingerprint(body(70, ",\"stream\":true")), fingerprint(body(70, ",\"stream\":false")));
}

// ---------------------------------------------------------------------------------------------------------
// The handle in the request

/// A model that is written with escapes is decoded once per reading, so that its address names the reading.
const ESCAPED: &str =
    r#"{"model":"cl\u0061ude","metadata":{"user_id":"secret-user"},"system":"secret-prompt"}"#;

fn address(facts: &RequestFacts) -> *const u8 {
    facts.model().unwrap().as_ptr()
}

#[test]
fn facts_are_read_once_for_the_same_bytes() {
    let mut request = Request::post("/v1/messages").body(Body::from(ESCAPED)).unwrap();
    let first = facts(&mut request);
    assert_eq!(address(&facts(&mut request)), address(&first));
    assert_eq!(address(&first.clone()), address(&first));
    assert_eq!(address(request.extensions().get().unwrap()), address(&first));

    // A second body of the same bytes is no other body.
    *request.body_mut() = request.body().try_clone().unwrap();
    assert_eq!(address(&facts(&mut request)), address(&first));
    let print = first.fingerprint();

    // Equal bytes elsewhere are read again; nobody compares contents.
    *request.body_mut() = Body::from(ESCAPED.to_owned());
    let second = facts(&mut request);
    assert_ne!(address(&second), address(&first));
    assert_eq!(address(&facts(&mut request)), address(&second));
    assert_eq!(second.fingerprint(), print);

    // The old handle still says what it said.
    *request.body_mut() = Body::from(r#"{"model":"other"}"#);
    assert_eq!(facts(&mut request).model(), Some("other"));
    assert_eq!(first.model(), Some("claude"));
}

#[test]
fn a_part_of_the_same_bytes_is_another_body() {
    let whole = Bytes::from_static(b"{\"model\":\"m\"}   ");
    let mut request = Request::post("/v1/messages").body(Body::from(whole.clone())).unwrap();
    let first = facts(&mut request);
    *request.body_mut() = Body::from(whole.slice(..5));
    assert_eq!(facts(&mut request).shape(), Shape::Malformed);
    *request.body_mut() = Body::from(whole);
    assert_eq!(facts(&mut request).model(), first.model());
}

#[test]
fn another_path_or_a_stream_is_another_reading() {
    let mut request = Request::post("/v1/messages").body(Body::from(ESCAPED)).unwrap();
    let first = facts(&mut request);
    *request.uri_mut() = "/base/v1/messages?beta=true".parse().unwrap();
    assert_eq!(address(&facts(&mut request)), address(&first));
    *request.uri_mut() = "/v1/files".parse().unwrap();
    assert_eq!(facts(&mut request).shape(), Shape::Unread);
    *request.uri_mut() = "/v1/messages".parse().unwrap();
    assert_eq!(facts(&mut request).shape(), Shape::Object);

    *request.body_mut() = Body::stream(http_body_util::Full::new(Bytes::from(ESCAPED)));
    let stream = facts(&mut request);
    assert_eq!((stream.shape(), stream.fingerprint()), (Shape::Unread, None));
    *request.body_mut() = Body::from(ESCAPED);
    assert_eq!(facts(&mut request).model(), Some("claude"));
}

#[test]
fn a_request_made_of_one_with_facts_reads_its_own() {
    let mut request = Request::post("/v1/messages").body(Body::from(ESCAPED)).unwrap();
    drop(facts(&mut request));
    let (parts, _) = request.into_parts();
    let mut request = Request::from_parts(parts, Body::empty());
    assert_eq!(facts(&mut request).shape(), Shape::Malformed);
}

#[test]
fn debug_shows_neither_the_user_nor_the_prompt() {
    let facts = read(ESCAPED);
    assert_eq!(facts.user_id(), Some("secret-user"));
    let shown = format!("{facts:?} {facts:#?}");
    assert!(shown.contains("claude") && !shown.contains("secret"), "{shown}");
}

#[test]
fn facts_travel() {
    fn check<T: Clone + Send + Sync + Unpin + 'static>() {}
    check::<RequestFacts>();
    check::<Fingerprint>();
    check::<Shape>();
    check::<Endpoint>();
}

/// A tool of the API's own is none: what a server does that the request names, nobody knows.
#[test]
fn mcp_servers_are_server_tools_and_not_all_of_them() {
    let server = r#"[{"type":"url","name":"calendar","url":"https://mcp.example"}]"#;
    let search = r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#;
    for (members, mcp_servers, server_tools) in [
        (format!(r#""mcp_servers":{server}"#), true, true),
        (format!(r#"{search},"mcp_servers":{server}"#), true, true),
        (search.to_owned(), false, true),
        (format!(r#"{search},"mcp_servers":[]"#), false, true),
        (r#""mcp_servers":[]"#.to_owned(), false, false),
        (r#""mcp_servers":null"#.to_owned(), false, false),
        (r#""tools":[{"name":"mcp_servers"}]"#.to_owned(), false, false),
        (format!(r#""metadata":{{"mcp_servers":{server}}}"#), false, false),
    ] {
        let facts = read(format!(r#"{{"model":"claude-opus-5-5",{members},"messages":[]}}"#));
        assert_eq!(
            (facts.has_mcp_servers(), facts.has_server_tools()),
            (mcp_servers, server_tools),
            "{members}"
        );
        assert!(!facts.is_stateful(), "{members}");
        assert!(format!("{facts:?}").contains(&format!("mcp_servers: {mcp_servers}")), "{facts:?}");
    }
}

#[test]
fn a_request_of_the_api() {
    let body = json!({
        "model": "claude-opus-5-5",
        "max_tokens": 4096,
        "stream": true,
        "metadata": {"user_id": "u-1"},
        "cache_control": {"type": "ephemeral"},
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        "tools": [
            {"name": "weather", "input_schema": {"properties": {"cache_control": {"type": "string"}}}},
            {"type": "bash_20250124", "name": "bash", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [{"type": "tool_use", "input": {"cache_control": {"x": 1}}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "content": [{"type": "text", "cache_control": {"type": "ephemeral"}}]},
                {"type": "document", "source": {"type": "content", "content": [
                    {"type": "text", "cache_control": {"type": "ephemeral"}},
                ]}},
            ]},
        ],
    });
    let facts = read(body.to_string());
    assert_eq!(facts.shape(), Shape::Object);
    assert_eq!(facts.model(), Some("claude-opus-5-5"));
    assert_eq!(facts.max_tokens(), Some(4096));
    assert_eq!(facts.user_id(), Some("u-1"));
    assert!(facts.is_stream() && !facts.is_ambiguous() && !facts.is_stateful() && !facts.has_server_tools());
    assert_eq!(facts.cache_control_marks(), 5);
    let parts = ["system", "messages", "tools"].iter().map(|name| body[*name].to_string().len() as u64);
    assert_eq!(facts.prompt_bytes(), parts.sum::<u64>());
}
