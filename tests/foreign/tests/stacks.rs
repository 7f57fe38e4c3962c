//! Our body layers and our client adapters in Tower stacks that know nothing of us.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

#[path = "../../../crates/claude-tower/tests/client/loopback.rs"]
mod loopback;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use claude_tower::client::{HyperClient, ReqwestClient};
use claude_tower::config::{ClientConfig, Proxy};
use claude_wire::body::{BodyLayer, IntoBodyLayer, StreamedBody};
use claude_wire::call::{Attempt, dispatch};
use claude_wire::{Body, BoxError};
use http::{HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, Channel, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use loopback::{Authority, Server, chain, finishes, refusing};

/// A layer of somebody's for our body. It tells the length.
#[derive(Clone, Copy)]
struct Measure;

impl<S> Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner }
    }
}

#[derive(Clone)]
struct Measured<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Measured<S>
where
    S: Service<Request<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        let length =
            request.body().as_bytes().map_or_else(|| "stream".to_owned(), |bytes| bytes.len().to_string());
        request.headers_mut().insert("x-length", length.parse().unwrap());
        dispatch(&mut self.inner, request)
    }
}

/// What a foreign program calls: requests of its own body.
type Foreign<B> = BoxCloneSyncService<Request<B>, Response<Body>, BoxError>;

/// Ours between layers of Tower's own, above and below. Buffer and limit are those that panic when they are called
/// without being ready, or lose what they have when they are cloned.
fn stack<B, C, I, ResBody>(client: C) -> Foreign<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    C: Service<Request<I>, Response = Response<ResBody>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    I: TryFrom<Body, Error: Into<BoxError>> + Send + 'static,
    ResBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = ServiceBuilder::new()
        .map_response(|response: Response<ResBody>| response.map(Body::new))
        .layer(BodyLayer::new())
        .buffer::<Request<Body>>(8)
        .load_shed()
        .map_request(|mut request: Request<Body>| {
            request.headers_mut().insert("x-stack", HeaderValue::from_static("foreign"));
            request
        })
        .concurrency_limit(4)
        .layer(Measure)
        .timeout(Duration::from_secs(100))
        .layer(IntoBodyLayer::<I>::new())
        .concurrency_limit(2)
        .map_err(Into::<BoxError>::into)
        .service(client);
    BoxCloneSyncService::new(service)
}

fn post<B>(url: &str, body: B) -> (Request<B>, Attempt) {
    let attempt = Attempt::new(0, || tokio::time::Instant::now().into_std());
    (Request::post(url).extension(attempt.clone()).body(body).unwrap(), attempt)
}

/// Frames, and nothing that says what they come from.
fn stream(parts: &'static [&'static str]) -> BoxBody<Bytes, Infallible> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for part in parts {
            // Who refuses the body does not read it.
            drop(sender.send(Frame::data(Bytes::from(*part))).await);
        }
    });
    body.boxed()
}

