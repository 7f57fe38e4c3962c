//! Keys from AWS Secrets Manager: from two emulators of it, and from a server that says what they cannot be made to say.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod asked;
mod chain;
mod emulator;
mod emulators;
mod http;
mod lazy;
mod link;
mod log;
mod refusals;
mod rotation;
mod values;

use std::net::SocketAddr;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::config::SharedCredentialsProvider;
use claude_secrets::ExposeSecret;
use claude_secrets::source::{Aws, Fetched, SecretSource, SourceError, SourceErrorKind};

/// Longer than any emulator takes on a busy machine, so that a time-out is never what a test shows by accident.
const LONG: Duration = Duration::from_secs(60);

/// A configuration as an application has it, with credentials that emulators take.
fn config(address: SocketAddr) -> SdkConfig {
    let credentials = Credentials::new("AKIATEST", "secret-access-key-canary", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .build()
}

fn aws(address: SocketAddr) -> Aws {
    log::begin();
    Aws::from_config(config(address)).with_timeout(LONG)
}

/// Fetches, and looks for the keys in the error and in everything that was logged.
async fn fetch(source: &impl SecretSource) -> Result<Fetched, SourceError> {
    let fetched = source.fetch().await;
    match &fetched {
        Ok(fetched) => hides(&format!("{fetched:?} {fetched:#?}")),
        Err(error) => {
            hides(&format!("{error} {error:#} {error:?} {error:#?}"));
            assert_eq!(error.id(), source.id());
        }
    }
    log::hides_keys();
    fetched
}

async fn failure(source: &impl SecretSource) -> (SourceErrorKind, String) {
    let error = fetch(source).await.expect_err("there is no key to be had");
    (error.kind(), error.detail().to_owned())
}

async fn key(source: &impl SecretSource) -> String {
    keys(source).await.0
}

/// The key, and the one before.
async fn keys(source: &impl SecretSource) -> (String, Option<String>) {
    let fetched = fetch(source).await.expect("there is a key");
    let previous = fetched.previous.map(|key| key.expose_secret().to_owned());
    (fetched.secret.expose_secret().to_owned(), previous)
}

fn hides(text: &str) {
    assert!(!text.contains("canary"), "it shows a key: {text}");
}
