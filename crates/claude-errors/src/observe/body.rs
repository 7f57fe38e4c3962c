//! The body of an answer that is watched.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use claude_wire::BoxError;
use claude_wire::body::{Watch, Watched, WatchedEnd};
use claude_wire::meter::{Ending, Kind, Meter, MeteredBody};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::classify::Classification;
use crate::context::Context;
use crate::end::End;

pin_project! {
    /// The body of [`ObserveErrors`](super::ObserveErrors): the same bytes in the same frames, and the same error, boxed.
    pub struct ResponseBody<B>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        #[pin]
        inner: Watched<Noting<MeteredBody<B>>, Ear>,
    }
}

impl<B> ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    pub(super) fn of(mut response: Response<B>, context: Context) -> Response<Self> {
        let context = context.with_head(response.headers());
        let head = Head::of_error(&response);
        let mut kind = Meter::kind(response.headers());
        if let Some(judged) = head.as_ref().and_then(|head| head.judge(None, &context)) {
            response.extensions_mut().insert(judged);
            // Gateways leave the type out.
            kind = if kind == Kind::Other { Kind::Json } else { kind };
        }
        let (response, meter) = Meter::attach_as(response, kind);
        let noted = Noted::default();
        let ear = Ear { context, head, meter, noted: Arc::clone(&noted) };
        response.map(|body| Self { inner: Watched::new(Noting { body, noted }, ear) })
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
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}

/// What the error of a body was.
type Noted = Arc<Mutex<Option<Classification>>>;

pin_project! {
    /// Judges a body's error as it goes by.
    struct Noting<B> {
        #[pin]
        body: B,
        noted: Noted,
    }
}

impl<B> HttpBody for Noting<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let polled = ready!(this.body.poll_frame(cx));
        Poll::Ready(polled.map(|frame| {
            frame.map_err(|error| {
                let error = error.into();
                let judged = Classification::of_cut_answer(Some(&*error));
                *this.noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
                error
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The head of an error response, kept until its body has said more.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

impl Head {
    fn of_error<B>(response: &Response<B>) -> Option<Self> {
        let is_error = response.status().as_u16() >= 400;
        is_error.then(|| Self { status: response.status(), headers: response.headers().clone() })
    }

    fn judge(&self, meter: Option<&Meter>, context: &Context) -> Option<Classification> {
        // Half of an error's body is none.
        let reading = meter.map(Meter::reading).filter(|read| read.ending == Some(Ending::Complete));
        let said = reading.as_ref().and_then(|reading| reading.error.as_ref());
        let judged = Classification::of_response(self.status, &self.headers, said, context.now());
        judged.map(|judged| context.settle(judged))
    }
}

/// Reports at the end of the body, when all is known. A caller that leaves a good answer is no failure.
struct Ear {
    context: Context,
    head: Option<Head>,
    meter: Meter,
    noted: Noted,
}

impl Ear {
    fn judge(&self, end: WatchedEnd) -> Option<(Classification, bool)> {
        if let Some(head) = &self.head {
            return head.judge(Some(&self.meter), &self.context).map(|judged| (judged, false));
        }
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner).take();
        let judged = match (End::of(&self.meter.reading(), self.context.is_message()), end) {
            (Some(End::Event(said)), _) => Classification::of_event(&said),
            (Some(End::Whole), _) | (_, WatchedEnd::Dropped) | (None, WatchedEnd::Complete) => return None,
            (_, WatchedEnd::Failed) => noted.unwrap_or_else(|| Classification::of_cut_answer(None)),
            (Some(End::Cut), WatchedEnd::Complete) => Classification::of_cut_answer(None),
        };
        Some((self.context.settle(judged), true))
    }
}

impl Watch for Ear {
    fn on_end(&mut self, end: WatchedEnd) {
        if let Some((judged, mid_stream)) = self.judge(end) {
            self.context.report(&judged, mid_stream);
        }
    }
}
