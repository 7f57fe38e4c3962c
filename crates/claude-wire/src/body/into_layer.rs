//! [`IntoBodyLayer`]: our request body becomes the one the client below wants.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Request;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Body, BoxError};
use crate::call::Attempt;

/// Stands at the bottom of a stack and turns `Request<Body>` into `Request<B>`, so that one layer alone fits
/// over a client that is not ours.
///
/// `B` is any body with `From<Body>`, or with `TryFrom<Body>` where not every body will do: `Full<Bytes>` takes
/// only buffered ones, and a stream is refused with [`StreamedBody`](super::StreamedBody) before the client is called.
/// The error becomes a [`BoxError`]. The [`Attempt`] in the request's extensions, if there is one, is marked as
/// sent when the body is first polled, or when its bytes are taken out for a `B` that cannot tell.
///
/// ```
/// use bytes::Bytes;
/// use claude_wire::body::{Body, IntoBodyLayer};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{Layer, Service, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let client = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, std::io::Error>(Response::new(())) });
/// let mut client = IntoBodyLayer::<Full<Bytes>>::new().layer(client);
/// client.ready().await.unwrap().call(Request::new(Body::from("{}"))).await.unwrap();
/// # }
/// ```
pub struct IntoBodyLayer<B> {
    body: PhantomData<fn(Body) -> B>,
}

impl<B> IntoBodyLayer<B> {
    /// The layer has no settings but its type.
    #[must_use]
    pub const fn new() -> Self {
        Self { body: PhantomData }
    }
}

impl<B> Clone for IntoBodyLayer<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for IntoBodyLayer<B> {}

impl<B> Default for IntoBodyLayer<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> fmt::Debug for IntoBodyLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntoBodyLayer")
    }
}

impl<S, B> Layer<S> for IntoBodyLayer<B> {
    type Service = IntoBody<S, B>;

    fn layer(&self, inner: S) -> IntoBody<S, B> {
        IntoBody { inner, body: PhantomData }
    }
}

/// What [`IntoBodyLayer`] makes. A clone shares nothing but what the inner service's clones share.
pub struct IntoBody<S, B> {
    inner: S,
    body: PhantomData<fn(Body) -> B>,
}

crate::inner_service_accessors!(IntoBody<S, B>);

impl<S: Clone, B> Clone for IntoBody<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), body: PhantomData }
    }
}

impl<S: fmt::Debug, B> fmt::Debug for IntoBody<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoBody").field("inner", &self.inner).finish()
    }
}

impl<S, B> Service<Request<Body>> for IntoBody<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    B: TryFrom<Body>,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (parts, mut body) = request.into_parts();
        let attempt = parts.extensions.get::<Attempt>().cloned();
        // An empty body is never polled, so that only the call itself can say that it was sent.
        let polled = !http_body::Body::is_end_stream(&body);
        if let Some(attempt) = &attempt {
            attempt.claim();
            body.watched_by(attempt.clone());
        }
        let inner = match B::try_from(body) {
            Ok(body) => {
                if let Some(attempt) = attempt.filter(|_| !polled) {
                    attempt.mark_sent();
                }
                State::Called { future: self.inner.call(Request::from_parts(parts, body)) }
            }
            Err(error) => State::Refused { error: Some(error.into()) },
        };
        ResponseFuture { inner }
    }
}

pin_project! {
    /// The future of [`IntoBody`].
    pub struct ResponseFuture<F> {
        #[pin]
        inner: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] future: F },
        Refused { error: Option<BoxError> },
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.project() {
            StateProj::Called { future } => Poll::Ready(ready!(future.poll(cx)).map_err(Into::into)),
            StateProj::Refused { error } => {
                let error = error.take().expect("a future is not polled after it is ready");
                Poll::Ready(Err(error))
            }
        }
    }
}
