//! What a response used: a stream's deltas as the official SDKs take them in, forms that nobody expects, and
//! fields that nobody knows.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use std::collections::BTreeSet;

use claude_wire::usage::{CacheCreation, Iteration, OutputTokensDetails, ServerToolUse, Usage};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

fn read(value: &Value) -> Usage {
    serde_json::from_value(value.clone()).unwrap()
}

/// The usage of a stream that begins like this and has these deltas.
fn after(start: &Value, deltas: &[Value]) -> Usage {
    let mut usage = read(start);
    for delta in deltas {
        usage.apply_delta(read(delta));
    }
    usage
}

/// The whole of `message_start`, as it is in the documentation.
fn start() -> Value {
    json!({
        "input_tokens": 12,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 4000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 1,
        "service_tier": "standard",
        "inference_geo": "global",
        "speed": "standard",
    })
}

// ---------------------------------------------------------------------------------------------------------
// Deltas

#[test]
fn output_tokens_are_totals() {
    let usage = after(&start(), &[json!({"output_tokens": 5}), json!({"output_tokens": 9})]);
    assert_eq!(usage.output_tokens, Some(9));
    assert_eq!(usage.total_input_tokens(), 4312);
    // The rest is as it was.
    let mut expected = read(&start());
    expected.output_tokens = Some(9);
    assert_eq!(usage, expected);
}

#[test]
fn what_a_delta_does_to_each_field() {
    let full = json!({
        "input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 4,
        "server_tool_use": {"web_search_requests": 5},
        "output_tokens_details": {"thinking_tokens": 6},
        "iterations": [{"type": "message", "input_tokens": 7}],
        "fallback_credit": {"status": {"type": "redeemed"}},
    });
    for (field, later) in [
        // Far up, and down to nothing.
        ("input_tokens", json!(22_397)),
        ("input_tokens", json!(0)),
        ("cache_creation_input_tokens", json!(55_096)),
        ("cache_creation_input_tokens", json!(0)),
        ("cache_read_input_tokens", json!(u64::MAX)),
        ("cache_read_input_tokens", json!(0)),
        ("output_tokens", json!(0)),
        ("server_tool_use", json!({"web_search_requests": 6, "web_fetch_requests": 1})),
        ("server_tool_use", json!({})),
        ("output_tokens_details", json!({"thinking_tokens": 0})),
        ("iterations", json!([])),
        ("iterations", json!([{"type": "compaction"}, {"type": "message"}])),
        ("fallback_credit", json!({"status": {"type": "not_applied", "reason": "expired"}})),
        ("fallback_credit", json!("a new form")),
    ] {
        // It comes, it replaces, and it touches nothing else.
        let mut expected = full.clone();
        expected[field] = later.clone();
        assert_eq!(after(&full, &[json!({field: later})]), read(&expected), "{field}");
        assert_eq!(after(&json!({}), &[json!({field: later})]), read(&json!({field: later})), "{field}");
        // Absent or null, it leaves what is there; also a null behind it.
        for nothing in [json!({}), json!({field: null})] {
            assert_eq!(after(&full, std::slice::from_ref(&nothing)), read(&full), "{field}");
            assert_eq!(after(&full, &[json!({field: later}), nothing]), read(&expected), "{field}");
        }
    }
}

