use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Field, wipe};
use crate::source::{SourceError, SourceErrorKind};

const KEY: &str = "sk-ant-api03-canary";

fn of(path: &str, text: &str) -> Result<String, SourceError> {
    let found = Field::new(path).of("test:json", text);
    found.map(|secret| secret.expose_secret().to_owned())
}

fn kind(path: &str, text: &str) -> SourceErrorKind {
    let error = of(path, text).unwrap_err();
    let shown = format!("{error} {error:?} {error:#} {error:#?}");
    assert!(!shown.contains("canary"), "{shown}");
    error.kind()
}

#[test]
fn a_name_leads_to_a_field() {
    assert_eq!(of("key", r#"{"other": 1, "key": "sk-ant-api03-canary", "more": []}"#).unwrap(), KEY);
    assert_eq!(of("key", "\u{feff}{\"key\": \"sk-ant-api03-canary\"}\r\n").unwrap(), KEY);
    assert_eq!(of("", r#"{"": "sk-ant-api03-canary"}"#).unwrap(), KEY);
}

#[test]
fn names_with_dots_between_them_lead_into_objects() {
    let text = r#"{"claude": {"prod": {"key": "sk-ant-api03-canary"}, "key": "other"}}"#;
    assert_eq!(of("claude.prod.key", text).unwrap(), KEY);
    assert_eq!(kind("claude.prod.other", text), SourceErrorKind::MissingField);
    assert_eq!(kind("claude.key.prod", text), SourceErrorKind::MissingField);
    assert_eq!(kind("prod.key", text), SourceErrorKind::MissingField);
}

#[test]
fn a_name_with_dots_in_it_comes_first() {
    for text in [
        r#"{"a.b": "sk-ant-api03-canary", "a": {"b": "other"}}"#,
        r#"{"a": {"b": "other"}, "a.b": "sk-ant-api03-canary"}"#,
    ] {
        assert_eq!(of("a.b", text).unwrap(), KEY, "{text}");
    }
    assert_eq!(kind("a.b", r#"{"a": {"b": "other"}, "a.b": null}"#), SourceErrorKind::MissingField);
}

#[test]
fn escapes_are_read() {
    assert_eq!(of("k\u{e4}", r#"{"k\u00e4": "sk\u002dant\u002dapi03\u002dcanary"}"#).unwrap(), KEY);
}

#[test]
fn what_is_no_text_is_malformed_and_null_is_missing() {
    for value in ["1", "-1", "1.5", "true", "[\"canary\"]", "{\"canary\": \"canary\"}", "[]", "{}"] {
        assert_eq!(kind("key", &format!(r#"{{"key": {value}}}"#)), SourceErrorKind::Malformed, "{value}");
    }
    assert_eq!(kind("key", r#"{"key": null}"#), SourceErrorKind::MissingField);
}

#[test]
fn a_path_leads_only_through_objects() {
    for text in
        ["[\"canary\"]", "\"canary\"", "1", "-1", "1.5", "true", "null", "[]", "{}", "[{\"0\": \"canary\"}]"]
    {
        assert_eq!(kind("0", text), SourceErrorKind::MissingField, "{text}");
        let inner = format!(r#"{{"a": {text}}}"#);
        assert_eq!(kind("a.0", &inner), SourceErrorKind::MissingField, "{inner}");
    }
}

#[test]
fn a_field_that_is_there_twice_is_malformed() {
    assert_eq!(kind("key", r#"{"key": "canary-1", "key": "canary-2"}"#), SourceErrorKind::Malformed);
    assert_eq!(kind("a.key", r#"{"a": {"key": "canary-1"}, "a": {}}"#), SourceErrorKind::Malformed);
    // One that is not asked for may be.
    assert_eq!(of("key", r#"{"x": 1, "key": "sk-ant-api03-canary", "x": 1}"#).unwrap(), KEY);
}

#[test]
fn a_field_that_holds_nothing_is_empty() {
    for value in ["", " ", "\\n", "\\ufeff"] {
        assert_eq!(kind("key", &format!(r#"{{"key": "{value}"}}"#)), SourceErrorKind::Empty);
    }
}

#[test]
fn an_empty_text_is_empty_and_a_cut_one_malformed() {
    for text in ["", "\n", " \r\n", "\u{feff}"] {
        assert_eq!(kind("key", text), SourceErrorKind::Empty, "{text:?}");
    }
    let whole = r#"{"other": {"a": [1]}, "key": "sk-ant-api03-canary", "more": "x"}"#;
    for end in 1..whole.len() {
        assert_eq!(kind("key", &whole[..end]), SourceErrorKind::Malformed, "{end}");
    }
}

#[test]
fn what_is_no_json_is_malformed_and_not_quoted() {
    for text in [
        "sk-ant-api03-canary",
        "canary",
        "{canary: 1}",
        "{'key': 'canary'}",
        r#"{"key": "canary"} canary"#,
        r#"{"key": "canary"}{"key": "canary"}"#,
        r#"{"key": "canary",}"#,
        r#"{"key": "\x canary"}"#,
        "{\"key\": \"canary\ncanary\"}",
        r#"{"key": "\ud800 canary"}"#,
        r#"{"key": 1e999, "canary": 1}"#,
    ] {
        assert_eq!(kind("key", text), SourceErrorKind::Malformed, "{text}");
    }
}

#[test]
fn depth_ends_in_an_error_and_not_in_the_stack() {
    let deep = 100_000;
    let beside = format!(r#"{{"x": {}{}, "key": "{KEY}"}}"#, "[".repeat(deep), "]".repeat(deep));
    assert_eq!(of("key", &beside).unwrap(), KEY);
    let inside = format!("{}\"canary\"{}", "{\"a\":".repeat(deep), "}".repeat(deep));
    assert_eq!(kind(&"a.".repeat(deep), &inside), SourceErrorKind::Malformed);
    assert_eq!(kind("a", &inside), SourceErrorKind::Malformed);
    assert_eq!(kind("a", &"{\"a\":".repeat(deep)), SourceErrorKind::Malformed);
}

#[test]
fn much_beside_it_does_not_matter() {
    let much = "x".repeat(1 << 20);
    assert_eq!(of("key", &format!(r#"{{"a": "{much}", "key": "{KEY}", "b": "{much}"}}"#)).unwrap(), KEY);
}

#[test]
fn a_key_in_place_of_the_path_is_not_shown() {
    assert_eq!(kind("sk-ant-canary", "{}"), SourceErrorKind::MissingField);
    assert!(!format!("{0} {0:?}", Field::new("sk-ant-canary")).contains("canary"));
}

#[test]
fn wiping_leaves_no_text() {
    let mut value = json!({"a": ["canary", {"b": "canary"}], "c": 1, "d": null});
    wipe(&mut value);
    assert_eq!(value, json!({"a": ["", {"b": ""}], "c": 1, "d": null}));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(a|b|a\\.b|b\\.a|é)", inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_walk_finds_what_the_tree_has(value in any_json(), path in "(a|b|é)(\\.(a|b|é)){0,3}", pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let field = Field::new(&path);
        let expose = |found: Result<secrecy::SecretString, _>| found.map(|s| s.expose_secret().to_owned());
        prop_assert_eq!(expose(field.of("test:json", &text)), expose(field.in_value("test:json", &value)));
    }

    #[test]
    fn no_error_quotes_what_was_read(before in "[\\PC\"{}:,\\[\\]]{0,20}", after in "[\\PC\"{}:,\\[\\]]{0,20}", path in "[a-c.]{0,5}") {
        if let Err(error) = of(&path, &format!("{before}sk-ant-canary{after}")) {
            let shown = format!("{error} {error:?} {error:#} {error:#?}");
            prop_assert!(!shown.contains("canary"), "{}", shown);
        }
    }
}
