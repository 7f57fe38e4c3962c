//! The door in front of a service.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use claude_wire::BoxError;
use http::Request;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Door, NotAdmitted};

/// Puts a [`Door`] in front of a service.
#[derive(Clone, Debug)]
pub struct DoorLayer {
    door: Door,
}

impl DoorLayer {
    /// Lets in whom this door admits.
    #[must_use]
    pub fn new(door: Door) -> Self {
        Self { door }
    }
}

impl<S> Layer<S> for DoorLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { inner, door: self.door.clone() }
    }
}

/// A service behind a door.
///
/// A request that is admitted goes on without its token, and with its [`Caller`](claude_wire::call::Caller) in the extensions
/// in place of any other. One that is not fails with a [`NotAdmitted`], and nothing behind sees it.
#[derive(Clone, Debug)]
pub struct Admission<S> {
    inner: S,
    door: Door,
}

impl<S> Admission<S> {
    /// The service behind.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service behind.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service behind.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for Admission<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = AdmissionFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let state = match self.door.admit(request.headers_mut()) {
            Ok(admitted) => {
                request.extensions_mut().insert(admitted.into_caller());
                State::In { future: self.inner.call(request) }
            }
            Err(not_admitted) => State::Out { not_admitted: Some(not_admitted) },
        };
        AdmissionFuture { state }
    }
}

pin_project! {
    /// The answer of the service behind, or that the request was not admitted.
    #[must_use = "futures do nothing unless polled"]
    pub struct AdmissionFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        In {
            #[pin]
            future: F,
        },
        Out {
            not_admitted: Option<NotAdmitted>,
        },
    }
}

impl<F, R, E> Future for AdmissionFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::In { future } => future.poll(cx).map_err(Into::into),
            StateProj::Out { not_admitted } => match not_admitted.take() {
                Some(not_admitted) => Poll::Ready(Err(not_admitted.into())),
                // Polled after its end.
                None => Poll::Pending,
            },
        }
    }
}

impl<F> std::fmt::Debug for AdmissionFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdmissionFuture").finish_non_exhaustive()
    }
}
