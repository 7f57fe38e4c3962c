//! Rate limits as the response headers show them.
//!
//! In this version the buckets are always full: nothing is taken out of them and no request is refused.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::models::Line;

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
        show("requests", self.requests, headers, now);
        show("tokens", self.input_tokens + self.output_tokens, headers, now);
        show("input-tokens", self.input_tokens, headers, now);
        show("output-tokens", self.output_tokens, headers, now);
    }
}

/// `count_tokens` is limited by requests alone.
pub(crate) fn show_count_tokens(headers: &mut HeaderMap, now: SystemTime) {
    show("requests", COUNT_TOKENS_REQUESTS, headers, now);
}

fn show(bucket: &str, limit: u64, headers: &mut HeaderMap, now: SystemTime) {
    // A date outside the years that RFC 3339 can write has no reset to show.
    let reset = Timestamp::try_from(now).ok().map(|now| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let fields = [
        ("limit", Some(HeaderValue::from(limit))),
        ("remaining", Some(HeaderValue::from(limit))),
        ("reset", reset.and_then(|reset| HeaderValue::try_from(reset).ok())),
    ];
    for (field, value) in fields {
        let name = HeaderName::try_from(format!("anthropic-ratelimit-{bucket}-{field}"));
        if let (Ok(name), Some(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
}
