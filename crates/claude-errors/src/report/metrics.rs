//! Failures as a count.

use metrics::counter;

use super::{Report, Reporter};

/// The counter of failures. Its labels, each of a few fixed values:
///
/// | label | values |
/// | --- | --- |
/// | `code` | the codes of [`ErrorKind`](crate::ErrorKind) and of refusals |
/// | `status` | the status, or `none` |
/// | `retryable` | `true`, `false` |
/// | `maybe_executed` | `true`, `false` |
/// | `mid_stream` | `true`, `false` |
pub const ERRORS_TOTAL: &str = "claude_errors_total";

/// Counts failures in [`ERRORS_TOTAL`], through whatever recorder the application has installed by then.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MetricsReporter;

impl MetricsReporter {
    /// The reporter.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Reporter for MetricsReporter {
    fn report(&self, report: &Report<'_>) {
        let judged = report.classification();
        let status = judged.status.map_or_else(|| "none".to_owned(), |status| status.as_str().to_owned());
        // Looked up at each use: a handle taken before the recorder is installed would count nothing for ever.
        counter!(
            ERRORS_TOTAL,
            "code" => report.code(),
            "status" => status,
            "retryable" => text(judged.is_retryable()),
            "maybe_executed" => text(judged.maybe_executed),
            "mid_stream" => text(report.is_mid_stream()),
        )
        .increment(1);
    }
}

const fn text(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}
