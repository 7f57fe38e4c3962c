//! Keys.

use claude_sim::{DEFAULT_KEY, DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE, Key, Simulator};
use http::Request;
use serde_json::json;

use crate::support::{Answer, body, full, send};

async fn with(simulator: &Simulator, credentials: &[(&str, &str)]) -> Answer {
    let mut request = Request::post("/v1/messages").header("anthropic-version", "2023-06-01");
    for (name, value) in credentials {
        request = request.header(*name, *value);
    }
    send(simulator, full(request, body(&json!({})).to_string())).await
}

fn assert_refused(answer: &Answer, message: &str) {
    assert_eq!(answer.status, 401);
    let id = answer.header("request-id");
    assert!(id.starts_with("req_011C"));
    let expected = format!(
        r#"{{"type":"error","error":{{"type":"authentication_error","message":"{message}"}},"request_id":"{id}"}}"#
    );
    assert_eq!(answer.body, expected);
    assert!(answer.headers.get("anthropic-organization-id").is_none());
    assert!(answer.headers.get("anthropic-workspace-id").is_none());
}

#[tokio::test]
async fn both_headers_carry_keys() {
    let simulator = Simulator::new();
    let bearer = format!("Bearer {DEFAULT_KEY}");
    for credential in [("x-api-key", DEFAULT_KEY), ("authorization", &bearer)] {
        let answer = with(&simulator, &[credential]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("anthropic-organization-id"), DEFAULT_ORGANIZATION);
        assert_eq!(answer.header("anthropic-workspace-id"), DEFAULT_WORKSPACE);
    }
    assert_refused(&with(&simulator, &[]).await, "x-api-key header is required");
    assert_refused(&with(&simulator, &[("x-api-key", "")]).await, "invalid x-api-key");
    assert_refused(&with(&simulator, &[("x-api-key", "sk-ant-api03-other")]).await, "invalid x-api-key");
    for wrong in ["Bearer x", "Bearer ", "", DEFAULT_KEY, "Basic eDp5"] {
        assert_refused(&with(&simulator, &[("authorization", wrong)]).await, "Invalid bearer token");
    }
}

#[tokio::test]
async fn keys_belong_to_somebody_and_die() {
    let blue = Key::new("blue", "sk-blue").with_organization("org-1").with_workspace("wrkspc_1");
    assert!(!format!("{blue:?}").contains("sk-blue"));
    let simulator =
        Simulator::builder().with_key(blue.clone()).with_key(Key::new("green", "sk-green")).build();
    let answer = with(&simulator, &[("x-api-key", "sk-blue")]).await;
    assert_eq!(answer.header("anthropic-organization-id"), "org-1");
    assert_eq!(answer.header("anthropic-workspace-id"), "wrkspc_1");
    assert_refused(&with(&simulator, &[("x-api-key", DEFAULT_KEY)]).await, "invalid x-api-key");

    simulator.revoke_key("sk-blue");
    assert_refused(&with(&simulator, &[("x-api-key", "sk-blue")]).await, "invalid x-api-key");
    assert_eq!(with(&simulator, &[("x-api-key", "sk-green")]).await.status, 200);
    simulator.add_key(blue);
    assert_eq!(with(&simulator, &[("x-api-key", "sk-blue")]).await.status, 200);
}

#[tokio::test]
async fn any_key_means_any_but_none_and_the_revoked() {
    let simulator = Simulator::builder().with_any_key().build();
    assert_eq!(with(&simulator, &[("x-api-key", "whatever")]).await.status, 200);
    assert_eq!(with(&simulator, &[("authorization", "bearer whatever")]).await.status, 200);
    assert_refused(&with(&simulator, &[]).await, "x-api-key header is required");
    assert_refused(&with(&simulator, &[("authorization", "Bearer  ")]).await, "Invalid bearer token");
    simulator.revoke_key("whatever");
    assert_refused(&with(&simulator, &[("x-api-key", "whatever")]).await, "invalid x-api-key");
}
