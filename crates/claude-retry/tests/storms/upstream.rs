//! What stands at the bottom: a simulator for fair times and one for foul ones, and a count of what arrives.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use claude_sim::{FaultMix, Pace, Reply, ResponseFuture, SimBody, Simulator};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use tokio::time::Instant;
use tower::Service;

use crate::support::fate;

/// A clone is another handle to the same, and has not been asked whether it is ready.
pub(crate) struct Upstream {
    shared: Arc<Shared>,
    ready: bool,
}

struct Shared {
    fair: Simulator,
    foul: Simulator,
    foul_time: Range<Duration>,
    started: Instant,
    bound: Option<Bound>,
    seen: Mutex<Seen>,
}

/// Extra attempts ≤ `burst` + `ratio` · first tries, of those that arrive from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) burst: f64,
    pub(crate) ratio: f64,
    pub(crate) from: Duration,
}

/// What has arrived.
#[derive(Default)]
struct Seen {
    /// How often each call has been tried.
    tries: HashMap<u64, u32>,
    /// In each second.
    seconds: Vec<Arrivals>,
    since: Arrivals,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrivals {
    pub(crate) first: u32,
    pub(crate) extra: u32,
}

impl Arrivals {
    pub(crate) const fn all(self) -> u32 {
        self.first + self.extra
    }

    /// How many attempts come on one first try.
    pub(crate) fn load(self) -> f64 {
        f64::from(self.all()) / f64::from(self.first.max(1))
    }

    const fn count(&mut self, is_first: bool) {
        if is_first { self.first += 1 } else { self.extra += 1 }
    }
}

impl Upstream {
    /// Begins now. Answers take about a second; faults come at once.
    pub(crate) fn new(seed: u64, fair: FaultMix, foul: FaultMix, foul_time: Range<Duration>) -> Self {
        let pace = Pace::instant()
            .with_first_token(Duration::from_millis(800))
            .with_tokens_per_second(NonZeroU32::new(10).unwrap());
        let simulator = |seed, mix| {
            let reply = Reply::text("It is.");
            let builder = Simulator::builder().with_seed(seed).with_reply(reply).with_log(0, 0);
            builder.with_pace(pace).with_fates(mix).build()
        };
        let shared = Shared {
            fair: simulator(2 * seed, fair),
            foul: simulator(2 * seed + 1, foul),
            foul_time,
            started: Instant::now(),
            bound: None,
            seen: Mutex::default(),
        };
        Self { shared: Arc::new(shared), ready: false }
    }

    /// Panics at the first attempt too many.
    pub(crate) fn bounded(mut self, bound: Bound) -> Self {
        Arc::get_mut(&mut self.shared).unwrap().bound = Some(bound);
        self
    }

    /// The simulator that answers outside the foul time.
    pub(crate) fn fair(&self) -> &Simulator {
        &self.shared.fair
    }

    /// How often this call was tried.
    pub(crate) fn tries(&self, call: u64) -> u32 {
        self.shared.seen.lock().unwrap().tries.get(&call).copied().unwrap_or_default()
    }

    /// How often the call was tried that was tried most.
    pub(crate) fn most_tries(&self) -> u32 {
        self.shared.seen.lock().unwrap().tries.values().copied().max().unwrap_or_default()
    }

    /// What arrived between these times, in whole seconds.
    pub(crate) fn arrived(&self, between: Range<Duration>) -> Arrivals {
        let seen = self.shared.seen.lock().unwrap();
        let mut sum = Arrivals::default();
        for (second, arrivals) in (0..).zip(&seen.seconds) {
            if between.contains(&Duration::from_secs(second)) {
                sum.first += arrivals.first;
                sum.extra += arrivals.extra;
            }
        }
        sum
    }

    /// The most that arrived in a second.
    pub(crate) fn peak(&self) -> u32 {
        self.shared.seen.lock().unwrap().seconds.iter().map(|second| second.all()).max().unwrap_or_default()
    }
}

impl Shared {
    /// Takes an attempt in, at this time after the begin.
    fn count(&self, call: u64, now: Duration) {
        let mut seen = self.seen.lock().unwrap();
        let tries = seen.tries.entry(call).or_default();
        *tries += 1;
        let is_first = *tries == 1;
        let second = usize::try_from(now.as_secs()).unwrap();
        if seen.seconds.len() <= second {
            seen.seconds.resize(second + 1, Arrivals::default());
        }
        seen.seconds[second].count(is_first);
        let Some(bound) = self.bound else { return };
        if now >= bound.from {
            seen.since.count(is_first);
            let Arrivals { first, extra } = seen.since;
            let most = bound.burst + bound.ratio * f64::from(first);
            assert!(
                f64::from(extra) <= most + 1e-3,
                "{extra} extra attempts on {first} at {now:?}: {bound:?}"
            );
        }
    }
}

impl Clone for Upstream {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), ready: false }
    }
}

impl Service<Request<Body>> for Upstream {
    type Response = Response<SimBody>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        assert!(std::mem::take(&mut self.ready), "not the instance that was asked");
        let now = Instant::now().saturating_duration_since(self.shared.started);
        self.shared.count(fate(&request), now);
        let is_foul = self.shared.foul_time.contains(&now);
        let simulator = if is_foul { &self.shared.foul } else { &self.shared.fair };
        simulator.clone().call(request)
    }
}
