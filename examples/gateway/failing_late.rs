//! What was there of an answer is sent before it fails.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Error;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body whose failure comes a moment after what was before it.
///
/// The server writes the head and what it has of the body when a body has nothing more for now; one that fails makes it
/// drop all that is not written yet. A caller that has not even seen the head takes its request for lost, and repeats
/// what may have been executed.
pub(crate) struct FailingLate {
    body: AxumBody,
    failure: Option<Error>,
}

impl FailingLate {
    pub(crate) const fn new(body: AxumBody) -> Self {
        Self { body, failure: None }
    }
}

impl Body for FailingLate {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Err(failure)) => {
                self.failure = Some(failure);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            passed => Poll::Ready(passed),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failure.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
