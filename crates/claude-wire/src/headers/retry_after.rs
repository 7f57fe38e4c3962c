//! How long the server asks to wait.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

use super::{names, text};

/// The longest wait that [`retry_after`] gives: 4,294,967 s, about 49 days, the cap of the official Python SDK
/// (2.12.0, 2026-11-20).
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(4_294_967);

/// How long the server asks to wait: `retry-after-ms`, then `retry-after` in seconds (also fractions), then
/// `retry-after` as an HTTP date against `now`.
///
/// `None` means that the server says nothing of use, and the caller's own backoff holds: the header is absent,
/// zero, negative, not a number, garbage or in the past. A value that cannot be used does not hide the next
/// one (the Python SDK lets a useless `retry-after-ms` hide `retry-after`; the TypeScript SDK, like this, does
/// not). Larger values, infinity included, are [`MAX_RETRY_AFTER`].
///
/// Some 200 responses of the API carry the header too: read it only from a response that is to be repeated.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let milliseconds = text(headers, &names::RETRY_AFTER_MS).and_then(|text| seconds(text, 1e3));
    milliseconds.or_else(|| {
        let text = text(headers, RETRY_AFTER)?;
        seconds(text, 1.0).or_else(|| date(text, now))
    })
}

fn seconds(text: &str, per_second: f64) -> Option<Duration> {
    let value = text.parse::<f64>().ok()? / per_second;
    // Also false for a value that is not a number.
    if value <= 0.0 || value.is_nan() {
        return None;
    }
    let wait = Duration::try_from_secs_f64(value).map_or(MAX_RETRY_AFTER, |wait| wait.min(MAX_RETRY_AFTER));
    // What rounds to nothing is nothing.
    (!wait.is_zero()).then_some(wait)
}

fn date(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?;
    (!wait.is_zero()).then(|| wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fri, 29 Sep 2023 16:26:37 UTC: the clock of the official SDK's own table.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_696_004_797)
    }

    fn wait(headers: &[(&'static str, &str)]) -> Option<f64> {
        let headers = headers.iter().map(|&(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        retry_after(&headers.collect(), now()).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn the_table_of_the_official_sdk() {
        for (value, expected) in [
            ("20", Some(20.0)),
            ("0", None),
            ("-10", None),
            ("60", Some(60.0)),
            ("61", Some(61.0)),
            ("99999999999999999999999999999999999", Some(4_294_967.0)),
            ("inf", Some(4_294_967.0)),
            ("nan", None),
            ("Fri, 29 Sep 2023 16:26:57 GMT", Some(20.0)),
            ("Fri, 29 Sep 2023 16:26:37 GMT", None),
            ("Fri, 29 Sep 2023 16:26:27 GMT", None),
            ("Fri, 29 Sep 2023 16:27:37 GMT", Some(60.0)),
            ("Fri, 29 Sep 2023 16:27:38 GMT", Some(61.0)),
            ("Zun, 29 Sep 2023 16:26:27 GMT", None),
            ("", None),
        ] {
            assert_eq!(wait(&[("retry-after", value)]), expected, "{value:?}");
        }
    }

    #[test]
    fn what_the_table_leaves_out() {
        for (value, expected) in [
            ("1.234", Some(1.234)),
            (" 5 ", Some(5.0)),
            ("+3", Some(3.0)),
            ("1e2", Some(100.0)),
            ("-inf", None),
            ("-0", None),
            ("1e-300", None),
            ("1e300", Some(4_294_967.0)),
            ("12abc", None),
            ("0x10", None),
            ("Sun, 06 Nov 9994 08:49:37 GMT", Some(4_294_967.0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        ] {
            assert_eq!(wait(&[("retry-after", value)]), expected, "{value:?}");
        }
    }

    #[test]
    fn milliseconds_come_first_unless_useless() {
        assert_eq!(wait(&[("retry-after-ms", "50"), ("retry-after", "2")]), Some(0.05));
        assert_eq!(wait(&[("retry-after-ms", "10")]), Some(0.01));
        for useless in ["0", "-1", "nan", "soon", ""] {
            assert_eq!(wait(&[("retry-after-ms", useless), ("retry-after", "2")]), Some(2.0), "{useless:?}");
        }
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn a_value_that_is_not_text_is_no_value() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, http::HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        assert_eq!(retry_after(&headers, now()), None);
    }
}
