//! How long ten thousand requests take that wait for one fetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use claude_secrets::source::{Fetched, source_fn};
use claude_secrets::{KeyRing, SecretString, SecretsLayer};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};

use crate::inner::{Inner, Script};
use crate::request::Template;
use crate::support::contest::{is_wanted, quantile};
use crate::support::options::Options;

const WAITERS: usize = 10_000;

/// Prints the time for each of them: from the moment at which the source answers until all have their answers, and from
/// their begin until all wait.
pub(crate) fn run(options: &Options) -> u32 {
    let name = "10,000 requests that wait for one fetch";
    if !is_wanted(name, options) {
        return 0;
    }
    println!("\n{name}");
    let rounds = if options.quick { 3 } else { 21 };
    let (mut most, mut come, mut go) = (0, Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (fetches, coming, going) = one();
        most = most.max(fetches);
        come.push(coming.as_secs_f64() / WAITERS as f64);
        go.push(going.as_secs_f64() / WAITERS as f64);
    }
    for (what, times) in [("until it waits", come), ("from the fetch to the answer", go)] {
        println!("  {what:<44} {:>6.2} µs for each", quantile(&times, 0.5) * 1e6);
    }
    let verdict = if most == 1 { "ok" } else { "MISSED" };
    println!("  fetches, target 1: {most} {verdict}");
    u32::from(most != 1)
}

fn one() -> (usize, Duration, Duration) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without sockets");
    runtime.block_on(async {
        let (fetches, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counted, answered) = (Arc::clone(&fetches), Arc::clone(&answer));
        let source = source_fn("bench", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let answered = Arc::clone(&answered);
            async move {
                answered.notified().await;
                Ok(Fetched::new(SecretString::from("sk-ant-api03-bench")))
            }
        });
        let service = SecretsLayer::new(KeyRing::single(source)).layer(Inner::new(Script::Message));
        let template = Template::new(1024, false);
        let requests: Vec<_> = (0..WAITERS).map(|_| template.make()).collect();
        let mut waiting = JoinSet::new();
        let begun = now();
        for request in requests {
            waiting.spawn(service.clone().oneshot(request));
        }
        // All have been polled when a task behind them is.
        tokio::task::yield_now().await;
        let all_wait = now();
        answer.notify_one();
        while let Some(answered) = waiting.join_next().await {
            let answered = answered.expect("no panic");
            assert!(answered.is_ok_and(|response| response.status().is_success()), "each has its answer");
        }
        let end = now();
        (fetches.load(Ordering::Relaxed), all_wait.duration_since(begun), end.duration_since(all_wait))
    })
}

#[expect(clippy::disallowed_methods, reason = "measures the machine; nothing here waits")]
fn now() -> Instant {
    Instant::now()
}
