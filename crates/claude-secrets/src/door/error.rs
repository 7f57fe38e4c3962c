//! Why a request does not come in, and why a door cannot be built.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use claude_wire::call::{Refusal, RefusalKind};

/// The code of the [`Refusal`] of a request that is not admitted.
pub const CLIENT_NOT_ADMITTED: &str = "CLIENT_NOT_ADMITTED";

/// A request was not admitted. Has a [`Refusal`] as its source, and nothing of what the request held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAdmitted {
    reason: NotAdmittedReason,
    refusal: Refusal,
}

impl NotAdmitted {
    pub(super) fn new(reason: NotAdmittedReason) -> Self {
        let refusal = Refusal::new(RefusalKind::NoCredential, CLIENT_NOT_ADMITTED, reason.message());
        Self { reason, refusal }
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> NotAdmittedReason {
        self.reason
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client is not admitted")
    }
}

impl Error for NotAdmitted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.refusal)
    }
}

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotAdmittedReason {
    /// It has no token.
    Missing,
    /// It has several, or a header several times: it cannot be said whose it is.
    Ambiguous,
    /// What is there has not the form of a token, or is of another scheme than `Bearer`.
    Malformed,
    /// No client has this token.
    Unknown,
}

impl NotAdmittedReason {
    /// A word for it, as it stands in the metric's label `result`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Missing => "a client token is needed, as x-api-key or as authorization: Bearer",
            Self::Ambiguous => "there must be one client token, not several",
            Self::Malformed => "this is no client token",
            Self::Unknown => "the client token is not known here",
        }
    }
}

/// Why a [`Door`](super::Door) cannot be built of these clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DoorError {
    /// A name cannot stand in logs and labels, as which `none` has a meaning of its own. It is not repeated: it may be a
    /// token in the wrong place.
    #[error("the name of client {index} must be 1 to 128 letters, digits and _ - . : / @, and not none")]
    Name {
        /// The client's place in the list, from 0.
        index: usize,
    },
    /// Two clients have one name.
    #[error("there are two clients with the name {name}")]
    SameName {
        /// The name.
        name: Arc<str>,
    },
    /// A client has no token and could never come in.
    #[error("client {client} has no token")]
    NoToken {
        /// The client's name.
        client: Arc<str>,
    },
    /// A token is there twice.
    #[error("clients {first} and {second} have the same token")]
    SameToken {
        /// The name of the client that had it first.
        first: Arc<str>,
        /// The name of the other, which may be the same client.
        second: Arc<str>,
    },
    /// There are more than [`MAX_TOKENS`](super::MAX_TOKENS).
    #[error(
        "there are {count} tokens, of which at most {} are compared with each request",
        super::MAX_TOKENS
    )]
    TooManyTokens {
        /// How many there are.
        count: usize,
    },
}
