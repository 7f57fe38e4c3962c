//! An API that answers each key as it is told, keys for it, and requests.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use claude_secrets::source::StaticSource;
use claude_secrets::{Key, KeyRing, KeyRingBuilder, Secrets, SecretsError, SecretsLayer};
use claude_wire::call::Attempt;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const SONNET: &str = "claude-sonnet-5-5";
pub(crate) const OPUS: &str = "claude-opus-5-5";

pub(crate) const CLOCK: claude_wire::call::Clock = || Instant::now().into_std();

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How much time has passed.
pub(crate) fn since(begin: Instant) -> Duration {
    Instant::now().saturating_duration_since(begin)
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    after: Duration,
}

pub(crate) fn answer(status: u16) -> Answer {
    Answer { status, headers: Vec::new(), body: "{}".to_owned(), after: Duration::ZERO }
}

/// An error as the API writes it.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> Answer {
    let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#);
    Answer { body, ..answer(status) }
}

/// A limit is met, and whole again after so many seconds.
pub(crate) fn limited(retry_after: u64) -> Answer {
    error(429, "rate_limit_error", "slowly").with("retry-after", &retry_after.to_string())
}

/// A limit with a code of its own.
pub(crate) fn coded(code: &str) -> Answer {
    let body = format!(
        r#"{{"type":"error","error":{{"type":"rate_limit_error","message":"m","details":{{"error_code":"{code}"}}}}}}"#
    );
    answer(429).with_body(&body)
}

pub(crate) fn refused() -> Answer {
    error(401, "authentication_error", "invalid x-api-key")
}

impl Answer {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn with_body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// A request that came to the API.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Since the API was made.
    pub(crate) at: Duration,
    /// The name of the key.
    pub(crate) key: String,
    /// The number that stands on it.
    pub(crate) number: u32,
}

/// The API. Each instance must be asked whether it is ready before each call; a clone does not inherit it.
pub(crate) struct Api {
    shared: Arc<Mutex<Inner>>,
    is_ready: bool,
}

struct Inner {
    begun: Instant,
    seen: Vec<Seen>,
    says: HashMap<String, Answer>,
    organizations: HashMap<String, String>,
}

impl Clone for Api {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), is_ready: false }
    }
}

impl Api {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            begun: Instant::now(),
            seen: Vec::new(),
            says: HashMap::new(),
            organizations: HashMap::new(),
        };
        Self { shared: Arc::new(Mutex::new(inner)), is_ready: false }
    }

    /// From now on, requests of this key are answered like that.
    pub(crate) fn says(&self, key: &str, answer: Answer) {
        self.shared.lock().unwrap().says.insert(key.to_owned(), answer);
    }

    /// Whose key it is, in the words of the API's answers.
    pub(crate) fn belongs(&self, key: &str, organization: &str) {
        self.shared.lock().unwrap().organizations.insert(key.to_owned(), organization.to_owned());
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().unwrap().seen.clone()
    }

    /// The names of the keys that came since this was asked last.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().seen).into_iter().map(|seen| seen.key).collect()
    }
}

impl Service<Request<Body>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without having been ready");
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let key = head.headers.get("x-api-key").map(|key| key.to_str().unwrap());
            let key = key.and_then(|key| key.strip_prefix("sk-ant-")?.strip_suffix("-canary"));
            let key = key.unwrap_or("none at all").to_owned();
            let number =
                head.headers.get("x-number").map_or(0, |text| text.to_str().unwrap().parse().unwrap());
            let (said, organization) = {
                let mut inner = shared.lock().unwrap();
                let at = since(inner.begun);
                inner.seen.push(Seen { at, key: key.clone(), number });
                (inner.says.get(&key).cloned(), inner.organizations.get(&key).cloned())
            };
            drop(body.collect().await);
            let said = said.unwrap_or_else(|| answer(200));
            if !said.after.is_zero() {
                sleep(said.after).await;
            }
            let mut response = Response::builder().status(said.status);
            for (name, value) in said.headers {
                response = response.header(name, value);
            }
            // As the API does, which does not know whose key it is that it refuses.
            if said.status != 401 {
                let organization = organization.unwrap_or_else(|| format!("of-{key}"));
                response = response.header("anthropic-organization-id", organization);
            }
            Ok(response.body(Full::from(said.body)).unwrap())
        })
    }
}

