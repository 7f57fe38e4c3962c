//! Rings and requests.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use claude_secrets::{
    Key, KeyRing, KeyRingBuilder, ResponseBody, SecretsError, SecretsErrorKind, SecretsLayer,
};
use claude_wire::call::{Attempt, Caller, Refusal};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::probe::Client;
use crate::safe::Safe;
use crate::script::Script;

pub(crate) const ONE: &str = "sk-ant-one-canary";
pub(crate) const TWO: &str = "sk-ant-two-canary";
pub(crate) const THREE: &str = "sk-ant-three-canary";

pub(crate) const URL: &str = "https://api.anthropic.com/v1/messages";
pub(crate) const PROMPT: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;

/// Nothing is left to chance.
pub(crate) fn builder() -> KeyRingBuilder {
    KeyRing::builder().with_jitter(0.0)
}

/// A ring of this one key.
pub(crate) fn ring(safe: &Safe) -> KeyRing {
    builder().with_key(Key::new("default", safe.source())).build().unwrap()
}

/// The layer with this one key, which has been fetched.
pub(crate) async fn warm(safe: &Safe) -> SecretsLayer {
    let ring = ring(safe);
    ring.start().await.unwrap();
    SecretsLayer::new(ring)
}

pub(crate) fn cold(safe: &Safe) -> SecretsLayer {
    SecretsLayer::new(ring(safe))
}

pub(crate) fn post() -> Request<Body> {
    post_to(URL)
}

pub(crate) fn post_to(uri: &str) -> Request<Body> {
    Request::post(uri).body(Body::from(PROMPT)).unwrap()
}

pub(crate) fn post_of(caller: Caller) -> Request<Body> {
    let mut request = post();
    request.extensions_mut().insert(caller);
    request
}

/// A request, and its attempt, to be looked at afterwards.
pub(crate) fn attempted(mut request: Request<Body>) -> (Request<Body>, Attempt) {
    let attempt = Attempt::new(0, || Instant::now().into_std());
    attempt.put_into(&mut request);
    (request, attempt)
}

pub(crate) type Answer = Response<ResponseBody<Script>>;

pub(crate) async fn send(
    layer: &SecretsLayer,
    client: &Client,
    request: Request<Body>,
) -> Result<Answer, BoxError> {
    layer.layer(client.clone()).oneshot(request).await
}

/// Ready to be called.
pub(crate) async fn ready<S>(mut service: S) -> S
where
    S: Service<Request<Body>>,
    S::Error: std::fmt::Debug,
{
    service.ready().await.unwrap();
    service
}

/// What a refusal says, which is found as every layer finds it.
pub(crate) fn refusal(error: &BoxError) -> (SecretsErrorKind, &Refusal) {
    let kind = SecretsError::find(&**error).expect("it is ours").kind().clone();
    (kind, Refusal::find(&**error).expect("it says so"))
}

/// How many requests carry a key of the ring.
pub(crate) fn in_flight(ring: &KeyRing) -> usize {
    let carried =
        |key: &claude_secrets::KeyStatus| key.in_flight + key.previous.as_ref().map_or(0, |of| of.1);
    ring.status().iter().map(carried).sum()
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Everything that can go on has gone on. No time passes.
pub(crate) async fn settled() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// What one poll comes to.
pub(crate) async fn polled<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await
}

/// Turns a hang into a failure, at once if time is paused.
pub(crate) async fn finishes<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(secs(3_600), future).await.expect("this should not hang")
}
