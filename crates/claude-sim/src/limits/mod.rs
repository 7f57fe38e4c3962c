//! Rate limits as the response headers show them.
//!
//! In this version the buckets are always full: nothing is taken out of them and no request is refused.

mod admission;

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::date;
use crate::models::Line;

pub(crate) use admission::Admission;

macro_rules! names {
    ($bucket:literal) => {
        [
            HeaderName::from_static(concat!("anthropic-ratelimit-", $bucket, "-limit")),
            HeaderName::from_static(concat!("anthropic-ratelimit-", $bucket, "-remaining")),
            HeaderName::from_static(concat!("anthropic-ratelimit-", $bucket, "-reset")),
        ]
    };
}

/// The limits of one model class, per minute.
pub(crate) struct Limits {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
}

/// The limit of `count_tokens`, requests per minute; tier "Start", 2026-10-08.
const COUNT_TOKENS_REQUESTS: u64 = 2_000;

impl Limits {
    /// The limits of tier "Start" of 2026-10-08.
    pub(crate) const fn of(line: Option<Line>) -> Self {
        let (input_tokens, output_tokens) = match line {
            Some(Line::Fable | Line::Mythos) => (500_000, 100_000),
            Some(Line::Haiku | Line::Sonnet | Line::Opus) | None => (2_000_000, 400_000),
        };
        Self { requests: 1_000, input_tokens, output_tokens }
    }

    /// Full buckets, replenished already.
    pub(crate) fn show(&self, headers: &mut HeaderMap, now: SystemTime) {
        show(REQUESTS, self.requests, headers, now);
        show(TOKENS, self.input_tokens + self.output_tokens, headers, now);
        show(INPUT_TOKENS, self.input_tokens, headers, now);
        show(OUTPUT_TOKENS, self.output_tokens, headers, now);
    }
}

/// `count_tokens` is limited by requests alone.
pub(crate) fn show_count_tokens(headers: &mut HeaderMap, now: SystemTime) {
    show(REQUESTS, COUNT_TOKENS_REQUESTS, headers, now);
}

/// The headers of one bucket: limit, remaining, reset.
type Names = [HeaderName; 3];

const REQUESTS: Names = names!("requests");
const TOKENS: Names = names!("tokens");
const INPUT_TOKENS: Names = names!("input-tokens");
const OUTPUT_TOKENS: Names = names!("output-tokens");

fn show([limit_name, remaining, reset]: Names, limit: u64, headers: &mut HeaderMap, now: SystemTime) {
    headers.insert(limit_name, HeaderValue::from(limit));
    headers.insert(remaining, HeaderValue::from(limit));
    if let Some(now) = date::rfc_3339(now) {
        headers.insert(reset, now);
    }
}
