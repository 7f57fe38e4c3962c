//! reqwest's client.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use claude_wire::call::Attempt;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use pin_project_lite::pin_project;
use reqwest::Client;
use tower_service::Service;

use super::error::{ClientError, Repr};
use super::{framing, tls};
use crate::config::{ClientConfig, HttpVersion, Proxy};

/// reqwest's client as the bottom of a stack. See the [module docs](super).
///
/// ```
/// use claude_tower::client::ReqwestClient;
/// use claude_tower::config::ClientConfig;
///
/// let client = ReqwestClient::new(&ClientConfig::default())?;
/// # Ok::<_, claude_tower::client::ClientError>(())
/// ```
#[derive(Clone)]
pub struct ReqwestClient {
    client: Client,
}

impl ReqwestClient {
    /// From the settings. Reads the certificate files named there, blocking; connections are opened when
    /// they are needed. `http_version = "auto"` speaks HTTP/2 where TLS agrees on it.
    ///
    /// # Errors
    ///
    /// When the settings do not hold together, a certificate or key cannot be read, or reqwest refuses.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        config.validate().map_err(Repr::Config)?;
        let mut tls = tls::client_config(&config.tls)?;
        tls.alpn_protocols = match config.http_version {
            HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
            HttpVersion::Http2 => vec![b"h2".to_vec()],
            HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .tcp_nodelay(true)
            .tcp_keepalive(config.tcp_keepalive)
            .tcp_keepalive_interval(config.tcp_keepalive_interval)
            .tcp_keepalive_retries(config.tcp_keepalive_retries)
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(config.pool_idle_timeout)
            .pool_max_idle_per_host(config.pool_max_idle_per_host)
            // A key goes to the origin that it was put on for; and only one place repeats.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // The bytes stay as they came, whichever features the program switches on.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate();
        builder = match config.http_version {
            HttpVersion::Http1 => builder.http1_only(),
            HttpVersion::Http2 => builder.http2_prior_knowledge(),
            HttpVersion::Auto => builder,
        };
        builder = match &config.proxy {
            Proxy::Environment => builder,
            Proxy::None => builder.no_proxy(),
            Proxy::Url(url) => {
                let proxy = reqwest::Proxy::all(url.expose().to_string()).map_err(Repr::Reqwest)?;
                builder
                    .proxy(proxy.no_proxy(reqwest::NoProxy::from_string(super::no_proxy::no_proxy(config))))
            }
        };
        builder.build().map(Self::from_client).map_err(|error| Repr::Reqwest(error).into())
    }

    /// Over a client of your own, with its own settings: redirects, repeats and decoding too.
    #[must_use]
    pub const fn from_client(client: Client) -> Self {
        Self { client }
    }

    /// The client inside.
    #[must_use]
    pub const fn get_ref(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestClient")
    }
}

impl Service<Request<Body>> for ReqwestClient {
    type Response = Response<reqwest::Body>;
    type Error = BoxError;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::<reqwest::Request>::poll_ready(&mut self.client, cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> ReqwestFuture {
        framing::announce_stream(&mut request);
        let attempt = request.extensions().get::<Attempt>().cloned();
        let mut unpolled = false;
        if let Some(attempt) = &attempt {
            attempt.claim();
            request.body_mut().watched_by(attempt.clone());
            // An empty body is never polled, and reqwest does not say when it has a connection.
            unpolled = http_body::Body::is_end_stream(request.body());
        }
        let state = match reqwest::Request::try_from(request.map(reqwest::Body::from)) {
            Ok(request) => State::Called { future: self.client.call(request) },
            Err(error) => State::Refused { error: Some(error.into()) },
        };
        ReqwestFuture { state, attempt, unpolled }
    }
}

pin_project! {
    /// The future of [`ReqwestClient`].
    pub struct ReqwestFuture {
        #[pin]
        state: State,
        attempt: Option<Attempt>,
        unpolled: bool,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        Called { #[pin] future: <Client as Service<reqwest::Request>>::Future },
        Refused { error: Option<BoxError> },
    }
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestFuture")
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProj::Called { future } => {
                if std::mem::take(this.unpolled)
                    && let Some(attempt) = this.attempt.as_ref()
                {
                    attempt.mark_sent();
                }
                let response = ready!(future.poll(cx))?;
                if let Some(attempt) = this.attempt.take() {
                    attempt.mark_sent();
                }
                Poll::Ready(Ok(response.into()))
            }
            StateProj::Refused { error } => {
                let error = error.take().expect("a future is not polled after it is ready");
                Poll::Ready(Err(error))
            }
        }
    }
}
