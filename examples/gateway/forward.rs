//! One request: through the stack, and back.

use std::error::Error;

use axum::body::Body as AxumBody;
use axum::extract::Request;
use axum::response::Response;
use claude_tower::client::ConnectTimeout;
use claude_tower::stack::Stack;
use claude_tower::upstream::Upstream;
use claude_tower::wire::body::Watched;
use claude_tower::wire::{Body, BoxError};
use http::{HeaderValue, StatusCode, header};
use tower::ServiceExt;

use crate::access_log::Line;

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) upstream: Upstream<Stack>,
    pub(crate) access_log: bool,
}

/// Sends a request to the upstream. The bodies are streamed in both directions.
pub(crate) async fn forward(gateway: Gateway, request: Request) -> Response {
    let line = gateway.access_log.then(|| Line::begin(&request));
    let response = match gateway.upstream.oneshot(request.map(Body::from)).await {
        Ok(response) => response.map(AxumBody::from),
        Err(error) => failed(&error),
    };
    match line {
        Some(mut line) => {
            line.answered(&response);
            response.map(|body| AxumBody::new(Watched::new(body, line)))
        }
        None => response,
    }
}

/// The upstream did not answer: the API's own error shape, so that SDKs raise what they would for the API.
fn failed(error: &BoxError) -> Response {
    let mut timed_out = false;
    let mut cause: Option<&(dyn Error + 'static)> = Some(&**error);
    let mut reasons = Vec::new();
    while let Some(error) = cause {
        timed_out |= error.is::<ConnectTimeout>();
        reasons.push(error.to_string());
        cause = error.source();
    }
    tracing::warn!("no answer from the upstream: {}", reasons.join(": "));
    let (status, body) = if timed_out {
        (StatusCode::GATEWAY_TIMEOUT, TIMEOUT)
    } else {
        (StatusCode::BAD_GATEWAY, UNREACHABLE)
    };
    let mut response = Response::new(AxumBody::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

const TIMEOUT: &str = r#"{"type":"error","error":{"type":"timeout_error","message":"gateway: no connection to the upstream in time"}}"#;
const UNREACHABLE: &str =
    r#"{"type":"error","error":{"type":"api_error","message":"gateway: the upstream did not answer"}}"#;
