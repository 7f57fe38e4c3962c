//! Bodies and services that do as they are told, and what came of them.

use std::collections::VecDeque;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use claude_retry::{Backoff, GaveUp, Reason, ResponseBody, RetryLayer};
use claude_wire::call::{Call, CallId};
use claude_wire::{Body, BoxError};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, Service, ServiceExt};

/// One step of a body.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Bytes),
    /// Not ready, but woken at once.
    Wait,
    Sleep(Duration),
    Trailers,
    Fail,
    FailWith(fn() -> BoxError),
    /// Nothing comes any more.
    Never,
    /// Frames of nothing, without end, and always ready.
    EmptyForever,
}

pub(crate) fn data(text: impl AsRef<[u8]>) -> Step {
    Step::Data(Bytes::copy_from_slice(text.as_ref()))
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))])
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

/// A body of given steps. It must not be polled again after it has failed.
#[derive(Debug)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    has_failed: bool,
    /// Whether the body says so when it is at its end, and how long it is.
    knows: bool,
    alive: Arc<()>,
    was_read: Arc<AtomicBool>,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            sleep: None,
            has_failed: false,
            knows: false,
            alive: Arc::default(),
            was_read: Arc::default(),
        }
    }

    pub(crate) fn knowing(self) -> Self {
        self.knowing_if(true)
    }

    pub(crate) fn knowing_if(mut self, knows: bool) -> Self {
        self.knows = knows;
        self
    }
}

impl HttpBody for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        assert!(!self.has_failed, "polled behind its error");
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            let fail = match self.steps.pop_front() {
                Some(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Step::Trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers())))),
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
                Some(Step::EmptyForever) => {
                    self.steps.push_front(Step::EmptyForever);
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::new()))));
                }
                None => {
                    self.was_read.store(true, Ordering::Relaxed);
                    return Poll::Ready(None);
                }
                Some(Step::Fail) => || Broken.into(),
                Some(Step::FailWith(fail)) => fail,
            };
            self.has_failed = true;
            self.was_read.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(fail())));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows && self.steps.is_empty() && self.sleep.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.knows {
            return SizeHint::new();
        }
        let data = |step: &Step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        };
        SizeHint::with_exact(self.steps.iter().map(data).sum())
    }
}

/// The extension of every response here: it lives as long as head or body does.
#[derive(Clone, Debug)]
pub(crate) struct Alive(#[expect(dead_code, reason = "only its count matters")] Arc<()>);

/// What remains to be seen of a response that was given out.
struct Given {
    alive: Weak<()>,
    was_read: Arc<AtomicBool>,
    at: Instant,
}

pub(crate) type Answer = Result<Response<Script>, BoxError>;
type Answers = Box<dyn FnMut(usize) -> Answer + Send>;

/// A service that answers as it is told. A clone of it is not ready, whoever it was cloned from.
pub(crate) struct Upstream {
    answers: Arc<Mutex<Answers>>,
    given: Arc<Mutex<Vec<Given>>>,
    ready: bool,
}

impl Upstream {
    /// Answers by a function of the number of the call, from 0.
    pub(crate) fn new(answers: impl FnMut(usize) -> Answer + Send + 'static) -> Self {
        Self { answers: Arc::new(Mutex::new(Box::new(answers))), given: Arc::default(), ready: false }
    }

    /// These answers and no more.
    pub(crate) fn of(answers: impl IntoIterator<Item = Response<Script>>) -> Self {
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        Self::new(move |_| Ok(answers.pop_front().expect("it was not to be called so often")))
    }

    pub(crate) fn calls(&self) -> usize {
        self.given.lock().unwrap().len()
    }

    /// When each call came, from the first one on.
    pub(crate) fn times(&self) -> Vec<Duration> {
        let given = self.given.lock().unwrap();
        given.iter().map(|call| call.at.saturating_duration_since(given[0].at)).collect()
    }

    /// Whether head or body of this call's response are still there.
    pub(crate) fn is_alive(&self, call: usize) -> bool {
        self.given.lock().unwrap()[call].alive.strong_count() > 0
    }

    /// Whether the body of this call's response came to its end.
    pub(crate) fn was_read(&self, call: usize) -> bool {
        self.given.lock().unwrap()[call].was_read.load(Ordering::Relaxed)
    }
}

impl Clone for Upstream {
    fn clone(&self) -> Self {
        Self { answers: Arc::clone(&self.answers), given: Arc::clone(&self.given), ready: false }
    }
}

impl Service<Request<Body>> for Upstream {
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "not the instance that was asked");
        let mut given = self.given.lock().unwrap();
        let mut answer = (self.answers.lock().unwrap())(given.len());
        let (mut alive, mut was_read) = (Weak::new(), Arc::default());
        if let Ok(response) = &mut answer {
            alive = Arc::downgrade(&response.body().alive);
            was_read = Arc::clone(&response.body().was_read);
            let extension = Alive(Arc::clone(&response.body().alive));
            response.extensions_mut().insert(extension);
        }
        given.push(Given { alive, was_read, at: Instant::now() });
        Box::pin(async { answer })
    }
}

pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const JSON: &str = "application/json";
pub(crate) const EVENTS: &str = "text/event-stream; charset=utf-8";

