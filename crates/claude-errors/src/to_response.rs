//! An error as an answer.

use bytes::Bytes;
use claude_wire::headers::MAX_RETRY_AFTER;
use claude_wire::headers::names::{REQUEST_ID, X_SHOULD_RETRY};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response};
use serde::Serialize;

use crate::error::Error;

impl Error {
    /// The error as an HTTP answer: the very response it was made from, or else the API's own shape, so that whoever
    /// understands the API's errors understands this one:
    ///
    /// | kind | status | `error.type` |
    /// | --- | --- | --- |
    /// | `Connection`, `ConnectionLost`, `IncompleteResponse`, `InvalidResponse` | 502 | `api_error` |
    /// | `Timeout` | 504 | `timeout_error` |
    /// | `UnsendableRequest` | 400 | `invalid_request_error` |
    /// | `Unknown` | 500 | `api_error` |
    /// | `Refused`: rate, overload | 429, 529 | `rate_limit_error`, `overloaded_error` |
    /// | `Refused`: deadline | 504 | `timeout_error` |
    /// | `Refused`: budget | 402 | `billing_error` |
    /// | `Refused`: no credential | 401 | `authentication_error` |
    /// | `Refused`: origin, not permitted | 403 | `permission_error` |
    /// | `Refused`: no endpoint, credential that cannot be had at the moment | 503 | `api_error` |
    /// | `Refused`: unpriced, policy | 400 | `invalid_request_error` |
    /// | an `error` event | that of its kind | its own |
    ///
    /// The code stands in `error.details.error_code`, in lower case, unless the API gave one. `retry-after` is there if it is known, and
    /// `x-should-retry: false` if another attempt makes no sense.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        if let Some(response) = self.response() {
            return response;
        }
        let traits = self.kind().traits();
        let classification = self.classification();
        let error_code = classification.error_code.as_deref();
        let error_code = error_code.map_or_else(|| self.code().to_ascii_lowercase(), str::to_owned);
        let body = Body {
            r#type: "error",
            error: Shape {
                r#type: classification.error_type.as_deref().unwrap_or(traits.error_type),
                message: self.message(),
                details: Details { error_code },
            },
            request_id: self.request_id(),
        };
        // Strings and structs: nothing here can fail to be written.
        let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
        let mut response = Response::new(body);
        *response.status_mut() = traits.status();
        let length = response.body().len();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if let Some(request_id) = self.request_id().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(REQUEST_ID, request_id);
        }
        if let Some(wait) = self.retry_after().map(|wait| wait.min(MAX_RETRY_AFTER)) {
            // Rounded up: whoever comes back earlier fails again.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if !self.is_retryable() {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    error: Shape<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Shape<'a> {
    r#type: &'a str,
    message: &'a str,
    details: Details,
}

#[derive(Serialize)]
struct Details {
    error_code: String,
}

impl From<Error> for Response<Bytes> {
    fn from(error: Error) -> Self {
        error.to_response()
    }
}

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl axum_core::response::IntoResponse for Error {
    fn into_response(self) -> axum_core::response::Response {
        self.to_response().map(axum_core::body::Body::from)
    }
}
