//! Errors by status: the ones that have a name, and what can be said of all.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::error_answer::{Content, Kind};
use super::fault::Fault;

const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// Errors by status, as the API had them in November 2026.
impl Fault {
    /// An error of this status, with the type and a message that go with it. A status of the 100s is no answer: on
    /// loopback the server makes a 500 of it.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self::answering(status)
    }

    /// An ordinary 429, with `retry-after` in seconds.
    #[must_use]
    pub fn rate_limited(retry_after: u64) -> Self {
        Self::answering(StatusCode::TOO_MANY_REQUESTS).with_retry_after(retry_after.to_string())
    }

    /// 429 `ramp_limit_exceeded`: the use grows too fast. With `retry-after` in seconds.
    #[must_use]
    pub fn ramp_limit(retry_after: u64) -> Self {
        Self::rate_limited(retry_after)
            .with_error_code("ramp_limit_exceeded")
            .with_message("Your use of the API has grown too fast. Please scale it up more slowly.")
    }

    /// 429 `enforced_spend_limit_reached`: the tier's monthly cap. Without `retry-after`.
    #[must_use]
    pub fn spend_cap() -> Self {
        Self::answering(StatusCode::TOO_MANY_REQUESTS)
            .with_error_code("enforced_spend_limit_reached")
            .with_message(
                "Your organization has reached its monthly spend limit. Access resumes on the 1st of next month \
                 at 00:00 UTC.",
            )
    }

    /// 429 `contract_spend_limit_reached`. Without `retry-after`.
    #[must_use]
    pub fn contract_spend_cap() -> Self {
        Self::answering(StatusCode::TOO_MANY_REQUESTS)
            .with_error_code("contract_spend_limit_reached")
            .with_message("Your organization has reached the spend limit of its contract.")
    }

    /// 400: the spend limit that a customer has set for the organisation.
    #[must_use]
    pub fn organization_spend_limit() -> Self {
        Self::answering(StatusCode::BAD_REQUEST).with_message(
            "You have reached your specified API usage limits. You will regain access next month.",
        )
    }

    /// 400: the spend limit that a customer has set for a workspace.
    #[must_use]
    pub fn workspace_spend_limit() -> Self {
        Self::answering(StatusCode::BAD_REQUEST).with_message(
            "You have reached your specified workspace API usage limits. You will regain access next month.",
        )
    }

    /// 429 of type `billing_error` with `x-should-retry: false`, as a gateway for Claude applications answers.
    #[must_use]
    pub fn gateway_spend_limit() -> Self {
        Self::answering(StatusCode::TOO_MANY_REQUESTS)
            .with_error_type("billing_error")
            .with_message("The spend limit of this gateway has been reached.")
            .with_should_retry(false)
    }

    /// 500.
    #[must_use]
    pub fn internal() -> Self {
        Self::answering(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// 529: the API has more to do than it can.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::answering(overloaded_status())
    }

    /// Another `error.type` than the one that goes with the status.
    #[must_use]
    pub fn with_error_type(self, kind: impl Into<String>) -> Self {
        self.map_error(|error| error.kind = Kind::Given(kind.into()))
    }

    /// No `error.type`.
    #[must_use]
    pub fn without_error_type(self) -> Self {
        self.map_error(|error| error.kind = Kind::None)
    }

    /// The code in `error.details`.
    #[must_use]
    pub fn with_error_code(self, code: impl Into<String>) -> Self {
        self.map_error(|error| error.code = Some(code.into()))
    }

    /// The message.
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        self.map_error(|error| error.message = Some(message.into()))
    }

    /// `retry-after`, with any text: seconds, a fraction, a date, nonsense. What cannot stand in a header is left
    /// out.
    #[must_use]
    pub fn with_retry_after(self, text: impl AsRef<str>) -> Self {
        self.with_text(http::header::RETRY_AFTER, text.as_ref())
    }

    /// `retry-after-ms`, with any text.
    #[must_use]
    pub fn with_retry_after_ms(self, text: impl AsRef<str>) -> Self {
        self.with_text(RETRY_AFTER_MS, text.as_ref())
    }

    /// `x-should-retry`.
    #[must_use]
    pub fn with_should_retry(self, retry: bool) -> Self {
        self.with_text(X_SHOULD_RETRY, if retry { "true" } else { "false" })
    }

    /// A header. It takes the place of one of the same name.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.map_error(|error| {
            error.headers.retain(|(other, _)| *other != name);
            error.headers.push((name, value));
        })
    }

    /// An edge answers before the API: HTML, and neither `request-id` nor the organisation's id.
    #[must_use]
    pub fn without_json(self) -> Self {
        self.map_error(|error| error.content = Content::Html)
    }

    /// These bytes. A content type that cannot stand in a header is left out.
    #[must_use]
    pub fn with_body(self, body: impl Into<Bytes>, content_type: impl Into<String>) -> Self {
        self.map_error(|error| error.content = Content::Given(body.into(), content_type.into()))
    }

    /// No body, and no content type.
    #[must_use]
    pub fn with_empty_body(self) -> Self {
        self.map_error(|error| error.content = Content::Empty)
    }

    fn with_text(self, name: HeaderName, text: &str) -> Self {
        match HeaderValue::from_bytes(text.as_bytes()) {
            Ok(value) => self.with_header(name, value),
            Err(_) => self,
        }
    }

    fn map_error(mut self, change: impl FnOnce(&mut super::error_answer::ErrorAnswer)) -> Self {
        if let Some(error) = self.error_mut() {
            change(error);
        }
        self
    }
}

/// 529 is not among the statuses that have a name.
pub(super) fn overloaded_status() -> StatusCode {
    StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}
