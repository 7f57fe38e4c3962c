//! The response future, and what hears how the answer ends.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use claude_wire::BoxError;
use claude_wire::meter::{EndFuture, Ending, Kind, Meter, MeteredBody, Reading, Subscriber};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;

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
{
    type Output = Result<Response<MeteredBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.future.poll(cx));
        let context = this.context.take().expect("a future is not polled after its end");
        Poll::Ready(match result {
            Ok(response) => Ok(observe(response, context)),
            Err(error) => {
                let error = error.into();
                let mut judged = Classification::of_error(&*error, context.sent());
                judged.maybe_executed |= context.earlier_maybe_executed();
                context.report(&judged, false);
                Err(error)
            }
        })
    }
}

fn observe<B>(mut response: Response<B>, context: Context) -> Response<MeteredBody<B>>
where
    B: HttpBody<Data = Bytes>,
{
    let head = Head::of_error(&response);
    if let Some(head) = &head
        && let Some(mut judged) = head.judge(None, &context)
    {
        judged.maybe_executed |= context.earlier_maybe_executed();
        response.extensions_mut().insert(judged);
    }
    let (response, meter) = Meter::attach(response);
    meter.subscribe(Ear { context, head });
    response
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

    fn judge(&self, reading: Option<&Reading>, context: &Context) -> Option<Classification> {
        let said = reading.and_then(|reading| reading.error.as_ref());
        let now = (context.settings.wall_clock)();
        Classification::of_response(self.status, &self.headers, said, now)
    }
}

/// Reports at the end of the body, when all is known. A caller that leaves a good answer is no failure.
struct Ear {
    context: Context,
    head: Option<Head>,
}

impl Ear {
    fn judge(&self, reading: &Reading) -> Option<(Classification, bool)> {
        if let Some(head) = &self.head {
            return head.judge(Some(reading), &self.context).map(|judged| (judged, false));
        }
        match (&reading.ending, &reading.error) {
            (_, Some(said)) if reading.kind == Kind::Events => Some((Classification::of_event(said), true)),
            // How other streams end is not known; what has no form ends badly only if it fails.
            (Some(Ending::Cut), _) if self.context.is_message() || reading.kind != Kind::Events => {
                Some((Classification::of_cut_answer(), true))
            }
            _ => None,
        }
    }
}

impl Subscriber for Ear {
    fn on_end(&mut self, reading: &Reading) -> Option<EndFuture> {
        if let Some((mut judged, mid_stream)) = self.judge(reading) {
            judged.maybe_executed |= self.context.earlier_maybe_executed();
            self.context.report(&judged, mid_stream);
        }
        None
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
