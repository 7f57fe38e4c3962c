//! One request: through the stack, and back.

use std::error::Error as StdError;

use axum::body::Body as AxumBody;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claude_tower::errors::Error;
use claude_tower::secrets::door::Door;
use claude_tower::stack::Stack;
use claude_tower::upstream::Upstream;
use claude_tower::wire::BoxError;
use claude_tower::wire::body::{FailingLate, Watched};
use claude_tower::wire::headers::names::X_SHOULD_RETRY;
use http::HeaderValue;
use http_body::Body as HttpBody;
use tower::ServiceExt;

use crate::access_log::Line;
use crate::buffering::Buffering;
use crate::page::NoPages;

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Gateway {
    /// Who may call; without it, whoever reaches the gateway.
    pub(crate) door: Option<Door>,
    pub(crate) no_pages: Option<NoPages>,
    pub(crate) upstream: Upstream<Stack>,
    pub(crate) buffering: Buffering,
    /// Whether callers are told not to repeat what was repeated here.
    pub(crate) final_word: bool,
    pub(crate) access_log: bool,
}

/// Sends a request to the upstream. Its body is read before if it may have to be sent again; answers are streamed. Of one that is
/// not admitted nothing but the head is read.
pub(crate) async fn forward(gateway: Gateway, mut request: Request) -> Response {
    let mut line = gateway.access_log.then(|| Line::begin(&request));
    if let Some(Err(error)) = gateway.no_pages.map(|no_pages| no_pages.check(&request)) {
        return logged(Error::from_service(error, None).into_response(), line);
    }
    if let Some(door) = &gateway.door {
        match door.admit(request.headers_mut()) {
            Ok(admitted) => {
                let (client, caller) = admitted.into_parts();
                if let Some(line) = &mut line {
                    line.admitted(client);
                }
                request.extensions_mut().insert(caller);
            }
            Err(error) => return logged(Error::from_service(error, None).into_response(), line),
        }
    }
    let request = match gateway.buffering.read(request).await {
        Ok(request) => request,
        Err(error) => return logged(Error::from_service(error, None).into_response(), line),
    };
    match gateway.upstream.oneshot(request).await {
        Ok(response) => logged(response.map(FailingLate::new), line),
        Err(error) => logged(failed(error, gateway.final_word), line),
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
fn failed(error: BoxError, final_word: bool) -> Response {
    let mut cause: Option<&dyn StdError> = Some(&*error);
    let mut reasons = Vec::new();
    while let Some(error) = cause {
        reasons.push(error.to_string());
        cause = error.source();
    }
    tracing::warn!("no answer from the upstream: {}", reasons.join(": "));
    let error = Error::from_service(error, None);
    // A refusal was not repeated here, and the caller may come back when there is room again.
    let may_return = error.is_refusal() && error.is_retryable();
    let mut response = error.into_response();
    if final_word && !may_return {
        response.headers_mut().insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}
