//! A client that does as it is told, and writes down what it saw.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use claude_retry::{Backoff, GaveUp, Quota, ResponseBody, RetryLayer};
use claude_wire::call::{Attempt, Call, CallId, Deadline};
use claude_wire::{Body, BoxError};
use futures_util::future::BoxFuture;
use http::{Request, Response, request};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, Service, ServiceExt};

// What a client answers with.

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Sleep(Duration),
    Fail,
    Never,
}

/// A body of given steps, whose life can be watched.
#[derive(Debug)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    _alive: Arc<()>,
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
                Some(Step::Fail) => Some(Err(io::Error::from(io::ErrorKind::ConnectionReset).into())),
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
}

/// What becomes of one attempt.
#[derive(Clone)]
pub(crate) struct Deed {
    what: What,
    takes: Duration,
    mark: Mark,
    note: fn(&Attempt),
}

#[derive(Clone)]
enum What {
    Answer { status: u16, headers: Vec<(&'static str, String)>, steps: Vec<Step> },
    Error(Arc<Failure>),
    Never,
}

pub(crate) type Failure = dyn Fn() -> BoxError + Send + Sync;

/// Who says that the attempt was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Nobody: the layer takes it for sent.
    Nobody,
    /// The client, that it was, or that it was not.
    Client(bool),
}

impl Deed {
    const fn new(what: What) -> Self {
        Self { what, takes: Duration::ZERO, mark: Mark::Nobody, note: |_| {} }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let What::Answer { headers, .. } = &mut self.what {
            headers.push((name, value.into()));
        }
        self
    }

    /// An answer with this body.
    pub(crate) fn saying(self, text: impl Into<String>) -> Self {
        self.streaming([Step::Data(Bytes::from(text.into()))])
    }

    pub(crate) fn streaming(mut self, body: impl IntoIterator<Item = Step>) -> Self {
        if let What::Answer { steps, .. } = &mut self.what {
            *steps = body.into_iter().collect();
        }
        self
    }

    /// It takes so long.
    pub(crate) const fn after(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    /// The client knows that it was sent, or was not.
    pub(crate) const fn marked(mut self, sent: bool) -> Self {
        self.mark = Mark::Client(sent);
        self
    }

    /// What a layer below writes into the attempt.
    pub(crate) fn noting(mut self, note: fn(&Attempt)) -> Self {
        self.note = note;
        self
    }

    fn result(&self, alive: Arc<()>) -> Option<Answer> {
        match &self.what {
            What::Answer { status, headers, steps } => {
                let mut response = Response::builder().status(*status);
                for (name, value) in headers {
                    response = response.header(*name, value);
                }
                let steps = steps.iter().cloned().collect();
                Some(Ok(response.body(Script { steps, sleep: None, _alive: alive }).unwrap()))
            }
            What::Error(make) => Some(Err(make())),
            What::Never => None,
        }
    }
}

pub(crate) fn status(status: u16) -> Deed {
    Deed::new(What::Answer { status, headers: Vec::new(), steps: Vec::new() })
}

pub(crate) fn ok() -> Deed {
    status(200).header("content-type", "application/json").saying("{}")
}

pub(crate) fn error<E: Into<BoxError>>(make: impl Fn() -> E + Send + Sync + 'static) -> Deed {
    Deed::new(What::Error(Arc::new(move || make().into())))
}

pub(crate) fn io(kind: io::ErrorKind) -> Deed {
    error(move || io::Error::from(kind))
}

/// Never an answer.
pub(crate) fn never() -> Deed {
    Deed::new(What::Never)
}

/// The API's JSON.
pub(crate) fn typed(error_type: &str) -> String {
    format!(r#"{{"type":"error","error":{{"type":"{error_type}","message":"why"}},"request_id":"req_1"}}"#)
}

/// The API's JSON with an `error_code`.
pub(crate) fn coded(error_type: &str, error_code: &str) -> String {
    format!(
        r#"{{"type":"error","error":{{"type":"{error_type}","message":"why","details":{{"error_code":"{error_code}"}}}}}}"#
    )
}

/// An error of somebody's own, around another.
#[derive(Debug)]
pub(crate) struct Wrapped<E>(pub(crate) E);

impl<E> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Wrapped<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// An error of which nobody knows anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strange;

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strange")
    }
}

impl std::error::Error for Strange {}

// The client.

pub(crate) type Answer = Result<Response<Script>, BoxError>;

/// Does the deeds one after the other, and the last of them for ever. It panics if it is called without being ready, and a
/// clone of it is not ready, whoever it was cloned from.
pub(crate) struct Client {
    shared: Arc<Mutex<Shared>>,
    /// Lives as long as any clone.
    _alive: Arc<()>,
    is_ready: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

struct Shared {
    deeds: VecDeque<Deed>,
    readiness: VecDeque<Ready>,
    seen: Vec<Seen>,
    in_flight: usize,
    /// Weighs nothing but its count: one for each client, and one for each body.
    clients: Arc<()>,
    bodies: Arc<()>,
}

/// What `poll_ready` comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    Now,
    After(Duration),
    Never,
    Broken,
}

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) parts: request::Parts,
    pub(crate) body: Vec<u8>,
    /// Where the body's bytes stand in memory.
    pub(crate) address: usize,
}

impl Seen {
    pub(crate) fn attempt(&self) -> &Attempt {
        Attempt::find(&self.parts.extensions).expect("every attempt has one")
    }

