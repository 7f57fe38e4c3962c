//! What tests of the gateway share: the example as a process, and both sides of it at the level of bytes.
#![allow(dead_code, reason = "each test takes a part of it")]

pub(crate) mod gateway;
pub(crate) mod upstream;
pub(crate) mod wire;

use std::future::Future;
use std::time::Duration;

/// Whatever takes longer hangs. Nothing is measured by it: the machine may be busy.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test, or a part of it, and fails instead of hanging.
pub(crate) async fn within_limit<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, Box::pin(what)).await.expect("hangs")
}
