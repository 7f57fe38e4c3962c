//! The JSON of what is told.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::answer::Answer;
use crate::bill::{BillLine, TokenCounts};
use crate::limits::Hidden;
use crate::log::SeenRequest;
use crate::messages::NamedReply;

pub(super) fn bill(mut lines: Vec<BillLine>, key: Option<&str>) -> Answer {
    lines.retain(|line| key.is_none_or(|key| line.item.key == key));
    Answer::json(&Bill { lines })
}

pub(super) fn requests(requests: &[SeenRequest]) -> Answer {
    Answer::json(&Requests { requests: requests.iter().map(Request::of).collect() })
}

pub(super) fn hidden(hidden: &Hidden) -> Answer {
    Answer::json(&HiddenJson {
        burst_seconds: hidden.burst().seconds(),
        grain_ms: millis(hidden.grain()),
        estimate_error_percent: hidden.estimate_error(),
        header_age_ms: millis(hidden.header_age()),
    })
}

#[derive(Serialize)]
struct Bill {
    lines: Vec<BillLine>,
}

#[derive(Serialize)]
struct Requests<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
struct Request<'a> {
    number: u64,
    request_id: &'a str,
    method: &'a str,
    path: &'a str,
    /// Name and value, for there may be several of one name.
    headers: Vec<(&'a str, Cow<'a, str>)>,
    key: Option<&'a str>,
    body: Cow<'a, str>,
    body_length: Option<usize>,
    status: Option<u16>,
    arrived_at_ms: u64,
    ended_at_ms: Option<u64>,
    ended_as: Option<u64>,
    in_flight: usize,
    fate: Option<u64>,
    attempt: Option<u32>,
    fault: Option<&'a str>,
    billed: TokenCounts,
}

impl<'a> Request<'a> {
    fn of(seen: &'a SeenRequest) -> Self {
        let header = |(name, value): (&'a http::HeaderName, &'a http::HeaderValue)| {
            (name.as_str(), String::from_utf8_lossy(value.as_bytes()))
        };
        Self {
            number: seen.number,
            request_id: &seen.request_id,
            method: seen.method.as_str(),
            path: &seen.path,
            headers: seen.headers.iter().map(header).collect(),
            key: seen.key.as_deref(),
            body: String::from_utf8_lossy(&seen.body),
            body_length: seen.body_length,
            status: seen.status.map(|status| status.as_u16()),
            arrived_at_ms: millis(seen.arrived_at),
            ended_at_ms: seen.ended_at.map(millis),
            ended_as: seen.ended_as,
            in_flight: seen.in_flight,
            fate: seen.fate,
            attempt: seen.attempt,
            fault: seen.fault.as_deref(),
            billed: seen.billed,
        }
    }
}

#[derive(Serialize)]
struct HiddenJson {
    burst_seconds: u64,
    grain_ms: u64,
    estimate_error_percent: u8,
    header_age_ms: u64,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What `x-sim-reply` may ask for.
pub(super) fn replies(kinds: &[NamedReply]) -> Answer {
    Answer::json(&Replies { replies: kinds.iter().map(Reply::of).collect() })
}

#[derive(Serialize)]
struct Replies<'a> {
    replies: Vec<Reply<'a>>,
}

#[derive(Serialize)]
struct Reply<'a> {
    name: &'a str,
    fields: &'a Value,
    betas: &'a [&'a str],
}

impl<'a> Reply<'a> {
    const fn of(kind: &'a NamedReply) -> Self {
        Self { name: kind.name, fields: &kind.fields, betas: kind.betas }
    }
}
