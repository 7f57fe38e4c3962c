//! A server that is away, slow, busy or sealed.

use std::time::Duration;

use claude_secrets::source::SourceErrorKind::{TimedOut, Unavailable};
use claude_secrets::source::StaticSource;
use serde_json::{Value, json};

use crate::bao::Bao;
use crate::proxy::{Link, Proxy};
use crate::{key, why};

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_server_may_be_down_at_first_and_again_later() {
    let first = Bao::start().await;
    let (port, address) = (first.address.port(), first.address);
    drop(first);
    // The token comes anew with each server, from the place where it is kept.
    let token = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let kept = std::sync::Arc::clone(&token);
    let token_source = claude_secrets::source::source_fn("test:token", move || {
        let token = kept.lock().unwrap().clone();
        async move { Ok(claude_secrets::source::Fetched::new(token.into())) }
    });
    *token.lock().unwrap() = "root-canary".to_owned();
    let vault = claude_secrets::source::Vault::new(&format!("http://{address}")).unwrap();
    let source = vault.with_token(token_source).kv2("secret", "claude");
    let down = (Unavailable, "cannot be reached: connection refused".to_owned());
    assert_eq!(why(&source).await, down);
    for name in ["one", "two"] {
        let bao = Bao::start_at(port).await.unwrap();
        *token.lock().unwrap() = bao.root.clone();
        bao.put("claude", json!({ "k": format!("sk-ant-{name}-canary") })).await;
        assert_eq!(key(&source).await, format!("sk-ant-{name}-canary"));
        drop(bao);
        // The first one may still find the connection of before.
        assert_eq!(why(&source).await.0, Unavailable);
        assert_eq!(why(&source).await, down);
    }
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_sealed_server_is_unavailable_and_says_so() {
    let bao = Bao::start().await;
    bao.put("claude", json!({ "k": "sk-ant-canary" })).await;
    let source = bao.vault().kv2("secret", "claude");
    assert_eq!(key(&source).await, "sk-ant-canary");
    bao.ask("PUT", "sys/seal", Value::Null).await;
    assert_eq!(why(&source).await, (Unavailable, "is sealed (503)".to_owned()));
    assert_eq!(why(&bao.vault().kv2("secret", "claude")).await, (Unavailable, "is sealed (503)".to_owned()));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_link_that_stalls_runs_out_of_time_and_works_again_later() {
    let bao = Bao::start().await;
    bao.put("claude", json!({ "k": "sk-ant-canary" })).await;
    let proxy = Proxy::to(bao.address).await;
    let vault =
        proxy.vault().with_token(StaticSource::new(&*bao.root)).with_timeout(Duration::from_millis(200));
    let source = vault.kv2("secret", "claude");
    proxy.set(Link::Stalled);
    assert_eq!(why(&source).await, (TimedOut, "did not answer within 200ms".to_owned()));
    proxy.set(Link::Whole);
    // What was asked in vain may still be on its way; a patient handle shows that the link is whole.
    let patient = vault.with_timeout(Duration::from_secs(30)).kv2("secret", "claude");
    assert_eq!(key(&patient).await, "sk-ant-canary");
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_server_that_is_asked_too_often_is_unavailable() {
    let bao = Bao::start().await;
    bao.put("claude", json!({ "k": "sk-ant-canary" })).await;
    let quota = json!({ "path": "secret", "rate": 1, "interval": "1h" });
    let source = bao.vault().kv2("secret", "claude");
    bao.ask("POST", "sys/quotas/rate-limit/few", quota).await;
    assert_eq!(key(&source).await, "sk-ant-canary");
    assert_eq!(why(&source).await, (Unavailable, "is asked too often (429)".to_owned()));
}

#[tokio::test]
async fn a_name_that_is_not_found_is_unreachable() {
    let vault = claude_secrets::source::Vault::new("https://vault.invalid:8200").unwrap();
    let source = vault.with_token(StaticSource::new("token-canary")).kv2("secret", "claude");
    assert_eq!(why(&source).await.0, Unavailable);
}