/// Calls twice, because the second call is the one that finds what the first has left behind.
async fn bytes_go_there_and_back(server: &Server, stack: Foreign<Full<Bytes>>) {
    for _ in 0..2 {
        let (request, attempt) = post(&server.url("/v1/messages?a=b"), Full::from(r#"{"model":"x"}"#));
        let response = finishes(stack.clone().oneshot(request)).await.unwrap();
        assert_eq!(finishes(response.collect()).await.unwrap().to_bytes(), r#"{"model":"x"}"#);
        assert!(attempt.is_sent());
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!(seen.body, r#"{"model":"x"}"#);
        assert_eq!(seen.head.uri, "/v1/messages?a=b");
        assert_eq!(seen.header("x-length"), Some("13"));
        assert_eq!(seen.header("x-stack"), Some("foreign"));
        assert_eq!(seen.header("content-length"), Some("13"));
    }
}

async fn streams_go_there_and_back(server: &Server, stack: Foreign<BoxBody<Bytes, Infallible>>) {
    let (request, attempt) = post(&server.url("/"), stream(&["one", "two", "three"]));
    let response = finishes(stack.oneshot(request)).await.unwrap();
    assert_eq!(finishes(response.collect()).await.unwrap().to_bytes(), "onetwothree");
    assert!(attempt.is_sent());
    let seen = server.seen();
    let seen = seen.last().unwrap();
    assert_eq!((seen.header("x-length"), seen.header("content-length")), (Some("stream"), None));
}

fn hyper_client<B>() -> Client<hyper_util::client::legacy::connect::HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send + 'static,
{
    Client::builder(TokioExecutor::new()).build_http()
}

/// For a program that has no use for TLS here.
fn reqwest_client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}

/// Somebody's service around reqwest, for reqwest's own body.
fn reqwest_service()
-> impl Service<Request<reqwest::Body>, Response = Response<reqwest::Body>, Error = reqwest::Error, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let client = reqwest_client();
    service_fn(move |request: Request<reqwest::Body>| {
        let client = client.clone();
        async move { Ok(client.execute(request.try_into()?).await?.into()) }
    })
}

fn config(authority: &Authority) -> ClientConfig {
    let mut config = ClientConfig::default();
    config.proxy = Proxy::None;
    config.tls.native_roots = false;
    config.tls.extra_ca = vec![authority.file()];
    config
}

#[tokio::test]
async fn over_hyper_util_with_bytes() {
    let server = Server::echo().await;
    bytes_go_there_and_back(&server, stack::<_, _, Full<Bytes>, _>(hyper_client())).await;
}

#[tokio::test]
async fn over_hyper_util_with_boxes() {
    let server = Server::echo().await;
    bytes_go_there_and_back(&server, stack::<_, _, BoxBody<Bytes, BoxError>, _>(hyper_client())).await;
    let server = Server::echo().await;
    bytes_go_there_and_back(&server, stack::<_, _, UnsyncBoxBody<Bytes, BoxError>, _>(hyper_client())).await;
    streams_go_there_and_back(&server, stack::<_, _, BoxBody<Bytes, BoxError>, _>(hyper_client())).await;
    streams_go_there_and_back(&server, stack::<_, _, UnsyncBoxBody<Bytes, BoxError>, _>(hyper_client()))
        .await;
}

#[tokio::test]
async fn over_reqwest() {
    let server = Server::echo().await;
    bytes_go_there_and_back(&server, stack::<_, _, reqwest::Body, _>(reqwest_service())).await;
    streams_go_there_and_back(&server, stack::<_, _, reqwest::Body, _>(reqwest_service())).await;
}

#[tokio::test]
async fn over_our_hyper_client() {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    let client = HyperClient::new(&config(&authority)).unwrap();
    bytes_go_there_and_back(&server, stack::<_, _, Body, _>(client.clone())).await;
    streams_go_there_and_back(&server, stack::<_, _, Body, _>(client)).await;
}

#[tokio::test]
async fn over_our_hyper_client_around_theirs() {
    let server = Server::echo().await;
    let client = HyperClient::from_client(hyper_client::<Body>());
    bytes_go_there_and_back(&server, stack::<_, _, Body, _>(client.clone())).await;
    streams_go_there_and_back(&server, stack::<_, _, Body, _>(client)).await;
}

#[tokio::test]
async fn over_our_reqwest_client() {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    let client = ReqwestClient::new(&config(&authority)).unwrap();
    bytes_go_there_and_back(&server, stack::<_, _, Body, _>(client.clone())).await;
    streams_go_there_and_back(&server, stack::<_, _, Body, _>(client)).await;
}

#[tokio::test]
async fn over_our_reqwest_client_around_theirs() {
    let server = Server::echo().await;
    let client = ReqwestClient::from_client(reqwest_client());
    bytes_go_there_and_back(&server, stack::<_, _, Body, _>(client.clone())).await;
    streams_go_there_and_back(&server, stack::<_, _, Body, _>(client)).await;
}

/// A client of bytes gets no stream, and the one who called gets to know why.
#[tokio::test]
async fn a_stream_over_a_client_of_bytes() {
    let server = Server::echo().await;
    let stack = stack::<_, _, Full<Bytes>, _>(hyper_client());
    let (request, attempt) = post(&server.url("/"), stream(&["one", "two"]));
    let error = finishes(stack.oneshot(request)).await.unwrap_err();
    assert!(chain(&*error).any(<dyn std::error::Error>::is::<StreamedBody>), "{error:?}");
    assert!(!attempt.is_sent());
    assert!(server.seen().is_empty());
}

/// Nothing of it is read on the way to the refusal.
#[tokio::test]
async fn a_refused_stream_is_still_whole() {
    let client = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
    });
    let service = IntoBodyLayer::<Full<Bytes>>::new().layer(client);
    let request = Request::new(Body::stream(stream(&["one", "two"])));
    let error = service.oneshot(request).await.unwrap_err();
    let body = error.downcast::<StreamedBody>().unwrap().into_body();
    assert_eq!(finishes(body.collect()).await.unwrap().to_bytes(), "onetwo");
}

/// The client cannot tell when it has sent bytes that were taken out of our body; so they count as sent when they
/// are taken, and a connection that was never made is no exception.
#[tokio::test]
async fn a_client_that_cannot_tell_is_taken_to_have_sent() {
    let (_held, address) = refusing();
    let (request, attempt) = post(&format!("http://{address}/"), Full::from("{}"));
    finishes(stack::<_, _, Full<Bytes>, _>(hyper_client()).oneshot(request)).await.unwrap_err();
    assert!(attempt.is_sent());
}

/// With a body that is polled on the wire the mark is exact, whoever the client is.
#[tokio::test]
async fn a_body_that_is_polled_tells_by_itself() {
    let (_held, address) = refusing();
    let url = format!("http://{address}/");
    for stack in [
        stack::<_, _, BoxBody<Bytes, BoxError>, _>(hyper_client()),
        stack::<_, _, UnsyncBoxBody<Bytes, BoxError>, _>(hyper_client()),
        stack::<_, _, reqwest::Body, _>(reqwest_service()),
        stack::<_, _, Body, _>(hyper_client()),
        stack::<_, _, Body, _>(HyperClient::from_client(hyper_client())),
        stack::<_, _, Body, _>(ReqwestClient::from_client(reqwest_client())),
    ] {
        let (request, attempt) = post(&url, Full::<Bytes>::from("{}"));
        finishes(stack.oneshot(request)).await.unwrap_err();
        assert!(!attempt.is_sent());
    }
}

#[tokio::test]
async fn empty_bodies_stay_empty() {
    let server = Server::echo().await;
    let url = server.url("/");
    for stack in [
        stack::<Empty<Bytes>, _, Full<Bytes>, _>(hyper_client()),
        stack::<_, _, reqwest::Body, _>(reqwest_service()),
        stack::<_, _, Body, _>(HyperClient::from_client(hyper_client())),
        stack::<_, _, Body, _>(ReqwestClient::from_client(reqwest_client())),
    ] {
        let (mut request, attempt) = post(&url, Empty::new());
        *request.method_mut() = http::Method::GET;
        finishes(stack.oneshot(request)).await.unwrap();
        assert!(attempt.is_sent());
        let seen = server.seen();
        let seen = seen.last().unwrap();
        assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (None, None));
        assert_eq!(seen.header("x-length"), Some("0"));
    }
}
