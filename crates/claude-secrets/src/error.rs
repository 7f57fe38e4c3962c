//! Why a request got no key.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use claude_wire::call::{Refusal, RefusalKind, find_in_chain};

use crate::source::SourceError;

/// Why a request was not sent. In its `source()` stands the [`Refusal`], whose words are for whoever called; its own words
/// name keys and sources, and are for whoever runs the stack. Neither holds anything secret.
#[derive(Debug)]
pub struct SecretsError {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: SecretsErrorKind,
    detail: Box<str>,
    refusal: Refusal,
}

/// What kind of no it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretsErrorKind {
    /// No source has a key, with the error of the first of them.
    NoKey(SourceError),
    /// Every key is refused by the API, or has been taken out of use.
    AllDead,
    /// The line of the caller has no keys, and the ring is strict; or there are none for callers without one.
    UnmappedLine,
    /// The environment of the caller is not that of the ring, or has no keys.
    WrongEnvironment,
    /// No key may go where the request goes.
    OriginNotAllowed,
    /// The request carries a credential already.
    CredentialPresent,
    /// Too many wait for the key that takes over: 10,000 for each limit group and class of models.
    Busy,
    /// The deadline is past before a key could be had.
    TooLate,
}

impl SecretsError {
    /// What kind of no it is.
    #[must_use]
    pub const fn kind(&self) -> &SecretsErrorKind {
        &self.inner.kind
    }

    /// The code of its refusal.
    pub(crate) const fn code(&self) -> &'static str {
        self.inner.refusal.code()
    }

    /// The one in this error, or in what caused it.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find_in_chain(error)
    }
}

impl fmt::Display for SecretsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.detail)
    }
}

impl Error for SecretsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.inner.refusal)
    }
}

impl SecretsErrorKind {
    /// The refusal of this kind: its kind, its code, and its words for whoever called.
    const fn refusal(&self) -> (RefusalKind, &'static str, &'static str) {
        match self {
            Self::NoKey(_) | Self::AllDead => (
                RefusalKind::CredentialUnavailable,
                "NO_KEY",
                "no key can be had for this request at the moment",
            ),
            Self::UnmappedLine => {
                (RefusalKind::NotPermitted, "UNMAPPED_LINE", "there is no key for this line of business")
            }
            Self::WrongEnvironment => {
                (RefusalKind::NotPermitted, "WRONG_ENVIRONMENT", "there is no key for this environment")
            }
            Self::OriginNotAllowed => {
                (RefusalKind::OriginNotAllowed, "ORIGIN_NOT_ALLOWED", "no key may go where this request goes")
            }
            Self::CredentialPresent => {
                (RefusalKind::Policy, "CREDENTIAL_PRESENT", "the request carries a credential of its own")
            }
            Self::Busy => {
                (RefusalKind::Overloaded, "KEYS_BUSY", "too many requests wait for the key that takes over")
            }
            Self::TooLate => (RefusalKind::DeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline is past"),
        }
    }

    /// The error of this kind.
    pub(crate) fn with(self, detail: impl fmt::Display, again_in: Option<Duration>) -> SecretsError {
        let (kind, code, message) = self.refusal();
        let mut refusal = Refusal::new(kind, code, message);
        if let Some(again_in) = again_in {
            refusal = refusal.with_retry_after(again_in);
        }
        SecretsError { inner: Box::new(Inner { kind: self, detail: detail.to_string().into(), refusal }) }
    }
}