#[test]
fn what_stays_as_the_stream_began() {
    for (field, later) in [
        ("cache_creation", json!({"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2})),
        ("service_tier", json!("priority")),
        ("inference_geo", json!("us")),
        ("speed", json!("fast")),
        ("a_new_field", json!(1)),
    ] {
        assert_eq!(after(&start(), &[json!({field: later})]), read(&start()), "{field}");
        assert_eq!(after(&json!({}), &[json!({field: later})]), Usage::default(), "{field}");
    }
}

/// Counts may go far up: each page that a search finds is input.
#[test]
fn a_search_at_the_server() {
    let usage = after(
        &json!({"input_tokens": 2068, "output_tokens": 3}),
        &[json!({
            "input_tokens": 22_397, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 510, "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        })],
    );
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(22_397), Some(510)));
    let tools = usage.server_tool_use.unwrap();
    assert_eq!((tools.web_search_requests, tools.web_fetch_requests), (Some(2), Some(0)));
    assert_eq!(tools.code_execution_requests, None);
}

/// And down: the cost of a compaction moves into the iterations.
#[test]
fn a_compaction() {
    let usage = after(
        &json!({"input_tokens": 40, "cache_read_input_tokens": 55_096, "output_tokens": 1}),
        &[json!({
            "input_tokens": 900, "cache_read_input_tokens": 0, "output_tokens": 77,
            "iterations": [
                {"type": "compaction", "model": null, "input_tokens": 40, "cache_read_input_tokens": 55_096,
                 "output_tokens": 800, "cache_creation": {"ephemeral_1h_input_tokens": 9}},
                {"type": "message", "input_tokens": 900, "output_tokens": 77},
            ],
        })],
    );
    assert_eq!(usage.total_input_tokens(), 900);
    let iterations = usage.iterations.unwrap();
    let [compaction, message] = &iterations[..] else { panic!("{iterations:?}") };
    assert_eq!(compaction.kind.as_deref(), Some("compaction"));
    assert_eq!((compaction.model.as_deref(), compaction.input_tokens), (None, Some(40)));
    assert_eq!((compaction.cache_read_input_tokens, compaction.output_tokens), (Some(55_096), Some(800)));
    assert_eq!(compaction.cache_creation.as_ref().unwrap().ephemeral_1h_input_tokens, Some(9));
    assert_eq!((message.kind.as_deref(), message.output_tokens), (Some("message"), Some(77)));
}

/// An advisor is billed at its own model's price and is not in the counts above.
#[test]
fn an_advisor() {
    let usage = after(
        &json!({"input_tokens": 1128, "output_tokens": 1}),
        &[json!({"input_tokens": 2411, "output_tokens": 60, "iterations": [
            {"type": "message", "input_tokens": 1128, "output_tokens": 20},
            {"type": "advisor_message", "model": "claude-opus-5-5", "input_tokens": 2543, "output_tokens": 400},
            {"type": "message", "input_tokens": 1283, "output_tokens": 40},
        ]})],
    );
    let iterations = usage.iterations.as_deref().unwrap();
    let of = |kind: &str| -> u64 {
        iterations
            .iter()
            .filter(|one| one.kind.as_deref() == Some(kind))
            .filter_map(|one| one.input_tokens)
            .sum()
    };
    assert_eq!((of("message"), of("advisor_message")), (2411, 2543));
    assert_eq!(usage.total_input_tokens(), 2411);
    assert_eq!(iterations[1].model.as_deref(), Some("claude-opus-5-5"));
}

// ---------------------------------------------------------------------------------------------------------
// Against the SDKs' rule, written over plain JSON

fn count() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Value::Null)),
        3 => (0_u64..100_000).prop_map(|count| Some(json!(count))),
        1 => select(vec![Some(json!(0)), Some(json!(u64::MAX))]),
    ]
}

fn any_of(values: Vec<Value>) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![2 => Just(None), 1 => Just(Some(Value::Null)), 3 => select(values).prop_map(Some)]
}

fn usage() -> impl Strategy<Value = Value> {
    let counts = (count(), count(), count(), count());
    let details = (
        any_of(vec![json!({"thinking_tokens": 5}), json!({"thinking_tokens": 0})]),
        any_of(vec![json!({"web_search_requests": 1}), json!({"code_execution_requests": 4})]),
        any_of(vec![json!({"ephemeral_5m_input_tokens": 5}), json!({"ephemeral_1h_input_tokens": 7})]),
        any_of(vec![json!([]), json!([{"type": "message", "input_tokens": 5, "new": [1]}])]),
        any_of(vec![json!({"status": {"type": "redeemed"}}), json!({})]),
    );
    let texts = (
        any_of(vec![json!("standard"), json!("priority")]),
        any_of(vec![json!("us"), json!("global")]),
        any_of(vec![json!("fast"), json!("standard")]),
        any_of(vec![json!({"new": true}), json!("x")]),
    );
    (counts, details, texts).prop_map(|(counts, details, texts)| {
        let members = [
            ("input_tokens", counts.0),
            ("output_tokens", counts.1),
            ("cache_creation_input_tokens", counts.2),
            ("cache_read_input_tokens", counts.3),
            ("output_tokens_details", details.0),
            ("server_tool_use", details.1),
            ("cache_creation", details.2),
            ("iterations", details.3),
            ("fallback_credit", details.4),
            ("service_tier", texts.0),
            ("inference_geo", texts.1),
            ("speed", texts.2),
            ("a_field_of_tomorrow", texts.3),
        ];
        let present = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(present.collect())
    })
}

