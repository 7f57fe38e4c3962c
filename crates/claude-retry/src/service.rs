//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_wire::call::dispatch;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::course::Course;
use crate::future::ResponseFuture;
use crate::layer::Settings;

/// What [`RetryLayer`](crate::RetryLayer) makes. A clone shares the quota, and what the inner service's clones share.
///
/// It is ready when the inner service is. Its error is the inner service's own, boxed, or a
/// [`RetryError`](crate::RetryError) around it. Further attempts go through clones of the inner service, each asked first
/// whether it is ready.
#[derive(Clone)]
pub struct Retry<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Retry<S> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

claude_wire::inner_service_accessors!(Retry<S>);

impl<S: fmt::Debug> fmt::Debug for Retry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B> Service<Request<Body>> for Retry<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    // NOTE: `call` sends the first attempt through the very instance that was polled here.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let course = Course::begin(&self.settings, &mut request);
        // The clone has not been polled ready: that happens before each further attempt.
        let clone = self.inner.clone();
        if course.attempts() == 0 {
            // Nothing is called. What was made ready for it is given back.
            self.inner = clone.clone();
            return ResponseFuture::new(None, clone, course);
        }
        let future = dispatch(&mut self.inner, request);
        ResponseFuture::new(Some(future), clone, course)
    }
}
