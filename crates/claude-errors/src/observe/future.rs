//! The response future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use claude_wire::BoxError;
use http::Response;
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;

use super::ResponseBody;
use crate::classify::Classification;
use crate::context::Context;

pin_project! {
    /// The future of [`ObserveErrors`](super::ObserveErrors). Dropping it drops the call; nothing is reported then.
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        context: Option<Context>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(future: F, context: Context) -> Self {
        Self { future, context: Some(context) }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.future.poll(cx));
        let context = this.context.take().expect("a future is not polled after its end");
        Poll::Ready(match result {
            Ok(response) => Ok(ResponseBody::of(response, context)),
            Err(error) => {
                let error = error.into();
                let judged = Classification::of_error(&*error, context.sent());
                context.report(&context.settle(judged), false);
                Err(error)
            }
        })
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
