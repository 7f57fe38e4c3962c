//! The body of an answer that began well, and may not end so.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use claude_wire::BoxError;
use claude_wire::body::Replayed;
use claude_wire::meter::{EndFuture, Kind, Meter, MeteredBody, Reading, Subscriber};
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::context::Context;
use crate::end::End;
use crate::error::Error;

pin_project! {
    /// The body of [`TypedErrors`](super::TypedErrors): the same bytes in the same frames, and an [`Error`] after them if
    /// the answer failed.
    pub struct ResponseBody<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        inner: Inner<B>,
        // What the meter saw at the end.
        seen: Option<Arc<Seen>>,
        // Bytes that were handed on.
        passed: u64,
        // What comes after the last frame.
        failure: Option<Error>,
        // Until the end.
        context: Option<Context>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        Metered { #[pin] body: MeteredBody<B> },
        Plain { #[pin] body: B },
        Rest { #[pin] body: Replayed<Pin<Box<B>>> },
    }
}

impl<B> ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    /// Messages and streams are metered, to see whether they end well; of anything else that is not known.
    pub(super) fn of_answer(response: Response<B>, context: Context) -> Response<Self> {
        let is_message = context.is_message();
        if !is_message && Meter::kind(response.headers()) != Kind::Events {
            return response.map(|body| Self::new(Inner::Plain { body }, None, context));
        }
        let (response, meter) = Meter::attach(response);
        let seen = Arc::new(Seen::default());
        meter.subscribe(Ear { seen: Arc::clone(&seen), is_message });
        response.map(|body| {
            let at_end = body.is_end_stream();
            let mut body = Self::new(Inner::Metered { body }, Some(seen), context);
            // One that is at its end from the start may never be polled.
            if at_end && let Some(failure) = body.seen.as_ref().and_then(|seen| seen.failure(0, true)) {
                body.failure = body.context.take().map(|context| context.finish(failure));
            }
            body
        })
    }

    /// An error's body that was too long to be read, or too slow.
    pub(super) fn of_rest(body: Replayed<Pin<Box<B>>>, context: Context) -> Self {
        Self::new(Inner::Rest { body }, None, context)
    }

    const fn new(inner: Inner<B>, seen: Option<Arc<Seen>>, context: Context) -> Self {
        Self { inner, seen, passed: 0, failure: None, context: Some(context) }
    }
}

impl<B> Inner<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Metered { body } => body.is_end_stream(),
            Self::Plain { body } => body.is_end_stream(),
            Self::Rest { body } => body.is_end_stream(),
        }
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut this = self.project();
        if let Some(error) = this.failure.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if this.context.is_none() {
            return Poll::Ready(None);
        }
        let polled = ready!(match this.inner.as_mut().project() {
            InnerProj::Metered { body } => body.poll_frame(cx).map_err(Into::into),
            InnerProj::Plain { body } => body.poll_frame(cx).map_err(Into::into),
            InnerProj::Rest { body } => body.poll_frame(cx).map_err(Into::into),
        });
        let is_last = polled.is_none() || this.inner.is_end_stream();
        let failure = |passed| this.seen.as_ref().and_then(|seen| seen.failure(passed, is_last));
        let mut finish = |error| this.context.take().map(|context| context.finish(error));
        Poll::Ready(match polled {
            Some(Ok(frame)) => {
                *this.passed += frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(error) = failure(*this.passed) {
                    *this.failure = finish(error);
                }
                Some(Ok(frame))
            }
            // What fails behind a whole message has not failed: its caller would pay for it twice.
            Some(Err(_)) if this.seen.as_ref().is_some_and(|seen| seen.is_whole()) => {
                *this.context = None;
                None
            }
            Some(Err(error)) => finish(Error::from_cut_answer(Some(error))).map(Err),
            None => match failure(u64::MAX) {
                Some(error) => finish(error).map(Err),
                None => {
                    *this.context = None;
                    None
                }
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        self.failure.is_none() && (self.context.is_none() || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Metered { body } => body.size_hint(),
            Inner::Plain { body } => body.size_hint(),
            Inner::Rest { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}

/// How the answer ends, once the meter knows, and after how many bytes. A layer below may have read ahead, so that it
/// knows before those bytes are here.
#[derive(Default)]
struct Seen(Mutex<Option<(End, u64)>>);

impl Seen {
    /// The failure, if all its bytes have been handed on.
    fn failure(&self, passed: u64, is_last: bool) -> Option<Error> {
        match &*self.lock() {
            Some((_, bytes)) if passed < *bytes => None,
            Some((End::Event(said), _)) => Some(Error::from_event(said)),
            // Behind what was read ahead may come why it was cut.
            Some((End::Cut, _)) => is_last.then(|| Error::from_cut_answer(None)),
            Some((End::Whole, _)) | None => None,
        }
    }

    fn is_whole(&self) -> bool {
        matches!(&*self.lock(), Some((End::Whole, _)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(End, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ear {
    seen: Arc<Seen>,
    is_message: bool,
}

impl Subscriber for Ear {
    fn on_end(&mut self, reading: &Reading) -> Option<EndFuture> {
        *self.seen.lock() = End::of(reading, self.is_message).map(|end| (end, reading.bytes));
        None
    }
}
