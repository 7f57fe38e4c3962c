//! The buckets as a response describes them.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::text;

/// One bucket as a response describes it, after the request it answers.
///
/// Refill is continuous: `remaining` of zero does not mean waiting until `reset`, which is when the bucket
/// would be full. Token counts that remain are rounded to the nearest thousand by the API (2026-10-08).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// What the bucket refills by in a minute.
    pub limit: Option<u64>,
    /// What is in it.
    pub remaining: Option<u64>,
    /// When it would be full again.
    pub reset: Option<SystemTime>,
}

impl Limit {
    /// Whether the response said nothing of this bucket.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.limit.is_none() && self.remaining.is_none() && self.reset.is_none()
    }
}

/// The rate limit headers of a response (names as of 2026-10-08). Any of them may be absent; other platforms
/// and gateways send none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimitHeaders {
    /// `anthropic-ratelimit-requests-*`.
    pub requests: Limit,
    /// `anthropic-ratelimit-tokens-*`: whichever token limit binds most.
    pub tokens: Limit,
    /// `anthropic-ratelimit-input-tokens-*`.
    pub input_tokens: Limit,
    /// `anthropic-ratelimit-output-tokens-*`.
    pub output_tokens: Limit,
    /// `anthropic-priority-input-tokens-*`: Priority Tier only.
    pub priority_input_tokens: Limit,
    /// `anthropic-priority-output-tokens-*`: Priority Tier only.
    pub priority_output_tokens: Limit,
    /// `anthropic-fast-input-tokens-*`: fast mode only, a bucket of its own.
    pub fast_input_tokens: Limit,
    /// `anthropic-fast-output-tokens-*`: fast mode only, a bucket of its own.
    pub fast_output_tokens: Limit,
}

/// Reads the three headers of one family.
macro_rules! limit {
    ($headers:expr, $family:literal) => {
        read(
            $headers,
            &HeaderName::from_static(concat!($family, "-limit")),
            &HeaderName::from_static(concat!($family, "-remaining")),
            &HeaderName::from_static(concat!($family, "-reset")),
        )
    };
}

impl RateLimitHeaders {
    /// Reads them.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        Self {
            requests: limit!(headers, "anthropic-ratelimit-requests"),
            tokens: limit!(headers, "anthropic-ratelimit-tokens"),
            input_tokens: limit!(headers, "anthropic-ratelimit-input-tokens"),
            output_tokens: limit!(headers, "anthropic-ratelimit-output-tokens"),
            priority_input_tokens: limit!(headers, "anthropic-priority-input-tokens"),
            priority_output_tokens: limit!(headers, "anthropic-priority-output-tokens"),
            fast_input_tokens: limit!(headers, "anthropic-fast-input-tokens"),
            fast_output_tokens: limit!(headers, "anthropic-fast-output-tokens"),
        }
    }

    /// Whether the response said nothing of any bucket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn read(headers: &HeaderMap, limit: &HeaderName, remaining: &HeaderName, reset: &HeaderName) -> Limit {
    Limit {
        limit: text(headers, limit).and_then(count),
        remaining: text(headers, remaining).and_then(count),
        reset: text(headers, reset).and_then(instant),
    }
}

/// A count; a negative one is an empty bucket, a fraction is cut off.
pub(super) fn count(text: &str) -> Option<u64> {
    if let Ok(count) = text.parse() {
        return Some(count);
    }
    let value: f64 = text.parse().ok()?;
    // The words for infinity and for no number are no counts, but digits too many for a float are one.
    let is_number = text.bytes().any(|byte| byte.is_ascii_digit());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates at 0 and the maximum"
    )]
    is_number.then_some(value as u64)
}

/// An RFC 3339 instant.
fn instant(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn at(seconds: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn every_family() {
        type Family = (&'static str, fn(&RateLimitHeaders) -> Limit);
        let families: [Family; 8] = [
            ("anthropic-ratelimit-requests", |limits| limits.requests),
            ("anthropic-ratelimit-tokens", |limits| limits.tokens),
            ("anthropic-ratelimit-input-tokens", |limits| limits.input_tokens),
            ("anthropic-ratelimit-output-tokens", |limits| limits.output_tokens),
            ("anthropic-priority-input-tokens", |limits| limits.priority_input_tokens),
            ("anthropic-priority-output-tokens", |limits| limits.priority_output_tokens),
            ("anthropic-fast-input-tokens", |limits| limits.fast_input_tokens),
            ("anthropic-fast-output-tokens", |limits| limits.fast_output_tokens),
        ];
        let mut all = HeaderMap::new();
        for (number, (family, _)) in (1_u32..).zip(families) {
            for (part, value) in [
                ("limit", "4000".to_owned()),
                ("remaining", number.to_string()),
                ("reset", "2026-11-22T18:04:05Z".to_owned()),
            ] {
                let name: HeaderName = format!("{family}-{part}").parse().unwrap();
                all.insert(name, value.parse().unwrap());
            }
        }
        let limits = RateLimitHeaders::read(&all);
        for (number, (family, get)) in (1_u64..).zip(families) {
            let expected = Limit { limit: Some(4000), remaining: Some(number), reset: at(1_795_370_645) };
            assert_eq!(get(&limits), expected, "{family}");
        }
        assert!(!limits.is_empty());
    }

    #[test]
    fn forms_of_a_reset() {
        for (text, expected) in [
            ("2026-11-22T18:04:05Z", at(1_795_370_645)),
            ("2026-11-22t18:04:05z", at(1_795_370_645)),
            ("2026-11-22T20:04:05+02:00", at(1_795_370_645)),
            ("2026-11-22T18:04:05.000Z", at(1_795_370_645)),
            ("1795370645", None),
            ("soon", None),
            ("2026-13-40T99:99:99Z", None),
            ("", None),
        ] {
            let limits = RateLimitHeaders::read(&headers(&[("anthropic-ratelimit-requests-reset", text)]));
            assert_eq!(limits.requests.reset, expected, "{text:?}");
        }
    }

    #[test]
    fn forms_of_a_count() {
        for (text, expected) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            (&"9".repeat(400), Some(u64::MAX)),
            ("1e400", Some(u64::MAX)),
            ("-5", Some(0)),
            ("-1e400", Some(0)),
            ("12.9", Some(12)),
            ("nan", None),
            ("inf", None),
            ("-infinity", None),
            ("many", None),
        ] {
            let limits = RateLimitHeaders::read(&headers(&[("anthropic-ratelimit-tokens-remaining", text)]));
            assert_eq!(limits.tokens.remaining, expected, "{text:?}");
        }
    }

    #[test]
    fn none_at_all() {
        assert!(RateLimitHeaders::read(&HeaderMap::new()).is_empty());
    }
}
