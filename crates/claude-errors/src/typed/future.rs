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
        if let StateProj::Calling { future } = this.state.as_mut().project() {
            let result = ready!(future.poll(cx));
            let context = this.context.take().expect("a future is not polled after its end");
            let response = match result {
                Ok(response) => response,
                Err(error) => return Poll::Ready(Err(context.finish_service_error(error.into()))),
            };
            let context = context.with_head(response.headers());
            if response.status().as_u16() < 400 {
                return Poll::Ready(Ok(ResponseBody::of_answer(response, context)));
            }
            this.state.set(State::Reading { reading: Reading::new(response, context) });
        }
        match this.state.project() {
            StateProj::Reading { reading } => reading.poll(cx),
            StateProj::Calling { .. } => unreachable!("it has just become a reading"),
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
    /// Until the end.
    failed: Option<(Response<Ahead<B>>, Context)>,
    /// From the first moment that nothing comes.
    patience: Option<Pin<Box<Sleep>>>,
}

/// A body that is read ahead, and can be moved after that.
type Ahead<B> = Replayed<Pin<Box<B>>>;

impl<B> Reading<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn new(response: Response<B>, context: Context) -> Self {
        let response = response.map(|body| Replayed::new(Box::pin(body)));
        Self { failed: Some((response, context)), patience: None }
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Response<ResponseBody<B>>, Error>>
    where
        B::Error: Into<BoxError>,
    {
        let (response, context) = self.failed.as_mut().expect("a future is not polled after its end");
        let settings = &context.settings;
        let body = response.body_mut();
        let mut frames = 0;
        let whole = loop {
            if body.size_hint().lower() > settings.body_cap as u64 {
                break false;
            }
            // One that is always ready, if only with empty frames, must not keep out the clock and all other tasks.
            frames += 1;
            let more = match frames {
                0..=FRAMES_AT_ONCE => Pin::new(&mut *body).poll_more(cx),
                _ => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            };
            match more {
                // Trailers have no place in an error, and are left out.
                Poll::Ready(More::Data(_) | More::Other) => {}
                Poll::Ready(More::End | More::Failed) => break true,
                Poll::Pending => {
                    let patience =
                        self.patience.get_or_insert_with(|| Box::pin(sleep(settings.body_timeout)));
                    ready!(patience.as_mut().poll(cx));
                    break false;
                }
            }
        };
        let (response, context) = self.failed.take().expect("it was there above");
        Poll::Ready(if whole { Err(as_error(response, &context)) } else { Ok(give_up(response, context)) })
    }
}

/// The caller left. What is known of the failure is reported.
impl<B> Drop for Reading<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn drop(&mut self) {
        if let Some((response, context)) = self.failed.take() {
            judge_head(&response, &context);
        }
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
    let error = Error::from_response(Response::from_parts(head, bytes), context.now())
        .expect("only what has the status of an error is read");
    context.finish(match failure {
        Some(failure) => error.with_source(failure.into()),
        None => error,
    })
}

/// Too long, or too slow: the caller has it as it is.
fn give_up<B>(mut response: Response<Ahead<B>>, context: Context) -> Response<ResponseBody<B>>
where
    B: HttpBody<Data = Bytes>,
{
    if let Some(judged) = judge_head(&response, &context) {
        response.extensions_mut().insert(judged);
    }
    response.map(|body| ResponseBody::of_rest(body, context.reported()))
}

/// Judges by the head alone, and reports that.
fn judge_head<B>(response: &Response<B>, context: &Context) -> Option<Classification> {
    let head = Classification::of_response(response.status(), response.headers(), None, context.now());
    let judged = context.settle(head?);
    context.report(&judged, false);
    Some(judged)
}

impl<F, B> fmt::Debug for ResponseFuture<F, B>
where
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
