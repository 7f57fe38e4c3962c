//! A client that answers as it is told, and writes down what it saw.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use claude_wire::call::Attempt;
use claude_wire::{Body, BoxError};
use futures_util::future::BoxFuture;
use http::{Request, Response, request};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use crate::script::{Script, Step, data};

/// What becomes of one request.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    what: What,
    takes: Duration,
}

#[derive(Clone, Debug)]
enum What {
    Answer { status: u16, headers: Vec<(&'static str, String)>, steps: Vec<Step> },
    Fail,
    Never,
}

impl Deed {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let What::Answer { headers, .. } = &mut self.what {
            headers.push((name, value.into()));
        }
        self
    }

    pub(crate) fn saying(self, text: impl Into<Bytes>) -> Self {
        self.streaming([data(text)])
    }

    pub(crate) fn streaming(mut self, body: impl IntoIterator<Item = Step>) -> Self {
        if let What::Answer { steps, .. } = &mut self.what {
            *steps = body.into_iter().collect();
        }
        self
    }

    pub(crate) const fn after(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }
}

const fn deed(what: What) -> Deed {
    Deed { what, takes: Duration::ZERO }
}

pub(crate) fn status(status: u16) -> Deed {
    deed(What::Answer { status, headers: Vec::new(), steps: Vec::new() })
}

pub(crate) fn ok() -> Deed {
    status(200).header("content-type", "application/json").saying("{}")
}

pub(crate) const AUTHENTICATION_ERROR: &str = r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_1"}"#;

/// The API does not know the key.
pub(crate) fn refused() -> Deed {
    status(401).header("content-type", "application/json").saying(AUTHENTICATION_ERROR)
}

pub(crate) const fn fails() -> Deed {
    deed(What::Fail)
}

pub(crate) const fn never() -> Deed {
    deed(What::Never)
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
    /// Where the body's bytes stand in memory, if they do.
    pub(crate) address: Option<usize>,
    /// Which instance of the client it came through.
    pub(crate) instance: usize,
}

impl Seen {
    pub(crate) fn attempt(&self) -> &Attempt {
        Attempt::find(&self.parts.extensions).expect("every request has one")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The one `x-api-key`.
    pub(crate) fn key(&self) -> &str {
        assert_eq!(self.credentials().len(), 1, "exactly one credential");
        self.header("x-api-key").expect("it is a key")
    }

    /// Every credential, whatever its header.
    pub(crate) fn credentials(&self) -> Vec<(&str, &str)> {
        let headers = self.parts.headers.iter();
        let credentials = headers.filter(|(name, _)| matches!(name.as_str(), "x-api-key" | "authorization"));
        credentials.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }
}

type Answers = dyn Fn(&Seen) -> Deed + Send + Sync;

/// It panics if it is called without being ready, and a clone of it is not ready, whoever it was cloned from.
pub(crate) struct Client {
    shared: Arc<Shared>,
    instance: usize,
    is_ready: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    /// One for each instance.
    _alive: Arc<()>,
}

struct Shared {
    answers: Box<Answers>,
    log: Mutex<Log>,
    clients: Arc<()>,
    bodies: Arc<()>,
    in_flight: Arc<()>,
}

#[derive(Default)]
struct Log {
    readiness: VecDeque<Ready>,
    seen: Vec<Seen>,
    instances: usize,
    /// Instances that were ready and have gone without being called.
    given_back: usize,
}

impl Client {
    pub(crate) fn new(answers: impl Fn(&Seen) -> Deed + Send + Sync + 'static) -> Self {
        let clients: Arc<()> = Arc::default();
        let alive = Arc::clone(&clients);
        let shared = Shared {
            answers: Box::new(answers),
            log: Mutex::default(),
            clients,
            bodies: Arc::default(),
            in_flight: Arc::default(),
        };
        Self { shared: Arc::new(shared), instance: 0, is_ready: false, sleep: None, _alive: alive }
    }

    /// One that is content with everything.
    pub(crate) fn content() -> Self {
        Self::new(|_| ok())
    }

    /// The API, which knows this key only.
    pub(crate) fn knowing(key: &'static str) -> Self {
        Self::new(move |seen| if seen.key() == key { ok() } else { refused() })
    }

    /// One deed after the other, and the last of them for ever.
    pub(crate) fn doing(deeds: impl IntoIterator<Item = Deed>) -> Self {
        let deeds: Mutex<VecDeque<Deed>> = Mutex::new(deeds.into_iter().collect());
        Self::new(move |_| {
            let mut deeds = deeds.lock().unwrap();
            if deeds.len() > 1 { deeds.pop_front().unwrap() } else { deeds[0].clone() }
        })
    }

    /// What the next polls for readiness come to, of whatever instance.
    pub(crate) fn ready_as(self, readiness: impl IntoIterator<Item = Ready>) -> Self {
        self.will_be(readiness);
        self
    }

    /// The same, later.
    pub(crate) fn will_be(&self, readiness: impl IntoIterator<Item = Ready>) {
        self.log().readiness.extend(readiness);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log().seen.clone()
    }

    /// The only request that came.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "one request");
        seen.remove(0)
    }

    pub(crate) fn calls(&self) -> usize {
        self.log().seen.len()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.log().seen.iter().map(|seen| seen.key().to_owned()).collect()
    }

    pub(crate) fn given_back(&self) -> usize {
        self.log().given_back
    }

    /// Its futures, its answers' bodies, and its instances besides this one.
    pub(crate) fn alive(&self) -> (usize, usize, usize) {
        let count = |of: &Arc<()>| Arc::strong_count(of) - 1;
        (count(&self.shared.in_flight), count(&self.shared.bodies), count(&self.shared.clients) - 1)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log.lock().unwrap()
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        let instance = {
            let mut log = self.log();
            log.instances += 1;
            log.instances
        };
        let alive = Arc::clone(&self._alive);
        Self { shared: Arc::clone(&self.shared), instance, is_ready: false, sleep: None, _alive: alive }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.is_ready {
            self.log().given_back += 1;
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Service<Request<Body>> for Client {
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Script>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if !self.is_ready && self.sleep.is_none() {
            let ready = self.log().readiness.pop_front().unwrap_or(Ready::Now);
            match ready {
                Ready::Now => {}
                Ready::After(time) => self.sleep = Some(Box::pin(sleep(time))),
                Ready::Broken => return Poll::Ready(Err(Strange.into())),
                Ready::Never => {
                    self.log().readiness.push_front(Ready::Never);
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
        let (shared, instance) = (Arc::clone(&self.shared), self.instance);
        let in_flight = Arc::clone(&shared.in_flight);
        let bodies = Arc::clone(&shared.bodies);
        Box::pin(async move {
            let _in_flight = in_flight;
            let (parts, body) = request.into_parts();
            let address = body.as_bytes().map(|bytes| bytes.as_ptr() as usize);
            let body = body.collect().await?.to_bytes().to_vec();
            let seen = Seen { at: Instant::now(), parts, body, address, instance };
            let deed = (shared.answers)(&seen);
            shared.log.lock().unwrap().seen.push(seen);
            drop(shared);
            if !deed.takes.is_zero() {
                sleep(deed.takes).await;
            }
            match deed.what {
                What::Fail => Err(Strange.into()),
                What::Never => std::future::pending().await,
                What::Answer { status, headers, steps } => {
                    let mut response = Response::builder().status(status);
                    for (name, value) in headers {
                        response = response.header(name, value);
                    }
                    Ok(response.body(Script::new(steps, bodies))?)
                }
            }
        })
    }
}
