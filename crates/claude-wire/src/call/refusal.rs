//! A layer's own no.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::find_in_chain;

/// What kind of no it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// A limit of requests or tokens would be passed.
    RateLimited,
    /// A queue is full, or work is being shed.
    Overloaded,
    /// The deadline is past, or cannot be met.
    DeadlineExceeded,
    /// A budget does not allow the cost.
    BudgetExceeded,
    /// The price of the request is not known, and must be.
    Unpriced,
    /// There is no credential for it.
    NoCredential,
    /// There is one, but it cannot be had at the moment.
    CredentialUnavailable,
    /// The caller may not do this, whoever he is.
    NotPermitted,
    /// The credential may not go where the request goes.
    OriginNotAllowed,
    /// No endpoint is healthy.
    NoEndpoint,
    /// The request itself breaks a rule of this stack.
    Policy,
}

impl RefusalKind {
    /// Every kind of this version, in the order of their declaration.
    pub const ALL: &'static [Self] = &[
        Self::RateLimited,
        Self::Overloaded,
        Self::DeadlineExceeded,
        Self::BudgetExceeded,
        Self::Unpriced,
        Self::NoCredential,
        Self::CredentialUnavailable,
        Self::NotPermitted,
        Self::OriginNotAllowed,
        Self::NoEndpoint,
        Self::Policy,
    ];
}

/// Why a layer did not let a request through. Such a request was never sent and is never retried.
///
/// A layer that refuses returns a small public error of its own with this in its `source()` chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: RefusalKind,
    code: &'static str,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal of this kind. `code` is stable, upper case and for programs; `message` is for people and
    /// holds neither keys nor prompts.
    #[must_use]
    pub fn new(kind: RefusalKind, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, code, message: message.into(), retry_after: None }
    }

    /// Says when the same request would be let through.
    #[must_use]
    pub const fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// What kind of no it is.
    #[must_use]
    pub const fn kind(&self) -> RefusalKind {
        self.kind
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The words for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// When the same request would be let through, if that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The refusal in this error or in what caused it.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find_in_chain(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::RefusalKind;

    /// A kind that is added does not compile here.
    #[test]
    fn every_kind_is_in_all() {
        for (index, kind) in RefusalKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
            match kind {
                RefusalKind::RateLimited
                | RefusalKind::Overloaded
                | RefusalKind::DeadlineExceeded
                | RefusalKind::BudgetExceeded
                | RefusalKind::Unpriced
                | RefusalKind::NoCredential
                | RefusalKind::CredentialUnavailable
                | RefusalKind::NotPermitted
                | RefusalKind::OriginNotAllowed
                | RefusalKind::NoEndpoint
                | RefusalKind::Policy => {}
            }
        }
        assert_eq!(RefusalKind::ALL.len(), RefusalKind::Policy as usize + 1);
    }
}
