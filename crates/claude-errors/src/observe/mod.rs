//! Failures as they pass.

mod body;
mod future;

use std::fmt;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use claude_wire::call::dispatch;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::context::Context;
use crate::layer::Settings;

pub use body::ResponseBody;
pub use future::ResponseFuture;

/// What [`ErrorLayer::observe`](crate::ErrorLayer::observe) makes. A clone shares the reporters, and what the inner
/// service's clones share.
#[derive(Clone)]
pub struct ObserveErrors<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> ObserveErrors<S> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

claude_wire::inner_service_accessors!(ObserveErrors<S>);

impl<S: fmt::Debug> fmt::Debug for ObserveErrors<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveErrors").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B> Service<Request<Body>> for ObserveErrors<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<B>>;
    /// The inner service's own error, boxed: no other form of every error can be looked into.
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let context = Context::begin(&self.settings, &mut request);
        ResponseFuture::new(dispatch(&mut self.inner, request), context)
    }
}
