//! The one classifier: what happened, whether another attempt makes sense, whether the first may have been executed,
//! how long to wait, and whose fault it was.
//!
//! | judged | by |
//! | --- | --- |
//! | a response | [`Classification::of_response`]: `x-should-retry`, then `error_code`, then status, then `error.type` |
//! | an `error` event in a stream | [`Classification::of_event`]: `error_code`, then `error.type` |
//! | an error of a service | [`Classification::of_error`]: a [`Refusal`], then what is known of the types in its chain |
//!
//! Never by a message, with one exception: the spend limits that a customer set himself are 400s without a code.

mod response;
mod transport;

use std::fmt;
use std::time::Duration;

use claude_wire::call::Refusal;
use http::StatusCode;

pub(crate) use transport::walk;

use crate::kind::{Blame, ErrorKind};

/// Whether another attempt of the same request makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retry {
    /// It does not: it would fail in the same way.
    No,
    /// One does. It may be of the kind that stays: a 429 that does not say when it ends is probably a spend limit.
    Once,
    /// It does.
    Yes,
}

/// The answer of the classifier. All of it is data: nothing here waits or repeats.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Classification {
    /// What happened.
    pub kind: ErrorKind,
    /// Whether another attempt makes sense.
    pub retry: Retry,
    /// Whether the request may have been executed, and billed, all the same.
    pub maybe_executed: bool,
    /// How long to wait before another attempt, if the server or the layer said so.
    pub retry_after: Option<Duration>,
    /// Whose fault it was.
    pub blame: Blame,
    /// The status of the response, if there was one.
    pub status: Option<StatusCode>,
    /// `error.type` as the API wrote it, if it looks like one.
    pub error_type: Option<Box<str>>,
    /// `error.details.error_code`, if it looks like one.
    pub error_code: Option<Box<str>>,
    /// The response's `request-id`, for support.
    pub request_id: Option<Box<str>>,
    /// What is known of the cause of a transport error, such as `connection refused`.
    pub cause: Option<&'static str>,
    /// The refusal, if it is one.
    pub(crate) refusal: Option<Refusal>,
}

impl Classification {
    /// A kind with its usual fault, not to be repeated, not executed.
    fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            retry: Retry::No,
            maybe_executed: false,
            retry_after: None,
            blame: kind.blame(),
            status: None,
            error_type: None,
            error_code: None,
            request_id: None,
            cause: None,
            refusal: None,
        }
    }

    /// A layer's own no. Nothing was sent. Those that time heals may be tried again, by the caller: a layer that
    /// repeats leaves every refusal alone.
    #[must_use]
    pub fn of_refusal(refusal: &Refusal) -> Self {
        use claude_wire::call::RefusalKind::{CredentialUnavailable, NoEndpoint, Overloaded, RateLimited};
        let heals = matches!(refusal.kind(), RateLimited | Overloaded | NoEndpoint | CredentialUnavailable);
        Self {
            retry: if heals { Retry::Yes } else { Retry::No },
            retry_after: refusal.retry_after(),
            refusal: Some(refusal.clone()),
            ..Self::new(ErrorKind::Refused(refusal.kind()))
        }
    }

    /// The stable code: a refusal's own, else the kind's.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.refusal.as_ref().map_or(self.kind.code(), Refusal::code)
    }

    /// Whether another attempt makes sense, one at the least.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self.retry, Retry::No)
    }
}

impl fmt::Debug for Classification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classification")
            .field("code", &self.code())
            .field("kind", &self.kind)
            .field("retry", &self.retry)
            .field("maybe_executed", &self.maybe_executed)
            .field("retry_after", &self.retry_after)
            .field("blame", &self.blame)
            .field("status", &self.status)
            .field("error_type", &self.error_type)
            .field("error_code", &self.error_code)
            .field("request_id", &self.request_id)
            .field("cause", &self.cause)
            .finish()
    }
}
