//! Why a source has no key.

use std::borrow::Cow;
use std::sync::Arc;

use thiserror::Error;

/// Why a secret could not be had. Its words name the source and the reason, never content: what is put into `detail` is
/// written by the source itself, or is the name of a field or of an error code. It has no cause: the errors of other libraries may
/// hold what they have read.
///
/// ```
/// use claude_secrets::source::{SourceError, SourceErrorKind};
///
/// let error = SourceError::new("file:/run/secrets/claude", SourceErrorKind::Empty, "the file is empty");
/// assert_eq!(error.to_string(), "file:/run/secrets/claude: the file is empty");
/// assert_eq!(error.kind().as_str(), "empty");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{id}: {detail}")]
pub struct SourceError {
    id: Arc<str>,
    kind: SourceErrorKind,
    detail: Cow<'static, str>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// There is nothing of that name, or no such version of it.
    NotFound,
    /// It is there, but not for us: permissions, a token that has expired, a login that failed.
    Denied,
    /// What keeps it cannot be reached, is sealed, or is asked too often.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// It is there, but is not what it should be: no UTF-8, no JSON, or nothing that could be put into a header.
    Malformed,
    /// It is JSON, but without the field.
    MissingField,
    /// It is there and holds nothing.
    Empty,
    /// The source is set up wrongly: a path that is none, a region that is missing, no runtime to run in.
    Misconfigured,
}

impl SourceErrorKind {
    /// A short name for metrics and logs, such as `not_found`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Malformed => "malformed",
            Self::MissingField => "missing_field",
            Self::Empty => "empty",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl SourceError {
    /// An error of the source of this id, in words for people: what was looked for and what is wrong with it, never what was
    /// found.
    #[must_use]
    pub fn new(id: &str, kind: SourceErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { id: Arc::from(id), kind, detail: detail.into() }
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> SourceErrorKind {
        self.kind
    }

    /// The id of the source.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}
