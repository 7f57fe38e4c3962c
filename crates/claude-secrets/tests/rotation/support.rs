//! A source whose key can be changed, requests, and a steady stream of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use claude_secrets::source::{Fetch, Fetched, SecretSource, SourceError, SourceErrorKind};
use claude_secrets::{SecretString, SecretsError};
use claude_sim::{Builder, Key, SeenRequest, Simulator};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Service, ServiceExt};

/// A key that can be changed, and how often it was asked for.
#[derive(Clone, Default)]
pub(crate) struct Vault {
    inner: Arc<Mutex<Inner>>,
    fetches: Arc<AtomicUsize>,
}

#[derive(Clone, Default)]
struct Inner {
    key: String,
    is_down: bool,
    takes: Duration,
}

impl Vault {
    pub(crate) fn with(key: &str) -> Self {
        let vault = Self::default();
        vault.set(key);
        vault
    }

    /// A fetch takes so long, and gives what is there when it begins.
    pub(crate) fn taking(self, time: Duration) -> Self {
        self.inner.lock().unwrap().takes = time;
        self
    }

    pub(crate) fn set(&self, key: &str) {
        self.inner.lock().unwrap().key = key.to_owned();
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.inner.lock().unwrap().is_down = is_down;
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl SecretSource for Vault {
    fn id(&self) -> &str {
        "test:vault"
    }

    fn fetch(&self) -> Fetch<'_> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let Inner { key, is_down, takes } = self.inner.lock().unwrap().clone();
        Box::pin(async move {
            if takes.is_zero() {
                tokio::task::yield_now().await;
            } else {
                sleep(takes).await;
            }
            if is_down {
                Err(SourceError::new("test:vault", SourceErrorKind::Unavailable, "it is sealed"))
            } else {
                Ok(Fetched::new(SecretString::from(key)))
            }
        })
    }
}

/// The key of this number.
pub(crate) fn key(number: u32) -> String {
    format!("sk-ant-api03-{number}-canary")
}

pub(crate) fn simulator(key: &str) -> Simulator {
    with_key(key).build()
}

/// One that remembers every request, but no bodies.
pub(crate) fn with_key(key: &str) -> Builder {
    Simulator::builder().with_key(Key::new("one", key)).with_log(100_000, 0)
}

pub(crate) fn message() -> Request<Body> {
    post(r#"{"model":"claude-sonnet-5-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}"#)
}

pub(crate) fn stream() -> Request<Body> {
    post(
        r#"{"model":"claude-sonnet-5-5","max_tokens":16,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
    )
}

pub(crate) fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("https://api.anthropic.com/v1/messages")
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

/// How much time has passed.
fn since(begin: Instant) -> Duration {
    Instant::now().saturating_duration_since(begin)
}

/// How one request of a stream of requests ended.
pub(crate) struct Ended {
    pub(crate) begun: Duration,
    pub(crate) took: Duration,
    /// The status, or what refused it.
    pub(crate) how: String,
}

/// How all of them ended.
pub(crate) struct Ends(pub(crate) Vec<Ended>);

impl Ends {
    pub(crate) fn counted(&self) -> BTreeMap<&str, usize> {
        let mut counted = BTreeMap::new();
        for ended in &self.0 {
            *counted.entry(ended.how.as_str()).or_default() += 1;
        }
        counted
    }

    pub(crate) fn longest(&self) -> Duration {
        self.0.iter().map(|ended| ended.took).max().unwrap_or_default()
    }

    /// Panics unless all have succeeded.
    pub(crate) fn assert_all_well(&self, count: usize) {
        assert_eq!(self.counted(), BTreeMap::from([("200", count)]));
    }
}

/// Sends so many requests a second for so many seconds, however the ones before go, and waits for all of them to end.
pub(crate) async fn load<S, B>(
    service: S,
    per_second: u32,
    seconds: u32,
    request: impl Fn(u32) -> Request<Body>,
) -> Ends
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let start = Instant::now();
    let mut calls = Vec::new();
    for number in 0..per_second * seconds {
        sleep_until(start + Duration::from_secs(1) * number / per_second).await;
        let call = one(service.clone(), request(number));
        let begun = since(start);
        calls.push(tokio::spawn(async move {
            let how = call.await;
            Ended { begun, took: since(start) - begun, how }
        }));
    }
    let mut ends = Vec::new();
    for call in calls {
        ends.push(call.await.unwrap());
    }
    Ends(ends)
}

async fn one<S, B>(service: S, request: Request<Body>) -> String
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let response = match service.oneshot(request).await {
        Ok(response) => response,
        Err(error) => {
            return SecretsError::find(&*error)
                .map_or_else(|| error.to_string(), |error| format!("{:?}", error.kind()));
        }
    };
    let status = response.status().as_u16().to_string();
    match response.into_body().collect().await {
        Ok(_) => status,
        Err(error) => error.into().to_string(),
    }
}

/// What came to the simulator: all, those whose key it refused, and those without any.
pub(crate) fn arrivals(simulator: &Simulator) -> (usize, usize, usize) {
    let seen = simulator.requests();
    let refused = seen.iter().filter(|seen| seen.status.is_some_and(|status| status == 401)).count();
    let bare = seen.iter().filter(|seen| !has_key(seen)).count();
    (seen.len(), refused, bare)
}

fn has_key(seen: &SeenRequest) -> bool {
    seen.headers.contains_key("x-api-key") || seen.headers.contains_key("authorization")
}
