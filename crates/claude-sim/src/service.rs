//! One request in, one response out.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_wire::BoxError;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::admin;
use crate::answer::Answer;
use crate::auth::Owner;
use crate::body::{self, SimBody};
use crate::delivery::Delivery;
use crate::encoding::Coding;
use crate::errors::ApiError;
use crate::faults::{Fault, Instead};
use crate::future::ResponseFuture;
use crate::receive::{Received, receive};
use crate::simulator::{Arrival, Shared, Simulator};
use crate::{date, messages, models};

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("request-id");

impl<B> Service<Request<B>> for Simulator
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<SimBody>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let shared = Arc::clone(&self.shared);
        ResponseFuture::new(async move { respond(&shared, request).await })
    }
}

async fn respond<B>(shared: &Arc<Shared>, request: Request<B>) -> Result<Response<SimBody>, BoxError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    if admin::is_meant(&head) {
        return admin::respond(shared, &head, body).await;
    }
    let Arrival { number, request_id, in_flight } = shared.arrive(&head);
    let (fault, complaint) = match choose_fault(shared, number, &head) {
        Ok(fault) => (fault, None),
        Err(complaint) => (Fault::none(), Some(complaint)),
    };
    if fault.instead == Some(Instead::Refuse) {
        return Err(body::refused());
    }
    let received = receive(body).await?;

    let mut owner = None;
    let answer = match received {
        // The API's edge refuses these before it knows who is asking.
        Received::TooLarge => Some(Err(ApiError::too_large())),
        Received::Whole(body) => {
            shared.log().read(number, &body);
            let authenticated = shared.keys().authenticate(&head.headers, shared.clock.elapsed());
            owner = authenticated.as_ref().ok().map(Arc::clone);
            shared.log().known(number, owner.as_ref().map(|owner| owner.name()));
            match complaint {
                Some(complaint) => Some(Err(complaint)),
                None => fault.executes().then(|| route(shared, number, &head, &body, authenticated)),
            }
        }
    };
    let answer = answer.map(|answer| answer.unwrap_or_else(|error| error.into_answer(&request_id)));
    let coding = if fault.gzip { Coding::Gzip } else { Coding::accepted(&head.headers) };
    let delivery = Delivery { shared, number, request_id: &request_id, fault: &fault, coding };
    let mut answer = delivery.prepare(answer).await?;
    shared.log().answered(number, answer.status());
    if answer.is_of_api() {
        if let Some(owner) = owner {
            owner.sign(answer.headers_mut());
        }
        if let Ok(request_id) = HeaderValue::from_str(&request_id) {
            answer.headers_mut().insert(REQUEST_ID_HEADER, request_id);
        }
    }
    if let Some(date) = date::http(shared.clock.date()) {
        answer.headers_mut().insert(DATE, date);
    }
    Ok(answer.into_response(&delivery).map(|body| body.counted_by(in_flight)))
}

/// The fault of a request that has just come in.
fn choose_fault(shared: &Shared, number: u64, head: &Parts) -> Result<Fault, ApiError> {
    let attempt = shared.faults.attempt(&head.headers)?;
    if let Some(attempt) = attempt {
        shared.log().fated(number, attempt);
    }
    let fault = shared.faults.choose(&head.headers, number, attempt)?;
    if fault != Fault::none() {
        let text = fault.to_string();
        shared.log().faulted(number, &text);
    }
    Ok(fault)
}

/// A request that has been read, of somebody who is known.
pub(crate) struct Call<'a> {
    pub(crate) number: u64,
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a [u8],
    pub(crate) owner: &'a Arc<Owner>,
}

/// Who asks what. Paths are matched without the query, as the API does.
fn route(
    shared: &Arc<Shared>,
    number: u64,
    head: &Parts,
    body: &[u8],
    authenticated: Result<Arc<Owner>, ApiError>,
) -> Result<Answer, ApiError> {
    let path = head.uri.path();
    let (method, endpoint): (&'static str, Endpoint) = match path {
        "/v1/messages" => ("POST", messages::create),
        "/v1/messages/count_tokens" => ("POST", messages::count_tokens),
        "/v1/models" => ("GET", models::list),
        _ => match path.strip_prefix("/v1/models/") {
            Some(id) if !id.is_empty() && !id.contains('/') => ("GET", models::retrieve),
            _ => return Err(ApiError::not_found("Not Found")),
        },
    };
    if head.method.as_str() != method {
        return Err(ApiError::method_not_allowed(method));
    }
    let owner = authenticated?;
    shared.keys().check_hold(&owner)?;
    check_version(&head.headers)?;
    shared.betas.check(&head.headers)?;
    check_encoding(&head.headers)?;
    if method == "POST" {
        check_type(&head.headers)?;
    }
    endpoint(shared, &Call { number, head, body, owner: &owner })
}

type Endpoint = fn(&Arc<Shared>, &Call<'_>) -> Result<Answer, ApiError>;

/// The two versions that are alive.
fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get("anthropic-version").map(HeaderValue::as_bytes) {
        Some(b"2026-10-21" | b"2023-06-01") => Ok(()),
        None | Some(b"") => Err(ApiError::invalid("anthropic-version: header is required")),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err(ApiError::invalid(format!("anthropic-version: \"{other}\" is not a valid version")))
        }
    }
}

/// Which codings of requests the API understands is not documented; this one understands none.
fn check_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        Some(coding) if !coding.eq_ignore_ascii_case(b"identity") => {
            let coding = String::from_utf8_lossy(coding);
            Err(ApiError::invalid(format!("Unsupported content encoding: {coding}"))
                .with_code("request_body_encoding_unsupported"))
        }
        _ => Ok(()),
    }
}

/// JSON in UTF-8. The API requires the header; here it may be missing.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let value = String::from_utf8_lossy(value.as_bytes());
    let mut parts = value.split(';').map(str::trim);
    if !parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(ApiError::invalid("content-type: application/json is required"));
    }
    let charsets = parts.filter_map(|parameter| parameter.split_once('='));
    let mut charsets = charsets.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    match charsets.find(|(_, charset)| !charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")) {
        Some((_, charset)) => {
            Err(ApiError::invalid(format!("Unsupported charset: {charset}")).with_code("unsupported_charset"))
        }
        None => Ok(()),
    }
}
