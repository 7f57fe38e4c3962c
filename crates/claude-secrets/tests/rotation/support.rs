//! A source whose key can be changed, and requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use claude_secrets::SecretString;
use claude_secrets::source::{Fetch, Fetched, SecretSource, SourceError};
use claude_sim::{Key, Simulator};
use claude_wire::Body;
use http::Request;

/// A key that can be changed, and how often it was asked for.
#[derive(Clone, Default)]
pub(crate) struct Vault {
    key: Arc<Mutex<Option<Result<String, SourceError>>>>,
    fetches: Arc<AtomicUsize>,
}

impl Vault {
    pub(crate) fn with(key: &str) -> Self {
        let vault = Self::default();
        vault.set(key);
        vault
    }

    pub(crate) fn set(&self, key: &str) {
        *self.key.lock().unwrap() = Some(Ok(key.to_owned()));
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl SecretSource for Vault {
    fn id(&self) -> &str {
        "test:vault"
    }

    fn fetch(&self) -> Fetch<'_> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let key = self.key.lock().unwrap().clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            match key {
                Some(Ok(key)) => Ok(Fetched::new(SecretString::from(key))),
                Some(Err(error)) => Err(error),
                None => std::future::pending().await,
            }
        })
    }
}

pub(crate) fn simulator(key: &str) -> Simulator {
    Simulator::builder().with_key(Key::new("one", key)).build()
}

pub(crate) fn message() -> Request<Body> {
    let body = r#"{"model":"claude-sonnet-5-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}"#;
    Request::post("https://api.anthropic.com/v1/messages")
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap()
}