/// A key of this name.
pub(crate) fn key(name: &str) -> Key {
    Key::new(name, StaticSource::new(format!("sk-ant-{name}-canary")))
}

/// A pool of keys of these names, for everybody.
pub(crate) fn pool(names: &[&str]) -> KeyRingBuilder {
    names.iter().fold(KeyRing::builder(), |ring, name| ring.with_key(key(name)))
}

pub(crate) type Claude = Secrets<Api>;

/// A started ring above the API.
pub(crate) async fn start(ring: KeyRingBuilder, api: &Api) -> (Claude, KeyRing) {
    let ring = ring.build().unwrap();
    ring.start().await.unwrap();
    (SecretsLayer::new(ring.clone()).layer(api.clone()), ring)
}

/// A turn of a conversation of this number.
pub(crate) fn turn(conversation: u32, turn: u32, model: &str) -> Request<Body> {
    let mut messages = format!(r#"{{"role":"user","content":"conversation {conversation}"}}"#);
    for turn in 0..turn {
        messages.push_str(r#",{"role":"assistant","content":"yes"}"#);
        messages.push_str(&format!(r#",{{"role":"user","content":"turn {turn}"}}"#));
    }
    let body = format!(r#"{{"model":"{model}","max_tokens":16,"messages":[{messages}]}}"#);
    post("/v1/messages", body, conversation)
}

/// The first turn.
pub(crate) fn talk(conversation: u32) -> Request<Body> {
    turn(conversation, 0, SONNET)
}

pub(crate) fn post(path: &str, body: String, number: u32) -> Request<Body> {
    Request::post(format!("https://api.anthropic.com{path}"))
        .header("anthropic-version", "2026-10-21")
        .header("content-type", "application/json")
        .header("x-number", number)
        .body(Body::from(body))
        .unwrap()
}

/// Sends it and reads the answer: its status.
pub(crate) async fn send(claude: &Claude, request: Request<Body>) -> Result<u16, BoxError> {
    let response = claude.clone().oneshot(request).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await.map(|_| status).map_err(|never| match never {})
}

/// Sends it, and gives the name of the key that it went with in the end.
pub(crate) async fn sent(claude: &Claude, api: &Api, request: Request<Body>) -> String {
    api.take();
    send(claude, request).await.unwrap();
    api.take().pop().unwrap()
}

/// An attempt to look at afterwards, and its request.
pub(crate) fn attempted(mut request: Request<Body>) -> (Attempt, Request<Body>) {
    let attempt = Attempt::new(0, CLOCK);
    attempt.put_into(&mut request);
    (attempt, request)
}

/// Conversations whose key is this one, when all are well.
pub(crate) async fn of_key(names: &[&str], name: &str, count: usize) -> Vec<u32> {
    let api = Api::new();
    let (claude, _) = start(pool(names), &api).await;
    let mut found = Vec::new();
    for conversation in 0.. {
        if sent(&claude, &api, talk(conversation)).await == name {
            found.push(conversation);
        }
        if found.len() == count {
            break;
        }
    }
    found
}

/// How many may have left so long after the begin of a slow start of this rate.
pub(crate) fn curve(per_second: f64, since: Duration) -> f64 {
    1.0 + per_second / std::f64::consts::LN_2 * (since.as_secs_f64().exp2() - 1.0)
}

pub(crate) fn kind(error: &BoxError) -> String {
    format!("{:?}", SecretsError::find(&**error).expect("an error of this layer").kind())
}
