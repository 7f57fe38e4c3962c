//! The response future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use claude_wire::BoxError;
use http::Response;

use crate::body::SimBody;

/// The future of a simulated response.
///
/// # Errors
///
/// That of the request body, if it breaks off; and, if a [`Fault`](crate::Fault) breaks the connection, an
/// [`io::Error`](std::io::Error) of the kind that a client would see: `ConnectionRefused` or `ConnectionReset`.
///
/// # Cancel safety
///
/// Dropping it, while it waits too, ends the request: it leaves its line in the log, and on the bill what was used
/// until then.
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
