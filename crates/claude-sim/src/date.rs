//! Dates as headers write them. A date that the calendar does not reach has no form.

use std::time::SystemTime;

use http::HeaderValue;
use jiff::Timestamp;

/// As in `date`: `Sun, 22 Nov 2026 00:00:00 GMT`.
pub(crate) fn http(date: SystemTime) -> Option<HeaderValue> {
    formatted(date, "%a, %d %b %Y %H:%M:%S GMT")
}

/// As in the rate limit headers: `2026-11-22T00:00:00Z`.
pub(crate) fn rfc_3339(date: SystemTime) -> Option<HeaderValue> {
    formatted(date, "%Y-%m-%dT%H:%M:%SZ")
}

fn formatted(date: SystemTime, form: &str) -> Option<HeaderValue> {
    let date = Timestamp::try_from(date).ok()?;
    HeaderValue::try_from(date.strftime(form).to_string()).ok()
}
