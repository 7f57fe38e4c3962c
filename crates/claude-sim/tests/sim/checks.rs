//! What the API takes of a request: by version, by generation of the model, and by its betas.

use claude_sim::{Block, Model, Reply, Simulator};
use serde_json::{Value, json};

use crate::support::{Answer, ask, body, full, get, message, post, send, weather};

const OLD: &str = "2023-06-01";
const NEW: &str = "2026-10-21";

/// Every model that can be called, by line and generation.
const MODELS: [(&str, &str, u32); 19] = [
    ("claude-fable-5-2", "fable", 52),
    ("claude-mythos-5-2", "mythos", 52),
    ("claude-haiku-5-5", "haiku", 55),
    ("claude-sonnet-5-5", "sonnet", 55),
    ("claude-opus-5-5", "opus", 55),
    ("claude-fable-5-1", "fable", 51),
    ("claude-mythos-5-1", "mythos", 51),
    ("claude-opus-5", "opus", 50),
    ("claude-sonnet-5", "sonnet", 50),
    ("claude-fable-5", "fable", 50),
    ("claude-mythos-5", "mythos", 50),
    ("claude-opus-4-8", "opus", 48),
    ("claude-opus-4-7", "opus", 47),
    ("claude-sonnet-4-6", "sonnet", 46),
    ("claude-opus-4-6", "opus", 46),
    ("claude-opus-4-5", "opus", 45),
    ("claude-haiku-4-5", "haiku", 45),
    ("claude-sonnet-4-5", "sonnet", 45),
    ("claude-opus-4-5-20251101", "opus", 45),
];

/// A rule: the fields, who refuses them (version, line, generation), and with which words.
type Rule = (Value, fn(&str, &str, u32) -> bool, &'static str);

fn rules() -> Vec<Rule> {
    let turns =
        |last: Value| json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": last}]);
    let new: fn(&str, &str, u32) -> bool = |version, _, _| version == NEW;
    let sampled: fn(&str, &str, u32) -> bool = |version, _, generation| version == NEW || generation >= 47;
    let forced: fn(&str, &str, u32) -> bool = |_, line, generation| match line {
        "fable" | "mythos" => generation >= 51,
        "opus" | "sonnet" => generation >= 55,
        _ => false,
    };
    let work = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}});
    vec![
        (json!({}), |_, _, _| false, ""),
        (json!({"temperature": 1.0}), new, "temperature: "),
        (json!({"temperature": 1}), new, "temperature: "),
        (json!({"top_p": 1.0}), new, "top_p: "),
        (json!({"temperature": 0.5}), sampled, "temperature"),
        (json!({"top_p": 0.9}), sampled, "top_p"),
        (json!({"top_k": 40}), sampled, "top_k"),
        (
            json!({"tools": weather(), "tool_choice": {"type": "any"}}),
            forced,
            "tool_choice: type \"tool\" and",
        ),
        (
            json!({"tools": weather(), "tool_choice": {"type": "tool", "name": "get_weather"}}),
            forced,
            "tool_choice: type \"tool\" and \"any\" are not supported for this model.",
        ),
        (json!({"tools": weather(), "tool_choice": {"type": "none"}}), |_, _, _| false, ""),
        (
            json!({"messages": turns(json!("It is"))}),
            |_, _, generation| generation >= 46,
            "This model does not support assistant message prefill.",
        ),
        (
            json!({"messages": turns(json!([{"type": "text", "text": "It is"}]))}),
            |_, _, generation| generation >= 46,
            "This model does not support assistant message prefill.",
        ),
        (json!({"messages": turns(json!([work]))}), |_, _, _| false, ""),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            |_, _, generation| generation >= 47,
            "\"thinking.type.enabled\" is not supported for this model.",
        ),
        (
            json!({"thinking": {"type": "adaptive"}}),
            |_, _, generation| generation <= 45,
            "adaptive thinking is not supported on this model",
        ),
        (
            json!({"thinking": {"type": "disabled"}}),
            |_, line, generation| matches!(line, "fable" | "mythos") && generation >= 50,
            "\"thinking.type.disabled\" is not supported for this model.",
        ),
        (json!({"inference_geo": "us"}), |_, _, generation| generation <= 45, "inference_geo: "),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "citations": [{}]}]}]}),
            new,
            "messages.0.content.0.citations: ",
        ),
    ]
}

