//! [`BodyLayer`]: any request body becomes ours.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use super::{Body, BoxError};

/// Stands at the top of a stack and turns `Request<B>` into `Request<Body>` by [`Body::new`].
///
/// Nothing is read and nothing can fail; the future and the error are the inner service's. To have a streamed
/// body in memory, use [`Body::buffered`] before the call.
///
/// ```
/// use bytes::Bytes;
/// use claude_wire::body::{Body, BodyLayer};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{Layer, Service, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let client = service_fn(|request: Request<Body>| async move {
///     assert_eq!(request.body().as_bytes().unwrap(), "{}");
///     Ok::<_, std::convert::Infallible>(Response::new(()))
/// });
/// let mut client = BodyLayer::new().layer(client);
/// client.call(Request::new(Full::new(Bytes::from("{}")))).await.unwrap();
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct BodyLayer;

impl BodyLayer {
    /// The layer has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for BodyLayer {
    type Service = ConvertBody<S>;

    fn layer(&self, inner: S) -> ConvertBody<S> {
        ConvertBody { inner }
    }
}

/// What [`BodyLayer`] makes. A clone shares nothing but what the inner service's clones share.
#[derive(Clone, Copy, Debug)]
pub struct ConvertBody<S> {
    inner: S,
}

crate::inner_service_accessors!(ConvertBody<S>);

impl<S, B> Service<Request<B>> for ConvertBody<S>
where
    S: Service<Request<Body>>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(request.map(Body::new))
    }
}
