//! The prompt cache: what is read, what is written, and for how long.

use std::time::Duration;

use claude_sim::{DEFAULT_KEY, Key, Pace, Reply, Simulator};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::advance;
use tower::ServiceExt;

use crate::checker::{assemble, events};
use crate::support::{ask, body, full, message, post, send, weather};

/// Input, written for five minutes, written for an hour, read.
type Counts = (u64, u64, u64, u64);

fn counts(usage: &Value) -> Counts {
    let count = |value: &Value| value.as_u64().unwrap();
    let split = &usage["cache_creation"];
    let (short, long) =
        (count(&split["ephemeral_5m_input_tokens"]), count(&split["ephemeral_1h_input_tokens"]));
    assert_eq!(count(&usage["cache_creation_input_tokens"]), short + long);
    (count(&usage["input_tokens"]), short, long, count(&usage["cache_read_input_tokens"]))
}

async fn asked(simulator: &Simulator, fields: &Value) -> Counts {
    counts(&message(simulator, fields).await["usage"])
}

async fn counted(simulator: &Simulator, fields: &Value) -> u64 {
    let request = full(post("/v1/messages/count_tokens"), body(fields).to_string());
    send(simulator, request).await.json()["input_tokens"].as_u64().unwrap()
}

fn sum((input, short, long, read): Counts) -> u64 {
    input + short + long + read
}

/// Text of so many tokens.
fn tokens(count: usize) -> String {
    "x".repeat(count / 2 * 7)
}

fn block(text: &str, ttl: Option<&str>) -> Value {
    match ttl {
        Some(ttl) => {
            json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}})
        }
        None => json!({"type": "text", "text": text}),
    }
}

fn system(length: usize) -> Value {
    json!({"system": [block(&tokens(length), Some("5m"))]})
}

fn with(mut fields: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        fields[name] = value.clone();
    }
    fields
}

