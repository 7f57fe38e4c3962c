//! Who hears of failures.
//!
//! A [`Reporter`] gets a [`Report`] of each: what happened, to which model, after how many attempts. There is nothing in it
//! that must not be shown: no prompt, no completion, no key, and no text from outside that does not look like a name.
//!
//! | reporter | does |
//! | --- | --- |
//! | [`TracingReporter`] | an event of `tracing`: a warning, or for the caller's own faults an info |
//! | [`MetricsReporter`] | counts in [`ERRORS_TOTAL`] |
//! | `SentryReporter` (feature `sentry`) | an event of Sentry |
//! | any `Fn(&Report<'_>)` | what you like |

mod metrics;
#[cfg(feature = "sentry")]
mod sentry;
mod tracing;

use std::time::Duration;

use claude_wire::facts::Endpoint;

pub use self::metrics::{ERRORS_TOTAL, MetricsReporter};
#[cfg(feature = "sentry")]
#[cfg_attr(docsrs, doc(cfg(feature = "sentry")))]
pub use self::sentry::SentryReporter;
pub use self::tracing::TracingReporter;

use crate::classify::Classification;

/// Hears of every failure. It is called while futures and bodies are polled, and dropped: it neither blocks nor panics.
pub trait Reporter: Send + Sync + 'static {
    /// A call has failed, or its answer has.
    fn report(&self, report: &Report<'_>);
}

impl<F> Reporter for F
where
    F: Fn(&Report<'_>) + Send + Sync + 'static,
{
    fn report(&self, report: &Report<'_>) {
        self(report);
    }
}

/// One failure.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    pub(crate) classification: &'a Classification,
    pub(crate) model: Option<&'a str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) attempts: u32,
    pub(crate) duration: Duration,
    pub(crate) mid_stream: bool,
}

impl<'a> Report<'a> {
    /// What happened.
    #[must_use]
    pub const fn classification(&self) -> &'a Classification {
        self.classification
    }

    /// The stable code, such as `RATE_LIMIT`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.classification.code()
    }

    /// The model that was asked for, if it looks like one. Callers choose it: no label of a metric.
    #[must_use]
    pub const fn model(&self) -> Option<&'a str> {
        self.model
    }

    /// What of the API was called.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// How many attempts the call took.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// From the call's begin to its failure.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// Whether part of the answer had come already.
    #[must_use]
    pub const fn is_mid_stream(&self) -> bool {
        self.mid_stream
    }
}
