//! Errors by status, with and without JSON.

use claude_sim::{Fault, Simulator};
use http::header::HeaderName;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{failing, stream};
use crate::support::{Answer, ask, send};

const STATUSES: [(u16, &str); 21] = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (408, "timeout_error"),
    (409, "conflict_error"),
    (412, "memory_precondition_failed_error"),
    (413, "request_too_large"),
    (418, "invalid_request_error"),
    (422, "invalid_request_error"),
    (429, "rate_limit_error"),
    (431, "invalid_request_error"),
    (499, "invalid_request_error"),
    (500, "api_error"),
    (501, "api_error"),
    (502, "api_error"),
    (503, "api_error"),
    (504, "timeout_error"),
    (520, "api_error"),
    (529, "overloaded_error"),
];

fn status(code: u16) -> Fault {
    Fault::status(StatusCode::from_u16(code).unwrap())
}

async fn answer(fault: Fault) -> Answer {
    send(&failing(fault), stream()).await
}

#[tokio::test]
async fn every_status_in_the_shape_of_the_api() {
    for (code, kind) in STATUSES {
        let answer = answer(status(code)).await;
        assert_eq!(answer.status, code);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert!(answer.headers.contains_key("anthropic-organization-id"));
        let json = answer.json();
        assert_eq!(json["type"], "error");
        assert_eq!(json["error"]["type"], kind, "{code}");
        assert!(!json["error"]["message"].as_str().unwrap().is_empty());
        assert!(json["error"].get("details").is_none());
        assert_eq!(json["request_id"], answer.header("request-id"));
    }
}

#[tokio::test]
async fn every_status_without_json() {
    for (code, _) in STATUSES {
        let html = answer(status(code).without_json()).await;
        assert_eq!((html.status.as_u16(), html.header("content-type")), (code, "text/html"));
        assert!(html.body.starts_with(b"<html>"));
        assert_eq!(html.header("content-length"), html.body.len().to_string());
        for name in ["request-id", "anthropic-organization-id", "anthropic-workspace-id"] {
            assert!(!html.headers.contains_key(name), "{name}");
        }
        let empty = answer(status(code).with_empty_body()).await;
        assert_eq!((empty.status.as_u16(), empty.body.len()), (code, 0));
        assert_eq!(empty.header("content-length"), "0");
        assert!(!empty.headers.contains_key("content-type") && empty.headers.contains_key("request-id"));
        let given = answer(status(code).with_body(&b"\xff{"[..], "application/json")).await;
        assert_eq!((given.status.as_u16(), &given.body[..]), (code, &b"\xff{"[..]));
        assert_eq!(given.header("content-type"), "application/json");
        let untyped = answer(status(code).without_error_type()).await;
        assert_eq!(untyped.status, code);
        assert!(untyped.json()["error"].get("type").is_none());
    }
}

#[tokio::test]
async fn those_with_a_name() {
    let no_header = [("retry-after", ""), ("x-should-retry", "")];
    for (fault, code, kind, error_code, message, headers) in [
        (Fault::rate_limited(12), 429, "rate_limit_error", None, "", [("retry-after", "12"), no_header[1]]),
        (
            Fault::ramp_limit(5),
            429,
            "rate_limit_error",
            Some("ramp_limit_exceeded"),
            "",
            [("retry-after", "5"), no_header[1]],
        ),
        (Fault::spend_cap(), 429, "rate_limit_error", Some("enforced_spend_limit_reached"), "", no_header),
        (
            Fault::contract_spend_cap(),
            429,
            "rate_limit_error",
            Some("contract_spend_limit_reached"),
            "",
            no_header,
        ),
        (
            Fault::organization_spend_limit(),
            400,
            "invalid_request_error",
            None,
            "You have reached your specified API usage limits",
            no_header,
        ),
        (
            Fault::workspace_spend_limit(),
            400,
            "invalid_request_error",
            None,
            "You have reached your specified workspace API usage limits",
            no_header,
        ),
        (
            Fault::gateway_spend_limit(),
            429,
            "billing_error",
            None,
            "",
            [no_header[0], ("x-should-retry", "false")],
        ),
        (Fault::internal(), 500, "api_error", None, "Internal server error", no_header),
        (Fault::overloaded(), 529, "overloaded_error", None, "Overloaded", no_header),
    ] {
        let answer = answer(fault).await;
        let json = answer.json();
        assert_eq!(answer.status, code, "{json}");
        assert_eq!(json["error"]["type"], kind);
        assert_eq!(json["error"]["details"]["error_code"], error_code.map_or(Value::Null, Value::from));
        assert!(json["error"]["message"].as_str().unwrap().starts_with(message));
        for (name, value) in headers {
            assert_eq!(answer.header(name), value, "{name} {json}");
        }
    }
}

#[tokio::test]
async fn modifiers() {
    let fault = status(503)
        .with_error_type("odd_error")
        .with_error_code("cmek_key_unreachable")
        .with_message("Zählt \"nicht\"")
        .with_retry_after("soon")
        .with_retry_after("Fri, 29 Sep 2026 16:26:57 GMT")
        .with_retry_after_ms("1.5")
        .with_should_retry(true)
        .with_header(HeaderName::from_static("x-odd"), HeaderValue::from_static("a, b"));
    let answer = answer(fault).await;
    for (name, value) in [
        ("retry-after", "Fri, 29 Sep 2026 16:26:57 GMT"),
        ("retry-after-ms", "1.5"),
        ("x-should-retry", "true"),
        ("x-odd", "a, b"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    let error = &answer.json()["error"];
    let details = json!({"error_code": "cmek_key_unreachable"});
    assert_eq!(*error, json!({"type": "odd_error", "message": "Zählt \"nicht\"", "details": details}));
}

#[tokio::test]
async fn what_cannot_stand_in_a_header_is_left_out() {
    let answer = answer(status(529).with_retry_after("a\nb")).await;
    assert!(!answer.headers.contains_key("retry-after"));
    for text in ["", "-1", "nan", "1e999", " 5 ", "Zun, 29 Sep", "é"] {
        let answer = self::answer(status(529).with_retry_after(text)).await;
        assert_eq!(answer.headers["retry-after"].as_bytes(), text.as_bytes());
    }
}

#[tokio::test]
async fn the_next_request_is_not_touched() {
    let simulator = failing(Fault::overloaded());
    // Also one that nobody would be let in with.
    let mut stranger = ask(&json!({"model": 7}));
    stranger.headers_mut().remove("x-api-key");
    assert_eq!(send(&simulator, stranger).await.status, 529);
    assert_eq!(send(&simulator, ask(&json!({}))).await.status, 200);
    let seen = simulator.requests();
    assert_eq!(seen[0].fault.as_deref(), Some("status=529"));
    assert_eq!((seen[0].status.unwrap().as_u16(), seen[1].status.unwrap().as_u16()), (529, 200));
    assert_eq!((seen[0].key.as_deref(), seen[1].key.as_deref()), (None, Some("default")));
    assert_eq!(seen[1].fault, None);
}

#[tokio::test]
async fn nothing_is_not_coded() {
    let answer = answer(Fault::internal().with_empty_body().and(Fault::gzip_unasked())).await;
    assert_eq!((answer.body.len(), answer.header("content-encoding")), (0, ""));
}

#[tokio::test]
async fn errors_may_be_gzip_too() {
    let simulator = Simulator::new();
    simulator.fail_next(2, Fault::overloaded().and(Fault::gzip_unasked()));
    let answer = send(&simulator, stream()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (529, "gzip"));
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert_eq!(answer.body[..2], [0x1f, 0x8b]);
}
