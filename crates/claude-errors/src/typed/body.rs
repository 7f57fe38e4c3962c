//! The body of an answer that began well, and may not end so.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use claude_wire::body::Replayed;
use claude_wire::meter::{EndFuture, Ending, Kind, Meter, MeteredBody, Reading, Subscriber};
use claude_wire::{BoxError, ErrorBody};
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::context::Context;
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
        end: Option<Arc<End>>,
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
        let end = Arc::new(End::default());
        meter.subscribe(Ear { end: Arc::clone(&end), is_message });
        response.map(|body| {
            let mut body = Self::new(Inner::Metered { body }, Some(end), context);
            // One that is at its end from the start is never polled.
            body.failure = body.end.as_ref().and_then(|end| end.failure()).map(|error| {
                let context = body.context.take();
                context.map_or(error.clone(), |context| context.finish(error))
            });
            body
        })
    }

    /// An error's body that was too long to be read, or too slow.
    pub(super) fn of_rest(body: Replayed<Pin<Box<B>>>, context: Context) -> Self {
        Self::new(Inner::Rest { body }, None, context)
    }

    const fn new(inner: Inner<B>, end: Option<Arc<End>>, context: Context) -> Self {
        Self { inner, end, failure: None, context: Some(context) }
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
        let this = self.project();
        if let Some(error) = this.failure.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if this.context.is_none() {
            return Poll::Ready(None);
        }
        let polled = ready!(match this.inner.project() {
            InnerProj::Metered { body } => body.poll_frame(cx).map_err(Into::into),
            InnerProj::Plain { body } => body.poll_frame(cx).map_err(Into::into),
            InnerProj::Rest { body } => body.poll_frame(cx).map_err(Into::into),
        });
        let mut finish = |error| this.context.take().map(|context| context.finish(error));
        Poll::Ready(match polled {
            Some(Ok(frame)) => {
                if let Some(failure) = this.end.as_ref().and_then(|end| end.failure()) {
                    *this.failure = finish(failure);
                }
                Some(Ok(frame))
            }
            // What fails behind a whole message has not failed: its caller would pay for it twice.
            Some(Err(_)) if this.end.as_ref().is_some_and(|end| end.is_whole()) => {
                *this.context = None;
                None
            }
            Some(Err(error)) => finish(Error::from_cut_answer(Some(error))).map(Err),
            None => match this.end.as_ref().and_then(|end| end.failure()) {
                Some(failure) => finish(failure).map(Err),
                None => {
                    *this.context = None;
                    None
                }
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        let at_end = || match &self.inner {
            Inner::Metered { body } => body.is_end_stream(),
            Inner::Plain { body } => body.is_end_stream(),
            Inner::Rest { body } => body.is_end_stream(),
        };
        self.failure.is_none() && (self.context.is_none() || at_end())
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

/// How the answer has ended, if it has and that is known.
#[derive(Default)]
struct End(Mutex<Option<Seen>>);

enum Seen {
    Whole,
    Event(ErrorBody),
    Cut,
}

impl End {
    fn failure(&self) -> Option<Error> {
        Some(match &*self.lock() {
            Some(Seen::Event(said)) => Error::from_event(said),
            Some(Seen::Cut) => Error::from_cut_answer(None),
            Some(Seen::Whole) | None => return None,
        })
    }

    fn is_whole(&self) -> bool {
        matches!(&*self.lock(), Some(Seen::Whole))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ear {
    end: Arc<End>,
    /// How other streams end is not known.
    is_message: bool,
}

impl Subscriber for Ear {
    fn on_end(&mut self, reading: &Reading) -> Option<EndFuture> {
        let seen = match (&reading.ending, &reading.error, reading.kind) {
            (_, Some(said), Kind::Events) => Some(Seen::Event(said.clone())),
            (Some(Ending::Cut), ..) if self.is_message => Some(Seen::Cut),
            (Some(Ending::Complete), ..) => Some(Seen::Whole),
            _ => None,
        };
        *self.end.lock() = seen;
        None
    }
}