    pub(crate) fn call(&self) -> &Call {
        Call::find(&self.parts.extensions).expect("every attempt belongs to one")
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.parts.extensions.get().copied()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Client {
    pub(crate) fn new(deeds: impl IntoIterator<Item = Deed>) -> Self {
        let clients = Arc::default();
        let shared = Shared {
            deeds: deeds.into_iter().collect(),
            readiness: VecDeque::new(),
            seen: Vec::new(),
            in_flight: 0,
            clients: Arc::clone(&clients),
            bodies: Arc::default(),
        };
        Self { shared: Arc::new(Mutex::new(shared)), _alive: clients, is_ready: false, sleep: None }
    }

    /// What the next polls for readiness come to, of whatever instance.
    pub(crate) fn ready_as(self, readiness: impl IntoIterator<Item = Ready>) -> Self {
        self.shared().readiness.extend(readiness);
        self
    }

    /// From now on it does these.
    pub(crate) fn now_does(&self, deeds: impl IntoIterator<Item = Deed>) {
        self.shared().deeds = deeds.into_iter().collect();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared().seen.clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.shared().seen.len()
    }

    /// The times between the arrivals of its requests.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.shared().seen.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.shared().in_flight
    }

    /// How many answers' bodies there are.
    pub(crate) fn bodies(&self) -> usize {
        Arc::strong_count(&self.shared().bodies) - 1
    }

    /// How many others share its state.
    pub(crate) fn clones(&self) -> usize {
        Arc::strong_count(&self.shared().clients) - 2
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        let alive = Arc::clone(&self._alive);
        Self { shared: Arc::clone(&self.shared), _alive: alive, is_ready: false, sleep: None }
    }
}

struct InFlight(Arc<Mutex<Shared>>);

impl InFlight {
    fn new(shared: &Arc<Mutex<Shared>>) -> Self {
        shared.lock().unwrap().in_flight += 1;
        Self(Arc::clone(shared))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().unwrap().in_flight -= 1;
    }
}

impl Service<Request<Body>> for Client {
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if !self.is_ready && self.sleep.is_none() {
            let ready = self.shared().readiness.pop_front().unwrap_or(Ready::Now);
            match ready {
                Ready::Now => {}
                Ready::After(time) => self.sleep = Some(Box::pin(sleep(time))),
                Ready::Broken => return Poll::Ready(Err(Strange.into())),
                Ready::Never => {
                    self.shared().readiness.push_front(Ready::Never);
                    return Poll::Pending;
                }
            }
        }
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "not the instance that was asked");
        let deed = {
            let mut shared = self.shared();
            let next = if shared.deeds.len() > 1 { shared.deeds.pop_front() } else { None };
            next.or_else(|| shared.deeds.front().cloned()).expect("there is something to do")
        };
        let (parts, body) = request.into_parts();
        let attempt = Attempt::find(&parts.extensions).cloned();
        if let Some(attempt) = &attempt {
            (deed.note)(attempt);
            if deed.mark != Mark::Nobody {
                attempt.claim();
            }
        }
        let bytes = body.as_bytes();
        let seen = Seen {
            at: Instant::now(),
            address: bytes.map_or(0, |bytes| bytes.as_ptr() as usize),
            body: bytes.map(|bytes| bytes.to_vec()).unwrap_or_default(),
            parts,
        };
        let alive = {
            let mut shared = self.shared();
            shared.seen.push(seen);
            Arc::clone(&shared.bodies)
        };
        let guard = InFlight::new(&self.shared);
        Box::pin(async move {
            let _held = (guard, body);
            if let (Some(attempt), Mark::Client(true)) = (attempt, deed.mark) {
                attempt.mark_sent();
            }
            if !deed.takes.is_zero() {
                sleep(deed.takes).await;
            }
            match deed.result(alive) {
                Some(result) => result,
                None => std::future::pending().await,
            }
        })
    }
}

// Calls.

/// No jitter and no quota: for whoever counts attempts and waits.
pub(crate) fn plain() -> RetryLayer {
    let backoff = Backoff::default().with_jitter(0.0).unwrap();
    RetryLayer::new().with_backoff(backoff).with_quota(Quota::unlimited())
}

pub(crate) const PROMPT: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;

pub(crate) fn post() -> Request<Body> {
    Request::post("/v1/messages").body(Body::from(PROMPT)).unwrap()
}

/// A request, and the call that it belongs to, to be looked at afterwards.
pub(crate) fn post_of_call() -> (Request<Body>, Call) {
    let call = Call::new(CallId(7), || Instant::now().into_std());
    let mut request = post();
    request.extensions_mut().insert(call.clone());
    (request, call)
}

pub(crate) fn due(time: Duration) -> Deadline {
    Deadline::after(Instant::now().into_std(), time).unwrap()
}

/// A request that is to be over by then.
pub(crate) fn post_due(time: Duration) -> Request<Body> {
    let mut request = post();
    request.extensions_mut().insert(due(time));
    request
}

pub(crate) async fn send(
    layer: &RetryLayer,
    client: &Client,
    request: Request<Body>,
) -> Result<Response<ResponseBody<Script>>, BoxError> {
    layer.layer(client.clone()).oneshot(request).await
}

/// What a response says about being given up.
pub(crate) fn gave_up<B>(response: &Response<B>) -> Option<GaveUp> {
    GaveUp::of_response(response.extensions())
}

/// Everything of a body, as text.
pub(crate) async fn text(response: Response<ResponseBody<Script>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
