//! The response future: attempts, and waits between them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use claude_errors::{Classification, Error, Retry};
use claude_wire::call::{Deadline, dispatch};
use claude_wire::headers::{names::X_SHOULD_RETRY, should_retry};
use claude_wire::meter::{Kind, Meter};
use claude_wire::{Body, BoxError};
use http::{HeaderValue, Request, Response, response};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tower_service::Service;

use crate::body::{Clock, End, ResponseBody};
use crate::course::{Course, Verdict};
use crate::error::{GaveUp, Reason, RetryError};
use crate::layer::ERROR_BODY_TIMEOUT;
use crate::reading::{Found, Reading};

/// After so many attempts without a wait the task yields.
const ATTEMPTS_AT_ONCE: u32 = 8;

pin_project! {
    /// The future of [`Retry`](crate::Retry). Dropping it drops the running attempt, or the wait, and leaves nothing: what
    /// was paid for an attempt that was not made goes back. Outside of a tokio runtime with a timer it panics as soon as
    /// there is something to wait for.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<Body>>,
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        state: State<S::Future, B>,
        // The wait before a retry, or the patience with a body: never both. In boxes, since few calls need them, and all
        // would have to carry them.
        clock: Option<Pin<Box<Sleep>>>,
        deadline: Option<Pin<Box<Sleep>>>,
        service: S,
        course: Course,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B>
    where
        B: HttpBody<Data = Bytes>,
    {
        // The deadline was past before anything was called.
        TooLate,
        Calling { #[pin] future: F },
        Reading { reading: Option<Box<Reading<B>>> },
        Waiting,
        Readying,
    }
}

/// What an attempt failed with.
enum Failed<B>
where
    B: HttpBody<Data = Bytes>,
{
    Answer { reading: Box<Reading<B>>, judged: Classification, failure: Option<BoxError> },
    Error(BoxError),
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<Body>>,
    B: HttpBody<Data = Bytes>,
{
    pub(crate) fn new(future: Option<S::Future>, service: S, course: Course) -> Self {
        let state = match future {
            Some(future) => State::Calling { future },
            None => State::TooLate,
        };
        Self { state, clock: None, deadline: None, service, course }
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Output<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        this.course.run();
        if this.deadline.is_none()
            && let Some(deadline) = this.course.deadline()
        {
            *this.deadline = Some(at(deadline));
        }
        // Who is ready at the deadline is in time.
        if let Poll::Ready(result) = self.as_mut().poll_attempts(cx) {
            return Poll::Ready(result);
        }
        match self.as_mut().project().deadline {
            Some(deadline) => {
                ready!(deadline.as_mut().poll(cx));
                Poll::Ready(self.out_of_time())
            }
            None => Poll::Pending,
        }
    }
}

type Output<B> = Result<Response<ResponseBody<B>>, BoxError>;

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn poll_attempts(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output<B>> {
        loop {
            let mut this = self.as_mut().project();
            let course = this.course;
            let failed = match this.state.as_mut().project() {
                StateProj::TooLate => return Poll::Ready(Err(course.out_of_time(false))),
                StateProj::Calling { future } => match ready!(future.poll(cx)) {
                    Ok(response) => match Reading::of(response, course) {
                        Ok(reading) => {
                            this.state.set(State::Reading { reading: Some(Box::new(reading)) });
                            continue;
                        }
                        Err(response) => return Poll::Ready(Ok(pass(response, course))),
                    },
                    Err(error) => Failed::Error(error.into()),
                },
                StateProj::Reading { reading } => {
                    let ahead = reading.as_mut().expect("it is taken out once");
                    let found = ready!(ahead.poll(cx, this.clock, course));
                    *this.clock = None;
                    let reading = reading.take().expect("it was there above");
                    match found {
                        Found::Good => return Poll::Ready(Ok(release(*reading, course))),
                        Found::Failed(judged, failure) => Failed::Answer { reading, judged, failure },
                    }
                }
                StateProj::Waiting => {
                    if let Some(clock) = this.clock {
                        ready!(clock.as_mut().poll(cx));
                    }
                    *this.clock = None;
                    this.state.set(State::Readying);
                    continue;
                }
                StateProj::Readying if course.is_too_late() => {
                    return Poll::Ready(Err(course.out_of_time(false)));
                }
                StateProj::Readying => {
                    match this.service.poll_ready(cx) {
                        Poll::Ready(Ok(())) => {
                            let future = dispatch(this.service, course.next_attempt());
                            this.state.set(State::Calling { future });
                            continue;
                        }
                        Poll::Ready(Err(error)) => {
                            course.broken();
                            return Poll::Ready(Err(error.into()));
                        }
                        Poll::Pending if course.settings().only_if_ready => {
                            return Poll::Ready(Err(course.not_ready()));
                        }
                        Poll::Pending => return Poll::Pending,
                    };
                }
            };
            match course.failed(&failed.judge(course)) {
                Verdict::Again(wait) => {
                    // The connection, the permits and the memory of the failed attempt go before the wait.
                    drop(failed);
                    *this.clock = (!wait.is_zero()).then(|| Box::pin(sleep(wait)));
                    this.state.set(State::Waiting);
                    if wait.is_zero() && course.attempts().is_multiple_of(ATTEMPTS_AT_ONCE) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Verdict::Final(gave_up) => return Poll::Ready(failed.into_result(gave_up, course)),
            }
        }
    }

    /// The deadline has passed while something was waited for.
    fn out_of_time(self: Pin<&mut Self>) -> Output<B> {
        let mut this = self.project();
        let course = this.course;
        let result = match this.state.as_mut().project() {
            StateProj::Reading { reading } => match reading.take() {
                // It has failed already, as its head says.
                Some(reading) if reading.is_error() => match reading.by_head(course) {
                    Found::Failed(judged, failure) => {
                        let gave_up = course.give_up_late(&judged);
                        Failed::Answer { reading, judged, failure }.into_result(gave_up, course)
                    }
                    Found::Good => Ok(release(*reading, course)),
                },
                _ => Err(course.out_of_time(true)),
            },
            StateProj::Calling { .. } => Err(course.out_of_time(true)),
            StateProj::TooLate | StateProj::Waiting | StateProj::Readying => Err(course.out_of_time(false)),
        };
        // Nothing runs on.
        this.state.set(State::TooLate);
        result
    }
}

impl<B> Failed<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn judge(&self, course: &Course) -> Classification {
        let (mut judged, was_given_up) = match self {
            Self::Answer { reading, judged, .. } => (judged.clone(), reading.was_given_up()),
            Self::Error(error) => {
                let judged = Classification::of_error(&**error, Some(course.is_sent()));
                (judged, GaveUp::find(&**error).is_some())
            }
        };
        // Two that repeat would multiply.
        if was_given_up {
            judged.retry = Retry::No;
        }
        judged
    }

    /// What the caller gets: the failure as it came, and why it stays one.
    fn into_result(self, gave_up: Option<GaveUp>, course: &Course) -> Output<B> {
        match (self, gave_up) {
            // Nothing of it has been handed on: whoever gets half an answer repeats the call.
            (Self::Answer { reading, judged, .. }, Some(gave_up))
                if reading.is_answer() && course.settings().final_word =>
            {
                Err(RetryError::new(gave_up, Error::from(judged)).into())
            }
            (Self::Answer { reading, failure, .. }, gave_up) => {
                let is_stream = reading.is_stream();
                let (mut head, body, _) = reading.into_parts();
                if let Some(gave_up) = gave_up {
                    head.extensions.insert(gave_up);
                }
                if course.settings().final_word && (is_stream || would_be_repeated(&head)) {
                    head.headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
                }
                let clock = course.deadline().map(|deadline| Clock {
                    // It may be past already. What the failure says is still of use, if it comes soon.
                    sleep: Box::pin(sleep_until(instant(deadline).max(Instant::now() + ERROR_BODY_TIMEOUT))),
                    end: End::Failure(GaveUp::new(Reason::Deadline, course.attempts())),
                    content: None,
                });
                Ok(Response::from_parts(head, ResponseBody::held(body, failure, clock)))
            }
            (Self::Error(error), Some(gave_up)) => Err(RetryError::new(gave_up, error).into()),
            (Self::Error(error), None) => Err(error),
        }
    }
}

/// Whether the official SDKs would repeat it (2026-11-20).
fn would_be_repeated(head: &response::Parts) -> bool {
    let by_status = matches!(head.status.as_u16(), 408 | 409 | 429 | 500..);
    should_retry(&head.headers).unwrap_or(by_status)
}

/// A success of which nothing had to be read.
fn pass<B>(response: Response<B>, course: &mut Course) -> Response<ResponseBody<B>>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    course.succeeded(response.status());
    match Meter::kind(response.headers()) {
        // The first content of a coded stream would never be seen.
        Kind::Events if Meter::coding(response.headers()).is_some() => {
            response.map(|body| ResponseBody::passed(body, None))
        }
        Kind::Events if course.deadline().is_some() && course.is_message() => {
            watch(Reading::unread(response), course)
        }
        Kind::Json => {
            let clock = clock(course, None);
            response.map(|body| ResponseBody::passed(body, clock))
        }
        _ => response.map(|body| ResponseBody::passed(body, None)),
    }
}

/// A success that was read ahead.
fn release<B>(reading: Reading<B>, course: &mut Course) -> Response<ResponseBody<B>>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    course.succeeded(reading.status());
    watch(reading, course)
}

/// With the deadline over what is still to come.
fn watch<B>(reading: Reading<B>, course: &Course) -> Response<ResponseBody<B>>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let is_stream = reading.is_stream();
    if course.deadline().is_some() && !reading.is_settled() {
        let (head, body, meter) = reading.into_parts();
        let clock = clock(course, is_stream.then_some(meter));
        return Response::from_parts(head, ResponseBody::held(body, None, clock));
    }
    let (head, body) = if is_stream {
        reading.into_unwatched()
    } else {
        let (head, body, _) = reading.into_parts();
        (head, body)
    };
    Response::from_parts(head, ResponseBody::held(body, None, None))
}

fn clock(course: &Course, content: Option<Meter>) -> Option<Clock> {
    let sleep = at(course.deadline()?);
    Some(Clock { sleep, end: End::Success(course.cutter()), content })
}

fn at(deadline: Deadline) -> Pin<Box<Sleep>> {
    Box::pin(sleep_until(instant(deadline)))
}

fn instant(deadline: Deadline) -> Instant {
    Instant::from_std(deadline.instant())
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<Body>>,
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
