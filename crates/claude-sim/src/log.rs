//! The requests that came in.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// What stands in the log in place of a credential.
pub const REDACTED: &str = "<redacted>";
/// How many requests the log holds if the builder is not told otherwise; the oldest go first.
pub const DEFAULT_LOG_ENTRIES: usize = 1_000;
/// How much of each request body the log holds if the builder is not told otherwise.
pub const DEFAULT_LOG_BODY_BYTES: usize = 64 * 1024;

/// A request as the simulator saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct SeenRequest {
    /// Its running number, from 0 in the order of arrival.
    pub number: u64,
    /// The id that its response carries.
    pub request_id: String,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The headers. Credentials are replaced by [`REDACTED`] (after `Bearer ` where that stood).
    pub headers: HeaderMap,
    /// The name of the key that it came with, if that was valid.
    pub key: Option<String>,
    /// The beginning of the body, up to the log's cap.
    pub body: Bytes,
    /// The length of the whole body; `None` if it has not come to its end, or was too large.
    pub body_length: Option<usize>,
    /// The status of the answer; `None` if there is none (yet).
    pub status: Option<StatusCode>,
}

/// Shows everything but the body, which holds a prompt.
impl fmt::Debug for SeenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenRequest")
            .field("number", &self.number)
            .field("request_id", &self.request_id)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &self.headers)
            .field("key", &self.key)
            .field("body_length", &self.body_length)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Log {
    entries: VecDeque<SeenRequest>,
    max_entries: usize,
    max_body_bytes: usize,
    arrived: u64,
}

impl Log {
    pub(crate) const fn new(max_entries: usize, max_body_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), max_entries, max_body_bytes, arrived: 0 }
    }

    /// Takes a request in and gives it its number.
    pub(crate) fn arrive(&mut self, head: &Parts, request_id: impl FnOnce(u64) -> String) -> (u64, String) {
        let number = self.arrived;
        self.arrived = self.arrived.wrapping_add(1);
        let request_id = request_id(number);
        while self.entries.len() >= self.max_entries {
            if self.entries.pop_front().is_none() {
                return (number, request_id);
            }
        }
        self.entries.push_back(SeenRequest {
            number,
            request_id: request_id.clone(),
            method: head.method.clone(),
            path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: without_credentials(&head.headers),
            key: None,
            body: Bytes::new(),
            body_length: None,
            status: None,
        });
        (number, request_id)
    }

    /// Copies the beginning of the body, so that a large one is not held by a small cap.
    pub(crate) fn read(&mut self, number: u64, body: &[u8]) {
        let beginning = &body[..body.len().min(self.max_body_bytes)];
        if let Some(entry) = self.entry(number) {
            entry.body = Bytes::copy_from_slice(beginning);
            entry.body_length = Some(body.len());
        }
    }

    pub(crate) fn answered(&mut self, number: u64, status: StatusCode, key: Option<&str>) {
        if let Some(entry) = self.entry(number) {
            entry.status = Some(status);
            entry.key = key.map(str::to_owned);
        }
    }

    pub(crate) fn entries(&self) -> Vec<SeenRequest> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) const fn arrived(&self) -> u64 {
        self.arrived
    }

    /// The entry with this number, unless it has left the log. Numbers stand in order and without gaps.
    fn entry(&mut self, number: u64) -> Option<&mut SeenRequest> {
        let first = self.entries.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.entries.get_mut(index)
    }
}

fn without_credentials(headers: &HeaderMap) -> HeaderMap {
    let credentials: [HeaderName; 6] = [
        HeaderName::from_static("x-api-key"),
        HeaderName::from_static("api-key"),
        HeaderName::from_static("x-amz-security-token"),
        AUTHORIZATION,
        PROXY_AUTHORIZATION,
        COOKIE,
    ];
    let shown = |name: &HeaderName, value: &HeaderValue| match value.as_bytes().get(..7) {
        _ if !credentials.contains(name) => value.clone(),
        Some(scheme) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            HeaderValue::from_static("Bearer <redacted>")
        }
        _ => HeaderValue::from_static(REDACTED),
    };
    headers.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect()
}
