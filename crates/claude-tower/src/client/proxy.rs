//! Connections through a proxy, or straight.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use claude_wire::BoxError;
use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::config::{ClientConfig, Proxy};

type Plain = HttpsConnector<HttpConnector>;
type PlainStream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens the TCP connection to a host, or to the proxy that stands before it.
///
/// To an `https` host the proxy makes a tunnel (CONNECT); requests to an `http` host are sent to the proxy
/// itself. The proxy may be reached by TLS, or speak SOCKS 5. A clone shares the settings.
#[derive(Clone)]
pub struct ProxyConnector {
    tcp: HttpConnector,
    /// The same, with TLS to proxies that want it.
    to_proxy: Plain,
    matcher: Option<Arc<Matcher>>,
}

impl ProxyConnector {
    /// From the settings, with this TLS towards `https` proxies.
    pub(super) fn new(config: &ClientConfig, tls: rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(config.tcp_keepalive));
        tcp.set_keepalive_interval(Some(config.tcp_keepalive_interval));
        tcp.set_keepalive_retries(Some(config.tcp_keepalive_retries));
        let to_proxy = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp.clone());
        let matcher = match &config.proxy {
            Proxy::Environment => Some(Matcher::from_env()),
            Proxy::None => None,
            Proxy::Url(url) => {
                let no = super::no_proxy::no_proxy(config);
                Some(Matcher::builder().all(url.expose().to_string()).no(no).build())
            }
        };
        Self { tcp, to_proxy, matcher: matcher.map(Arc::new) }
    }

    fn intercept(&self, uri: &Uri) -> Option<Intercept> {
        self.matcher.as_ref()?.intercept(uri)
    }

    /// What a proxy wants to see on a request that is sent to itself.
    pub(super) fn forward_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        if uri.scheme_str() != Some("http") {
            return None;
        }
        self.intercept(uri).filter(|proxy| !is_socks(proxy))?.basic_auth().cloned()
    }

    async fn connect(mut self, target: Uri) -> Result<ProxyStream, BoxError> {
        let Some(proxy) = self.intercept(&target) else {
            let tcp = self.tcp.call(target).await?;
            return Ok(ProxyStream { io: MaybeHttpsStream::Http(tcp), forwards: false });
        };
        if is_socks(&proxy) {
            // The usual port of SOCKS; and without one in the target, 443 would be asked for whatever its scheme.
            let mut socks = SocksV5::new(with_port(proxy.uri(), 1080)?, self.tcp);
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            let port = if target.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
            let tcp = socks.call(with_port(&target, port)?).await?;
            return Ok(ProxyStream { io: MaybeHttpsStream::Http(tcp), forwards: false });
        }
        if target.scheme_str() == Some("https") {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy);
            if let Some(authorization) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(authorization.clone());
            }
            return Ok(ProxyStream { io: tunnel.call(target).await?, forwards: false });
        }
        let io = self.to_proxy.call(proxy.uri().clone()).await?;
        Ok(ProxyStream { io, forwards: true })
    }
}

fn is_socks(proxy: &Intercept) -> bool {
    proxy.uri().scheme_str().is_some_and(|scheme| scheme.starts_with("socks"))
}

/// The same with this port, if it names none.
fn with_port(uri: &Uri, port: u16) -> Result<Uri, http::Error> {
    match uri.host() {
        Some(host) if uri.port().is_none() => Uri::builder()
            .scheme(uri.scheme_str().unwrap_or_default())
            .authority(format!("{host}:{port}"))
            .path_and_query("/")
            .build(),
        _ => Ok(uri.clone()),
    }
}

/// Leaves out the proxy, whose URL may hold a password.
impl fmt::Debug for ProxyConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConnector").finish_non_exhaustive()
    }
}

impl Service<Uri> for ProxyConnector {
    type Response = ProxyStream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<ProxyStream, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.clone().connect(target))
    }
}

pin_project! {
    /// A connection that [`ProxyConnector`] has opened.
    pub struct ProxyStream {
        #[pin]
        io: PlainStream,
        // Whether it leads to a proxy that forwards requests, which then name the whole URL.
        forwards: bool,
    }
}

impl fmt::Debug for ProxyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyStream").field("forwards", &self.forwards).finish_non_exhaustive()
    }
}

impl Connection for ProxyStream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.forwards)
    }
}

impl Read for ProxyStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl Write for ProxyStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, bufs)
    }
}

/// A connection took longer than `client.connect_timeout`: name, TCP, proxy and TLS together.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {limit:?}")]
pub struct ConnectTimeout {
    limit: Duration,
    /// Says `TimedOut` to those who do not know this type.
    source: io::Error,
}

impl ConnectTimeout {
    fn new(limit: Duration) -> Self {
        Self { limit, source: io::ErrorKind::TimedOut.into() }
    }

    /// The limit that was passed.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

/// Puts a time limit on the whole of another connector.
#[derive(Clone, Debug)]
pub struct Limited<C> {
    pub(super) connector: C,
    pub(super) timeout: Duration,
}

impl<C> Service<Uri> for Limited<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let timeout = self.timeout;
        let connecting = self.connector.call(target);
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(ConnectTimeout::new(timeout).into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;

    use super::*;

    #[tokio::test]
    async fn sockets_are_as_configured() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = ClientConfig {
            tcp_keepalive: Duration::from_secs(11),
            tcp_keepalive_interval: Duration::from_secs(12),
            tcp_keepalive_retries: 13,
            proxy: Proxy::None,
            ..ClientConfig::default()
        };
        let tls = super::super::tls::client_config(&config.tls).unwrap();
        let url: Uri = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let stream = ProxyConnector::new(&config, tls).call(url).await.unwrap();
        let MaybeHttpsStream::Http(tcp) = stream.io else { panic!("TLS stands above this connector") };
        // Small events of a stream would wait for each other otherwise.
        assert!(tcp.inner().nodelay().unwrap());
        let socket = SockRef::from(tcp.inner());
        assert!(socket.keepalive().unwrap());
        // Not every system tells these.
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), config.tcp_keepalive);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), config.tcp_keepalive_interval);
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), config.tcp_keepalive_retries);
        }
    }
}