/// `lib/streaming/_messages.py` of the Python SDK, over dictionaries.
fn accumulate(snapshot: &mut Map<String, Value>, delta: &Value) {
    // The SDK overwrites the output tokens even with nothing; nothing is no count, so that the last one stays.
    for field in [
        "output_tokens",
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "server_tool_use",
        "output_tokens_details",
        "iterations",
        "fallback_credit",
    ] {
        if !delta[field].is_null() {
            snapshot.insert(field.to_owned(), delta[field].clone());
        }
    }
}

proptest! {
    #[test]
    fn deltas_as_the_sdks_take_them(start in usage(), deltas in prop::collection::vec(usage(), 0..4)) {
        let mut snapshot = start.as_object().unwrap().clone();
        for delta in &deltas {
            accumulate(&mut snapshot, delta);
        }
        prop_assert_eq!(after(&start, &deltas), read(&Value::Object(snapshot)));
    }

    #[test]
    fn usage_survives_being_written_and_read(value in usage()) {
        let usage = read(&value);
        let written = serde_json::to_value(&usage).unwrap();
        prop_assert_eq!(&read(&written), &usage);
        // Whatever came with a value is written with that value, at any depth.
        prop_assert!(covers(&written, &value), "{} {}", written, value);
        let text = serde_json::to_string(&usage).unwrap();
        prop_assert_eq!(serde_json::from_str::<Usage>(&text).unwrap(), usage);
    }
}

/// Whether everything of `part` is in `whole`. A null is the same as nothing.
fn covers(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(name, part)| part.is_null() || whole.get(name).is_some_and(|whole| covers(whole, part))),
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| covers(whole, part))
        }
        (whole, part) => whole == part,
    }
}

// ---------------------------------------------------------------------------------------------------------
// Forms that nobody expects

#[test]
fn a_field_of_another_type_is_absent_and_hides_nothing() {
    let full = json!({
        "input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 1}, "output_tokens_details": {"thinking_tokens": 6},
        "server_tool_use": {"web_search_requests": 5}, "service_tier": "standard", "inference_geo": "us",
        "speed": "fast", "iterations": [{"type": "message"}],
    });
    let counts = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"];
    let objects = ["cache_creation", "output_tokens_details", "server_tool_use"];
    let texts = ["service_tier", "inference_geo", "speed"];
    let no_counts =
        [json!(-1), json!(1.5), json!(1e30), json!("12"), json!(true), json!([1]), json!({}), json!(null)];
    let no_objects = [json!(1), json!("x"), json!(true), json!(null)];
    let no_texts = [json!(1), json!(["standard"]), json!({"type": "standard"}), json!(false), json!(null)];
    let no_lists = [json!(1), json!("x"), json!({}), json!(null)];
    let cases = counts
        .map(|field| (field, &no_counts[..]))
        .into_iter()
        .chain(objects.map(|field| (field, &no_objects[..])))
        .chain(texts.map(|field| (field, &no_texts[..])))
        .chain([("iterations", &no_lists[..])]);
    let mut checked = 0;
    for (field, values) in cases {
        let mut without = full.clone();
        without.as_object_mut().unwrap().remove(field);
        assert_ne!(read(&without), read(&full), "{field}");
        for value in values {
            let mut changed = full.clone();
            changed[field] = value.clone();
            assert_eq!(read(&changed), read(&without), "{field} {value}");
            checked += 1;
        }
    }
    assert_eq!(checked, 4 * 8 + 3 * 4 + 3 * 5 + 4);
}

#[test]
fn parts_of_parts_are_as_lenient() {
    let usage = read(&json!({
        "cache_creation": {"ephemeral_5m_input_tokens": "many", "ephemeral_1h_input_tokens": 2, "new": 1},
        "output_tokens_details": {"thinking_tokens": -1},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": null, "code_execution_requests": []},
        "iterations": [{"type": 5, "model": {}, "input_tokens": "x", "output_tokens": 3, "cache_creation": 7}],
    }));
    let mut split = CacheCreation::default();
    split.ephemeral_1h_input_tokens = Some(2);
    split.other.insert("new".to_owned(), json!(1));
    assert_eq!(usage.cache_creation, Some(split));
    assert_eq!(usage.output_tokens_details, Some(OutputTokensDetails::default()));
    let mut tools = ServerToolUse::default();
    tools.web_search_requests = Some(1);
    assert_eq!(usage.server_tool_use, Some(tools));
    let mut iteration = Iteration::default();
    iteration.output_tokens = Some(3);
    assert_eq!(usage.iterations, Some(vec![iteration]));
}

