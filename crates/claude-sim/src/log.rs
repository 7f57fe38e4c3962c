//! The requests that came in.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::bill::TokenCounts;

/// What stands in the log in place of a credential.
pub const REDACTED: &str = "<redacted>";
/// How many requests the log holds if the builder is not told otherwise; the oldest go first.
pub const DEFAULT_LOG_ENTRIES: usize = 1_000;
/// How much of each request body the log holds if the builder is not told otherwise.
pub const DEFAULT_LOG_BODY_BYTES: usize = 64 * 1024;

/// How much of a fault's text the log holds. Faults may carry bodies of any length.
pub const MAX_LOG_FAULT_BYTES: usize = 1024;

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
    /// Path and query, as they came.
    pub path: String,
    /// The headers. The values of these are replaced by [`REDACTED`] (after `Bearer ` where that stood): `x-api-key`,
    /// `api-key`, `x-amz-security-token`, `authorization`, `proxy-authorization` and `cookie`. All others are shown
    /// as they came.
    pub headers: HeaderMap,
    /// The name of the key that it came with, if that was valid.
    pub key: Option<String>,
    /// The beginning of the body, up to the log's cap, as it came: prompts and all that is in it.
    pub body: Bytes,
    /// The length of the whole body; `None` if it has not come to its end, or was too large.
    pub body_length: Option<usize>,
    /// The status of the answer; `None` if there is none (yet).
    pub status: Option<StatusCode>,
    /// When it arrived, since the simulator was built.
    pub arrived_at: Duration,
    /// When its response had been read to the end, or was dropped, since the simulator was built.
    pub ended_at: Option<Duration>,
    /// How many requests had ended before it, of all that ever came in.
    pub ended_as: Option<u64>,
    /// How many others were being answered when it arrived.
    pub in_flight: usize,
    /// The number that it carried as `x-sim-fate`, if it did and that could be read.
    pub fate: Option<u64>,
    /// Which attempt of the call with that fate it was, from 1.
    pub attempt: Option<u32>,
    /// The fault that it met, if any, as text: its first [`MAX_LOG_FAULT_BYTES`].
    pub fault: Option<String>,
    /// What it put on the bill, of all models; nothing until its end.
    pub billed: TokenCounts,
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
            .field("arrived_at", &self.arrived_at)
            .field("ended_at", &self.ended_at)
            .field("ended_as", &self.ended_as)
            .field("in_flight", &self.in_flight)
            .field("fate", &self.fate)
            .field("attempt", &self.attempt)
            .field("fault", &self.fault)
            .field("billed", &self.billed)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Log {
    entries: VecDeque<SeenRequest>,
    max_entries: usize,
    max_body_bytes: usize,
    arrived: u64,
    ended: u64,
}

impl Log {
    pub(crate) const fn new(max_entries: usize, max_body_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), max_entries, max_body_bytes, arrived: 0, ended: 0 }
    }

    /// Takes a request in and gives it its number.
    pub(crate) fn arrive(
        &mut self,
        head: &Parts,
        arrived_at: Duration,
        in_flight: usize,
        request_id: impl FnOnce(u64) -> String,
    ) -> (u64, String) {
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
            arrived_at,
            ended_at: None,
            ended_as: None,
            in_flight,
            fate: None,
            attempt: None,
            fault: None,
            billed: TokenCounts::default(),
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

    /// It came with this key, which is valid.
    pub(crate) fn known(&mut self, number: u64, key: Option<&str>) {
        if let Some(entry) = self.entry(number) {
            entry.key = key.map(str::to_owned);
        }
    }

    pub(crate) fn answered(&mut self, number: u64, status: StatusCode) {
        if let Some(entry) = self.entry(number) {
            entry.status = Some(status);
        }
    }

    /// It is this attempt of the call with this fate.
    pub(crate) fn fated(&mut self, number: u64, (fate, attempt): (u64, u32)) {
        if let Some(entry) = self.entry(number) {
            entry.fate = Some(fate);
            entry.attempt = Some(attempt);
        }
    }

    /// It met the fault of this text, which is ASCII.
    pub(crate) fn faulted(&mut self, number: u64, fault: &str) {
        if let Some(entry) = self.entry(number) {
            entry.fault = Some(fault.chars().take(MAX_LOG_FAULT_BYTES).collect());
        }
    }

    /// It put this on the bill.
    pub(crate) fn billed(&mut self, number: u64, tokens: TokenCounts) {
        if let Some(entry) = self.entry(number) {
            entry.billed += tokens;
        }
    }

    /// Its response has been read to the end, or was dropped.
    pub(crate) fn ended(&mut self, number: u64, now: Duration) {
        let ended = self.ended;
        self.ended = self.ended.wrapping_add(1);
        if let Some(entry) = self.entry(number) {
            entry.ended_at = Some(now);
            entry.ended_as = Some(ended);
        }
    }

    pub(crate) fn entries(&self) -> Vec<SeenRequest> {
        self.entries.iter().cloned().collect()
    }

    /// Empties the log. Numbers go on.
    pub(crate) fn take(&mut self) -> Vec<SeenRequest> {
        std::mem::take(&mut self.entries).into()
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
