//! The headers of the API: their names, and what their values mean.
//!
//! Everything here is lenient and nothing is an error: a header that is absent, not text or garbage is `None`, of several
//! the first counts, and a number that is too large is the largest.

pub mod names;
mod rate_limit;
mod retry_after;

use http::HeaderMap;
use http::header::AsHeaderName;

pub use rate_limit::{Limit, RateLimitHeaders};
pub use retry_after::{MAX_RETRY_AFTER, retry_after};

/// A header as text, or `None`. Of several, the first.
fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// `x-should-retry`: the server's own word on whether another attempt makes sense. It overrides the status.
/// Only `true` and `false` in lower case count, as in the official SDKs.
#[must_use]
pub fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, &names::X_SHOULD_RETRY)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// `request-id`: on every response of the API.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Option<&str> {
    text(headers, &names::REQUEST_ID)
}

/// `anthropic-organization-id`: whose key it was. Absent when authentication failed.
#[must_use]
pub fn organization_id(headers: &HeaderMap) -> Option<&str> {
    text(headers, &names::ORGANIZATION_ID)
}

/// `anthropic-workspace-id` (since 2026-08-11): the workspace of the key. Absent when authentication failed.
#[must_use]
pub fn workspace_id(headers: &HeaderMap) -> Option<&str> {
    text(headers, &names::WORKSPACE_ID)
}

/// How often the client says it has repeated this request: `x-stainless-retry-count` of the official SDKs.
#[must_use]
pub fn client_retry_count(headers: &HeaderMap) -> Option<u32> {
    let count = text(headers, &names::X_STAINLESS_RETRY_COUNT).and_then(rate_limit::count)?;
    Some(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn forms_of_a_retry_count() {
        for (text, expected) in
            [("0", Some(0)), ("2", Some(2)), ("4294967296", Some(u32::MAX)), ("once", None), ("", None)]
        {
            let value = HeaderValue::from_static(text);
            let headers = HeaderMap::from_iter([(names::X_STAINLESS_RETRY_COUNT, value)]);
            assert_eq!(client_retry_count(&headers), expected, "{text:?}");
        }
    }
}