async fn ask_as(path: &str, version: &str, fields: &Value, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = full(post(path), body(fields).to_string());
    request.headers_mut().insert("anthropic-version", version.parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    send(&Simulator::new(), request).await
}

#[tokio::test]
async fn rule_by_model_and_version() {
    for (fields, refuses, words) in rules() {
        for (model, line, generation) in MODELS {
            for version in [OLD, NEW] {
                for path in ["/v1/messages", "/v1/messages/count_tokens"] {
                    let mut fields = fields.clone();
                    fields["model"] = json!(model);
                    fields["max_tokens"] = json!(2048);
                    let answer = ask_as(path, version, &fields, &[]).await;
                    let expected = if refuses(version, line, generation) { 400 } else { 200 };
                    assert_eq!(answer.status, expected, "{path} {version} {fields}: {:?}", answer.body);
                    if expected == 400 {
                        let json = answer.json();
                        let said = json["error"]["message"].as_str().unwrap();
                        assert!(said.trim_start_matches('`').starts_with(words), "{said}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_model_of_ones_own_takes_everything() {
    let simulator = Simulator::builder().with_models([Model::new("mine")]).build();
    for (mut fields, _, _) in rules() {
        // Fast mode is the one thing that it lacks.
        if fields.as_object_mut().unwrap().remove("speed").is_some() {
            continue;
        }
        fields["model"] = json!("mine");
        fields["max_tokens"] = json!(2048);
        let mut request = ask(&fields);
        request.headers_mut().insert("anthropic-version", OLD.parse().unwrap());
        let answer = send(&simulator, request).await;
        assert_eq!(answer.status, 200, "{fields}: {:?}", answer.body);
    }
}

#[tokio::test]
async fn unknown_betas_are_refused() {
    let beta = "anthropic-beta";
    for (values, unknown) in [
        (&["prompt-caching-2024-07-31"][..], None),
        (&["files-api-2025-04-14, compact-2026-01-12,oauth-2025-04-20", "fast-mode-2026-02-01"], None),
        (&["", " , "], None),
        (&["no-such-2026-01-01"], Some("`no-such-2026-01-01`")),
        (&["a,compact-2026-01-12", "b , c"], Some("`a`, `b`, `c`")),
        (&["Compact-2026-01-12"], Some("`Compact-2026-01-12`")),
    ] {
        let headers: Vec<_> = values.iter().map(|value| (beta, *value)).collect();
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let answer = ask_as(path, NEW, &json!({}), &headers).await;
            assert_eq!(answer.status, if unknown.is_some() { 400 } else { 200 }, "{values:?}");
            if let Some(unknown) = unknown {
                let start = format!("Unexpected value(s) {unknown} for the `anthropic-beta` header.");
                assert!(answer.json()["error"]["message"].as_str().unwrap().starts_with(&start));
            }
        }
    }
    let simulator = Simulator::builder().with_beta("mine-2027-01-01").build();
    let request = full(post("/v1/messages").header(beta, "mine-2027-01-01"), body(&json!({})).to_string());
    assert_eq!(send(&simulator, request).await.status, 200);
}

#[tokio::test]
async fn every_kind_names_betas_that_are_known() {
    for kind in Reply::every_kind() {
        let headers: Vec<_> = kind.betas.iter().map(|beta| ("anthropic-beta", *beta)).collect();
        assert_eq!(ask_as("/v1/messages", NEW, &kind.fields, &headers).await.status, 200, "{}", kind.name);
    }
}

#[tokio::test]
async fn the_context_bounds_input_and_output() {
    let model = || Model::new("small").with_max_input_tokens(100);
    let simulator = Simulator::builder().with_models([model()]).build();
    let asked = |bytes: usize| {
        json!({"model": "small", "max_tokens": 1024,
            "messages": [{"role": "user", "content": "x".repeat(bytes)}]})
    };
    let answer = send(&simulator, ask(&asked(400))).await;
    assert_eq!(answer.status, 400);
    let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.starts_with("prompt is too long: ") && said.ends_with(" tokens > 100 maximum"), "{said}");
    let counted = full(post("/v1/messages/count_tokens"), body(&asked(400)).to_string());
    assert!(send(&simulator, counted).await.json()["input_tokens"].as_u64().unwrap() > 100);

    simulator.script([
        Reply::of_length(1_000),
        Reply::of([Block::thinking("x".repeat(400))]),
        Reply::of_length(1_000).ignoring_max_tokens(),
    ]);
    for expected in ["model_context_window_exceeded", "model_context_window_exceeded", "end_turn"] {
        let cut = message(&simulator, &asked(200)).await;
        assert_eq!(cut["stop_reason"], expected);
        let usage = &cut["usage"];
        let sum = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
        assert_eq!(sum == 100, expected != "end_turn");
    }
}

#[tokio::test]
async fn bodies_are_json_in_utf_8() {
    for (kind, status, code) in [
        ("application/json", 200, None),
        ("Application/JSON", 200, None),
        ("application/json; charset=utf-8", 200, None),
        ("application/json;Charset=\"UTF-8\"", 200, None),
        ("text/plain", 400, None),
        ("application/jsonl", 400, None),
        ("application/x-www-form-urlencoded", 400, None),
        ("", 400, None),
        ("application/json; charset=iso-8859-1", 400, Some("unsupported_charset")),
        ("application/json; charset=utf-16", 400, Some("unsupported_charset")),
    ] {
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let mut request = ask(&json!({}));
            *request.uri_mut() = path.parse().unwrap();
            request.headers_mut().insert("content-type", kind.parse().unwrap());
            let answer = send(&Simulator::new(), request).await;
            assert_eq!(answer.status, status, "{kind}");
            assert_eq!(answer.json()["error"]["details"]["error_code"].as_str(), code, "{kind}");
        }
    }
    // Many who speak to a simulator leave it out, and nothing is read from a request without a body.
    let mut request = ask(&json!({}));
    request.headers_mut().remove("content-type");
    assert_eq!(send(&Simulator::new(), request).await.status, 200);
    let models = full(get("/v1/models").header("content-type", "text/plain"), "");
    assert_eq!(send(&Simulator::new(), models).await.status, 200);
}

#[tokio::test]
async fn only_a_preview_needs_the_beta_of_fast_mode() {
    for (model, beta, status) in [
        ("claude-opus-5-5", false, 200),
        ("claude-opus-5", false, 400),
        ("claude-opus-5", true, 200),
        ("claude-opus-4-7", true, 400),
    ] {
        let mut request = ask(&json!({"model": model, "speed": "fast"}));
        if beta {
            request.headers_mut().insert("anthropic-beta", "fast-mode-2026-02-01".parse().unwrap());
        }
        let answer = send(&Simulator::new(), request).await;
        assert_eq!(answer.status, status, "{model}");
        if status == 200 {
            assert_eq!(answer.json()["usage"]["speed"], "fast");
        }
    }
}
