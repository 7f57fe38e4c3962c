//! Keys that are rotated under load, and nobody notices. The key is in a file, as a Kubernetes or Docker secret would be; the
//! API is a simulator on loopback, so that no key is needed.
//!
//! ```text
//! cargo run --example rotate
//! ```
//!
//! Every second and a half the file gets a new key, and a moment later the API refuses the old one. By itself the ring looks at
//! the file every few seconds: what it has not seen by then, it learns from the first request that is refused. It ends
//! with an exit code other than 0 if any request failed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claude_sim::{Key as SimKey, Pace, Simulator};
use claude_tower::client::HyperClient;
use claude_tower::config::ClientConfig;
use claude_tower::retry::RetryLayer;
use claude_tower::secrets::source::{Fetch, FileSource, SecretSource};
use claude_tower::secrets::{Key, KeyRing, SecretsLayer};
use claude_tower::stack::{Slot, Stack, StackBuilder};
use claude_tower::wire::call::{Attempt, Call, CallId};
use claude_tower::wire::{Body, BoxError};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tower::ServiceExt;

/// So many callers, each with a request every so often, for so long: 320 requests in a second.
const CALLERS: u32 = 16;
const EVERY: Duration = Duration::from_millis(50);
const LOAD: Duration = Duration::from_secs(8);
/// How often there is a new key,
const ROTATE: Duration = Duration::from_millis(1_500);
/// and how long after that the old one is refused.
const OVERLAP: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let file = KeyFile::new()?;
    file.replace(&secret(1))?;
    // Answers take some time, so that there are always requests under way.
    let simulator = Simulator::builder()
        .with_key(SimKey::new("v1", secret(1)))
        .with_pace(Pace::instant().with_first_token(Duration::from_millis(20)))
        .with_log(1_000_000, 0)
        .build();
    let server = simulator.serve("127.0.0.1:0").await?;

    let fetches = Arc::new(AtomicUsize::new(0));
    let source = Counted { source: FileSource::new(&file.path), fetches: Arc::clone(&fetches) };
    let ring =
        KeyRing::builder().with_key(Key::new("claude", source).with_origin(&server.base_url())?).build()?;
    ring.start().await?;
    let stack = StackBuilder::new()
        .layer(Slot::Retry, RetryLayer::new())
        .layer(Slot::Secrets, SecretsLayer::new(ring.clone()))
        .build(HyperClient::new(&ClientConfig::default())?);

    println!(
        "{CALLERS} callers with a request every {EVERY:?} for {LOAD:?}; a new key every {ROTATE:?}, the old one refused {OVERLAP:?} later"
    );
    let load = load(stack, format!("{}/v1/messages", server.base_url()));
    let (made, rotated) = tokio::join!(load, rotate(&simulator, &file));
    let rotations = rotated?;

    let seen = simulator.requests();
    let refused = seen.iter().filter(|request| request.status == Some(StatusCode::UNAUTHORIZED)).count();
    println!();
    println!("requests                          {:>6}", made.requests);
    println!("failures that callers saw         {:>6}", made.failures.values().sum::<usize>());
    println!("new keys                          {rotations:>6}");
    println!("fetches                           {:>6}", fetches.load(Ordering::Relaxed));
    println!("refused by the API, sent again    {refused:>6}");
    println!("\n{:<20} {:>10}", "answered with", "requests");
    for (fingerprint, requests) in &made.by_key {
        println!("{fingerprint:<20} {requests:>10}");
    }
    println!("\nthe ring:");
    for key in ring.status() {
        println!(
            "{} from {}: {:?}, {}, {} under way",
            key.name,
            key.source,
            key.state,
            key.fingerprint.as_deref().unwrap_or("no key"),
            key.in_flight
        );
        if let Some((before, under_way)) = key.previous {
            println!("    before: {before}, {under_way} under way");
        }
    }
    for (what, times) in &made.failures {
        eprintln!("{times} times: {what}");
    }
    let is_well = made.failures.is_empty() && rotations > 0 && made.by_key.len() > rotations;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The key of a version, which only a simulator takes.
fn secret(version: usize) -> String {
    format!("sk-ant-api03-rotated-{version:0>24}")
}

