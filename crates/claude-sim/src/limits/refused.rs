//! A request for which a bucket holds too little.

use std::fmt;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};

use super::LimitClass;
use super::buckets::Scope;
use crate::errors::ApiError;

/// Which limit was hit, and how long until there is enough: the longest wait of all that were hit.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) kind: Kind,
    pub(super) limit: u64,
    pub(super) scope: Scope,
    /// `None` for `count_tokens`.
    pub(super) class: Option<LimitClass>,
    pub(super) wait: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Requests,
    InputTokens,
    OutputTokens,
    FastInputTokens,
    FastOutputTokens,
}

impl Refused {
    /// A 429 with these headers, and with `retry-after`: whole seconds, before the last of which nothing will
    /// have changed.
    pub(super) fn into_error(self, mut headers: HeaderMap) -> ApiError {
        let seconds = self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        ApiError::rate_limited(self.to_string()).with_headers(headers)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Requests => "requests",
            Kind::InputTokens => "input tokens",
            Kind::OutputTokens => "output tokens",
            Kind::FastInputTokens => "fast mode input tokens",
            Kind::FastOutputTokens => "fast mode output tokens",
        };
        let (whose, id) = match &self.scope {
            Scope::Organization(id) => ("organization", id),
            Scope::Workspace { id, .. } => ("workspace", id),
        };
        let limit = self.limit;
        write!(
            f,
            "This request would go over the rate limit of {limit} {what} per minute of your {whose} ({id})"
        )?;
        match &self.class {
            Some(class) => write!(f, " for {class}"),
            None => f.write_str(" for counting tokens"),
        }
    }
}
