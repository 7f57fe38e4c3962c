//! What is counted, through whatever recorder the application has installed by then.
//!
//! The label `key` is the name that a key was given in the configuration, never the key; all other labels have a few fixed
//! values.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::source::SourceErrorKind;

/// Counter of fetches by `key` and `result`: `ok`, or what failed ([`SourceErrorKind::as_str`]).
pub const FETCHES_TOTAL: &str = "claude_secrets_fetches_total";
/// Histogram of how long fetches took, in seconds, by `key`.
pub const FETCH_SECONDS: &str = "claude_secrets_fetch_seconds";
/// Counter of new versions that were picked up, by `key`.
pub const ROTATIONS_TOTAL: &str = "claude_secrets_rotations_total";
/// Gauge of the age of a key, in seconds, by `key`; as of its last fetch, and only if its source says when it was made.
pub const KEY_AGE_SECONDS: &str = "claude_secrets_key_age_seconds";
/// Gauge of how long a key is used since its source last gave it, in seconds, by `key`: as of the last fetch that failed, 0
/// after one that did not.
pub const KEY_STALE_SECONDS: &str = "claude_secrets_key_stale_seconds";
/// Counter of keys that the API refused for good, by `key`.
pub const DEAD_TOTAL: &str = "claude_secrets_dead_total";
/// Counter of requests that the API refused for their key and that were sent again with another, by `outcome`: `ok`, or
/// `refused` again.
pub const REPLAYS_TOTAL: &str = "claude_secrets_replays_total";
/// Counter of limits that were met, by `key`, each the begin of a pause of its group for one class of models.
pub const COOLED_TOTAL: &str = "claude_secrets_cooled_total";
/// Counter of requests that went to another key than their own, by the `key` that took them.
pub const DIVERTED_TOTAL: &str = "claude_secrets_diverted_total";
/// Counter of requests that got no key, by `code` ([`Refusal::code`](claude_wire::call::Refusal::code)).
pub const REFUSED_TOTAL: &str = "claude_secrets_refused_total";

pub(crate) fn fetched(key: &Arc<str>, result: Result<(), SourceErrorKind>, took: Duration) {
    let result = result.map_or_else(SourceErrorKind::as_str, |()| "ok");
    counter!(FETCHES_TOTAL, "key" => Arc::clone(key), "result" => result).increment(1);
    histogram!(FETCH_SECONDS, "key" => Arc::clone(key)).record(took.as_secs_f64());
}

pub(crate) fn rotated(key: &Arc<str>) {
    counter!(ROTATIONS_TOTAL, "key" => Arc::clone(key)).increment(1);
}

pub(crate) fn age(key: &Arc<str>, age: Duration) {
    gauge!(KEY_AGE_SECONDS, "key" => Arc::clone(key)).set(age.as_secs_f64());
}

pub(crate) fn stale(key: &Arc<str>, stale: Duration) {
    gauge!(KEY_STALE_SECONDS, "key" => Arc::clone(key)).set(stale.as_secs_f64());
}

pub(crate) fn dead(key: &Arc<str>) {
    counter!(DEAD_TOTAL, "key" => Arc::clone(key)).increment(1);
}

pub(crate) fn replayed(ok: bool) {
    counter!(REPLAYS_TOTAL, "outcome" => if ok { "ok" } else { "refused" }).increment(1);
}

pub(crate) fn cooled(key: &Arc<str>) {
    counter!(COOLED_TOTAL, "key" => Arc::clone(key)).increment(1);
}

pub(crate) fn diverted(key: &Arc<str>) {
    counter!(DIVERTED_TOTAL, "key" => Arc::clone(key)).increment(1);
}

pub(crate) fn refused(code: &'static str) {
    counter!(REFUSED_TOTAL, "code" => code).increment(1);
}
