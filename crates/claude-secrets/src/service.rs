//! The service.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_wire::call::{Attempt, dispatch};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::errand::Errand;
use crate::future::ResponseFuture;
use crate::layer::Existing;
use crate::pool::Choice;
use crate::ring::KeyRing;

/// What [`SecretsLayer`](crate::SecretsLayer) makes. A clone shares the ring, and what the inner service's clones share.
///
/// It is ready when the inner service is. A request whose key is at hand goes on in `call`; one that has to wait for its key goes on
/// through a clone of the inner service, which is asked first whether it is ready. Its error is the inner service's own,
/// boxed, or a [`SecretsError`](crate::SecretsError).
#[derive(Clone)]
pub struct Secrets<S> {
    inner: S,
    ring: KeyRing,
    existing: Existing,
}

impl<S> Secrets<S> {
    pub(crate) const fn new(inner: S, ring: KeyRing, existing: Existing) -> Self {
        Self { inner, ring, existing }
    }
}

claude_wire::inner_service_accessors!(Secrets<S>);

impl<S: fmt::Debug> fmt::Debug for Secrets<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B> Service<Request<Body>> for Secrets<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    // NOTE: a request whose key is at hand goes through the very instance that was polled here.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The clone has not been polled ready: that happens before it is called.
        let clone = self.inner.clone();
        let mut errand = match Errand::begin(&self.ring, self.existing, &mut request) {
            Ok(Some(errand)) => errand,
            Ok(None) => return ResponseFuture::as_it_is(dispatch(&mut self.inner, request), clone),
            Err(error) => {
                // What is refused is not sent, whatever a layer above would think.
                Attempt::find(request.extensions()).inspect(|attempt| attempt.claim());
                self.give_back(&clone);
                return ResponseFuture::refused(error, clone);
            }
        };
        match errand.choose() {
            Choice::Take(taken) => {
                errand.put_on(taken, request.headers_mut());
                ResponseFuture::calling(dispatch(&mut self.inner, request), clone, errand)
            }
            Choice::Refuse(error) => {
                errand.claim();
                self.give_back(&clone);
                ResponseFuture::refused(error, clone)
            }
            choice => {
                errand.claim();
                self.give_back(&clone);
                ResponseFuture::waiting(choice, request, clone, errand)
            }
        }
    }
}

impl<S: Clone> Secrets<S> {
    /// What was made ready for a request is not held while it waits.
    fn give_back(&mut self, clone: &S) {
        self.inner = clone.clone();
    }
}