/// What became of the requests.
#[derive(Default)]
struct Made {
    requests: usize,
    failures: BTreeMap<String, usize>,
    /// How many were answered with which key, by its fingerprint.
    by_key: BTreeMap<Arc<str>, usize>,
}

impl Made {
    fn count(&mut self, ended: Result<Arc<str>, BoxError>) {
        self.requests += 1;
        match ended {
            Ok(fingerprint) => *self.by_key.entry(fingerprint).or_default() += 1,
            Err(error) => *self.failures.entry(error.to_string()).or_default() += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        other.failures.into_iter().for_each(|(what, times)| *self.failures.entry(what).or_default() += times);
        other.by_key.into_iter().for_each(|(key, times)| *self.by_key.entry(key).or_default() += times);
    }
}

/// Sends requests from several callers, each of whom waits for its answer. Every second one is a stream.
async fn load(stack: Stack, url: String) -> Made {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(one_caller(stack.clone(), url.clone(), caller));
    }
    let mut all = Made::default();
    while let Some(made) = callers.join_next().await {
        match made {
            Ok(made) => all.add(made),
            Err(panicked) => all.count(Err(panicked.into())),
        }
    }
    all
}

async fn one_caller(stack: Stack, url: String, caller: u32) -> Made {
    let mut made = Made::default();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + LOAD;
    while ticks.tick().await < end {
        let number = u128::from(caller) << 64 | made.requests as u128;
        made.count(one(stack.clone(), &url, number).await);
    }
    made
}

/// One request to its last byte; which key it was answered with.
async fn one(stack: Stack, url: &str, number: u128) -> Result<Arc<str>, BoxError> {
    let is_stream = number.is_multiple_of(2);
    let body = format!(
        r#"{{"model": "claude-sonnet-5-5", "max_tokens": 64, "stream": {is_stream}, "messages": [{{"role": "user", "content": "Hi"}}]}}"#
    );
    // Whoever puts a `Call` into the request can read afterwards which key each attempt had.
    let call = Call::new(CallId(number), || Instant::now().into_std());
    let request = Request::post(url)
        .header("anthropic-version", "2026-10-21")
        .header("content-type", "application/json")
        .extension(call.clone())
        .body(Body::from(body))?;
    let response = stack.oneshot(request).await?;
    if !response.status().is_success() {
        return Err(format!("status {}", response.status()).into());
    }
    response.into_body().collect().await?;
    let attempts = call.attempts();
    attempts.last().and_then(Attempt::key_fingerprint).ok_or_else(|| "no key is known".into())
}

/// Rotates for as long as there is load; how often it did.
async fn rotate(simulator: &Simulator, file: &KeyFile) -> io::Result<usize> {
    let rotations = usize::try_from(LOAD.as_millis() / ROTATE.as_millis()).unwrap_or_default();
    for version in 1..=rotations {
        sleep(ROTATE - OVERLAP).await;
        simulator.add_key(SimKey::new(format!("v{}", version + 1), secret(version + 1)));
        file.replace(&secret(version + 1))?;
        sleep(OVERLAP).await;
        simulator.revoke_key(&secret(version));
    }
    Ok(rotations)
}

/// A file with a key, in a folder of its own that goes with it.
struct KeyFile {
    folder: PathBuf,
    path: PathBuf,
}

impl KeyFile {
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("claude-tower-rotate-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { path: folder.join("key"), folder })
    }

    /// As every tool should: another file is written and renamed, so that nobody ever reads half a key.
    fn replace(&self, secret: &str) -> io::Result<()> {
        let new: &Path = &self.folder.join("key.new");
        fs::write(new, secret)?;
        fs::rename(new, &self.path)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A source around another: here one that counts.
struct Counted<S> {
    source: S,
    fetches: Arc<AtomicUsize>,
}

impl<S: SecretSource> SecretSource for Counted<S> {
    fn id(&self) -> &str {
        self.source.id()
    }

    fn fetch(&self) -> Fetch<'_> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.source.fetch()
    }

    fn default_ttl(&self) -> Option<Duration> {
        self.source.default_ttl()
    }
}
