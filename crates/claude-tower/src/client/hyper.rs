//! hyper-util's client.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use claude_wire::call::Attempt;
use claude_wire::{Body, BoxError};
use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{CaptureConnection, Connect, capture_connection};
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::error::{ClientError, Repr};
use super::proxy::{Limited, ProxyConnector};
use super::{framing, tls};
use crate::config::{ClientConfig, HttpVersion};

/// What [`HyperClient`] connects with: TLS over a [`ProxyConnector`], within a time limit.
pub type Connector = Limited<HttpsConnector<ProxyConnector>>;

/// hyper-util's client as the bottom of a stack. See the [module docs](super).
///
/// ```
/// use claude_tower::client::HyperClient;
/// use claude_tower::config::ClientConfig;
///
/// let client = HyperClient::new(&ClientConfig::default())?;
/// # Ok::<_, claude_tower::client::ClientError>(())
/// ```
pub struct HyperClient<C = Connector> {
    client: Client<C, Body>,
    proxy: Option<ProxyConnector>,
}

impl HyperClient {
    /// From the settings. Reads the certificate files named there, blocking; connections are opened when
    /// they are needed.
    ///
    /// # Errors
    ///
    /// When the settings do not hold together, or a certificate or key cannot be read.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        config.validate().map_err(Repr::Config)?;
        let tls = tls::client_config(&config.tls)?;
        let proxy = ProxyConnector::new(config, tls.clone());
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = match config.http_version {
            HttpVersion::Http1 => https.enable_http1().wrap_connector(proxy.clone()),
            HttpVersion::Http2 => https.enable_http2().wrap_connector(proxy.clone()),
            HttpVersion::Auto => https.enable_all_versions().wrap_connector(proxy.clone()),
        };
        let connector = Limited { connector: https, timeout: config.connect_timeout };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            // Without a timer of its own the pool would never drop what is idle.
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.pool_idle_timeout)
            .pool_max_idle_per_host(config.pool_max_idle_per_host)
            .http2_only(config.http_version == HttpVersion::Http2)
            .http2_adaptive_window(true)
            .build(connector);
        Ok(Self { client, proxy: Some(proxy) })
    }
}

impl<C> HyperClient<C> {
    /// Over a client of your own.
    pub const fn from_client(client: Client<C, Body>) -> Self {
        Self { client, proxy: None }
    }

    /// The client inside.
    pub const fn get_ref(&self) -> &Client<C, Body> {
        &self.client
    }
}

impl<C: Clone> Clone for HyperClient<C> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), proxy: self.proxy.clone() }
    }
}

impl<C> fmt::Debug for HyperClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperClient")
    }
}

impl<C> Service<Request<Body>> for HyperClient<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = HyperFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The pool opens as many connections as there are calls; it is not backpressure.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> HyperFuture {
        framing::announce_stream(&mut request);
        let attempt = request.extensions().get::<Attempt>().cloned();
        let mut capture = None;
        if let Some(attempt) = &attempt {
            attempt.claim();
            request.body_mut().watched_by(attempt.clone());
            // An empty body is never polled; its request leaves as soon as there is a connection.
            capture = request.body().is_end_stream().then(|| capture_connection(&mut request));
        }
        let authorization = self.proxy.as_ref().and_then(|proxy| proxy.forward_authorization(request.uri()));
        if let Some(authorization) = authorization {
            request.headers_mut().entry(PROXY_AUTHORIZATION).or_insert(authorization);
        }
        HyperFuture { future: self.client.request(request), watch: Watch { attempt, capture } }
    }
}

pin_project! {
    /// The future of [`HyperClient`].
    pub struct HyperFuture {
        #[pin]
        future: ResponseFuture,
        watch: Watch,
    }
}

/// Marks the attempt where the body cannot.
struct Watch {
    attempt: Option<Attempt>,
    capture: Option<CaptureConnection>,
}

impl Watch {
    fn look(&mut self, answered: bool) {
        let connected =
            || self.capture.as_ref().is_some_and(|capture| capture.connection_metadata().is_some());
        if (answered || connected())
            && let Some(attempt) = self.attempt.take()
        {
            attempt.mark_sent();
        }
    }
}

impl fmt::Debug for HyperFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperFuture")
    }
}

impl Future for HyperFuture {
    type Output = Result<Response<Incoming>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.future.poll(cx).map_err(BoxError::from);
        this.watch.look(matches!(polled, Poll::Ready(Ok(_))));
        polled
    }
}
