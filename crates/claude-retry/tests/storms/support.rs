//! Requests, what came of them, and mixtures of faults.

use std::env;
use std::ops::Range;

use bytes::Bytes;
use claude_retry::RetryLayer;
use claude_sim::{DEFAULT_KEY, Fault, FaultMix};
use claude_wire::{Body, BoxError};
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, response};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

/// The header that tells the simulator, and us, which call an attempt is of.
pub(crate) const FATE: &str = "x-sim-fate";

/// A number from the environment, for those who have more time.
pub(crate) fn setting(name: &str, otherwise: u32) -> u32 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

pub(crate) fn seeds() -> Range<u64> {
    0..u64::from(setting("STORM_SEEDS", 1))
}

/// Every other call is for a stream.
pub(crate) const fn is_stream(call: u64) -> bool {
    call % 2 == 1
}

/// The request of the call of this number.
pub(crate) fn ask(call: u64) -> Request<Body> {
    let stream = is_stream(call);
    let body = format!(
        r#"{{"model":"claude-opus-5-5","max_tokens":256,"stream":{stream},"messages":[{{"role":"user","content":"Call {call}"}}]}}"#
    );
    Request::post("/v1/messages")
        .header("x-api-key", DEFAULT_KEY)
        .header("anthropic-version", "2026-10-21")
        .header("content-type", "application/json")
        .header(FATE, call)
        .body(Body::from(body))
        .unwrap()
}

pub(crate) fn fate(request: &Request<Body>) -> u64 {
    request.headers()[FATE].to_str().unwrap().parse().unwrap()
}

/// Whether the answer is one, and is here to its last byte. It looks at the bytes, not at what a meter says of them.
pub(crate) async fn is_whole<B>(answer: Result<Response<B>, BoxError>) -> bool
where
    B: HttpBody<Data = Bytes>,
{
    let Ok(answer) = answer else { return false };
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await else { return false };
    is_complete(&head, &body.to_bytes())
}

pub(crate) fn is_complete(head: &response::Parts, body: &[u8]) -> bool {
    let kind = head.headers.get("content-type").map(HeaderValue::as_bytes).unwrap_or_default();
    if kind.starts_with(b"text/event-stream") {
        let last = body.strip_suffix(b"}\n\n").and_then(|body| body.rsplit(|&byte| byte == b'\n').nth(1));
        return last == Some(b"event: message_stop");
    }
    head.status == 200 && serde_json::from_slice::<serde_json::Value>(body).is_ok()
}

/// A client: it makes the call of this number, and says whether a whole answer came of it.
pub(crate) type Client = Box<dyn Fn(u64) -> BoxFuture<'static, bool>>;

/// The layer over a service.
pub(crate) fn through<S, B>(layer: &RetryLayer, inner: S) -> Client
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let service = layer.layer(inner);
    Box::new(move |call| {
        let service = service.clone();
        Box::pin(async move { is_whole(service.oneshot(ask(call)).await).await })
    })
}

/// 5 % answers of 529, 2 % resets (half of them behind the head), 1 % streams that begin with an error.
pub(crate) fn light() -> FaultMix {
    mix(0.05, 0.02, 0.01)
}

/// The same, six times as bad: 30 %, 10 %, 5 %.
pub(crate) fn heavy() -> FaultMix {
    mix(0.30, 0.10, 0.05)
}

fn mix(overloaded: f64, resets: f64, events: f64) -> FaultMix {
    FaultMix::new()
        .with(Fault::overloaded(), overloaded)
        .and_then(|mix| mix.with(Fault::reset_before_headers(), resets / 2.0))
        .and_then(|mix| mix.with(Fault::reset_after_headers(), resets / 2.0))
        .and_then(|mix| mix.with(Fault::error_event("overloaded_error"), events / 2.0))
        .and_then(|mix| mix.with(Fault::error_event("api_error").at_the_start(), events / 2.0))
        .unwrap()
}

/// Everything meets this.
pub(crate) fn all(fault: Fault) -> FaultMix {
    FaultMix::new().with(fault, 1.0).unwrap()
}
