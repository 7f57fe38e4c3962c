//! Errors in the API's own shape.

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};
use serde_json::json;

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
}

impl ApiError {
    const fn new(status: StatusCode, kind: &'static str, message: String) -> Self {
        Self { status, kind, message, code: None, allow: None }
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

    pub(crate) const fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn into_answer(self, request_id: &str) -> Answer {
        let mut error = json!({"type": self.kind, "message": self.message});
        if let Some(code) = self.code {
            error["details"] = json!({"error_code": code});
        }
        let body = json!({"type": "error", "error": error, "request_id": request_id});
        let mut answer = Answer::json(Bytes::from(body.to_string())).with_status(self.status);
        if let Some(allow) = self.allow {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}
