//! The body of what leaves the layer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use claude_wire::BoxError;
use claude_wire::meter::Meter;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::course::{Cutter, timed_out};
use crate::error::{GaveUp, RetryError};
use crate::reading::Held;

pin_project! {
    /// The body of [`Retry`](crate::Retry): the same bytes and trailers, and the same error, boxed; in the same frames, but
    /// for empty ones, and for small ones of an error or of a collected answer, which are joined when they are read ahead.
    /// One that is cut by the call's deadline ends in a [`RetryError`].
    pub struct ResponseBody<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        inner: Inner<B>,
        // What the body failed with while it was read ahead.
        failure: Option<BoxError>,
        clock: Option<Clock>,
        is_cut: bool,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        Passed { #[pin] body: B },
        Held { body: Held<B> },
    }
}

/// The deadline, while it still counts.
pub(crate) struct Clock {
    pub(crate) sleep: Pin<Box<Sleep>>,
    pub(crate) end: End,
    /// Sees the first content of a stream, after which nothing is cut.
    pub(crate) content: Option<Meter>,
}

/// What the deadline ends.
pub(crate) enum End {
    /// An answer that was a success until then.
    Success(Cutter),
    /// The body of a failure, which is written down already.
    Failure(GaveUp),
}

impl<B> ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    pub(crate) const fn passed(body: B, clock: Option<Clock>) -> Self {
        Self { inner: Inner::Passed { body }, failure: None, clock, is_cut: false }
    }

    pub(crate) const fn held(body: Held<B>, failure: Option<BoxError>, clock: Option<Clock>) -> Self {
        Self { inner: Inner::Held { body }, failure, clock, is_cut: false }
    }
}

impl Clock {
    /// The error, once the deadline is past.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RetryError> {
        ready!(self.sleep.as_mut().poll(cx));
        Poll::Ready(match &self.end {
            End::Success(cutter) => cutter.cut(),
            End::Failure(gave_up) => RetryError::new(*gave_up, timed_out()),
        })
    }

    fn still_counts(&self) -> bool {
        self.content.as_ref().is_none_or(|meter| !meter.progress().has_content)
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if *this.is_cut {
            return Poll::Ready(None);
        }
        let polled = match this.inner.project() {
            InnerProj::Passed { body } => body.poll_frame(cx).map_err(Into::into),
            InnerProj::Held { body } => Pin::new(body).poll_frame(cx).map_err(Into::into),
        };
        let Some(clock) = this.clock else {
            return end_with(ready!(polled), this.failure);
        };
        match polled {
            Poll::Ready(frame) => {
                if !matches!(frame, Some(Ok(_))) || !clock.still_counts() {
                    *this.clock = None;
                }
                end_with(frame, this.failure)
            }
            Poll::Pending => {
                let error = ready!(clock.poll(cx));
                *this.is_cut = true;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let at_end = || match &self.inner {
            Inner::Passed { body } => body.is_end_stream(),
            Inner::Held { body } => body.is_end_stream(),
        };
        self.is_cut || self.failure.is_none() && at_end()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = match &self.inner {
            _ if self.is_cut => return SizeHint::with_exact(0),
            Inner::Passed { body } => body.size_hint(),
            Inner::Held { body } => body.size_hint(),
        };
        if self.failure.is_none() {
            return hint;
        }
        // A server would make a length of an exact one, send as much, and never come to the failure.
        let mut open = SizeHint::new();
        open.set_lower(hint.lower());
        open
    }
}

type Polled = Option<Result<Frame<Bytes>, BoxError>>;

/// Behind the last frame comes what the body failed with.
fn end_with(polled: Polled, failure: &mut Option<BoxError>) -> Poll<Polled> {
    Poll::Ready(polled.or_else(|| failure.take().map(Err)))
}

impl<B> fmt::Debug for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}
