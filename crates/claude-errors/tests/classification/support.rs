//! What a row of the table says.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use claude_errors::{Blame, Classification, ErrorKind, Retry};
use claude_wire::ErrorBody;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Everything that a caller acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) kind: ErrorKind,
    pub(crate) code: &'static str,
    pub(crate) retry: Retry,
    pub(crate) maybe_executed: bool,
    pub(crate) blame: Blame,
}

impl From<&Classification> for Row {
    fn from(judged: &Classification) -> Self {
        assert_eq!(judged.is_retryable(), judged.retry != Retry::No);
        Self {
            kind: judged.kind,
            code: judged.code(),
            retry: judged.retry,
            maybe_executed: judged.maybe_executed,
            blame: judged.blame,
        }
    }
}

/// Whether it may have been executed, as the rows write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executed {
    Perhaps,
    Not,
}

pub(crate) const fn row(
    kind: ErrorKind,
    code: &'static str,
    retry: Retry,
    executed: Executed,
    blame: Blame,
) -> Row {
    Row { kind, code, retry, maybe_executed: matches!(executed, Executed::Perhaps), blame }
}

/// Fri, 29 Sep 2023 16:26:37 UTC: the clock of the official SDK's own table.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_696_004_797)
}

pub(crate) fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
    let header = |&(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    headers.iter().map(header).collect()
}

pub(crate) fn judge(status: u16, headers: &HeaderMap, body: &str) -> Option<Classification> {
    let body = ErrorBody::read(body.as_bytes());
    Classification::of_response(StatusCode::from_u16(status).unwrap(), headers, body.as_ref(), now())
}

/// The API's JSON.
pub(crate) fn typed(error_type: &str) -> String {
    format!(r#"{{"type":"error","error":{{"type":"{error_type}","message":"why"}},"request_id":"req_1"}}"#)
}

/// The API's JSON with an `error_code`.
pub(crate) fn coded(error_type: &str, error_code: &str) -> String {
    format!(
        r#"{{"type":"error","error":{{"type":"{error_type}","message":"why","details":{{"error_code":"{error_code}"}}}}}}"#
    )
}

/// An error of somebody's own, around another.
#[derive(Debug)]
pub(crate) struct Wrapped<E>(pub(crate) E);

impl<E> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl<E: Error + 'static> Error for Wrapped<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// An error of which nobody knows anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strange;

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strange")
    }
}

impl Error for Strange {}
