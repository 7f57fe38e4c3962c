//! Sends requests that were made for this host on to another: what a gateway needs between its server and its
//! client.
//!
//! [`UpstreamLayer`] gives each request the scheme, host and base path of the upstream and takes off what
//! belongs to one connection only (RFC 9110 §7.6.1): the `connection` header and all it names, `keep-alive`,
//! `te`, `transfer-encoding`, `upgrade`, and what speaks to a proxy. `host` follows the new URL, and `expect` is
//! answered by this host's server. Everything else passes as it is, credentials, `anthropic-*` and `traceparent`
//! included, and so do all bytes of both bodies.
//!
//! ```
//! use claude_tower::upstream::UpstreamLayer;
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let client = service_fn(|request: Request<()>| async move {
//!     assert_eq!(request.uri(), "https://api.anthropic.com/v1/models?limit=5");
//!     assert!(!request.headers().contains_key("host"));
//!     Ok::<_, std::convert::Infallible>(Response::new(()))
//! });
//! let service = UpstreamLayer::new("https://api.anthropic.com".parse().unwrap()).unwrap().layer(client);
//! let request = Request::get("/v1/models?limit=5").header("host", "localhost:8080").body(()).unwrap();
//! service.oneshot(request).await.unwrap();
//! # }
//! ```
//!
//! A path that is too long behind the base path is left without a host, which every client refuses. Dot segments are not
//! resolved: an upstream that does so decides for itself what a path behind a base path may reach.
//!
//! It has no part in waiting, errors or bodies: readiness, errors and cancellation are the inner service's.

mod headers;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// The upstream's URL has no host, is neither `http` nor `https`, or has a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upstream is an http or https URL with a host and without a query")]
pub struct InvalidUpstream;

/// Sends requests on to another host. See the [module docs](self).
#[derive(Clone, Debug)]
pub struct UpstreamLayer {
    target: Target,
}

#[derive(Clone, Debug)]
struct Target {
    scheme: Scheme,
    authority: Authority,
    /// The path before every request's own, without a slash at its end.
    base: Box<str>,
}

impl UpstreamLayer {
    /// To this URL. A path in it stands before every request's own.
    ///
    /// # Errors
    ///
    /// [`InvalidUpstream`], when the URL cannot be one.
    pub fn new(upstream: Uri) -> Result<Self, InvalidUpstream> {
        let parts = upstream.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let path = parts.path_and_query.as_ref();
        if path.is_some_and(|path| path.query().is_some()) {
            return Err(InvalidUpstream);
        }
        let base = path.map_or("", PathAndQuery::path).trim_end_matches('/').into();
        // The `http` crate takes an authority of a port alone.
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        match (scheme, authority) {
            (Some(scheme), Some(authority)) => Ok(Self { target: Target { scheme, authority, base } }),
            _ => Err(InvalidUpstream),
        }
    }
}

impl Target {
    /// The same path and query there.
    fn resolve(&self, uri: Uri) -> Uri {
        // An asterisk speaks of a server, which in a URL is its root.
        let own = uri.into_parts().path_and_query.filter(|own| own != "*");
        let own = own.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let path = if self.base.is_empty() {
            own
        } else {
            match PathAndQuery::try_from(format!("{}{own}", self.base)) {
                Ok(path) => path,
                // Too long together, and any other path would be another place. Without a host no client sends it.
                Err(_) => return Uri::from(own),
            }
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).expect("scheme, authority and path make a URL")
    }
}

impl<S> Layer<S> for UpstreamLayer {
    type Service = Upstream<S>;

    fn layer(&self, inner: S) -> Upstream<S> {
        Upstream { inner, target: self.target.clone() }
    }
}

/// What [`UpstreamLayer`] makes. A clone shares nothing but what the inner service's clones share.
#[derive(Clone, Debug)]
pub struct Upstream<S> {
    inner: S,
    target: Target,
}

claude_wire::inner_service_accessors!(Upstream<S>);

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Upstream<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        *request.uri_mut() = self.target.resolve(std::mem::take(request.uri_mut()));
        // Which version is spoken there is the client's affair.
        *request.version_mut() = Version::HTTP_11;
        headers::remove_hop_by_hop(request.headers_mut(), &[header::HOST, header::EXPECT]);
        ResponseFuture { future: self.inner.call(request) }
    }
}

pin_project! {
    /// The future of [`Upstream`].
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = ready!(self.project().future.poll(cx))?;
        headers::remove_hop_by_hop(response.headers_mut(), &[]);
        // The server on this side speaks its own version.
        *response.version_mut() = Version::HTTP_11;
        Poll::Ready(Ok(response))
    }
}