/// A request that keeps the history of its call.
pub(crate) fn post(path: &str) -> Request<Body> {
    let body = Body::from(r#"{"model":"claude-opus-5-5","stream":true,"messages":[]}"#);
    let call = Call::new(CallId(7), || Instant::now().into_std());
    Request::post(path).extension(call).body(body).unwrap()
}

pub(crate) fn call_of(request: &Request<Body>) -> Call {
    Call::find(request.extensions()).unwrap().clone()
}

/// What became of each attempt: its code, whether it may have been executed, and the wait behind it.
pub(crate) fn history(call: &Call) -> Vec<(&'static str, bool, Option<Duration>)> {
    let outcomes = call.attempts().into_iter().map(|attempt| attempt.outcome().unwrap());
    outcomes.map(|outcome| (outcome.kind, outcome.maybe_executed, outcome.wait)).collect()
}

pub(crate) fn answer(status: u16, content_type: &str, body: Script) -> Response<Script> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("request-id", "req_1")
        .body(body)
        .unwrap()
}

pub(crate) fn stream(steps: impl IntoIterator<Item = Step>) -> Response<Script> {
    answer(200, EVENTS, Script::new(steps))
}

/// Without jitter, so that waits are exact: 0.5 s, 1 s, 2 s; and 1 s at the least when the API is overloaded.
pub(crate) fn layer() -> RetryLayer {
    RetryLayer::new().with_backoff(Backoff::default().with_jitter(0.0).unwrap())
}

pub(crate) type Sent = Result<Response<ResponseBody<Script>>, BoxError>;

pub(crate) async fn send(layer: &RetryLayer, upstream: &Upstream, request: Request<Body>) -> Sent {
    let sent = layer.layer(upstream.clone()).oneshot(request);
    // Of the clock that stands still: what would never end fails at once.
    tokio::time::timeout(seconds(86_400), sent).await.expect("it never ends")
}

pub(crate) fn gave_up<B>(response: &Response<B>) -> Option<(Reason, u32)> {
    GaveUp::of_response(response.extensions()).map(|gave_up| (gave_up.reason, gave_up.attempts))
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
pub(crate) struct Got {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) error: Option<BoxError>,
}

impl Got {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.frames.concat()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    /// The frames with anything in them.
    pub(crate) fn full_frames(&self) -> Vec<&Bytes> {
        self.frames.iter().filter(|frame| !frame.is_empty()).collect()
    }

    /// Whether it failed as scripts do.
    pub(crate) fn is_broken(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.is::<Broken>())
    }
}

/// Reads a body to its end or its error, and checks at every step what it says of itself.
pub(crate) async fn read<B>(body: B, reader: Reader) -> Got
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut got = Got { frames: Vec::new(), trailers: None, error: None };
    let mut hints = Vec::new();
    let mut length = 0;
    loop {
        hints.push((length, body.size_hint()));
        let is_end = body.is_end_stream();
        if reader == Reader::Trusting && is_end {
            break;
        }
        match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            Some(Ok(frame)) => {
                assert!(got.trailers.is_none(), "nothing comes behind trailers");
                assert!(!is_end, "it was at its end");
                match frame.into_data() {
                    Ok(data) => {
                        length += data.len() as u64;
                        got.frames.push(data);
                    }
                    Err(frame) => got.trailers = frame.into_trailers().ok(),
                }
            }
            Some(Err(error)) => {
                assert!(!is_end, "it was at its end");
                got.error = Some(error.into());
                return got;
            }
            None => break,
        }
    }
    for (at, hint) in hints {
        let rest = length - at;
        assert!(hint.lower() <= rest && hint.upper().is_none_or(|upper| rest <= upper), "{hint:?} of {rest}");
    }
    got
}

/// Reads a whole response, polling on as long as anything may come.
pub(crate) async fn read_all<B>(response: Response<B>) -> Got
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    read(response.into_body(), Reader::Thorough).await
}

macro_rules! event {
    ($name:literal, $data:literal) => {
        concat!("event: ", $name, "\ndata: ", $data, "\n\n")
    };
}

pub(crate) const PING: &str = event!("ping", r#"{"type": "ping"}"#);
pub(crate) const START: &str = event!(
    "message_start",
    r#"{"type":"message_start","message":{"id":"msg_1","model":"claude-opus-5-5","usage":{"input_tokens":5,"output_tokens":1}}}"#
);
pub(crate) const BLOCK: &str = event!(
    "content_block_start",
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#
);
pub(crate) const DELTA: &str = event!(
    "content_block_delta",
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"zwei, три, 🦀"}}"#
);
pub(crate) const REDACTED: &str = event!(
    "content_block_start",
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"c2VjcmV0"}}"#
);
pub(crate) const TOOL_RESULT: &str = event!(
    "content_block_start",
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]}}"#
);
pub(crate) const MESSAGE_DELTA: &str = event!(
    "message_delta",
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#
);
pub(crate) const STOP: &str = event!("message_stop", r#"{"type":"message_stop"}"#);
pub(crate) const ERROR: &str = event!(
    "error",
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_9"}"#
);

/// What comes of a stream that goes well.
pub(crate) fn good() -> Response<Script> {
    stream([START, BLOCK, DELTA, MESSAGE_DELTA, STOP].map(data))
}

pub(crate) fn good_text() -> String {
    [START, BLOCK, DELTA, MESSAGE_DELTA, STOP].concat()
}

pub(crate) const MESSAGE: &str = r#"{"id":"msg_1","type":"message","model":"claude-opus-5-5","content":[],"stop_reason":"end_turn","usage":{"output_tokens":3}}"#;
pub(crate) const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
