//! A ring of one key and its layer, before the simulator.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claude_secrets::source::{Fetch, SecretSource};
use claude_secrets::{Key, KeyRing, KeyRingBuilder, KeyStatus, Secrets, SecretsLayer};
use claude_sim::Simulator;
use claude_wire::{Body, BoxError};
use futures_util::future::join_all;
use http::Request;
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt};

use crate::store::key;
use crate::{LONG, log};

const MESSAGE: &str =
    r#"{"model":"claude-sonnet-5-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}"#;

/// How many fetches have begun, and ended.
#[derive(Clone, Default)]
pub(crate) struct Fetches {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

impl Fetches {
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }
}

struct Counted<S> {
    source: S,
    fetches: Fetches,
}

impl<S: SecretSource> SecretSource for Counted<S> {
    fn id(&self) -> &str {
        self.source.id()
    }

    fn fetch(&self) -> Fetch<'_> {
        self.fetches.begun.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            let fetched = self.source.fetch().await;
            let failed = usize::from(fetched.is_err());
            self.fetches.failed.fetch_add(failed, Ordering::SeqCst);
            self.fetches.ended.fetch_add(1, Ordering::SeqCst);
            fetched
        })
    }

    fn default_ttl(&self) -> Option<Duration> {
        self.source.default_ttl()
    }
}

/// When it goes, so far nothing secret has been logged.
pub(crate) struct Stack {
    pub(crate) ring: KeyRing,
    pub(crate) simulator: Simulator,
    pub(crate) fetches: Fetches,
    claude: Secrets<Simulator>,
}

impl Stack {
    /// The simulator takes key 0.
    pub(crate) fn over(
        source: impl SecretSource,
        settings: impl FnOnce(KeyRingBuilder) -> KeyRingBuilder,
    ) -> Self {
        let fetches = Fetches::default();
        let source = Counted { source, fetches: fetches.clone() };
        let ring = KeyRing::builder().with_key(Key::new("claude", source));
        let ring = settings(ring).build().unwrap();
        log::assert_silent(&format!("{ring:?} {ring:#?}"));
        let simulator = Simulator::builder();
        let simulator = simulator.with_key(claude_sim::Key::new("0", key(0))).with_log(100_000, 0).build();
        let claude = SecretsLayer::new(ring.clone()).layer(simulator.clone());
        Self { ring, simulator, fetches, claude }
    }

    pub(crate) fn status(&self) -> KeyStatus {
        let status = self.ring.status().remove(0);
        log::assert_silent(&format!("{status:?} {status:#?}"));
        status
    }

    /// One request with its answer to the end; its status.
    pub(crate) async fn ask(&self) -> Result<u16, BoxError> {
        let request = Request::post("https://api.anthropic.com/v1/messages")
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .body(Body::from(MESSAGE))
            .unwrap();
        let response = timeout(LONG, self.claude.clone().oneshot(request)).await.expect("hangs")?;
        let status = response.status().as_u16();
        response.into_body().collect().await?;
        Ok(status)
    }

    /// So many requests at once, and all succeed.
    pub(crate) async fn all_well(&self, count: usize) {
        for status in join_all((0..count).map(|_| self.ask())).await {
            assert_eq!(status.unwrap(), 200);
        }
    }

    /// Requests go on and all succeed, until this is so.
    pub(crate) async fn all_well_until(&self, mut is_so: impl FnMut() -> bool) {
        let going_on = async {
            while !is_so() {
                self.all_well(3).await;
                // Leaves the machine to the server for a moment.
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(LONG, going_on).await.expect("it never is so");
    }

    /// How many requests with the key of this number the API has answered.
    pub(crate) fn carried(&self, number: u32) -> usize {
        let name = number.to_string();
        self.simulator.requests().iter().filter(|seen| seen.key.as_deref() == Some(&*name)).count()
    }

    /// How many requests the API has refused for their key.
    pub(crate) fn refused(&self) -> usize {
        let is_refused = |status: http::StatusCode| status == http::StatusCode::UNAUTHORIZED;
        self.simulator.requests().iter().filter(|seen| seen.status.is_some_and(is_refused)).count()
    }

    /// The API takes the key of this number, too.
    pub(crate) fn allow(&self, number: u32) {
        self.simulator.add_key(claude_sim::Key::new(number.to_string(), key(number)));
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            log::hides_all();
        }
    }
}
