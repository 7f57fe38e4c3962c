//! Errors, in the API's shape.

use bytes::Bytes;
use claude_sim::{DEFAULT_KEY, DEFAULT_WORKSPACE, MAX_REQUEST_BYTES, Simulator};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Answer, ask, body, full, get, post, send};

fn assert_error(answer: &Answer, status: u16, kind: &str, message: &str) {
    let json = answer.json();
    assert_eq!(answer.status, status, "{json}");
    assert_eq!((&json["type"], &json["error"]["type"]), (&json!("error"), &json!(kind)), "{json}");
    let said = json["error"]["message"].as_str().unwrap();
    assert!(said.starts_with(message), "{said}");
    assert_eq!(json["request_id"], answer.header("request-id"));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
}

async fn refused(fields: Value, message: &str) {
    let answer = send(&Simulator::new(), ask(&fields)).await;
    assert_error(&answer, 400, "invalid_request_error", message);
    assert_eq!(answer.header("anthropic-workspace-id"), DEFAULT_WORKSPACE);
}

#[tokio::test]
async fn required_fields() {
    for field in ["model", "max_tokens", "messages"] {
        let mut asked = body(&json!({}));
        asked.as_object_mut().unwrap().remove(field);
        let answer = send(&Simulator::new(), full(post("/v1/messages"), asked.to_string())).await;
        assert_error(&answer, 400, "invalid_request_error", &format!("{field}: Field required"));
    }
}

#[tokio::test]
async fn wrong_fields() {
    for (fields, message) in [
        (json!({"model": 7}), "model: Input should be a valid string"),
        (json!({"max_tokens": "7"}), "max_tokens: Input should be a valid integer"),
        (json!({"max_tokens": 1.5}), "max_tokens: Input should be a valid integer"),
        (json!({"max_tokens": -1}), "max_tokens: Input should be greater than or equal to 0"),
        (json!({"max_tokens": 128_001}), "max_tokens: 128001 > 128000, which is the maximum"),
        (json!({"max_tokens": 0, "stream": true}), "max_tokens: 0 does not go with stream"),
        (json!({"stream": "yes"}), "stream: Input should be a valid boolean"),
        (json!({"messages": []}), "messages: at least one message is required"),
        (json!({"messages": {}}), "messages: Input should be a valid list"),
        (json!({"messages": [7]}), "messages.0: Input should be an object"),
        (json!({"messages": [{"content": "x"}]}), "messages.0.role: Field required"),
        (json!({"messages": [{"role": "user"}]}), "messages.0.content: Field required"),
        (json!({"messages": [{"role": "robot", "content": "x"}]}), "messages.0.role: Input should be 'user'"),
        (
            json!({"messages": [{"role": "user", "content": 7}]}),
            "messages.0.content: Input should be a valid list",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{}]}]}),
            "messages.0.content.0.type: Field required",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "messages.0.content.0.text: Field",
        ),
        (json!({"thinking": {"type": "hard"}}), "thinking.type: Input should be"),
        (json!({"thinking": {"type": "adaptive", "display": 1}}), "thinking.display: Input should be"),
        (
            json!({"model": "claude-haiku-4-5", "thinking": {"type": "enabled"}}),
            "thinking.enabled.budget_tokens: Field required",
        ),
        (
            json!({"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 1024}}),
            "`max_tokens` must be greater",
        ),
        (
            json!({"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 7}}),
            "thinking.enabled.budget_tokens: Input",
        ),
        (json!({"tools": [{}]}), "tools.0.name: Field required"),
        (json!({"tools": [{"name": "x", "type": "custom"}]}), "tools.0.custom.input_schema: Field required"),
        (
            json!({"model": "claude-haiku-4-5", "tool_choice": {"type": "any"}}),
            "tool_choice: may only be specified",
        ),
        (
            json!({"model": "claude-haiku-4-5", "tool_choice": {"type": "tool", "name": "x"}}),
            "Tool 'x' not found in provided tools",
        ),
        (json!({"stop_sequences": [" "]}), "stop_sequences: each stop sequence must"),
        (json!({"inference_geo": "mars"}), "inference_geo: Input should be"),
        (json!({"inference_geo": "us", "model": "claude-haiku-4-5"}), "inference_geo: not supported"),
        (json!({"speed": "fast", "model": "claude-opus-4-7"}), "speed: 'fast' is not supported"),
        (json!({"service_tier": 5}), "service_tier: Input should be a valid string"),
        (json!({"metadata": "me"}), "metadata: Input should be an object"),
        (json!({"output_config": 1}), "output_config: Input should be an object"),
        (
            json!({"max_tokens": 0, "output_config": {"format": {"type": "json_schema", "schema": {}}}}),
            "max_tokens: 0 does not go with",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "nonsense"}]}]}),
            "messages.0.content.0: Input tag 'nonsense'",
        ),
        (json!({"temperature": 1.0}), "temperature: "),
        (json!({"top_k": 5}), "top_k: "),
        (json!({"system": 7}), "system: Input should be a valid list"),
        (json!({"system": [{"type": "text"}]}), "system.0.text: Field required"),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "document"}]}]}),
            "messages.0.content.0: document blocks",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "citations": [{}]}]}]}),
            "messages.0.content.0.citations: ",
        ),
    ] {
        refused(fields, message).await;
    }
}

