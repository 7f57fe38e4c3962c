//! The response future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use claude_wire::BoxError;
use http::Response;

use crate::body::SimBody;

/// The future of a simulated response. Its only error is that of the request body, which broke off.
pub struct ResponseFuture {
    inner: Pin<Box<dyn Future<Output = Result<Response<SimBody>, BoxError>> + Send>>,
}

impl ResponseFuture {
    pub(crate) fn new<F>(future: F) -> Self
    where
        F: Future<Output = Result<Response<SimBody>, BoxError>> + Send + 'static,
    {
        Self { inner: Box::pin(future) }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<SimBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
