//! Requests, one by one and many at once.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use claude_secrets::source::SourceErrorKind;
use claude_secrets::{
    Key, KeyRing, KeyRingBuilder, KeyStatus, Secrets, SecretsError, SecretsErrorKind, SecretsLayer,
};
use claude_wire::call::Refusal;
use claude_wire::{Body, BoxError};
use http::Request;
use tokio_test::task;
use tower::{Layer, ServiceExt};

use crate::api::Api;
use crate::safe::Safe;

pub(crate) const A: &str = "sk-ant-api03-a-canary";
pub(crate) const B: &str = "sk-ant-api03-b-canary";
pub(crate) const C: &str = "sk-ant-api03-c-canary";

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A ring of one key, without chance, and with times that are easy to count in: looked at again after 75 seconds, waited
/// for after 90, over after 100.
pub(crate) fn builder(safe: &Safe) -> KeyRingBuilder {
    KeyRing::builder().with_key(Key::new("main", safe.clone())).with_ttl(secs(100)).with_jitter(0.0)
}

pub(crate) fn ring(safe: &Safe) -> KeyRing {
    builder(safe).build().unwrap()
}

/// What stands between a ring and the API.
#[derive(Clone)]
pub(crate) struct Claude(Secrets<Api>);

/// Why a request was not sent.
pub(crate) struct NotSent {
    pub(crate) kind: SecretsErrorKind,
    pub(crate) words: String,
    pub(crate) refusal: Refusal,
}

impl fmt::Debug for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: {}", self.words)
    }
}

impl NotSent {
    /// What its source failed with.
    #[track_caller]
    pub(crate) fn source_kind(&self) -> SourceErrorKind {
        match &self.kind {
            SecretsErrorKind::NoKey(error) => error.kind(),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) type Answer = Result<u16, NotSent>;

impl Claude {
    pub(crate) fn new(ring: &KeyRing, api: &Api) -> Self {
        Self(SecretsLayer::new(ring.clone()).layer(api.clone()))
    }

    /// One request, to its end.
    pub(crate) async fn ask(&self) -> Answer {
        self.send(message()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.0.clone().oneshot(request).await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| not_sent(&error))
    }

    /// One request whose status is wanted.
    #[track_caller]
    pub(crate) fn status(&self) -> impl Future<Output = u16> {
        let claude = self.clone();
        async move { claude.ask().await.unwrap() }
    }

    /// One request that is not sent.
    pub(crate) async fn refusal(&self) -> NotSent {
        self.ask().await.expect_err("it was to be refused")
    }

    /// One request, which goes on when it is polled.
    pub(crate) fn begin(&self) -> Call {
        let claude = self.clone();
        task::spawn(Box::pin(async move { claude.ask().await }))
    }

    /// So many requests, each of which waits.
    pub(crate) async fn waiting(&self, count: usize) -> Vec<Call> {
        let mut calls: Vec<Call> = (0..count).map(|_| self.begin()).collect();
        all_wait(&mut calls).await;
        calls
    }
}

pub(crate) type Call = task::Spawn<Pin<Box<dyn Future<Output = Answer> + Send>>>;

/// Polls each of them once: none is through.
pub(crate) async fn all_wait(calls: &mut [Call]) {
    let polled = async {
        for call in calls {
            assert!(call.poll().is_pending(), "it was to wait");
        }
    };
    tokio::task::unconstrained(polled).await;
}

/// Polls each of them once more: all are through.
pub(crate) async fn all_through(calls: &mut [Call]) -> Vec<u16> {
    let polled = async {
        let through = |call: &mut Call| match call.poll() {
            Poll::Ready(answer) => answer.unwrap(),
            Poll::Pending => panic!("it waits still"),
        };
        calls.iter_mut().map(through).collect()
    };
    tokio::task::unconstrained(polled).await
}

fn not_sent(error: &BoxError) -> NotSent {
    let found = SecretsError::find(&**error).expect("the API never fails");
    let refusal = Refusal::find(&**error).unwrap().clone();
    let words = found.to_string();
    let shown = format!("{words} {error:?} {refusal} {refusal:?}");
    assert!(!shown.contains("sk-ant"), "a key is shown");
    NotSent { kind: found.kind().clone(), words, refusal }
}

pub(crate) fn message() -> Request<Body> {
    let body = r#"{"model":"claude-sonnet-5-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}"#;
    Request::post("https://api.anthropic.com/v1/messages").body(Body::from(body)).unwrap()
}

/// Lets tasks run as far as they can, and no time pass.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Time passes, to its last moment: what sleeps is woken, and what then can be done is done.
pub(crate) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    settle().await;
}

/// The only key.
#[track_caller]
pub(crate) fn only(ring: &KeyRing) -> KeyStatus {
    let [status] = <[KeyStatus; 1]>::try_from(ring.status()).unwrap();
    assert!(!format!("{status:?}").contains("sk-ant"), "a key is shown");
    status
}

/// Polls once, with what is there now.
pub(crate) async fn once<T>(call: &mut task::Spawn<T>) -> Poll<T::Output>
where
    T: Future + Unpin,
{
    poll_fn(|_| Poll::Ready(call.poll())).await
}
