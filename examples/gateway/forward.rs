//! One request: through the stack, and back.

use std::error::Error;

use axum::body::Body as AxumBody;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claude_tower::stack::Stack;
use claude_tower::upstream::Upstream;
use claude_tower::wire::body::{FailingLate, Watched};
use claude_tower::wire::{Body, BoxError};
use http_body::Body as HttpBody;
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
    match gateway.upstream.oneshot(request.map(Body::from)).await {
        Ok(response) => logged(response.map(FailingLate::new), line),
        Err(error) => logged(failed(error), line),
    }
}

/// Into a body of axum, once; the line is written when that ends.
fn logged<B>(response: Response<B>, line: Option<Line>) -> Response
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
{
    match line {
        Some(mut line) => {
            line.answered(&response);
            response.map(|body| AxumBody::new(Watched::new(body, line)))
        }
        None => response.map(AxumBody::new),
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
