//! Failures as events of `tracing`.

use super::{Report, Reporter};
use crate::kind::Blame;

/// Makes an event of each failure, with the target `claude_errors`: at the level `INFO` if it is the caller's own fault, else
/// `WARN`. It belongs to the span in which the call is polled.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingReporter;

impl TracingReporter {
    /// The reporter.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

/// The same fields at a level, which `tracing` wants to know beforehand.
macro_rules! event {
    ($level:ident, $report:ident, $judged:ident) => {
        ::tracing::event!(
            target: "claude_errors",
            ::tracing::Level::$level,
            code = $report.code(),
            status = $judged.status.map(|status| status.as_u16()),
            error_type = $judged.error_type.as_deref(),
            error_code = $judged.error_code.as_deref(),
            request_id = $judged.request_id.as_deref(),
            model = $report.model(),
            cause = $judged.cause,
            attempts = $report.attempts(),
            retryable = $judged.is_retryable(),
            maybe_executed = $judged.maybe_executed,
            mid_stream = $report.is_mid_stream(),
            "{}",
            $judged.kind
        )
    };
}

impl Reporter for TracingReporter {
    fn report(&self, report: &Report<'_>) {
        let judged = report.classification();
        if judged.blame == Blame::Caller {
            event!(INFO, report, judged);
        } else {
            event!(WARN, report, judged);
        }
    }
}
