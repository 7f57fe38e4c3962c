//! Real clients, as services.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use claude_errors::{Classification, Error, ErrorLayer};
use claude_wire::call::Attempt;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::support::Row;

pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;
pub(crate) type Service = BoxCloneSyncService<Request<Body>, Answer, BoxError>;

/// Which client: each test runs over all that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Hyper,
    #[cfg(feature = "reqwest")]
    Reqwest,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) http2: bool,
    pub(crate) connect_timeout: Option<Duration>,
}

impl Which {
    pub(crate) fn client(self) -> Service {
        self.client_with(Options::default())
    }

    pub(crate) fn client_with(self, options: Options) -> Service {
        match self {
            Self::Hyper => hyper(options),
            #[cfg(feature = "reqwest")]
            Self::Reqwest => reqwest(options),
        }
    }
}

fn tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}

fn hyper(options: Options) -> Service {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls());
    let connector = https.https_or_http().enable_http1().wrap_connector(http);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http2_only(options.http2).retry_canceled_requests(false);
    if let Some(timeout) = options.connect_timeout {
        let connector = ServiceBuilder::new().map_future(Box::pin).timeout(timeout).service(connector);
        boxed(builder.build::<_, Body>(connector))
    } else {
        boxed(builder.build::<_, Body>(connector))
    }
}

#[cfg(feature = "reqwest")]
fn reqwest(options: Options) -> Service {
    let mut builder =
        reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls()).retry(reqwest::retry::never());
    if options.http2 {
        builder = builder.http2_prior_knowledge();
    }
    if let Some(timeout) = options.connect_timeout {
        builder = builder.connect_timeout(timeout);
    }
    let client = builder.build().unwrap();
    boxed(tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move {
            let request = request.map(reqwest::Body::wrap);
            let response = client.execute(reqwest::Request::try_from(request)?).await?;
            Ok::<_, reqwest::Error>(Response::from(response))
        }
    }))
}

fn boxed<S, B, E>(service: S) -> Service
where
    S: tower::Service<Request<Body>, Response = Response<B>, Error = E> + Clone + Send + Sync + 'static,
    S::Future: Send,
    E: Into<BoxError> + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = service
        .map_response(|response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync()));
    BoxCloneSyncService::new(service.map_err(Into::into))
}

/// A clock of this side around a client.
pub(crate) fn limited(client: Service, timeout: Duration) -> Service {
    let limited = ServiceBuilder::new().timeout(timeout).service(client);
    BoxCloneSyncService::new(limited)
}

/// Turns a hang into a failure. It is no assertion on time.
pub(crate) async fn finishes<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("this should not hang")
}

pub(crate) fn post(url: &str) -> Request<Body> {
    let body = r#"{"model":"claude-opus-5-5","max_tokens":8,"messages":[]}"#;
    Request::post(url).body(Body::from(body)).unwrap()
}

/// The error of a call, and the mark of its attempt.
pub(crate) async fn fails(client: &Service, mut request: Request<Body>) -> (BoxError, Attempt) {
    let attempt = Attempt::new(0, || tokio::time::Instant::now().into_std());
    attempt.put_into(&mut request);
    let error = finishes(client.clone().oneshot(request)).await.unwrap_err();
    (error, attempt)
}

/// What the types of an error alone say, and what they say with the attempt's mark.
pub(crate) struct Judged {
    pub(crate) by_types: Classification,
    pub(crate) with_mark: Classification,
}

impl Judged {
    pub(crate) async fn of(client: &Service, request: Request<Body>) -> Self {
        let (error, attempt) = fails(client, request).await;
        Self {
            by_types: Classification::of_error(&*error, None),
            with_mark: Classification::of_error(&*error, Some(attempt.is_sent())),
        }
    }

    /// Both say the same.
    pub(crate) fn are(&self, which: Which, expected: Row, causes: &[&str]) {
        assert_eq!(Row::from(&self.by_types), expected, "{which:?} {:?}", self.by_types);
        assert_eq!(Row::from(&self.with_mark), expected, "{which:?} {:?}", self.with_mark);
        let cause = self.by_types.cause.unwrap_or_default();
        assert!(causes.contains(&cause), "{which:?}: {cause:?}");
    }
}

/// The typed error of a body that fails behind a good head.
pub(crate) async fn body_fails(client: Service, request: Request<Body>) -> Error {
    let client = ErrorLayer::typed().layer(client);
    let answer = finishes(client.oneshot(request)).await.unwrap();
    finishes(answer.into_body().collect()).await.unwrap_err()
}
