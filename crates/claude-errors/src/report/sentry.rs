//! Failures as events of Sentry.

use std::borrow::Cow;
use std::fmt;

use sentry_core::capture_event;
use sentry_core::protocol::{Event, Level};

use super::{Report, Reporter};
use crate::kind::Blame;

/// Which failures are worth an event.
type Filter = dyn Fn(&Report<'_>) -> bool + Send + Sync;

/// Makes an event of each failure, and gives it to the hub that is current where the call is polled. The application sets up
/// Sentry, with its transport, its sampling and its limits; without, this does nothing.
///
/// An event has the kind as its message, and as tags the code, status, type, error code, request id, model, attempts, and
/// whether the request may have been executed. Events of one code and status are one issue. It is an `info` if the fault is
/// the caller's, else an `error`.
pub struct SentryReporter {
    filter: Box<Filter>,
}

impl SentryReporter {
    /// Reports every failure.
    #[must_use]
    pub fn new() -> Self {
        Self { filter: Box::new(|_| true) }
    }

    /// Reports only the failures that `filter` says yes to.
    #[must_use]
    pub fn with_filter(mut self, filter: impl Fn(&Report<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Box::new(filter);
        self
    }
}

impl Default for SentryReporter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SentryReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentryReporter").finish_non_exhaustive()
    }
}

impl Reporter for SentryReporter {
    fn report(&self, report: &Report<'_>) {
        if (self.filter)(report) {
            capture_event(event(report));
        }
    }
}

fn event(report: &Report<'_>) -> Event<'static> {
    let judged = report.classification();
    let status = judged.status.map(|status| status.as_str().to_owned());
    let tags = [
        ("claude.code", Some(report.code().to_owned())),
        ("claude.status", status.clone()),
        ("claude.error_type", judged.error_type.as_deref().map(str::to_owned)),
        ("claude.error_code", judged.error_code.as_deref().map(str::to_owned)),
        ("claude.request_id", judged.request_id.as_deref().map(str::to_owned)),
        ("claude.model", report.model().map(str::to_owned)),
        ("claude.cause", judged.cause.map(str::to_owned)),
        ("claude.attempts", Some(report.attempts().to_string())),
        ("claude.retryable", Some(judged.is_retryable().to_string())),
        ("claude.maybe_executed", Some(judged.maybe_executed.to_string())),
        ("claude.mid_stream", Some(report.is_mid_stream().to_string())),
    ];
    let group = [Some("claude".to_owned()), Some(report.code().to_owned()), status];
    Event {
        level: if judged.blame == Blame::Caller { Level::Info } else { Level::Error },
        message: Some(format!("Claude API: {}", judged.kind)),
        logger: Some("claude_errors".to_owned()),
        fingerprint: Cow::Owned(group.into_iter().flatten().map(Cow::Owned).collect()),
        tags: tags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
        ..Event::default()
    }
}
