//! Rate limits.

mod drawn;
mod load;
mod refused;
mod shared;

use std::time::{Duration, SystemTime};

use claude_sim::{ClassLimits, Hidden, Limits, Simulator};
use claude_wire::headers::{Limit, RateLimitHeaders};
use serde_json::json;

use crate::support::{Answer, ask, send};

pub(super) const PLENTY: u64 = 1_000_000_000;

pub(super) fn requests(limit: u64) -> Limits {
    Limits::each(ClassLimits::per_minute(limit, PLENTY, PLENTY))
}

pub(super) fn tokens(input: u64, output: u64) -> Limits {
    Limits::each(ClassLimits::per_minute(PLENTY, input, output))
}

/// Enforced in the plainest way.
pub(super) fn simulator(limits: Limits) -> Simulator {
    Simulator::builder().with_limits(limits).with_hidden(Hidden::plain()).build()
}

pub(super) async fn status(simulator: &Simulator) -> u16 {
    send(simulator, ask(&json!({}))).await.status.as_u16()
}

pub(super) async fn status_of(simulator: &Simulator, key: &str) -> u16 {
    with_key(simulator, key).await.status.as_u16()
}

pub(super) async fn with_key(simulator: &Simulator, key: &str) -> Answer {
    let mut request = ask(&json!({}));
    request.headers_mut().insert("x-api-key", key.parse().unwrap());
    send(simulator, request).await
}

pub(super) fn shown(answer: &Answer) -> RateLimitHeaders {
    RateLimitHeaders::read(&answer.headers)
}

pub(super) fn figures(limit: Limit) -> (u64, u64) {
    (limit.limit.unwrap(), limit.remaining.unwrap())
}

pub(super) fn after_start(seconds: u64) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600 + seconds))
}
