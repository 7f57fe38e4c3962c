//! What is counted at the door.

use std::sync::Arc;

use metrics::counter;

use super::{Admitted, NotAdmittedReason};

/// Counter of requests at the door by `result`: `admitted`, or why not ([`NotAdmittedReason::as_str`]); and by the `client`'s
/// name in the configuration, which is `none` for whoever was not admitted.
pub const ADMISSIONS_TOTAL: &str = "claude_secrets_admissions_total";

/// In place of a client's name.
pub(super) const NOBODY: &str = "none";

pub(super) fn admission(result: Result<&Admitted, &NotAdmittedReason>) {
    match result {
        Ok(admitted) => {
            counter!(ADMISSIONS_TOTAL, "result" => "admitted", "client" => Arc::clone(&admitted.client))
        }
        Err(reason) => counter!(ADMISSIONS_TOTAL, "result" => reason.as_str(), "client" => NOBODY),
    }
    .increment(1);
}
