//! Keys from the KV engines of Vault, against a real `OpenBao` server.
//!
//! `cargo xtask test` installs it and names it in the environment.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod absent;
#[allow(dead_code, reason = "each folder of tests takes a part of it")]
mod bao;
mod kubernetes;
mod logins;
mod odd;
mod present;
mod proxy;
mod tiny;
mod tls;
mod tokens;
mod unreachable;

use claude_secrets::source::{Fetched, SecretSource, SourceError, SourceErrorKind};
use claude_secrets::{ExposeSecret, SecretString};

fn text(secret: &SecretString) -> &str {
    secret.expose_secret()
}

/// What a fetch that is to succeed gave.
async fn fetched(source: &impl SecretSource) -> Fetched {
    let fetched = source.fetch().await.unwrap();
    assert_silent(&format!("{fetched:?} {fetched:#?}"));
    fetched
}

async fn key(source: &impl SecretSource) -> String {
    text(&fetched(source).await.secret).to_owned()
}

/// Why a fetch failed. All that is secret in these tests has a canary in it, and no error may sing.
async fn refused(source: &impl SecretSource) -> SourceError {
    let error = source.fetch().await.unwrap_err();
    assert_silent(&format!("{error} {error:#} {error:?} {error:#?}"));
    assert!(std::error::Error::source(&error).is_none());
    error
}

async fn why(source: &impl SecretSource) -> (SourceErrorKind, String) {
    let error = refused(source).await;
    (error.kind(), error.detail().to_owned())
}

#[track_caller]
fn assert_silent(shown: &str) {
    // How the tokens of OpenBao and of Vault begin.
    for secret in ["canary", " s.", "\"s.", "hvs.", "hvb."] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
