//! The response future: waits for the head, and where that is an error's, for its body.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use claude_wire::BoxError;
use claude_wire::body::{More, Replayed};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::ResponseBody;
use crate::classify::Classification;
use crate::context::Context;
use crate::error::Error;

pin_project! {
    /// The future of [`TypedErrors`](super::TypedErrors). Dropping it drops the call, and leaves nothing.
    pub struct ResponseFuture<F, B>
    where
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        state: State<F, B>,
        context: Option<Context>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B>
    where
        B: HttpBody<Data = Bytes>,
    {
        Calling { #[pin] future: F },
        // Only failures come here, so that only they pay for the boxes.
        Reading { reading: Reading<B> },
    }
}

impl<F, B> ResponseFuture<F, B>
where
    B: HttpBody<Data = Bytes>,
{
    pub(super) const fn new(future: F, context: Context) -> Self {
        Self { state: State::Calling { future }, context: Some(context) }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let context = this.context.as_ref().expect("a future is not polled after its end");
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { future } => {
                    let response = match ready!(future.poll(cx)) {
                        Ok(response) => response,
                        Err(error) => {
                            let error = context.finish(Error::from_service(error, context.sent()));
                            *this.context = None;
                            return Poll::Ready(Err(error));
                        }
                    };
                    if response.status().as_u16() < 400 {
                        let context = this.context.take().expect("it was there above");
                        return Poll::Ready(Ok(ResponseBody::of_answer(response, context)));
                    }
                    let reading = Reading::begin(response, context);
                    this.state.set(State::Reading { reading });
                }
                StateProj::Reading { reading } => {
                    let read = ready!(reading.poll(cx, context));
                    *this.context = None;
                    return Poll::Ready(read);
                }
            }
        }
    }
}

/// After so many frames the task yields.
const FRAMES_AT_ONCE: u32 = 128;

/// An error response, with as much of its body as has come.
struct Reading<B>
where
    B: HttpBody<Data = Bytes>,
{
    response: Option<Response<Ahead<B>>>,
    patience: Pin<Box<Sleep>>,
}

/// A body that is read ahead, and can be moved after that.
type Ahead<B> = Replayed<Pin<Box<B>>>;

impl<B> Reading<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn begin(response: Response<B>, context: &Context) -> Self {
        let patience = Box::pin(sleep(context.settings.body_timeout));
        Self { response: Some(response.map(|body| Replayed::new(Box::pin(body)))), patience }
    }

    fn poll(
        &mut self,
        cx: &mut TaskContext<'_>,
        context: &Context,
    ) -> Poll<Result<Response<ResponseBody<B>>, Error>> {
        let body = self.response.as_mut().expect("a future is not polled after its end").body_mut();
        let mut frames = 0_u32;
        let whole = loop {
            if body.kept() > context.settings.body_cap {
                break false;
            }
            // One that is always ready, if only with empty frames, must not keep out the clock and all other tasks.
            frames += 1;
            if frames > FRAMES_AT_ONCE {
                cx.waker().wake_by_ref();
                ready!(self.patience.as_mut().poll(cx));
                break false;
            }
            match Pin::new(&mut *body).poll_more(cx) {
                Poll::Ready(More::Data(_)) => {}
                Poll::Ready(More::End | More::Failed) => break true,
                // Bytes in memory have no place for trailers.
                Poll::Ready(More::Other) => break false,
                Poll::Pending => {
                    ready!(self.patience.as_mut().poll(cx));
                    break false;
                }
            }
        };
        let response = self.response.take().expect("it was there above");
        Poll::Ready(if whole { Err(as_error(response, context)) } else { Ok(give_up(response, context)) })
    }
}

/// The body is here, or what came of it before it broke.
fn as_error<B>(response: Response<Ahead<B>>, context: &Context) -> Error
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (mut head, mut body) = response.into_parts();
    let failure = body.take_error();
    let bytes = body.to_bytes();
    if failure.is_some() && head.headers.contains_key(CONTENT_LENGTH) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    let now = (context.settings.wall_clock)();
    let error = Error::from_response(Response::from_parts(head, bytes), now)
        .expect("only what has the status of an error is read");
    context.finish(match failure {
        Some(failure) => error.with_source(failure.into()),
        None => error,
    })
}

/// Too long, or too slow: the caller has it as it is.
fn give_up<B>(mut response: Response<Ahead<B>>, context: &Context) -> Response<ResponseBody<B>>
where
    B: HttpBody<Data = Bytes>,
{
    let now = (context.settings.wall_clock)();
    if let Some(mut judged) = Classification::of_response(response.status(), response.headers(), None, now) {
        judged.maybe_executed |= context.earlier_maybe_executed();
        context.report(&judged, false);
        response.extensions_mut().insert(judged);
    }
    response.map(|body| ResponseBody::of_rest(body, context.clone().reported()))
}

impl<F, B> fmt::Debug for ResponseFuture<F, B>
where
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