#[test]
fn nothing_is_a_usage_too() {
    assert_eq!(read(&json!({})), Usage::default());
    assert_eq!(Usage::default().total_input_tokens(), 0);
    for text in ["null", "1", "\"x\"", "{\"input_tokens\":", ""] {
        assert!(serde_json::from_str::<Usage>(text).is_err(), "{text}");
    }
}

#[test]
fn totals_stop_at_the_end() {
    let mut usage = read(&start());
    assert_eq!(usage.total_input_tokens(), 12 + 300 + 4000);
    usage.cache_read_input_tokens = Some(u64::MAX);
    assert_eq!(usage.total_input_tokens(), u64::MAX);
    usage.cache_creation_input_tokens = None;
    usage.input_tokens = None;
    assert_eq!(usage.total_input_tokens(), u64::MAX);
}

// ---------------------------------------------------------------------------------------------------------
// Fields that nobody knows

#[test]
fn unknown_fields_come_through() {
    let value = json!({
        "input_tokens": 1,
        "a_count_of_tomorrow": 5,
        "nested": {"deep": [1, 2.5, "x", null, {"deeper": true}]},
        "huge": 18_446_744_073_709_551_615_u64,
        "null": null,
        "iterations": [{"type": "message", "input_tokens": 2, "effort": "high", "parts": [{"a": 1}]}],
        "fallback_credit": {"status": {"type": "redeemed", "new": 1}, "more": []},
    });
    let usage = read(&value);
    let unknown: BTreeSet<&str> = usage.other.keys().map(String::as_str).collect();
    assert_eq!(unknown, BTreeSet::from(["a_count_of_tomorrow", "huge", "nested", "null"]));
    assert_eq!(usage.iterations.as_ref().unwrap()[0].other["effort"], "high");
    let written = serde_json::to_value(&usage).unwrap();
    assert!(covers(&written, &value), "{written}");
    assert_eq!(written["null"], Value::Null);
    assert_eq!(written["iterations"][0]["parts"], value["iterations"][0]["parts"]);
    assert_eq!(written["fallback_credit"], value["fallback_credit"]);
}

/// The beta fields are not written where they were not, as no stable response has them.
#[test]
fn what_is_written_of_nothing() {
    let written = serde_json::to_value(Usage::default()).unwrap();
    let written = written.as_object().unwrap();
    assert!(!written.contains_key("iterations") && !written.contains_key("fallback_credit"));
    assert!(written.values().all(Value::is_null), "{written:?}");
}

#[test]
fn usage_travels() {
    fn check<T: Clone + Send + Sync + Unpin + 'static>() {}
    check::<Usage>();
    check::<Iteration>();
    check::<CacheCreation>();
    check::<OutputTokensDetails>();
    check::<ServerToolUse>();
}

/// What one entry hides, the others still say.
#[test]
fn an_iteration_that_is_none() {
    let usage = read(&json!({"iterations": [{"type": "message", "input_tokens": 7}, "new", null]}));
    let iterations = usage.iterations.unwrap();
    assert_eq!(iterations.len(), 3);
    assert_eq!(iterations[0].input_tokens, Some(7));
    assert_eq!(iterations[1], Iteration::default());
    assert_eq!(read(&json!({"iterations": {"a": 1}})).iterations, None);
}

#[test]
fn unknown_fields_inside_fields_are_kept() {
    let text = json!({
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1d_input_tokens": 2},
        "server_tool_use": {"web_search_requests": 1, "moon_requests": 3},
        "output_tokens_details": {"thinking_tokens": 4, "singing_tokens": 5},
    });
    let written = serde_json::to_value(read(&text)).unwrap();
    assert_eq!(written["cache_creation"]["ephemeral_1d_input_tokens"], 2);
    assert_eq!(written["server_tool_use"]["moon_requests"], 3);
    assert_eq!(written["output_tokens_details"]["singing_tokens"], 5);
}
