//! Three that repeat, one over the other: a caller with an official SDK's loop, a gateway with this layer, and another with
//! this layer, before an API that fails more often than not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use claude_retry::RetryLayer;
use claude_retry::metrics::CLIENT_RETRIES_TOTAL;
use claude_sim::{Fault, FaultMix};
use claude_wire::headers::names::X_STAINLESS_RETRY_COUNT;
use claude_wire::{Body, BoxError};
use http::Request;
use tower::{Layer, Service};

use crate::counters::Counters;
use crate::load::{load, success};
use crate::sdk::Sdk;
use crate::support::{heavy, seeds};
use crate::upstream::Upstream;

const LENGTH: Duration = Duration::from_secs(300);
const BURST: f64 = 100.0;
const RATIO: f64 = 0.2;

/// Requests that went by between two who repeat.
#[derive(Clone, Default)]
struct Passed {
    /// Those that say that they are no retry.
    first: Arc<AtomicU32>,
    retries: Arc<AtomicU32>,
}

impl Passed {
    fn first(&self) -> f64 {
        self.first.load(Relaxed).into()
    }

    fn retries(&self) -> f64 {
        self.retries.load(Relaxed).into()
    }

    fn all(&self) -> f64 {
        self.first() + self.retries()
    }
}

/// Counts what goes by, and looks each time whether it is too much.
#[derive(Clone)]
struct Counted<S> {
    inner: S,
    passed: Passed,
    check: Arc<dyn Fn() + Send + Sync>,
}

impl<S> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        let is_first = request.headers().get(X_STAINLESS_RETRY_COUNT).is_none_or(|count| count == "0");
        let count = if is_first { &self.passed.first } else { &self.passed.retries };
        count.fetch_add(1, Relaxed);
        (self.check)();
        self.inner.call(request)
    }
}

/// What came of a storm.
struct Outcome {
    /// Calls, and retries of their callers.
    calls: f64,
    retries: f64,
    /// Retries of whoever stands above a layer, for which that layer had quota.
    funded: f64,
    /// At the simulator.
    attempts: f64,
    /// What both quotas pay for.
    paid: f64,
    success: f64,
}

/// The upper layer tells the lower one which of its attempts are retries, or does not.
async fn storm(seed: u64, sdk: Sdk, faults: FaultMix, tells: bool) -> Outcome {
    let counters = Counters::default();
    let recording = metrics::set_default_local_recorder(&counters);
    let [above, between, below] = [(); 3].map(|()| Passed::default());
    let upstream = Upstream::new(seed, FaultMix::new(), faults, Duration::ZERO..Duration::MAX);

    let inner = Counted { inner: upstream, passed: below.clone(), check: within_quota(&between, &below) };
    let inner = RetryLayer::new().with_seed(seed).layer(inner);
    let inner = Counted { inner, passed: between.clone(), check: within_quota(&above, &between) };
    let gateway = RetryLayer::new().with_seed(seed).with_final_word(true);
    let gateway = if tells { gateway.with_retry_count_header(X_STAINLESS_RETRY_COUNT) } else { gateway };
    let inner = gateway.layer(inner);
    let gateway = Counted { inner, passed: above.clone(), check: Arc::new(|| {}) };

    let ended = load(LENGTH, &sdk.over(gateway)).await;
    drop(recording);
    Outcome {
        calls: above.first(),
        retries: above.retries(),
        funded: float(counters.sum(CLIENT_RETRIES_TOTAL, &[("funded", "true")])),
        attempts: below.all(),
        paid: 2.0 * BURST + RATIO * (above.first() + between.first()),
        success: success(&ended, Duration::ZERO..LENGTH),
    }
}

/// That a layer's extra attempts are within its quota at any time, whoever stands above it.
fn within_quota(above: &Passed, below: &Passed) -> Arc<dyn Fn() + Send + Sync> {
    let (above, below) = (above.clone(), below.clone());
    Arc::new(move || {
        let (extra, most) = (below.all() - above.all(), BURST + RATIO * above.first());
        assert!(extra <= most + 1e-3, "{extra} extra attempts of {most}");
    })
}

fn float(count: u64) -> f64 {
    u32::try_from(count).unwrap().into()
}

impl Outcome {
    fn print(&self, callers: &str) {
        let Self { calls, retries, funded, attempts, paid, success } = self;
        println!(
            "{callers:<34} {calls:>6} calls, {:.1} % answered in full; {retries} retries, {funded} funded; {attempts} attempts, \
             {:.3} a call; {paid:.0} paid for",
            100.0 * success,
            attempts / calls
        );
    }

    /// Each layer's extra attempts, and the retries from above that it has paid for, are within its quota. What it has not
    /// paid for goes once.
    fn assert_paid_for(&self) {
        let Self { calls, retries, funded, attempts, paid, .. } = self;
        assert!(attempts + funded <= calls + retries + paid);
    }
}

/// 60 % answers of 529, 10 % streams that begin with an error: no connection breaks.
fn answers() -> FaultMix {
    let mix = FaultMix::new().with(Fault::overloaded(), 0.6);
    mix.and_then(|mix| mix.with(Fault::error_event("overloaded_error"), 0.1)).unwrap()
}

/// Retries do not multiply: the callers believe the gateway's last word.
#[tokio::test(start_paused = true)]
async fn callers_that_heed_the_final_word_add_nothing() {
    for seed in seeds() {
        for tells in [false, true] {
            let storm = storm(seed, Sdk::PYTHON, answers(), tells).await;
            storm.print("heeding the final word");
            assert_eq!(storm.retries, 0.0);
            assert!(storm.attempts <= storm.calls + storm.paid);
            storm.assert_paid_for();
        }
    }
}

/// A connection that breaks has no headers to heed: a gateway makes an answer of it that has, and this is harsher.
#[tokio::test(start_paused = true)]
async fn callers_that_repeat_what_broke_pay_from_the_quota() {
    for seed in seeds() {
        let storm = storm(seed, Sdk::PYTHON, heavy(), true).await;
        storm.print("repeating what broke");
        assert!(storm.retries > 0.0 && storm.funded > 0.0);
        assert!(storm.attempts <= storm.calls + storm.paid);
        storm.assert_paid_for();
    }
}

/// What they repeat when there is nothing left to pay for it still goes once each time.
#[tokio::test(start_paused = true)]
async fn so_do_callers_that_heed_nothing() {
    for seed in seeds() {
        for faults in [answers(), heavy()] {
            let storm = storm(seed, Sdk::HEEDLESS, faults, false).await;
            storm.print("heeding nothing");
            assert!(storm.retries > 0.5 * storm.calls && storm.funded > 0.0);
            storm.assert_paid_for();
        }
    }
}
