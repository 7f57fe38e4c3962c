//! Errors in the API's own shape.

use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use crate::answer::Answer;

/// An error that the API would answer with.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    /// The stable code in `error.details`; most errors have none, and then no details either.
    code: Option<&'static str>,
    /// The method that would have been right.
    allow: Option<&'static str>,
    /// What else its answer says in headers.
    headers: Option<Box<HeaderMap>>,
}

impl ApiError {
    const fn new(status: StatusCode, kind: &'static str, message: String) -> Self {
        Self { status, kind, message, code: None, allow: None, headers: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message.into())
    }

    pub(crate) fn authentication(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", message.into())
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", message.into())
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let message = "Method Not Allowed".into();
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message);
        Self { allow: Some(allow), ..error }
    }

    pub(crate) fn too_large() -> Self {
        let message = "Request exceeds the maximum size".into();
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    }

    pub(crate) fn billing(message: &str) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "billing_error", message.into())
    }

    pub(crate) fn permission(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_error", message.into())
    }

    pub(crate) const fn rate_limited(message: String) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
    }

    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = Some(Box::new(headers));
        self
    }

    pub(crate) const fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn into_answer(self, request_id: &str) -> Answer {
        let body = ErrorBody::new(Some(self.kind), &self.message, self.code, Some(request_id));
        let mut answer = Answer::json(&body).with_status(self.status);
        if let Some(allow) = self.allow {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(headers) = self.headers {
            answer.headers_mut().extend(*headers);
        }
        answer
    }
}

/// The JSON of an error, in an answer or in an event.
#[derive(Serialize)]
pub(crate) struct ErrorBody<'a> {
    r#type: &'static str,
    error: Error<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    error_code: &'a str,
}

impl<'a> ErrorBody<'a> {
    pub(crate) fn new(
        kind: Option<&'a str>,
        message: &'a str,
        code: Option<&'a str>,
        request_id: Option<&'a str>,
    ) -> Self {
        let details = code.map(|error_code| Details { error_code });
        Self { r#type: "error", error: Error { r#type: kind, message, details }, request_id }
    }
}
