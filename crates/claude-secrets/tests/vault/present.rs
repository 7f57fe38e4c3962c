//! Secrets that are there.

use std::time::Duration;

use claude_secrets::source::SourceErrorKind::{Empty, Misconfigured, MissingField};
use claude_secrets::source::{SecretSource, Vault};
use serde_json::{Value, json};

use crate::bao::Bao;
use crate::tiny::{Tiny, answer};
use crate::{fetched, key, text, why};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_key_is_fetched_with_its_version_and_its_birthday() {
    let bao = Bao::start().await;
    bao.put("claude/prod", json!({ "api_key": "sk-ant-one-canary", "owner": "team" })).await;
    let fetched = fetched(&bao.vault().kv2("secret", "claude/prod").with_field("api_key")).await;
    assert_eq!(text(&fetched.secret), "sk-ant-one-canary");
    assert_eq!(fetched.version.as_deref(), Some("1"));
    assert!(fetched.previous.is_none() && fetched.ttl.is_none());
    let metadata = bao.ask("GET", "secret/metadata/claude/prod", Value::Null).await;
    let created: jiff::Timestamp =
        metadata["data"]["versions"]["1"]["created_time"].as_str().unwrap().parse().unwrap();
    assert_eq!(fetched.created, Some(created.into()));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_new_version_is_seen_by_the_next_fetch_and_brings_the_one_before() {
    let bao = Bao::start().await;
    bao.put("claude/prod", json!({ "api_key": "sk-ant-one-canary" })).await;
    let source = bao.vault().kv2("secret", "claude/prod").with_field("api_key");
    assert_eq!(key(&source).await, "sk-ant-one-canary");
    bao.put("claude/prod", json!({ "api_key": "sk-ant-two-canary" })).await;
    let now = fetched(&source).await;
    assert_eq!((text(&now.secret), now.version.as_deref()), ("sk-ant-two-canary", Some("2")));
    assert_eq!(now.previous.as_ref().map(text), Some("sk-ant-one-canary"));

    let without = source.clone().with_overlap(Duration::ZERO);
    assert!(fetched(&without).await.previous.is_none());
    bao.ask("POST", "secret/delete/claude/prod", json!({ "versions": [1] })).await;
    let now = fetched(&source).await;
    assert_eq!(text(&now.secret), "sk-ant-two-canary");
    assert!(now.previous.is_none(), "it was deleted to end the overlap");
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn the_one_before_is_none_if_it_is_the_same_key_or_has_no_such_field() {
    let bao = Bao::start().await;
    let source = bao.vault().kv2("secret", "claude/prod").with_field("api_key");
    bao.put("claude/prod", json!({ "key": "sk-ant-one-canary" })).await;
    bao.put("claude/prod", json!({ "api_key": "sk-ant-two-canary" })).await;
    assert!(fetched(&source).await.previous.is_none());
    bao.put("claude/prod", json!({ "api_key": "sk-ant-two-canary", "owner": "me" })).await;
    let now = fetched(&source).await;
    assert_eq!(now.version.as_deref(), Some("3"));
    assert!(now.previous.is_none());
}

/// A real server dates what it makes itself, so an old version takes a server that says so.
#[tokio::test]
async fn the_one_before_is_given_only_while_the_version_is_young_by_the_clock_of_the_server() {
    let tiny = Tiny::start(|line| {
        let (version, field) = if line.contains("version=") { (6, "six") } else { (7, "seven") };
        let body = json!({ "data": {
            "data": { "api_key": format!("sk-ant-{field}-canary") },
            "metadata": { "version": version, "created_time": "2026-10-01T12:00:00.5Z" },
        }})
        .to_string();
        format!(
            "HTTP/1.1 200 OK\r\ndate: Fri, 02 Oct 2026 12:00:00 GMT\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await;
    // One second later it would be a day and half a second.
    let source = tiny.vault().kv2("secret", "claude/prod").with_field("api_key");
    let now = fetched(&source).await;
    assert_eq!(now.previous.as_ref().map(text), Some("sk-ant-six-canary"));
    let shorter = source.with_overlap(DAY - Duration::from_millis(500));
    let now = fetched(&shorter).await;
    assert_eq!((text(&now.secret), now.previous.is_none()), ("sk-ant-seven-canary", true));
}

/// Only the second request fails, which a real server does not do by itself.
#[tokio::test]
async fn a_failure_to_get_the_one_before_is_no_failure() {
    let tiny = Tiny::start(|line| {
        let body = r#"{"data":{"data":{"k":"sk-ant-canary"},"metadata":{"version":2,"created_time":"2026-10-01T12:00:00Z"}}}"#;
        if line.contains("version=") {
            return answer(500, "{}");
        }
        let date = "date: Thu, 01 Oct 2026 12:00:00 GMT";
        format!("HTTP/1.1 200 OK\r\n{date}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    let now = fetched(&tiny.vault().kv2("secret", "claude/prod")).await;
    assert_eq!((text(&now.secret), now.previous.is_none()), ("sk-ant-canary", true));
    assert!(tiny.asked().iter().any(|asked| asked.starts_with("GET /v1/secret/data/claude/prod?version=1 ")));
}

/// It ends after two seconds: in a handle that waits for an hour, and so in every test, if it is to end at all.
#[tokio::test]
async fn the_one_before_is_not_waited_for_as_the_key_is() {
    let tiny = Tiny::start(|line| {
        let body = r#"{"data":{"data":{"k":"sk-ant-canary"},"metadata":{"version":2,"created_time":"2026-10-01T12:00:00Z"}}}"#;
        if line.contains("version=") {
            return Vec::new();
        }
        let date = "date: Thu, 01 Oct 2026 12:00:00 GMT";
        format!("HTTP/1.1 200 OK\r\n{date}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    let source = tiny.vault().with_timeout(DAY).kv2("secret", "claude/prod");
    let now = tokio::time::timeout(Duration::from_secs(60), fetched(&source)).await.unwrap();
    assert_eq!((text(&now.secret), now.previous.is_none()), ("sk-ant-canary", true));
    assert!(tiny.asked().iter().any(|asked| asked.contains("?version=1 ")));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_pinned_version_stays_whatever_comes_after_it() {
    let bao = Bao::start().await;
    for name in ["one", "two", "three"] {
        bao.put("claude/prod", json!({ "api_key": format!("sk-ant-{name}-canary") })).await;
    }
    let now = fetched(&bao.vault().kv2("secret", "claude/prod").with_field("api_key").with_version(2)).await;
    assert_eq!((text(&now.secret), now.version.as_deref()), ("sk-ant-two-canary", Some("2")));
    assert!(now.previous.is_none());
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn kv_version_1_has_no_versions_and_says_a_lease_only_if_somebody_wrote_it() {
    let bao = Bao::start().await;
    bao.ask("POST", "sys/mounts/old", json!({ "type": "kv", "options": { "version": "1" } })).await;
    bao.ask("POST", "old/claude/prod", json!({ "api_key": "sk-ant-one-canary" })).await;
    bao.ask("POST", "old/claude/batch", json!({ "api_key": "sk-ant-two-canary", "ttl": "90s" })).await;
    let vault = bao.vault();
    let plain = fetched(&vault.kv1("old", "claude/prod").with_field("api_key")).await;
    assert_eq!(text(&plain.secret), "sk-ant-one-canary");
    assert!(plain.version.is_none() && plain.created.is_none() && plain.ttl.is_none());
    let hinted = fetched(&vault.kv1("old", "claude/batch").with_field("api_key")).await;
    assert_eq!(hinted.ttl, Some(Duration::from_secs(90)));
    let (kind, why) = why(&vault.kv1("old", "claude/prod").with_version(1)).await;
    assert_eq!((kind, &*why), (Misconfigured, "KV version 1 keeps no versions"));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn the_only_field_needs_no_name_and_one_of_several_does() {
    let bao = Bao::start().await;
    bao.put("one", json!({ "whatever": "sk-ant-one-canary" })).await;
    bao.put("two", json!({ "api_key": "sk-ant-one-canary", "other-canary": "x" })).await;
    bao.put("none", json!({})).await;
    bao.put("deep", json!({ "keys": { "prod": "sk-ant-deep-canary" } })).await;
    let vault = bao.vault();
    assert_eq!(key(&vault.kv2("secret", "one")).await, "sk-ant-one-canary");
    assert_eq!(key(&vault.kv2("secret", "deep").with_field("keys.prod")).await, "sk-ant-deep-canary");
    let (kind, detail) = why(&vault.kv2("secret", "two")).await;
    assert_eq!((kind, &*detail), (MissingField, "has 2 fields, and which one is the key was not said"));
    let (kind, detail) = why(&vault.kv2("secret", "two").with_field("api-key")).await;
    assert_eq!((kind, &*detail), (MissingField, "has no field `api-key`"));
    assert_eq!(why(&vault.kv2("secret", "none")).await.0, Empty);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_path_may_have_anything_in_it() {
    let bao = Bao::start().await;
    bao.put("a%20b/%C3%BC/x%3Fy%23z%25", json!({ "k": "sk-ant-odd-canary" })).await;
    let vault = bao.vault();
    assert_eq!(key(&vault.kv2("secret", "a b/ü/x?y#z%")).await, "sk-ant-odd-canary");
    // As people paste it.
    bao.put("claude", json!({ "k": "sk-ant-plain-canary" })).await;
    assert_eq!(key(&vault.kv2("/secret/", "/claude/")).await, "sk-ant-plain-canary");
    let (kind, _) = why(&vault.kv2("secret", "../sys/mounts")).await;
    assert_eq!(kind, Misconfigured);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_path_may_be_written_as_in_the_api_or_be_one_that_only_looks_like_it() {
    let bao = Bao::start().await;
    for path in ["claude/prod", "secret/data/claude", "data/claude", "secret/claude"] {
        bao.put(path, json!({ "path": format!("{path} canary") })).await;
    }
    let vault = bao.vault();
    for (written, read) in [
        ("secret/data/claude/prod", "claude/prod"),
        ("/secret/data/claude/prod", "claude/prod"),
        ("secret/data/secret/data/claude", "secret/data/claude"),
        ("data/claude", "data/claude"),
        ("secret/data/data/claude", "data/claude"),
        ("secret/claude", "secret/claude"),
    ] {
        let source = vault.kv2("secret", written);
        assert_eq!(source.id(), format!("vault:secret/{read}"));
        assert_eq!(key(&source).await, format!("{read} canary"), "{written}");
    }
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_namespace_goes_with_the_login_and_with_the_read() {
    let bao = Bao::start().await;
    bao.ask("POST", "sys/namespaces/team-a", json!({})).await;
    bao.ask("POST", "team-a:sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })).await;
    bao.wait_for_engine("team-a:secret").await;
    let data = json!({ "data": { "k": "sk-ant-team-canary" } });
    bao.ask("POST", "team-a:secret/data/claude", data).await;
    bao.ask("POST", "team-a:sys/auth/approle", json!({ "type": "approle" })).await;
    let policy = json!({ "policy": "path \"secret/data/*\" { capabilities = [\"read\"] }" });
    bao.ask("POST", "team-a:sys/policies/acl/claude", policy).await;
    bao.ask("POST", "team-a:auth/approle/role/g", json!({ "token_policies": ["claude"] })).await;
    let id = json!({ "secret_id": "secret-id-canary" });
    bao.ask("POST", "team-a:auth/approle/role/g/custom-secret-id", id).await;
    let id = bao.ask("GET", "team-a:auth/approle/role/g/role-id", Value::Null).await;
    let role = id["data"]["role_id"].as_str().unwrap();

    let secret_id = || claude_secrets::source::StaticSource::new("secret-id-canary");
    let inside = bao.bare().with_namespace("team-a").with_app_role(role, secret_id());
    assert_eq!(key(&inside.kv2("secret", "claude")).await, "sk-ant-team-canary");
    let outside = bao.bare().with_app_role(role, secret_id());
    why(&outside.kv2("secret", "claude")).await;
}

#[test]
fn an_id_names_all_that_makes_it_another_secret_and_no_host() {
    let vault = Vault::new("https://vault.internal:8200").unwrap();
    let source = vault.kv2("secret", "claude/prod");
    assert_eq!(source.id(), "vault:secret/claude/prod");
    assert_eq!(source.clone().with_field("api_key").id(), "vault:secret/claude/prod#api_key");
    assert_eq!(source.with_version(3).with_field("api_key").id(), "vault:secret/claude/prod@3#api_key");
    let inside = vault.with_namespace("team-a/").kv1("kv", "a");
    assert_eq!(inside.id(), "vault:team-a/kv/a");
}
