//! Over clients: hyper-util's and reqwest's, as they are and as ours.

use std::error::Error;
use std::io;
use std::sync::Arc;

use claude_sim::Server;
use claude_tower::client::{HyperClient, ReqwestClient};
use claude_tower::retry::Backoff;
use claude_wire::body::IntoBodyLayer;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, service_fn};

use super::loopback::{chain, finishes, refusing};
use super::*;

const STREAM: &str = r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;

type Claude = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// Waits that are none: here connections are real, and time is.
fn hasty() -> RetryLayer {
    let instant = Duration::from_millis(1);
    RetryLayer::new().with_backoff(Backoff::new(instant, instant).unwrap().with_overload_floor(instant))
}

fn hyper_client<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send + 'static,
{
    Client::builder(TokioExecutor::new()).build_http()
}

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

/// The retry, and nothing else of ours but what is below it.
fn over<C, B>(client: C) -> Claude
where
    C: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
{
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(hasty())
        .service(client);
    BoxCloneSyncService::new(service)
}

/// Each with its name, and whether the mark that an attempt was sent waits for the wire: right over a client that knows
/// nothing of it, it is set at the call.
fn clients() -> [(&'static str, bool, Claude); 7] {
    let ours = IntoBodyLayer::<Body>::new();
    let bytes = IntoBodyLayer::<Full<Bytes>>::new();
    let boxes = IntoBodyLayer::<BoxBody<Bytes, BoxError>>::new();
    let reqwests = IntoBodyLayer::<reqwest::Body>::new();
    [
        ("hyper-util", false, over(hyper_client::<Body>())),
        ("hyper-util, converted", true, over(ours.layer(hyper_client()))),
        ("hyper-util with bytes", false, over(bytes.layer(hyper_client()))),
        ("hyper-util with boxes", true, over(boxes.layer(hyper_client()))),
        ("ours over hyper-util", true, over(HyperClient::from_client(hyper_client()))),
        ("reqwest", true, over(reqwests.layer(reqwest_service()))),
        ("ours over reqwest", true, over(ReqwestClient::from_client(reqwest_client()))),
    ]
}

async fn serve(simulator: &Simulator) -> Server {
    simulator.serve("127.0.0.1:0").await.unwrap()
}

fn stream(base: &str) -> (Request<Body>, Call) {
    let call = new_call();
    let request = post(&format!("{base}/v1/messages")).extension(call.clone());
    (request.body(Body::from(STREAM)).unwrap(), call)
}

#[tokio::test]
async fn what_fails_in_any_way_is_repeated_over_any_client() {
    for (name, _, claude) in clients() {
        let simulator = Simulator::new();
        let server = serve(&simulator).await;
        let event = Fault::error_event("api_error").at_the_start();
        simulator.fail_with([Fault::reset_before_headers(), Fault::overloaded(), event]);
        let (request, call) = stream(&server.base_url());
        assert_eq!(finishes(ask(&claude, request)).await.unwrap(), 200, "{name}");
        assert_eq!(kinds(&call), ["CONNECTION_LOST", "OVERLOADED", "SERVER_ERROR", "ok"], "{name}");
        let outcomes = call.attempts().into_iter().map(|attempt| attempt.outcome().unwrap());
        let executed: Vec<_> = outcomes.map(|outcome| outcome.maybe_executed).collect();
        assert_eq!(executed, [true, false, true, false], "{name}");

        // All of them carried the whole request, and no client has added attempts of its own.
        let bodies: Vec<_> = simulator.requests().into_iter().map(|seen| seen.body).collect();
        assert_eq!(bodies, [STREAM; 4], "{name}");
    }
}

/// The type of the error says that nothing was sent, also where the mark is early.
#[tokio::test]
async fn a_refused_connection_is_repeated_and_was_never_executed() {
    let (_held, address) = refusing();
    for (name, tells, claude) in clients() {
        let (request, call) = stream(&format!("http://{address}"));
        let error = finishes(ask(&claude, request)).await.unwrap_err();
        let gave_up = GaveUp::find(&*error).unwrap();
        assert_eq!((gave_up.reason, gave_up.attempts), (Reason::Attempts, 4), "{name}");
        let is_refused = |error: &(dyn Error + 'static)| {
            let io = error.downcast_ref::<io::Error>();
            io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
        };
        assert!(chain(&*error).any(is_refused), "{name}: the client's own error is in the chain");
        assert_eq!(kinds(&call), ["CONNECTION_ERROR"; 4], "{name}");
        for attempt in call.attempts() {
            assert!(!attempt.outcome().unwrap().maybe_executed, "{name}");
            assert_eq!(attempt.is_sent(), !tells, "{name}");
        }
    }
}
