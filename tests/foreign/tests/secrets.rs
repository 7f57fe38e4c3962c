//! Keys in Tower stacks that know nothing of them, over clients that are ours and that are not.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

#[path = "../../../crates/claude-tower/tests/client/loopback.rs"]
mod loopback;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use claude_sim::{DEFAULT_KEY, Simulator};
use claude_tower::client::{HyperClient, ReqwestClient};
use claude_tower::config::{ClientConfig, Proxy};
use claude_tower::secrets::source::{Fetched, SecretSource, StaticSource, source_fn};
use claude_tower::secrets::{Key, KeyRing, Scheme, SecretString, SecretsLayer};
use claude_wire::body::IntoBodyLayer;
use claude_wire::{Body, BoxError};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt};

use loopback::{Server, finishes};

const MESSAGE: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}"#;

type Stack = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// Between layers of Tower's own, above and below. Buffer and limit are those that panic when they are called without being
/// ready, or lose what they have when they are cloned.
fn stack<C, B>(layer: SecretsLayer, client: C) -> Stack
where
    C: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = ServiceBuilder::new()
        .buffer::<Request<Body>>(8)
        .load_shed()
        .concurrency_limit(4)
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(layer)
        .buffer::<Request<Body>>(8)
        .timeout(Duration::from_secs(100))
        .concurrency_limit(1)
        .map_response(|response: Response<B>| response.map(Body::new))
        .map_err(Into::<BoxError>::into)
        .service(client);
    BoxCloneSyncService::new(service)
}

fn ring(source: impl SecretSource, origin: &str, scheme: Scheme) -> KeyRing {
    let key = Key::new("key", source).with_scheme(scheme).with_origin(origin).unwrap();
    KeyRing::builder().with_key(key).build().unwrap()
}

fn post(url: &str) -> Request<Body> {
    let request = Request::post(url).header("anthropic-version", "2026-10-21");
    request.header("x-api-key", "sk-ant-own").body(Body::from(MESSAGE)).unwrap()
}

async fn ask(stack: &Stack, request: Request<Body>) -> Result<(StatusCode, Bytes), BoxError> {
    let response = finishes(stack.clone().oneshot(request)).await?;
    let status = response.status();
    Ok((status, finishes(response.collect()).await?.to_bytes()))
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::default();
    config.proxy = Proxy::None;
    config
}

/// Each client, in a stack with this layer.
fn stacks(layer: &SecretsLayer) -> [Stack; 3] {
    let theirs = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let theirs = ServiceBuilder::new().layer(IntoBodyLayer::<Full<Bytes>>::new()).service(theirs);
    [
        stack(layer.clone(), HyperClient::new(&config()).unwrap()),
        stack(layer.clone(), ReqwestClient::new(&config()).unwrap()),
        stack(layer.clone(), theirs),
    ]
}

#[tokio::test]
async fn the_key_is_on_the_wire_and_the_callers_is_not() {
    for (scheme, name, value) in [
        (Scheme::ApiKey, "x-api-key", "sk-ant-ours"),
        (Scheme::Bearer, "authorization", "Bearer sk-ant-ours"),
    ] {
        let server = Server::echo().await;
        let layer = SecretsLayer::new(ring(StaticSource::new("sk-ant-ours"), &server.url(""), scheme));
        for stack in stacks(&layer) {
            let (status, body) = ask(&stack, post(&server.url("/v1/messages"))).await.unwrap();
            assert_eq!((status, &*body), (StatusCode::OK, MESSAGE.as_bytes()));
        }
        assert_eq!(server.seen().len(), 3);
        for seen in server.seen() {
            let headers = seen.head.headers.iter();
            let credentials =
                headers.filter(|(name, _)| matches!(name.as_str(), "x-api-key" | "authorization"));
            let credentials: Vec<_> =
                credentials.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            assert_eq!(credentials, [(name, value)]);
        }
    }
}

/// Each is asked once: what answers sends elsewhere, and neither client goes there by itself.
#[tokio::test]
async fn no_client_carries_the_key_to_where_it_is_sent() {
    let elsewhere = Server::echo().await;
    let url = elsewhere.url("/v1/messages");
    let server = Server::http(move |_| {
        let response = Response::builder().status(307).header("location", &url);
        std::future::ready(response.body(Full::<Bytes>::default()).unwrap())
    })
    .await;
    let layer = SecretsLayer::new(ring(StaticSource::new("sk-ant-ours"), &server.url(""), Scheme::ApiKey));
    for stack in stacks(&layer) {
        assert_eq!(ask(&stack, post(&server.url("/v1/messages"))).await.unwrap().0, 307);
        ask(&stack, post(&elsewhere.url("/v1/messages"))).await.unwrap_err();
    }
    assert_eq!((server.seen().len(), elsewhere.seen().len()), (3, 0));
}

/// The simulator knows one key, and the source has it the second time only.
#[tokio::test]
async fn a_rotation_is_not_noticed() {
    let simulator = Simulator::new();
    let fetches = Arc::new(AtomicUsize::new(0));
    let source = source_fn("safe", {
        let fetches = Arc::clone(&fetches);
        move || {
            let is_first = fetches.fetch_add(1, Ordering::SeqCst) == 0;
            let key = if is_first { "sk-ant-that-was" } else { DEFAULT_KEY };
            async move { Ok(Fetched::new(SecretString::from(key))) }
        }
    });
    let stack = stack(SecretsLayer::new(KeyRing::single(source)), simulator.clone());
    for _ in 0..5 {
        let (status, _) = ask(&stack, post("https://api.anthropic.com/v1/messages")).await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 2);
}