#[tokio::test(start_paused = true)]
async fn a_prefix_is_written_once_and_read_after_that() {
    let simulator = Simulator::new();
    let fields = system(1_000);
    let total = counted(&simulator, &fields).await;
    let first = asked(&simulator, &fields).await;
    assert!(first.1 >= 1_000 && first.3 == 0 && sum(first) == total, "{first:?}");
    let second = asked(&simulator, &fields).await;
    assert_eq!(second, (first.0, 0, 0, first.1));
    // What comes after the breakpoint makes no difference, and what comes before it does.
    let later = with(fields.clone(), &json!({"messages": [{"role": "user", "content": "Another"}]}));
    assert_eq!(asked(&simulator, &later).await.3, first.1);
    assert_eq!(asked(&simulator, &system(1_002)).await.3, 0);
    let bare = json!({"system": [block(&tokens(1_000), None)]});
    assert_eq!(asked(&simulator, &bare).await, (total, 0, 0, 0), "nothing is read without a breakpoint");
    simulator.clear_prompt_cache();
    assert_eq!(asked(&simulator, &fields).await, first);
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_the_same_from_its_start_on() {
    let simulator = Simulator::new();
    let fields = with(system(1_000), &json!({"stream": true}));
    for round in 0..2 {
        let answer = send(&simulator, ask(&fields)).await;
        let events = events(&answer.body).unwrap();
        let start = counts(&events[0].data["message"]["usage"]);
        assert_eq!(start, counts(&assemble(&events).unwrap()["usage"]));
        assert_eq!(start.3 > 0, round == 1);
    }
    let bill = simulator.bill();
    assert_eq!(bill[0].tokens.cache_read, bill[0].tokens.cache_write_5m);
}

#[tokio::test(start_paused = true)]
async fn entries_live_from_the_start_of_their_last_use() {
    for (ttl, life) in [("5m", 300), ("1h", 3_600)] {
        let simulator = Simulator::new();
        let fields = json!({"system": [block(&tokens(1_000), Some(ttl))]});
        let hits = async || asked(&simulator, &fields).await.3 > 0;
        assert!(!hits().await);
        for _ in 0..3 {
            advance(Duration::from_secs(life) - Duration::from_millis(1)).await;
            assert!(hits().await, "{ttl}");
        }
        advance(Duration::from_secs(life)).await;
        assert!(!hits().await, "{ttl}");
        assert!(hits().await);
    }
}

#[tokio::test(start_paused = true)]
async fn short_prompts_are_not_cached() {
    for (model, least) in [
        ("claude-fable-5-1", 512),
        ("claude-opus-5-5", 512),
        ("claude-haiku-5-5", 512),
        ("claude-opus-4-8", 1_024),
        ("claude-sonnet-4-5", 1_024),
        ("claude-opus-4-7", 2_048),
        ("claude-opus-4-6", 4_096),
        ("claude-haiku-4-5", 4_096),
    ] {
        let simulator = Simulator::new();
        for (length, cached) in [(least - 40, false), (least + 10, true)] {
            let fields = with(system(length), &json!({"model": model}));
            let first = asked(&simulator, &fields).await;
            assert_eq!(first.1 > 0, cached, "{model} {length}");
            assert_eq!(asked(&simulator, &fields).await.3 > 0, cached, "{model} {length}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn workspaces_and_models_share_nothing() {
    let simulator = Simulator::builder()
        .with_key(Key::new("a", DEFAULT_KEY).with_workspace("w1"))
        .with_key(Key::new("b", "sk-b").with_workspace("w1"))
        .with_key(Key::new("c", "sk-c").with_workspace("w2"))
        .build();
    let read = async |key: &str, model: &str| {
        let mut request = ask(&with(system(1_000), &json!({"model": model})));
        request.headers_mut().insert("x-api-key", key.parse().unwrap());
        counts(&send(&simulator, request).await.json()["usage"]).3 > 0
    };
    assert!(!read(DEFAULT_KEY, "claude-opus-5-5").await);
    assert!(read("sk-b", "claude-opus-5-5").await, "another key of the same workspace");
    assert!(!read("sk-c", "claude-opus-5-5").await);
    assert!(!read("sk-b", "claude-sonnet-5-5").await);
}

#[tokio::test(start_paused = true)]
async fn organisations_share_nothing_not_even_by_the_same_workspace() {
    for workspace in [None, Some("w")] {
        let key = |name: &str, secret: &str| {
            let key = Key::new(name, secret).with_organization(name);
            workspace.map_or(key.clone(), |workspace| key.with_workspace(workspace))
        };
        let simulator = Simulator::builder().with_key(key("a", "sk-a")).with_key(key("b", "sk-b")).build();
        for (key, reads) in [("sk-a", false), ("sk-b", false), ("sk-a", true), ("sk-b", true)] {
            let mut request = ask(&system(1_000));
            request.headers_mut().insert("x-api-key", key.parse().unwrap());
            let read = counts(&send(&simulator, request).await.json()["usage"]).3;
            assert_eq!(read > 0, reads, "{key} {workspace:?}");
        }
    }
}

/// A conversation of so many texts, the last one with a breakpoint.
fn texts(count: usize) -> Value {
    let mut blocks: Vec<_> =
        (0..count).map(|index| block(&format!("{index}{}", tokens(600)), None)).collect();
    blocks[count - 1]["cache_control"] = json!({"type": "ephemeral"});
    json!({"messages": [{"role": "user", "content": blocks}]})
}

#[tokio::test(start_paused = true)]
async fn a_lookup_goes_back_twenty_positions() {
    for (more, found) in [(1, true), (19, true), (20, false), (30, false)] {
        let simulator = Simulator::new();
        let first = asked(&simulator, &texts(5)).await;
        let second = asked(&simulator, &texts(5 + more)).await;
        assert_eq!(second.3, if found { first.1 } else { 0 }, "{more}");
        assert!(second.1 > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn runs_of_tools_are_one_position() {
    let simulator = Simulator::new();
    let conversation = |calls: usize, marked: bool| {
        let uses: Vec<_> = (0..calls)
            .map(|id| json!({"type": "tool_use", "id": format!("t{id}"), "name": "x", "input": {}}))
            .collect();
        let results: Vec<_> = (0..calls)
            .map(|id| json!({"type": "tool_result", "tool_use_id": format!("t{id}"), "content": "y"}))
            .collect();
        let start = block(&tokens(1_000), (!marked).then_some("5m"));
        let end = block("end", marked.then_some("5m"));
        json!({"messages": [
            {"role": "user", "content": [start]},
            {"role": "assistant", "content": uses},
            {"role": "user", "content": results},
            {"role": "user", "content": [end]},
        ]})
    };
    let written = asked(&simulator, &conversation(40, false)).await.1;
    assert_eq!(asked(&simulator, &conversation(40, true)).await.3, written);
}

#[tokio::test(start_paused = true)]
async fn an_hour_comes_before_five_minutes() {
    let simulator = Simulator::new();
    let fields = |tail: &str| {
        json!({
            "tools": [{"name": "x", "description": tokens(600), "input_schema": {"type": "object"},
                "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "system": [block(&tokens(700), Some("1h"))],
            "messages": [{"role": "user", "content": [block(&format!("{}{tail}", tokens(800)), Some("5m")), block("Hi", None)]}],
        })
    };
    let first = asked(&simulator, &fields("a")).await;
    assert!(first.2 >= 1_300 && first.1 >= 800, "{first:?}");
    advance(Duration::from_secs(600)).await;
    // The hour's entries are left.
    let second = asked(&simulator, &fields("a")).await;
    assert_eq!(second, (first.0, first.1, 0, first.2));
    let other = asked(&simulator, &fields("b")).await;
    assert_eq!((other.2, other.3), (0, first.2));
    assert_eq!(asked(&simulator, &fields("b")).await.3, sum(other) - other.0);
}

/// What is left of tools, system and messages after a change.
#[tokio::test(start_paused = true)]
async fn changes_invalidate_what_comes_after_them() {
    let marked = |name: &str| {
        json!({"name": name, "description": tokens(1_000), "input_schema": {"type": "object"},
            "cache_control": {"type": "ephemeral"}})
    };
    let base = json!({
        "tools": [marked("x")],
        "system": [block(&tokens(1_000), Some("5m"))],
        "messages": [{"role": "user", "content": [block(&tokens(1_000), Some("5m"))]}],
    });
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let document = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "y"},
        "citations": {"enabled": true}});
    let after = |block: Value| {
        let mut messages = base["messages"].clone();
        messages[0]["content"].as_array_mut().unwrap().push(block);
        json!({"messages": messages})
    };
    for (change, sections) in [
        (json!({}), 3),
        (json!({"max_tokens": 7, "stream": false, "metadata": {"user_id": "u"}}), 3),
        (json!({"tools": [marked("y")]}), 0),
        (json!({"tools": [marked("x"), {"type": "web_search_20250305", "name": "web_search"}]}), 1),
        (json!({"speed": "fast"}), 1),
        (after(document), 1),
        (json!({"system": [block("Another.", Some("5m"))]}), 1),
        (json!({"tool_choice": {"type": "none"}}), 2),
        (json!({"thinking": {"type": "adaptive"}}), 2),
        (json!({"output_config": {"effort": "low"}}), 2),
        (after(image), 2),
        (after(json!({"type": "text", "text": "more"})), 3),
    ] {
        // A text, because a web search would have everything read again.
        let simulator = Simulator::builder().with_reply(Reply::text("x")).build();
        let written = asked(&simulator, &base).await.1;
        let read = asked(&simulator, &with(base.clone(), &change)).await.3;
        let left = (read * 3 + written / 2) / written;
        let start: String = change.to_string().chars().take(60).collect();
        assert_eq!(left, sections, "{start}: {read} of {written}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_order_of_fields_is_another_prefix() {
    let simulator = Simulator::new();
    let read = async |schema: &str| {
        let tool = format!(
            r#"{{"name":"x","description":"{}","input_schema":{schema},"cache_control":{{"type":"ephemeral"}}}}"#,
            tokens(1_000)
        );
        let body = format!(
            r#"{{"model":"claude-opus-5-5","max_tokens":9,"tools":[{tool}],"messages":[{{"role":"user","content":"x"}}]}}"#
        );
        counts(&send(&simulator, full(post("/v1/messages"), body)).await.json()["usage"]).3 > 0
    };
    assert!(!read(r#"{"type":"object","required":[]}"#).await);
    assert!(read(r#"{ "type": "object", "required": [ ] }"#).await, "spaces say nothing");
    assert!(!read(r#"{"required":[],"type":"object"}"#).await);
}

#[tokio::test(start_paused = true)]
async fn the_whole_request_may_have_a_breakpoint() {
    let simulator = Simulator::new();
    let mut messages = vec![json!({"role": "user", "content": tokens(1_000)})];
    let mut before = 0;
    for turn in 0..4 {
        let fields = json!({"cache_control": {"type": "ephemeral"}, "messages": messages});
        let counts = asked(&simulator, &fields).await;
        assert_eq!((counts.0, counts.3), (0, before), "turn {turn}");
        before = sum(counts);
        messages.push(json!({"role": "assistant", "content": format!("Answer {turn}")}));
        messages.push(json!({"role": "user", "content": [{"type": "text", "text": "And?"}]}));
    }
    // One at the last block already, of the same kind, is no other.
    let mut explicit = messages.clone();
    explicit.last_mut().unwrap()["content"][0]["cache_control"] = json!({"type": "ephemeral"});
    let fields = json!({"cache_control": {"type": "ephemeral", "ttl": "5m"}, "messages": explicit});
    assert_eq!(asked(&simulator, &fields).await.3, before);
}

#[tokio::test]
async fn rules_for_breakpoints() {
    let text = |ttl: &str| block("x", Some(ttl));
    let user = |blocks: Vec<Value>| json!({"messages": [{"role": "user", "content": blocks}]});
    let control = |control: Value| user(vec![json!({"type": "text", "text": "x", "cache_control": control})]);
    let thought = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": "y"},
        {"role": "user", "content": "x"},
    ]);
    let five = user(vec![text("5m"); 5]);
    let long_last = json!({"tools": weather(), "system": [text("5m")], "messages": [{"role": "user", "content": [text("1h")]}]});
    let mut tools_last = weather();
    tools_last[0]["cache_control"] = json!({"type": "ephemeral"});
    let automatic = json!({"type": "ephemeral"});
    let long = json!({"type": "ephemeral", "ttl": "1h"});
    for (fields, complaint) in [
        (five, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        (
            with(
                user(vec![text("5m"), text("5m"), text("5m"), text("5m"), block("x", None)]),
                &json!({"cache_control": automatic}),
            ),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            long_last,
            "messages.0.content.0.cache_control.ttl: a ttl='1h' cache_control block must not come after",
        ),
        (json!({"tools": tools_last, "system": [text("1h")]}), "system.0.cache_control.ttl: a ttl='1h'"),
        (
            json!({"cache_control": long, "system": [text("5m")]}),
            "messages.0.content.cache_control.ttl: a ttl='1h'",
        ),
        (
            with(user(vec![text("5m")]), &json!({"cache_control": long})),
            "cache_control.ttl: the last block has",
        ),
        (
            user(vec![block("", Some("5m"))]),
            "messages.0.content.0.text: cache_control cannot be set for empty text blocks",
        ),
        (json!({"messages": thought}), "messages.1.content.0.thinking.cache_control: Extra inputs"),
        (
            control(json!({"type": "lasting"})),
            "messages.0.content.0.cache_control.type: Input should be 'ephemeral'",
        ),
        (control(json!({})), "messages.0.content.0.cache_control.type: Field required"),
        (control(json!(7)), "messages.0.content.0.cache_control: Input should be an object"),
        (
            control(json!({"type": "ephemeral", "ttl": "1d"})),
            "messages.0.content.0.cache_control.ttl: Input should be '5m' or '1h'",
        ),
        (json!({"cache_control": {"type": "ephemeral", "ttl": 5}}), "cache_control.ttl: Input should be"),
    ] {
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let answer = send(&Simulator::new(), full(post(path), body(&fields).to_string())).await;
            assert_eq!(answer.status, 400, "{fields}");
            let json = answer.json();
            let said = json["error"]["message"].as_str().unwrap();
            assert!(said.starts_with(complaint), "{said}");
        }
    }
    for fields in [user(vec![text("5m"); 4]), control(json!(null)), user(vec![text("1h"), text("5m")])] {
        message(&Simulator::new(), &fields).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_reply_says_wins_and_leaves_the_cache_alone() {
    let simulator = Simulator::new();
    simulator.script([Reply::echo().with_cache_read(77)]);
    let total = counted(&simulator, &system(1_000)).await;
    assert_eq!(asked(&simulator, &system(1_000)).await, (total, 0, 0, 77));
    assert_eq!(asked(&simulator, &system(1_000)).await.3, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_no_tokens_warms_the_cache() {
    let simulator = Simulator::new();
    let warmed = asked(&simulator, &with(system(1_000), &json!({"max_tokens": 0}))).await.1;
    assert_eq!(asked(&simulator, &system(1_000)).await.3, warmed);
}

#[tokio::test(start_paused = true)]
async fn an_entry_can_be_used_when_the_first_response_begins() {
    let wait = Duration::from_secs(200);
    let build = || Simulator::builder().with_pace(Pace::instant().with_first_token(wait)).build();
    let simulator = build();
    let fields = system(1_000);
    let (first, second) = tokio::join!(asked(&simulator, &fields), asked(&simulator, &fields));
    assert!(first.1 > 0 && first == second, "both write it: {first:?} {second:?}");
    assert_eq!(asked(&simulator, &fields).await.3, first.1);
    // The last request began 200 s ago, and its entry lives for another 100.
    advance(Duration::from_secs(101)).await;
    assert_eq!(asked(&simulator, &fields).await.3, 0);

    // A response that never begins leaves nothing.
    let simulator = build();
    drop(tokio::time::timeout(wait / 2, asked(&simulator, &fields)).await);
    assert_eq!(asked(&simulator, &fields).await.3, 0);

    // A stream begins at once.
    let simulator = build();
    let streamed = with(fields.clone(), &json!({"stream": true}));
    let response = simulator.clone().oneshot(ask(&streamed)).await.unwrap();
    assert!(asked(&simulator, &fields).await.3 > 0);
    drop(response);
}

/// Whatever is marked, the parts are the whole, and asking again reads what was written.
#[tokio::test(start_paused = true)]
async fn the_parts_are_the_whole() {
    let mut rng = Rng::with_seed(9);
    for _ in 0..300 {
        let simulator = Simulator::new();
        let mut left = 4;
        let mut long = rng.bool();
        let mut blocks = |rng: &mut Rng| -> Vec<Value> {
            (0..rng.usize(1..5))
                .map(|_| {
                    let text = tokens(rng.usize(2..900));
                    if left == 0 || rng.bool() {
                        return block(&text, None);
                    }
                    left -= 1;
                    long &= rng.bool();
                    block(&text, Some(if long { "1h" } else { "5m" }))
                })
                .collect()
        };
        let system = blocks(&mut rng);
        let messages: Vec<_> =
            (0..rng.usize(1..4)).map(|_| json!({"role": "user", "content": blocks(&mut rng)})).collect();
        let fields = json!({"system": system, "messages": messages});
        let total = counted(&simulator, &fields).await;
        let first = asked(&simulator, &fields).await;
        let second = asked(&simulator, &fields).await;
        assert_eq!((sum(first), first.3), (total, 0));
        assert_eq!(second, (first.0, 0, 0, first.1 + first.2));
    }
}

#[tokio::test(start_paused = true)]
async fn counts_stop_at_the_most_that_there_is() {
    for (read, short, long) in [(u64::MAX, 1, 0), (0, u64::MAX, 1), (1, u64::MAX, u64::MAX)] {
        for kind in Reply::every_kind() {
            let reply = kind.reply.with_cache_read(read).with_cache_written(short, long);
            for stream in [false, true] {
                let simulator = Simulator::builder().with_reply(reply.clone()).build();
                let answer = send(&simulator, ask(&json!({"stream": stream}))).await;
                assert_eq!(answer.status, 200, "{}", kind.name);
            }
        }
    }
}
