//! Ten times the limit for ten minutes: what is admitted, and what the headers say all along.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use claude_sim::{Burst, ClassLimits, Hidden, Limits, Reply, Simulator};
use claude_wire::headers::{Limit, RateLimitHeaders, retry_after};
use serde_json::json;
use tokio::time::advance;
use tower::ServiceExt;

use crate::support::{body, full, post, send};

const SEEDS: u64 = 30;
const MINUTES: u64 = 10;
const PLENTY: u64 = 1_000_000_000;

/// The bucket that binds, as the documents describe it, in sixty-thousandths of a token: `limit` of them flow in
/// each millisecond.
struct Model {
    limit: u64,
    capacity: i64,
    level: i64,
    grain: u64,
    /// Milliseconds since the simulator was built.
    now: u64,
    started: SystemTime,
    header_age: u64,
    /// The states of the last moments: when, the level, and when it would be full.
    states: VecDeque<(u64, i64, u64)>,
}

const ONE: i64 = 60_000;

impl Model {
    fn new(limit: u64, hidden: Hidden, started: SystemTime) -> Self {
        let held = limit * hidden.burst().seconds() * 1_000;
        let capacity = i64::try_from(held).unwrap().max(ONE);
        let grain = u64::try_from(hidden.grain().as_millis()).unwrap();
        let header_age = u64::try_from(hidden.header_age().as_millis()).unwrap();
        let states = VecDeque::new();
        Self { limit, capacity, level: capacity, grain, now: 0, started, header_age, states }
    }

    fn wait(&mut self, millis: u64) {
        let grains = (self.now + millis) / self.grain - self.now / self.grain;
        self.now += millis;
        let refill = i64::try_from(grains * self.limit * self.grain).unwrap();
        self.level = (self.level + refill).min(self.capacity);
        self.note();
    }

    fn take(&mut self, amount: u64) {
        self.level -= i64::try_from(amount).unwrap() * ONE;
        self.note();
    }

    fn note(&mut self) {
        self.states.push_back((self.now, self.level, self.reached(self.capacity)));
        // One state from before the window is what held at its beginning.
        while self.states.get(1).is_some_and(|state| state.0 + self.header_age <= self.now) {
            self.states.pop_front();
        }
    }

    /// When the level is reached.
    fn reached(&self, level: i64) -> u64 {
        let missing = u64::try_from((level - self.level).max(0)).unwrap();
        match missing.div_ceil(self.limit * self.grain) {
            0 => self.now,
            grains => (self.now / self.grain + grains) * self.grain,
        }
    }

    /// What is shown was true at some time in the window; tokens are rounded to thousands.
    fn assert_shown(&self, shown: Limit, rounding: u64, note: Note) {
        assert_eq!(shown.limit, Some(self.limit), "{note:?}");
        let remaining = shown.remaining.unwrap();
        assert!(remaining <= self.limit, "{note:?}");
        let rounded = |level: i64| {
            let level = u64::try_from(level.max(0)).unwrap() / if rounding == 1 { 60_000 } else { 1 };
            match rounding {
                1 => level,
                _ => ((level + 30_000 * rounding) / (60_000 * rounding) * rounding).min(self.limit),
            }
        };
        let reset = |full_at: u64| self.started + Duration::from_secs(full_at.div_ceil(1_000));
        let was = |&(_, level, full_at): &(u64, i64, u64)| {
            let reset_is_right = shown.reset == Some(reset(full_at)) || level == self.capacity;
            rounded(level) == remaining && reset_is_right
        };
        assert!(self.states.iter().any(was), "{note:?}: {shown:?} was never true: {:?}", self.states);
    }
}

/// Where it went wrong.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "a failed assertion shows it")]
struct Note {
    bound: Bound,
    seed: u64,
    at: u64,
}

/// Which limit binds.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Requests,
    Input,
    Output,
}

impl Bound {
    /// This limit for what binds, and plenty of everything else.
    const fn limits(self, limit: u64) -> ClassLimits {
        match self {
            Self::Requests => ClassLimits::per_minute(limit, PLENTY, PLENTY),
            Self::Input => ClassLimits::per_minute(PLENTY, limit, PLENTY),
            Self::Output => ClassLimits::per_minute(PLENTY, PLENTY, limit),
        }
    }

    /// The texts of requests and of answers, in bytes.
    const fn lengths(self) -> (usize, usize) {
        match self {
            Self::Requests => (10, 1),
            Self::Input => (2_800, 1),
            Self::Output => (10, 1_750),
        }
    }

    /// What a request takes of what binds.
    async fn taken(self, body: &Bytes, reply: &Reply) -> u64 {
        let simulator = Simulator::builder().with_reply(reply.clone()).build();
        send(&simulator, full(post("/v1/messages"), body.clone())).await;
        let tokens = simulator.bill()[0].tokens;
        match self {
            Self::Requests => 1,
            Self::Input => tokens.input,
            Self::Output => tokens.output,
        }
    }

