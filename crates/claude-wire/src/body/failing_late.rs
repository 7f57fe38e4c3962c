//! What there was of a body is sent before it fails.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body whose failure comes one poll after what was before it. Put it around the body of a response that is given
    /// to a server.
    ///
    /// hyper's server writes the head and what it has of the body when the body has nothing more for now. One that
    /// fails at once makes it drop all that is not written yet, the head too; and a caller that has not even seen the
    /// head takes its request for lost, and repeats what may have been executed.
    ///
    /// The failure is kept for one poll, which is asked for at once. Everything else is passed on unchanged.
    pub struct FailingLate<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        body: B,
        failure: Option<B::Error>,
    }
}

impl<B> FailingLate<B>
where
    B: HttpBody<Data = Bytes>,
{
    /// Around this body.
    pub const fn new(body: B) -> Self {
        Self { body, failure: None }
    }
}

impl<B> HttpBody for FailingLate<B>
where
    B: HttpBody<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if let Some(failure) = this.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match ready!(this.body.poll_frame(cx)) {
            Some(Err(failure)) => {
                *this.failure = Some(failure);
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

/// Shows whether a failure waits, and nothing of the body.
impl<B> fmt::Debug for FailingLate<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingLate").field("fails", &self.failure.is_some()).finish_non_exhaustive()
    }
}
