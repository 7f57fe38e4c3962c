//! Secrets that are not there, or not for us.

use claude_secrets::source::SourceErrorKind::{Denied, NotFound};
use claude_secrets::source::StaticSource;
use serde_json::json;

use crate::bao::Bao;
use crate::why;

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn what_is_not_there_is_not_found() {
    let bao = Bao::start().await;
    let vault = bao.vault();
    let either = "there is nothing (404); perhaps the engine is of KV version 1";
    for (source, words) in [
        (vault.kv2("secret", "claude/none"), either),
        (vault.kv2("nowhere", "claude/prod"), "no engine is mounted there (404)"),
        (vault.kv1("nowhere", "claude/prod"), "no engine is mounted there (404)"),
    ] {
        let (kind, why) = why(&source).await;
        assert_eq!((kind, &*why), (NotFound, words), "{source:?}");
    }
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_version_may_be_deleted_destroyed_or_never_have_been() {
    let bao = Bao::start().await;
    for name in ["one", "two", "three"] {
        bao.put("claude/prod", json!({ "api_key": format!("sk-ant-{name}-canary") })).await;
    }
    bao.ask("POST", "secret/destroy/claude/prod", json!({ "versions": [1] })).await;
    bao.ask("POST", "secret/delete/claude/prod", json!({ "versions": [3] })).await;
    let source = bao.vault().kv2("secret", "claude/prod").with_field("api_key");
    assert_eq!(why(&source).await, (NotFound, "this version was deleted (404)".to_owned()));
    let version = |number| source.clone().with_version(number);
    assert_eq!(why(&version(1)).await, (NotFound, "this version was destroyed (404)".to_owned()));
    assert_eq!(why(&version(9)).await.0, NotFound);
    assert_eq!(crate::key(&version(2)).await, "sk-ant-two-canary");
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn the_other_version_of_the_engine_is_named() {
    let bao = Bao::start().await;
    bao.put("claude", json!({ "k": "sk-ant-canary" })).await;
    let (kind, why) = why(&bao.vault().kv1("secret", "claude")).await;
    let words = "there is nothing, and the engine is of KV version 2 (404)";
    assert_eq!((kind, &*why), (NotFound, words));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn version_1_of_the_engine_is_guessed_at() {
    let bao = Bao::start().await;
    bao.ask("POST", "sys/mounts/old", json!({ "type": "kv", "options": { "version": "1" } })).await;
    bao.ask("POST", "old/claude", json!({ "k": "sk-ant-canary" })).await;
    let words = "there is nothing (404); perhaps the engine is of KV version 1";
    assert_eq!(why(&bao.vault().kv2("old", "claude")).await, (NotFound, words.to_owned()));
    assert_eq!(why(&bao.vault().kv1("old", "none")).await, (NotFound, "there is nothing (404)".to_owned()));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_path_that_says_too_much_is_told_so() {
    let bao = Bao::start().await;
    bao.put("claude/prod", json!({ "k": "sk-ant-canary" })).await;
    bao.policy("claude", &["secret/data/claude/*"]).await;
    let token = bao.token(json!({ "policies": ["claude"] })).await;
    let less = bao.bare().with_token(StaticSource::new(token));
    let data = "the path begins with `data/`, which is put before it anyway";
    let mount = "the path begins with the name of the mount, which is put before it anyway";
    for (path, words) in [("data/claude/prod", data), ("secret/claude/prod", mount)] {
        let nothing = (NotFound, format!("there is nothing (404); {words}"));
        assert_eq!(why(&bao.vault().kv2("secret", path)).await, nothing);
        let denied = (Denied, format!("permission denied (403); {words}"));
        assert_eq!(why(&less.kv2("secret", path)).await, denied);
    }
    let denied = (Denied, format!("permission denied (403); {mount}"));
    assert_eq!(why(&less.kv1("secret", "secret/claude")).await, denied);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn what_a_policy_does_not_allow_is_denied() {
    let bao = Bao::start().await;
    bao.put("other", json!({ "k": "sk-ant-canary" })).await;
    bao.policy("claude", &["secret/data/claude/*"]).await;
    let token = bao.token(json!({ "policies": ["claude"] })).await;
    let source = bao.bare().with_token(StaticSource::new(token)).kv2("secret", "other");
    assert_eq!(why(&source).await, (Denied, "permission denied (403)".to_owned()));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn nobody_gets_anything_without_a_token_or_with_a_wrong_one() {
    let bao = Bao::start().await;
    bao.put("claude", json!({ "k": "sk-ant-canary" })).await;
    assert_eq!(why(&bao.bare().kv2("secret", "claude")).await.0, Denied);
    let wrong = bao.bare().with_token(StaticSource::new("s.wrong-canary"));
    assert_eq!(why(&wrong.kv2("secret", "claude")).await.0, Denied);
}