#[tokio::test]
async fn the_older_version_takes_what_the_newer_refuses() {
    let fields = json!({
        "temperature": 1.0,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x", "citations": [{}]}]},
            {"role": "assistant", "content": [{"type": "document"}]},
            {"role": "user", "content": "y"},
        ],
    });
    let mut request = ask(&fields);
    request.headers_mut().insert("anthropic-version", "2023-06-01".parse().unwrap());
    assert_eq!(send(&Simulator::new(), request).await.status, 200);
}

#[tokio::test]
async fn versions() {
    let send_version = async |version: Option<&str>| {
        let mut request = Request::post("/v1/messages").header("x-api-key", DEFAULT_KEY);
        if let Some(version) = version {
            request = request.header("anthropic-version", version);
        }
        send(&Simulator::new(), full(request, body(&json!({})).to_string())).await
    };
    let answer = send_version(None).await;
    assert_error(&answer, 400, "invalid_request_error", "anthropic-version: header is required");
    let answer = send_version(Some("2025-01-01")).await;
    let message = "anthropic-version: \"2025-01-01\" is not a valid version";
    assert_error(&answer, 400, "invalid_request_error", message);
    for version in ["2023-06-01", "2026-10-21"] {
        assert_eq!(send_version(Some(version)).await.status, 200);
    }
}

#[tokio::test]
async fn unknown_and_retired_models() {
    for model in ["claude-opus-9", "", "claude-3-opus-20240229"] {
        let answer = send(&Simulator::new(), ask(&json!({"model": model}))).await;
        assert_error(&answer, 404, "not_found_error", &format!("model: {model}"));
    }
}

#[tokio::test]
async fn paths_and_methods() {
    let simulator = Simulator::new();
    for path in ["/", "/v1", "/v1/messages/", "/v1/models/", "/v1/models/a/b", "/v1/complete", "/%ff"] {
        assert_error(&send(&simulator, full(post(path), "{}")).await, 404, "not_found_error", "Not Found");
    }
    for (request, allow) in [
        (full(get("/v1/messages"), ""), "POST"),
        (full(post("/v1/models"), "{}"), "GET"),
        (full(post("/v1/models/claude-opus-5-5"), "{}"), "GET"),
    ] {
        let answer = send(&simulator, request).await;
        assert_error(&answer, 405, "invalid_request_error", "Method Not Allowed");
        assert_eq!(answer.header("allow"), allow);
    }
}

#[tokio::test]
async fn nothing_that_comes_in_breaks_it() {
    let deep = |open: &str, length: usize| open.repeat(length);
    let in_text = |text: &[u8]| {
        let (before, after) = (br#"{"model":"m","max_tokens":1,"messages":""#, b"\"}");
        [before.as_slice(), text, after].concat()
    };
    for wrong in [
        b"".to_vec(),
        b"\0".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\"x\"".to_vec(),
        b"{}{}".to_vec(),
        b"\xff\xfe{}".to_vec(),
        in_text(b"\xc3\x28"),
        in_text(br"\ud83d"),
        deep("[", 1_000_000).into_bytes(),
        deep("{\"a\":", 1_000_000).into_bytes(),
        b"{\"max_tokens\":1e999}".to_vec(),
    ] {
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let answer = send(&Simulator::new(), full(post(path), wrong.clone())).await;
            assert_error(&answer, 400, "invalid_request_error", "The request body is not valid JSON: ");
        }
    }
}

#[tokio::test]
async fn wrong_types_everywhere_break_nothing() {
    let values =
        [json!(null), json!(true), json!(-1), json!(1e300), json!(""), json!([[]]), json!({"type": {}})];
    let names = [
        "model",
        "max_tokens",
        "messages",
        "stream",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "speed",
        "stop_sequences",
        "inference_geo",
        "metadata",
        "cache_control",
    ];
    for name in names {
        for value in &values {
            let status = send(&Simulator::new(), ask(&json!({name: value}))).await.status;
            assert!([200, 400, 404].contains(&status.as_u16()), "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let simulator = Simulator::new();
    let padded = |length: usize| {
        let mut asked = body(&json!({})).to_string();
        asked.push_str(&" ".repeat(length - asked.len()));
        full(post("/v1/messages"), asked)
    };
    assert_eq!(send(&simulator, padded(MAX_REQUEST_BYTES)).await.status, 200);
    for length in [MAX_REQUEST_BYTES + 1, 3 * MAX_REQUEST_BYTES] {
        let answer = send(&simulator, padded(length)).await;
        assert_error(&answer, 413, "request_too_large", "Request exceeds the maximum size");
        assert!(answer.headers.get("anthropic-organization-id").is_none());
    }
}

#[tokio::test]
async fn coded_requests_are_not_understood() {
    let mut request: Request<Full<Bytes>> = ask(&json!({}));
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    let answer = send(&Simulator::new(), request).await;
    assert_error(&answer, 400, "invalid_request_error", "Unsupported content encoding: gzip");
    assert_eq!(answer.json()["error"]["details"]["error_code"], "request_body_encoding_unsupported");
}
