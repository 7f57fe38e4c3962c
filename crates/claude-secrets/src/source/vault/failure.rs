//! What goes wrong on the way to a secret.

use std::borrow::Cow;
use std::fmt::Display;

use crate::source::{SourceError, SourceErrorKind};

/// What went wrong, while it is not known yet for which secret. In our own words, with names and codes: nothing that a server
/// said is in it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    kind: SourceErrorKind,
    detail: Cow<'static, str>,
}

impl Failure {
    pub(super) fn new(kind: SourceErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub(super) const fn kind(&self) -> SourceErrorKind {
        self.kind
    }

    /// The same, and what was being done.
    pub(super) fn while_at(self, what: impl Display) -> Self {
        Self { kind: self.kind, detail: format!("{what}: {}", self.detail).into() }
    }

    /// The same, and what else is to be known.
    pub(super) fn and(self, what: &str) -> Self {
        Self { kind: self.kind, detail: format!("{}; {what}", self.detail).into() }
    }

    /// Of a source within: where a token or an id comes from.
    pub(super) fn of_source(error: &SourceError) -> Self {
        Self::new(error.kind(), error.to_string())
    }

    pub(super) fn into_error(self, id: &str) -> SourceError {
        SourceError::new(id, self.kind, self.detail)
    }
}
