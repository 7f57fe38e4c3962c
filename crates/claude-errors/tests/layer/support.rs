//! Bodies and services that do as they are told, and a reporter that keeps what it hears.

use std::collections::VecDeque;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use claude_errors::report::Report;
use claude_errors::{Classification, Error};
use claude_wire::facts::Endpoint;
use claude_wire::{Body, BoxError};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tower::Service;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Bytes),
    /// Not ready, but woken at once.
    Wait,
    Sleep(Duration),
    Trailers,
    Fail,
    /// Nothing comes any more.
    Never,
}

pub(crate) fn data(text: &str) -> Step {
    Step::Data(Bytes::copy_from_slice(text.as_bytes()))
}

pub(crate) fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))])
}

/// What a body of these tests fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// A body of given steps.
#[derive(Debug)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the body says so when it is at its end, so that nobody polls again.
    knows_end: bool,
    /// Whether it says how long it is.
    knows_length: bool,
    /// Lives as long as the body.
    alive: Arc<()>,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, sleep: None, knows_end: false, knows_length: false, alive: Arc::default() }
    }

    pub(crate) fn knowing(mut self) -> Self {
        (self.knows_end, self.knows_length) = (true, true);
        self
    }

    /// Whether the body is still there.
    pub(crate) fn alive(&self) -> Arc<()> {
        Arc::clone(&self.alive)
    }
}

impl HttpBody for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            return Poll::Ready(match self.steps.pop_front() {
                Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
                Some(Step::Trailers) => Some(Ok(Frame::trailers(trailers()))),
                Some(Step::Fail) => Some(Err(Broken.into())),
                Some(Step::Wait) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Sleep(time)) => {
                    self.sleep = Some(Box::pin(sleep(time)));
                    continue;
                }
                Some(Step::Never) => {
                    self.steps.push_front(Step::Never);
                    return Poll::Pending;
                }
                None => None,
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.knows_length {
            return SizeHint::new();
        }
        let data = |step: &Step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        };
        SizeHint::with_exact(self.steps.iter().map(data).sum())
    }
}

/// Drives a future whose waiting never depends on anybody else.
pub(crate) fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("the future never ends");
}

/// Whether whoever reads a body polls on until there is no more, or stops when the body says that it is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Thorough,
    Trusting,
}

pub(crate) const READERS: [Reader; 2] = [Reader::Thorough, Reader::Trusting];

/// All that came of a body.
#[derive(Debug)]
pub(crate) struct Got<E> {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) error: Option<E>,
}

impl<E> Got<E> {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.frames.concat()).unwrap()
    }
}

/// Reads a body to its end, and checks at every step what it says of itself.
pub(crate) async fn read<B: HttpBody<Data = Bytes>>(body: B, reader: Reader) -> Got<B::Error> {
    let mut body = pin!(body);
    let mut got = Got { frames: Vec::new(), trailers: None, error: None };
    let mut hints = Vec::new();
    loop {
        hints.push((got.frames.concat().len() as u64, body.size_hint()));
        if reader == Reader::Trusting && body.is_end_stream() {
            break;
        }
        match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            Some(Ok(frame)) => {
                assert!(got.error.is_none() && got.trailers.is_none());
                match frame.into_data() {
                    Ok(data) => got.frames.push(data),
                    Err(frame) => got.trailers = frame.into_trailers().ok(),
                }
            }
            Some(Err(error)) => {
                assert!(got.error.is_none(), "one error is enough");
                got.error = Some(error);
            }
            None => break,
        }
    }
    if got.error.is_none() {
        let whole = got.frames.concat().len() as u64;
        for (at, hint) in hints {
            let rest = whole - at;
            assert!(
                hint.lower() <= rest && hint.upper().is_none_or(|upper| rest <= upper),
                "{hint:?} of {rest}"
            );
        }
    }
    got
}

/// What a reporter hears of one failure.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) code: &'static str,
    pub(crate) judged: Classification,
    pub(crate) model: Option<String>,
    pub(crate) endpoint: Endpoint,
    pub(crate) attempts: u32,
    pub(crate) duration: Duration,
    pub(crate) mid_stream: bool,
}

/// Keeps what it hears. A clone is another handle to the same.
#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Mutex<Vec<Heard>>>);

impl Ear {
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn codes(&self) -> Vec<&'static str> {
        self.heard().iter().map(|heard| heard.code).collect()
    }
}

impl claude_errors::Reporter for Ear {
    fn report(&self, report: &Report<'_>) {
        let heard = Heard {
            code: report.code(),
            judged: report.classification().clone(),
            model: report.model().map(str::to_owned),
            endpoint: report.endpoint(),
            attempts: report.attempts(),
            duration: report.duration(),
            mid_stream: report.is_mid_stream(),
        };
        self.0.lock().unwrap().push(heard);
    }
}

/// A service that answers by a function. A clone of it is not ready, whoever it was cloned from.
pub(crate) struct Probe<F> {
    answer: Arc<Mutex<F>>,
    ready: bool,
}

impl<F> Probe<F> {
    pub(crate) fn new(answer: F) -> Self {
        Self { answer: Arc::new(Mutex::new(answer)), ready: false }
    }
}

impl<F> Clone for Probe<F> {
    fn clone(&self) -> Self {
        Self { answer: Arc::clone(&self.answer), ready: false }
    }
}

pub(crate) type Answer = Result<Response<Script>, BoxError>;

impl<F> Service<Request<Body>> for Probe<F>
where
    F: FnMut(Request<Body>) -> Answer,
{
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "not the instance that was asked");
        let answer = (self.answer.lock().unwrap())(request);
        Box::pin(async {
            tokio::task::yield_now().await;
            answer
        })
    }
}

pub(crate) const MESSAGES: &str = "/v1/messages";

pub(crate) fn post(path: &str) -> Request<Body> {
    Request::post(path).body(Body::from(r#"{"model":"claude-opus-5-5","messages":[]}"#)).unwrap()
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const EVENTS: &str = "text/event-stream; charset=utf-8";

pub(crate) fn answer(status: u16, content_type: &str, body: Script) -> Response<Script> {
    Response::builder().status(status).header("content-type", content_type).body(body).unwrap()
}

/// The typed error of a result.
pub(crate) fn error<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => error,
    }
}

pub(crate) const MESSAGE: &str =
    r#"{"id":"msg_1","model":"claude-opus-5-5","stop_reason":"end_turn","usage":{"output_tokens":3}}"#;

pub(crate) const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-opus-5-5\",\"usage\":{\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
pub(crate) const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
pub(crate) const ERROR: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"req_9\"}\n\n";
pub(crate) const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