    /// The levels at which a request may be let in, and at which it has to be.
    fn needed(self, taken: u64, hidden: &Hidden, capacity: i64) -> (i64, i64) {
        let percent = i64::try_from(taken).unwrap() * ONE / 100;
        let error = i64::from(hidden.estimate_error());
        match self {
            Self::Requests => (ONE, ONE),
            Self::Input => {
                ((percent * (100 - error)).min(capacity), (percent * (100 + error) + ONE).min(capacity))
            }
            Self::Output => (1, 1),
        }
    }

    const fn shown(self, headers: &RateLimitHeaders) -> (Limit, u64) {
        match self {
            Self::Requests => (headers.requests, 1),
            Self::Input => (headers.input_tokens, 1_000),
            Self::Output => (headers.output_tokens, 1_000),
        }
    }
}

fn asking(length: usize, number: usize) -> Bytes {
    let content = format!("{number:03}{}", "x".repeat(length));
    Bytes::from(body(&json!({"messages": [{"role": "user", "content": content}]})).to_string())
}

/// Offers ten times the limit: what is admitted is what the bucket held and what came in, and all along the
/// headers tell the truth.
async fn offer(bound: Bound, seed: u64) {
    let hidden = Hidden::of_seed(seed);
    let (asked, answered) = bound.lengths();
    let reply = Reply::text("x".repeat(answered));
    let bodies: Vec<Bytes> = (0..7).map(|number| asking(asked, number)).collect();
    let taken = bound.taken(&bodies[0], &reply).await;
    // A minute's grain leaves little room in a minute's bucket: the rest of what a request needs must fit.
    let limit = if hidden.burst() == Burst::Minute { 30 } else { 12 } * taken;
    let simulator = Simulator::builder()
        .with_seed(seed)
        .with_limits(Limits::each(bound.limits(limit)))
        .with_reply(reply)
        .build();
    assert_eq!(simulator.hidden(), hidden);

    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600);
    let mut model = Model::new(limit, hidden, started);
    let (least, most) = bound.needed(taken, &hidden, model.capacity);
    let every = taken * 60_000 / (limit * 10);
    let mut admitted = 0;
    for body in bodies.iter().cycle().take(usize::try_from(MINUTES * 60_000 / every).unwrap()) {
        let request = full(post("/v1/messages"), body.clone());
        let response = simulator.clone().oneshot(request).await.unwrap();
        let note = Note { bound, seed, at: model.now };
        if response.status() == 200 {
            assert!(model.level >= least, "{note:?}: let in at {}", model.level);
            admitted += taken;
            model.take(taken);
        } else {
            assert_eq!(response.status(), 429, "{note:?}");
            assert!(model.level < most, "{note:?}: refused at {}", model.level);
            let waits = retry_after(response.headers(), started).unwrap().as_secs();
            let wait = |level| (model.reached(level) - model.now).div_ceil(1_000).max(1);
            assert!((wait(least)..=wait(most)).contains(&waits), "{note:?}: {waits} s");
        }
        let (shown, rounding) = bound.shown(&RateLimitHeaders::read(response.headers()));
        model.assert_shown(shown, rounding, note);
        // A whole answer has been executed, whether it is read or not.
        drop(response);
        advance(Duration::from_millis(every)).await;
        model.wait(every);
    }
    let left = u64::try_from(model.level.max(0) / ONE).unwrap();
    let expected = hidden.most(limit, Duration::from_millis(model.now));
    let off = (admitted + left).abs_diff(expected);
    assert!(off * 100 <= expected, "{bound:?}, seed {seed}, {hidden:?}: {admitted} and {left} of {expected}");
}

#[test]
fn the_seeds_cover_what_is_hidden() {
    let hidden = || (0..SEEDS).map(Hidden::of_seed);
    let bursts: BTreeSet<u64> = hidden().map(|hidden| hidden.burst().seconds()).collect();
    assert_eq!(bursts, BTreeSet::from([1, 10, 60]));
    let grains: BTreeSet<Duration> = hidden().map(|hidden| hidden.grain()).collect();
    assert!(grains.len() > 12, "{grains:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_bind() {
    for seed in 0..SEEDS {
        offer(Bound::Requests, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn input_binds() {
    for seed in 0..SEEDS {
        offer(Bound::Input, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn output_binds() {
    for seed in 0..SEEDS {
        offer(Bound::Output, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_a_minute_may_be_one_a_second() {
    let strict = Hidden::plain().with_burst(Burst::Second).with_grain(Duration::from_secs(1));
    let limits = Limits::each(ClassLimits::per_minute(60, PLENTY, PLENTY));
    let simulator = Simulator::builder().with_limits(limits).with_hidden(strict).build();
    let body = asking(10, 0);
    for _ in 0..5 {
        for expected in [200, 429, 429] {
            let request = full(post("/v1/messages"), body.clone());
            assert_eq!(simulator.clone().oneshot(request).await.unwrap().status(), expected);
        }
        advance(Duration::from_secs(1)).await;
    }
}
