//! Keys.

use std::time::Duration;

use claude_sim::{DEFAULT_KEY, DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE, Key, Simulator, Standing};
use http::Request;
use serde_json::json;
use tokio::time::advance;

use crate::support::{Answer, body, full, get, post, send};

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

#[tokio::test(start_paused = true)]
async fn keys_are_rotated() {
    let blue = Key::new("blue", "sk-1").with_organization("org-1").with_workspace("wrkspc_1");
    let simulator = Simulator::builder().with_key(blue).build();
    let status = async |key| with(&simulator, &[("x-api-key", key)]).await.status.as_u16();
    assert!(simulator.rotate_key("sk-1", "sk-2", Duration::from_secs(60)));
    assert_eq!((status("sk-1").await, status("sk-2").await), (200, 200));
    advance(Duration::from_millis(59_999)).await;
    assert_eq!(status("sk-1").await, 200);
    advance(Duration::from_millis(1)).await;
    assert_refused(&with(&simulator, &[("x-api-key", "sk-1")]).await, "invalid x-api-key");
    let answer = with(&simulator, &[("x-api-key", "sk-2")]).await;
    assert_eq!(answer.header("anthropic-organization-id"), "org-1");
    assert_eq!(answer.header("anthropic-workspace-id"), "wrkspc_1");
    assert_eq!(simulator.requests().last().unwrap().key.as_deref(), Some("blue"));

    // Without an overlap, at once.
    assert!(simulator.rotate_key("sk-2", "sk-3", Duration::ZERO));
    assert_eq!((status("sk-2").await, status("sk-3").await), (401, 200));
    // Keys that are not valid have no successors.
    simulator.revoke_key("sk-3");
    for old in ["sk-1", "sk-2", "sk-3", "sk-0"] {
        assert!(!simulator.rotate_key(old, "sk-4", Duration::ZERO));
    }
    assert_eq!(status("sk-4").await, 401);
    let lines = simulator.bill_of("blue");
    assert_eq!((lines.len(), lines[0].requests), (1, 5), "one name, one bill");
}

#[tokio::test]
async fn a_request_may_choose_a_workspace_of_its_organisation() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", "sk-blue"))
        .with_key(Key::new("green", "sk-green").with_workspace("wrkspc_2"))
        .with_key(Key::new("red", "sk-red").with_organization("org-2").with_workspace("wrkspc_3"))
        .build();
    let ask = async |workspace| {
        with(&simulator, &[("x-api-key", "sk-blue"), ("anthropic-workspace-id", workspace)]).await
    };
    for workspace in [DEFAULT_WORKSPACE, "wrkspc_2"] {
        let answer = ask(workspace).await;
        assert_eq!((answer.status.as_u16(), answer.header("anthropic-workspace-id")), (200, workspace));
    }
    let lines = simulator.bill_of("blue");
    let workspaces: Vec<&str> = lines.iter().map(|line| line.item.workspace.as_str()).collect();
    assert_eq!(workspaces, [DEFAULT_WORKSPACE, "wrkspc_2"]);
    for workspace in ["wrkspc_3", "wrkspc_4", ""] {
        let answer = ask(workspace).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.json()["error"]["type"], "permission_error");
    }
}

#[tokio::test]
async fn organisations_without_credit_and_on_hold() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", DEFAULT_KEY))
        .with_key(Key::new("red", "sk-red").with_organization("org-2"))
        .build();
    let count = || full(post("/v1/messages/count_tokens"), body(&json!({})).to_string());
    let status = async |key| with(&simulator, &[("x-api-key", key)]).await.status.as_u16();

    simulator.set_standing(DEFAULT_ORGANIZATION, Standing::NoCredit);
    let answer = with(&simulator, &[("x-api-key", DEFAULT_KEY)]).await;
    assert_eq!(answer.status, 402);
    assert_eq!(answer.json()["error"]["type"], "billing_error");
    assert_eq!(answer.header("anthropic-organization-id"), DEFAULT_ORGANIZATION);
    assert_eq!(send(&simulator, count()).await.status, 200, "it costs nothing");
    assert_eq!(status("sk-red").await, 200);

    simulator.set_standing(DEFAULT_ORGANIZATION, Standing::OnHold);
    for request in [full(get("/v1/models"), ""), count()] {
        let answer = send(&simulator, request).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["details"]["error_code"], "organization_on_hold");
    }
    simulator.set_standing(DEFAULT_ORGANIZATION, Standing::Good);
    assert_eq!(status(DEFAULT_KEY).await, 200);
    assert_eq!(simulator.bill().iter().map(|line| line.requests).sum::<u64>(), 2);
}
