//! An answer with an error, as a fault asks for it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::answer::Answer;
use crate::errors::ErrorBody;

/// An error by status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorAnswer {
    pub(super) status: StatusCode,
    pub(super) kind: Kind,
    pub(super) message: Option<String>,
    pub(super) code: Option<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) content: Content,
    /// Whether the message was executed first.
    pub(super) executed: bool,
}

/// The `error.type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    OfStatus,
    None,
    Given(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Json,
    Html,
    Empty,
    Given(Bytes, String),
}

impl ErrorAnswer {
    pub(super) const fn new(status: StatusCode) -> Self {
        Self {
            status,
            kind: Kind::OfStatus,
            message: None,
            code: None,
            headers: Vec::new(),
            content: Content::Json,
            executed: false,
        }
    }

    /// The error that a message becomes which fails in the middle.
    pub(crate) fn of_type(kind: &str) -> Self {
        Self { kind: Kind::Given(kind.into()), ..Self::new(status_of(kind)) }
    }

    pub(crate) fn answer(&self, request_id: &str) -> Answer {
        let kind = match &self.kind {
            Kind::OfStatus => Some(type_of(self.status)),
            Kind::None => None,
            Kind::Given(kind) => Some(kind.as_str()),
        };
        let message = self.message.as_deref().unwrap_or_else(|| message_of(self.status));
        let mut answer = match &self.content {
            Content::Json => {
                Answer::json(&ErrorBody::new(kind, message, self.code.as_deref(), Some(request_id)))
            }
            Content::Html => Answer::of_edge(html(self.status)),
            Content::Empty => Answer::bytes(Bytes::new(), None),
            Content::Given(body, content_type) => {
                Answer::bytes(body.clone(), HeaderValue::from_bytes(content_type.as_bytes()).ok())
            }
        }
        .with_status(self.status);
        for (name, value) in &self.headers {
            answer.headers_mut().insert(name, value.clone());
        }
        if matches!(self.content, Content::Empty) {
            answer.headers_mut().remove(CONTENT_TYPE);
        }
        answer
    }
}

/// The type that goes with a status, 2026-11-22.
fn type_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        409 => "conflict_error",
        412 => "memory_precondition_failed_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The status that goes with a type, 2026-11-22.
fn status_of(kind: &str) -> StatusCode {
    match kind {
        "invalid_request_error" => StatusCode::BAD_REQUEST,
        "authentication_error" => StatusCode::UNAUTHORIZED,
        "billing_error" => StatusCode::PAYMENT_REQUIRED,
        "permission_error" => StatusCode::FORBIDDEN,
        "not_found_error" => StatusCode::NOT_FOUND,
        "conflict_error" | "memory_path_conflict_error" => StatusCode::CONFLICT,
        "memory_precondition_failed_error" => StatusCode::PRECONDITION_FAILED,
        "request_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "rate_limit_error" => StatusCode::TOO_MANY_REQUESTS,
        "timeout_error" => StatusCode::GATEWAY_TIMEOUT,
        "overloaded_error" => super::statuses::overloaded_status(),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn message_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "This request would exceed your organization's rate limit. Please try again later.",
        500 => "Internal server error",
        529 => "Overloaded",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

/// What is said of a type that comes in a stream.
pub(crate) fn message_of_type(kind: &str) -> &'static str {
    message_of(status_of(kind))
}

fn html(status: StatusCode) -> Bytes {
    let title = format!("{} {}", status.as_str(), message_of(status));
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    );
    Bytes::from(page)
}
