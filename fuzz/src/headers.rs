//! The headers of a response: garbage is `None`, the first of several counts, and what is given is in its range.

use std::time::{Duration, SystemTime};

use claude_wire::headers::{
    Limit, MAX_RETRY_AFTER, RateLimitHeaders, client_retry_count, names, organization_id, request_id,
    retry_after, should_retry, workspace_id,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::input::header_map;

/// The bytes are lines of `name: value`.
pub fn headers(data: &[u8]) {
    let headers = header_map(data);
    let said = Said::by(&headers);
    said.is_in_range(&headers);

    // Neither the later ones of several nor white space around a value make a difference.
    let firsts = headers.keys().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    assert_eq!(Said::by(&firsts.collect()), said, "only the first of several counts");
    let mut padded = HeaderMap::new();
    for (name, value) in &headers {
        let value = HeaderValue::from_bytes(&[b"\t ", value.as_bytes(), b" "].concat());
        padded.append(name, value.expect("space may stand around any value"));
    }
    assert_eq!(Said::by(&padded), said, "white space around a value");
}

/// All that these headers say.
#[derive(Debug, PartialEq)]
struct Said<'a> {
    waits: [Option<Duration>; 3],
    should_retry: Option<bool>,
    texts: [(HeaderName, Option<&'a str>); 3],
    client_retry_count: Option<u32>,
    limits: RateLimitHeaders,
}

impl<'a> Said<'a> {
    fn by(headers: &'a HeaderMap) -> Self {
        Self {
            // The begin of time, the day this was written, and the last second that an HTTP date can name.
            waits: [0, 1_795_370_645, 253_402_300_799].map(|seconds| {
                let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
                retry_after(headers, now)
            }),
            should_retry: should_retry(headers),
            texts: [
                (names::REQUEST_ID, request_id(headers)),
                (names::ORGANIZATION_ID, organization_id(headers)),
                (names::WORKSPACE_ID, workspace_id(headers)),
            ],
            client_retry_count: client_retry_count(headers),
            limits: RateLimitHeaders::read(headers),
        }
    }

    fn is_in_range(&self, headers: &HeaderMap) {
        let text = |name: &HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
        for wait in self.waits.iter().flatten() {
            assert!(!wait.is_zero() && *wait <= MAX_RETRY_AFTER, "{wait:?}");
        }
        if !headers.contains_key(&names::RETRY_AFTER_MS) && !headers.contains_key("retry-after") {
            assert_eq!(self.waits, [None; 3]);
        }
        let [early, today, late] = self.waits.map(Option::unwrap_or_default);
        assert!(early >= today && today >= late, "a later clock waits no longer: {:?}", self.waits);

        let word = text(&names::X_SHOULD_RETRY).filter(|word| ["true", "false"].contains(word));
        assert_eq!(self.should_retry, word.map(|word| word == "true"));
        for (name, said) in &self.texts {
            assert_eq!(*said, text(name).filter(|text| !text.is_empty()), "{name}");
        }
        count_is(
            self.client_retry_count.map(u64::from),
            text(&names::X_STAINLESS_RETRY_COUNT),
            u32::MAX.into(),
        );

        let mut any = false;
        for (family, limit) in families(&self.limits) {
            let [most, left, reset] =
                ["limit", "remaining", "reset"].map(|part| text_of(headers, family, part));
            count_is(limit.limit, most, u64::MAX);
            count_is(limit.remaining, left, u64::MAX);
            assert!(
                limit.reset.is_none() || reset.is_some_and(|text| text.contains('-')),
                "{family}: {reset:?}"
            );
            any |= !limit.is_empty();
        }
        assert_eq!(self.limits.is_empty(), !any);
    }
}

fn text_of<'a>(headers: &'a HeaderMap, family: &str, part: &str) -> Option<&'a str> {
    headers.get(format!("anthropic-{family}-{part}"))?.to_str().ok().map(str::trim)
}

/// Digits are the number they write, or the largest; without a digit there is no number.
fn count_is(count: Option<u64>, text: Option<&str>, largest: u64) {
    let text = text.unwrap_or_default();
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        assert_eq!(count, None, "{text:?}");
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(count, Some(text.parse().unwrap_or(largest).min(largest)), "{text:?}");
    }
}

fn families(limits: &RateLimitHeaders) -> [(&'static str, Limit); 8] {
    [
        ("ratelimit-requests", limits.requests),
        ("ratelimit-tokens", limits.tokens),
        ("ratelimit-input-tokens", limits.input_tokens),
        ("ratelimit-output-tokens", limits.output_tokens),
        ("priority-input-tokens", limits.priority_input_tokens),
        ("priority-output-tokens", limits.priority_output_tokens),
        ("fast-input-tokens", limits.fast_input_tokens),
        ("fast-output-tokens", limits.fast_output_tokens),
    ]
}
