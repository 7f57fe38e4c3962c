//! Why a call was given up.

use std::error::Error;
use std::fmt;

use claude_wire::BoxError;
use claude_wire::call::find_in_chain;
use http::Extensions;

/// Why a failure that could have been repeated was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// There have been as many attempts as a call, or a failure of this kind, gets.
    Attempts,
    /// There is no quota left for extra work.
    Quota,
    /// The deadline is past, or the wait would end after it.
    Deadline,
    /// The wait would be longer than the longest that is waited for.
    LongWait,
    /// The inner service was not ready, and it was not to be waited for.
    NotReady,
    /// The attempt may have been executed, and such are not to be repeated.
    MaybeExecuted,
    /// The request's body is a stream, which can be sent only once.
    StreamedRequest,
}

impl Reason {
    /// A stable name, as in labels of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.words().0
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Attempts => ("attempts", "no further attempt is allowed"),
            Self::Quota => ("quota", "there is no retry quota left"),
            Self::Deadline => ("deadline", "the deadline is past or cannot be met"),
            Self::LongWait => ("long_wait", "the wait would be too long"),
            Self::NotReady => ("not_ready", "the service is not ready"),
            Self::MaybeExecuted => ("maybe_executed", "the request may have been executed"),
            Self::StreamedRequest => ("streamed_request", "the request body can be sent only once"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}

/// That a call was given up although another attempt could have helped. It is in the extensions of the failed response,
/// or, if there is none, in the chain of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GaveUp {
    /// Why.
    pub reason: Reason,
    /// How many attempts were made.
    pub attempts: u32,
}

impl GaveUp {
    pub(crate) const fn new(reason: Reason, attempts: u32) -> Self {
        Self { reason, attempts }
    }

    /// What a failed response says.
    #[must_use]
    pub fn of_response(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// What an error, or whatever caused it, says.
    #[must_use]
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        find_in_chain::<RetryError>(error).map(RetryError::gave_up)
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, attempts } = self;
        let s = if *attempts == 1 { "" } else { "s" };
        write!(f, "gave up after {attempts} attempt{s}: {reason}")
    }
}

/// A call was given up. Its `source` is what went wrong:
///
/// | when | source |
/// | --- | --- |
/// | an attempt failed without an answer | the inner service's error |
/// | the deadline passed after an attempt was sent | an [`io::Error`](std::io::Error) of the kind `TimedOut` |
/// | the deadline passed before a further attempt was sent, or the service was not ready for one | a [`claude_errors::Error`] that says what the last one failed with |
/// | a collected answer was still cut short at the last attempt, and the layer has the final word | a [`claude_errors::Error`] of the kind `IncompleteResponse` |
/// | the deadline passed before anything was sent | a [`Refusal`](claude_wire::call::Refusal), `DEADLINE_EXCEEDED` |
pub struct RetryError {
    gave_up: GaveUp,
    source: BoxError,
}

impl RetryError {
    pub(crate) fn new(gave_up: GaveUp, source: impl Into<BoxError>) -> Self {
        Self { gave_up, source: source.into() }
    }

    /// Why, and after how many attempts.
    #[must_use]
    pub const fn gave_up(&self) -> GaveUp {
        self.gave_up
    }
}

/// Leaves out the source, which may quote the request.
impl fmt::Debug for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryError").field("gave_up", &self.gave_up).finish_non_exhaustive()
    }
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gave_up.fmt(f)
    }
}

impl Error for RetryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
