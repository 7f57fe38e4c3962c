//! One request: through the stack, and back.

use std::error::Error;

use axum::body::Body as AxumBody;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use claude_tower::stack::Stack;
use claude_tower::upstream::Upstream;
use claude_tower::wire::body::Watched;
use claude_tower::wire::{Body, BoxError};
use tower::ServiceExt;

use crate::access_log::Line;
use crate::failing_late::FailingLate;

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
        Ok(response) => response.map(|body| AxumBody::new(FailingLate::new(body.into()))),
        Err(error) => failed(error),
    };
    match line {
        Some(mut line) => {
            line.answered(&response);
            response.map(|body| AxumBody::new(Watched::new(body, line)))
        }
        None => response,
    }
}

/// The upstream did not answer: the API's own error shape, so that SDKs raise what they would for the API. What went
/// wrong is reported by the stack; the details of a connection are logged here.
fn failed(error: BoxError) -> Response {
    let mut cause: Option<&dyn Error> = Some(&*error);
    let mut reasons = Vec::new();
    while let Some(error) = cause {
        reasons.push(error.to_string());
        cause = error.source();
    }
    tracing::warn!("no answer from the upstream: {}", reasons.join(": "));
    claude_tower::errors::Error::from_service(error, None).into_response()
}
