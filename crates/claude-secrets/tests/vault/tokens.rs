//! Tokens that somebody else makes; and what reaches the logs.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_secrets::source::SourceErrorKind::Denied;
use claude_secrets::source::{Fetched, SecretSource, StaticSource, source_fn};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::bao::Bao;
use crate::proxy::Proxy;
use crate::{key, why};

const LOOKUP: &str = "GET auth/token/lookup-self";
const RENEWAL: &str = "POST auth/token/renew-self";
const READ: &str = "GET secret/data/claude";

/// A place for a token, as an agent's file is one.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<String>>);

impl Sink {
    fn put(&self, token: impl Into<String>) {
        *self.0.lock().unwrap() = token.into();
    }

    fn source(&self) -> impl SecretSource + use<> {
        let sink = self.clone();
        source_fn("test:sink", move || {
            let token = sink.0.lock().unwrap().clone();
            async move { Ok(Fetched::new(token.into())) }
        })
    }
}

async fn passes(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

async fn start() -> (Bao, Proxy) {
    let bao = Bao::start().await;
    bao.put("claude", json!({ "k": "sk-ant-canary" })).await;
    bao.policy("claude", &["secret/data/claude"]).await;
    let proxy = Proxy::to(bao.address).await;
    (bao, proxy)
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_is_looked_at_once_and_renewed_if_it_can_be() {
    let (bao, proxy) = start().await;
    let token = bao.token(json!({ "policies": ["claude"], "ttl": "1h" })).await;
    let source = proxy.vault().with_token(StaticSource::new(format!("{token}\n"))).kv2("secret", "claude");
    for (later, expected) in [(0, &[LOOKUP, READ][..]), (39, &[READ]), (2, &[RENEWAL, READ]), (39, &[READ])] {
        passes(Duration::from_secs(60 * later)).await;
        assert_eq!(key(&source).await, "sk-ant-canary");
        assert_eq!(proxy.asked(), expected);
    }
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_that_cannot_be_renewed_is_left_as_it_is_until_its_source_has_another() {
    let (bao, proxy) = start().await;
    let attributes = json!({ "policies": ["claude"], "ttl": "1h", "renewable": false });
    let sink = Sink::default();
    sink.put(bao.token(attributes.clone()).await);
    let source = proxy.vault().with_token(sink.source()).kv2("secret", "claude");
    assert_eq!(key(&source).await, "sk-ant-canary");
    passes(Duration::from_secs(60 * 50)).await;
    assert_eq!(key(&source).await, "sk-ant-canary");
    assert_eq!(proxy.asked(), [LOOKUP, READ, READ]);
    sink.put(bao.token(attributes).await);
    passes(Duration::from_secs(60 * 10)).await;
    assert_eq!(key(&source).await, "sk-ant-canary");
    assert_eq!(proxy.asked(), [LOOKUP, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_that_may_not_look_at_itself_reads_nevertheless() {
    let (bao, proxy) = start().await;
    let token = bao.token(json!({ "policies": ["claude"], "no_default_policy": true })).await;
    let source = proxy.vault().with_token(StaticSource::new(token)).kv2("secret", "claude");
    for expected in [&[LOOKUP, READ][..], &[READ]] {
        assert_eq!(key(&source).await, "sk-ant-canary");
        assert_eq!(proxy.asked(), expected);
    }
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_that_is_refused_is_fetched_again_once() {
    let (bao, proxy) = start().await;
    let sink = Sink::default();
    sink.put(bao.token(json!({ "policies": ["claude"], "ttl": "1h" })).await);
    let source = proxy.vault().with_token(sink.source()).kv2("secret", "claude");
    assert_eq!(key(&source).await, "sk-ant-canary");
    bao.revoke_all().await;
    proxy.asked();
    // The same one is still there: no need to try it again.
    assert_eq!(why(&source).await.0, Denied);
    assert_eq!(proxy.asked(), [READ]);
    sink.put(bao.token(json!({ "policies": ["claude"], "ttl": "1h" })).await);
    assert_eq!(key(&source).await, "sk-ant-canary");
    assert_eq!(proxy.asked(), [READ, LOOKUP, READ]);
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn no_log_at_any_level_of_any_library_has_a_secret() {
    let bao = Bao::start().await;
    bao.put("claude/prod", json!({ "k": "sk-ant-canary" })).await;
    let role = bao.app_role(json!({ "token_ttl": "1h" })).await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
    // Of this thread, on which all of this runs.
    let guard = tracing::subscriber::set_default(subscriber.finish());
    let vault = bao.bare().with_app_role(role, StaticSource::new("secret-id-canary"));
    let source = vault.kv2("secret", "claude/prod");
    assert_eq!(key(&source).await, "sk-ant-canary");
    bao.revoke_all().await;
    assert_eq!(key(&source).await, "sk-ant-canary");
    assert_eq!(why(&vault.kv2("secret", "other")).await.0, Denied);
    bao.ask("PUT", "sys/seal", serde_json::Value::Null).await;
    why(&source).await;
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("logged in") && log.contains("hyper"), "{log}");
    crate::assert_silent(&log);
}
