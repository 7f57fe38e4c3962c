//! What is counted, through whatever recorder the application has installed by then.
//!
//! All labels have a few fixed values.

use std::time::Duration;

use claude_errors::Classification;
use metrics::{counter, gauge, histogram};

use crate::error::Reason;
use crate::quota::Quota;

/// Counter of calls by `outcome`: `ok` (at the first attempt), `recovered` (at a later one), `failed` (in a way that no
/// further attempt helps, or that is not this layer's to repeat), `gave_up`, and `dropped` (the caller left).
pub const CALLS_TOTAL: &str = "claude_retry_calls_total";
/// Counter of retries: `code` of the failure before ([`Classification::code`]), and whether it was `maybe_executed`
/// (`true`, `false`): those may be billed twice.
pub const RETRIES_TOTAL: &str = "claude_retry_retries_total";
/// Counter of calls that were given up: `reason` ([`Reason::as_str`]), and `code` and `maybe_executed` of the last failure, as
/// above. A call whose answer's body the deadline cut is among them, although it was counted as a success when its head came.
pub const GAVE_UP_TOTAL: &str = "claude_retry_gave_up_total";
/// Counter of calls that are themselves the retry of a client (`x-stainless-retry-count` of 1 or more): `funded` is whether
/// there was quota for it (`true`, `false`).
pub const CLIENT_RETRIES_TOTAL: &str = "claude_retry_client_retries_total";
/// Histogram of the attempts of each call.
pub const ATTEMPTS: &str = "claude_retry_attempts";
/// Histogram of the waits before retries, in seconds.
pub const WAIT_SECONDS: &str = "claude_retry_wait_seconds";
/// Gauge of the quota that is left, in tries, as of the last retry or the last call given up. Of several quotas it shows the
/// one that was used last.
pub const QUOTA_TRIES: &str = "claude_retry_quota_tries";

/// How a call ended.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    Ok,
    Recovered,
    Failed,
    GaveUp,
    Dropped,
}

pub(crate) fn call(outcome: Outcome, attempts: u32) {
    // Written out, so that the common one costs no allocation.
    let calls = match outcome {
        Outcome::Ok => counter!(CALLS_TOTAL, "outcome" => "ok"),
        Outcome::Recovered => counter!(CALLS_TOTAL, "outcome" => "recovered"),
        Outcome::Failed => counter!(CALLS_TOTAL, "outcome" => "failed"),
        Outcome::GaveUp => counter!(CALLS_TOTAL, "outcome" => "gave_up"),
        Outcome::Dropped => counter!(CALLS_TOTAL, "outcome" => "dropped"),
    };
    calls.increment(1);
    histogram!(ATTEMPTS).record(f64::from(attempts));
}

pub(crate) fn retry(judged: &Classification, wait: Duration, quota: &Quota) {
    let maybe_executed = text(judged.maybe_executed);
    counter!(RETRIES_TOTAL, "code" => judged.code(), "maybe_executed" => maybe_executed).increment(1);
    histogram!(WAIT_SECONDS).record(wait.as_secs_f64());
    gauge!(QUOTA_TRIES).set(quota.available());
}

pub(crate) fn gave_up(reason: Reason, judged: &Classification, quota: &Quota) {
    let (code, maybe_executed) = (judged.code(), text(judged.maybe_executed));
    counter!(GAVE_UP_TOTAL, "reason" => reason.as_str(), "code" => code, "maybe_executed" => maybe_executed)
        .increment(1);
    gauge!(QUOTA_TRIES).set(quota.available());
}

pub(crate) fn client_retry(funded: bool) {
    counter!(CLIENT_RETRIES_TOTAL, "funded" => text(funded)).increment(1);
}

const fn text(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}
