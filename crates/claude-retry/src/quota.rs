//! How much extra work there may be.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claude_errors::{Classification, ErrorKind};
use thiserror::Error;

/// Parts of one try. Ratios are exact to a millionth.
const TRY: u64 = 1_000_000;
/// The largest ratio that makes sense.
const MAX_RATIO: f64 = 1_000.0;

/// A shared bucket that pays for all extra work. A clone is another handle to the same bucket.
///
/// Each first try puts a share of a try into it, and each extra attempt takes out a whole one at the least. So, counted from
/// the quota's beginning,
///
/// > extra attempts ≤ `burst` + `ratio` · first tries
///
/// whatever fails. (The retries of a client above, if it says that they are such, pay too; but one for which there is nothing
/// left still goes once. What a client repeats is its own.) Retries are a bet that the failure is a passing one. When much fails at once, the bet is lost: the
/// API needs less work then, and a client that repeats everything three times gives it four times as much. The bucket
/// runs dry, calls fail after one attempt, and when the API comes back it is not met by a storm.
///
/// | | default | from |
/// | --- | --- | --- |
/// | `ratio` | 0.2 | the retry budgets of tower (0.5.3, 2026-11) and Finagle (6.31, 2016-02) |
/// | `burst` | 100 | ours, 2026-11-23: a hundred calls of a program that makes few |
/// | cost | 1 after a refusal by rate, a conflict, or if there was no connection; else 2: it burdens the API, or may be billed twice | ours, 2026-11-23, after the AWS SDKs: 5 after throttling, else 14 (aws-smithy-runtime 1.14.0, 2026-11) |
///
/// The price of the bound: where failures come steadily and have nothing to do with load, more than about 15 % of them are
/// more than the default pays for, and fewer calls succeed than without a quota. A larger ratio then buys answers with
/// load (0.5: up to about 28 %; by the storms of this crate's tests, 2026-11-23).
///
/// What an attempt costs above 1 is a deposit: an extra attempt that succeeds gets it back. So retries that help are
/// cheap, and retries into an outage empty the bucket twice as fast.
#[derive(Clone)]
pub struct Quota {
    shared: Arc<Shared>,
}

struct Shared {
    /// What a first try puts in.
    share: u64,
    /// How much it holds; `u64::MAX` stands for no end.
    capacity: u64,
    level: AtomicU64,
    cost: fn(&Classification) -> u32,
}

/// This quota makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidQuota(&'static str);

impl Default for Quota {
    fn default() -> Self {
        Self::with(TRY / 5, 100 * TRY)
    }
}

impl Quota {
    /// A bucket that holds `burst` tries and is full, and into which each first try puts `ratio` of a try, exact to a
    /// millionth. A burst of 0 allows no extra work at all.
    ///
    /// # Errors
    ///
    /// If `ratio` is no number from 0 to 1,000.
    pub fn new(ratio: f64, burst: u32) -> Result<Self, InvalidQuota> {
        if !(0.0..=MAX_RATIO).contains(&ratio) {
            return Err(InvalidQuota("the ratio of a quota must be a number from 0 to 1000"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, as checked")]
        let share = (ratio * TRY as f64).round() as u64;
        Ok(Self::with(share, u64::from(burst) * TRY))
    }

    /// No limit. Nothing then stops a storm but the number of attempts of each call.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::with(0, u64::MAX)
    }

    /// What an extra attempt after this failure costs, in whole tries; less than 1 counts as 1, and more than the bucket
    /// holds as all of it. The bucket is a new one, and full.
    #[must_use]
    pub fn with_cost(self, cost: fn(&Classification) -> u32) -> Self {
        let Shared { share, capacity, .. } = *self.shared;
        let shared = Shared { share, capacity, level: AtomicU64::new(capacity), cost };
        Self { shared: Arc::new(shared) }
    }

    fn with(share: u64, capacity: u64) -> Self {
        let shared = Shared { share, capacity, level: AtomicU64::new(capacity), cost: default_cost };
        Self { shared: Arc::new(shared) }
    }

    /// How many tries are left; infinity if it is [unlimited](Self::unlimited).
    #[must_use]
    pub fn available(&self) -> f64 {
        in_tries(self.shared.level.load(Ordering::Relaxed))
    }

    /// How many tries it holds when it is full; infinity if it is [unlimited](Self::unlimited).
    #[must_use]
    pub fn capacity(&self) -> f64 {
        in_tries(self.shared.capacity)
    }

    /// A first try has begun.
    pub(crate) fn deposit(&self) {
        self.shared.put(self.shared.share);
    }

    /// Pays for an extra attempt after this failure; `None` if there is not enough left.
    pub(crate) fn draw(&self, judged: &Classification) -> Option<Permit> {
        let cost = u64::from((self.shared.cost)(judged).max(1)).saturating_mul(TRY);
        self.take(cost)
    }

    /// Pays for an attempt that is somebody else's retry.
    pub(crate) fn draw_one(&self) -> Option<Permit> {
        self.take(TRY)
    }

    fn take(&self, cost: u64) -> Option<Permit> {
        let Shared { capacity, level, .. } = &*self.shared;
        if *capacity == u64::MAX {
            return Some(Permit { quota: self.clone(), back: 0, surcharge: 0 });
        }
        if *capacity == 0 {
            return None;
        }
        let cost = cost.min(*capacity);
        level
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |level| level.checked_sub(cost))
            .ok()
            .map(|_| Permit { quota: self.clone(), back: cost, surcharge: cost - TRY })
    }
}

impl Shared {
    fn put(&self, parts: u64) {
        // A full bucket, the usual case, is only read: no core takes it from another.
        if parts == 0 || self.level.load(Ordering::Relaxed) >= self.capacity {
            return;
        }
        let more = |level: u64| Some(level.saturating_add(parts).min(self.capacity));
        // Never refused.
        self.level.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok();
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people and gauges")]
fn in_tries(parts: u64) -> f64 {
    if parts == u64::MAX { f64::INFINITY } else { parts as f64 / TRY as f64 }
}

/// Where the server has said no before it began, the retry costs what it is. What failed on the way, or of too much work, costs
/// more.
fn default_cost(judged: &Classification) -> u32 {
    match judged.kind {
        ErrorKind::RateLimited | ErrorKind::RampLimited | ErrorKind::Conflict | ErrorKind::Connection => 1,
        _ => 2,
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota")
            .field("available", &self.available())
            .field("capacity", &self.capacity())
            .field("ratio", &in_tries(self.shared.share))
            .finish()
    }
}

/// One paid attempt. Dropped before the attempt is made, it gives back all of it.
pub(crate) struct Permit {
    quota: Quota,
    /// What a drop gives back.
    back: u64,
    /// What a success gives back.
    surcharge: u64,
}

impl Permit {
    /// The attempt is made now.
    pub(crate) const fn spend(&mut self) {
        self.back = 0;
    }

    /// The attempt has succeeded.
    pub(crate) fn succeeded(mut self) {
        self.back = self.surcharge;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.quota.shared.put(self.back);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use proptest::prelude::*;

    use super::*;

    fn failed(status: u16) -> Classification {
        let status = StatusCode::from_u16(status).unwrap();
        Classification::of_response(status, &HeaderMap::new(), None, std::time::UNIX_EPOCH).unwrap()
    }

    fn left(quota: &Quota) -> f64 {
        quota.available()
    }

    #[test]
    fn attempts_cost_by_kind_and_success_gives_the_surcharge_back() {
        let quota = Quota::new(0.2, 10).unwrap();
        let mut limited = quota.draw(&failed(429)).unwrap();
        assert_eq!(left(&quota), 9.0);
        limited.spend();
        limited.succeeded();
        assert_eq!(left(&quota), 9.0, "an extra attempt costs one at the least");
        let mut overloaded = quota.draw(&failed(529)).unwrap();
        assert_eq!(left(&quota), 7.0);
        overloaded.spend();
        overloaded.succeeded();
        assert_eq!(left(&quota), 8.0);
        let mut failing = quota.draw(&failed(500)).unwrap();
        failing.spend();
        drop(failing);
        assert_eq!(left(&quota), 6.0);
        drop(quota.draw(&failed(500)).unwrap());
        assert_eq!(left(&quota), 6.0, "never made, so never paid");
    }

    #[test]
    fn first_tries_fill_it_up_to_its_burst_exactly() {
        let quota = Quota::new(0.6, 2).unwrap();
        quota.draw_one().unwrap().spend();
        quota.draw_one().unwrap().spend();
        assert!(quota.draw_one().is_none());
        quota.deposit();
        assert_eq!(left(&quota), 0.6);
        assert!(quota.draw_one().is_none());
        quota.deposit();
        assert_eq!(left(&quota), 1.2);
        (0..100).for_each(|_| quota.deposit());
        assert_eq!(left(&quota), 2.0);
    }

    #[test]
    fn edges() {
        let never = Quota::new(0.5, 0).unwrap();
        (0..10).for_each(|_| never.deposit());
        assert!(never.draw_one().is_none());
        let small = Quota::new(0.0, 1).unwrap();
        assert!(small.draw(&failed(529)).is_some(), "costs more than it holds: all of it");
        let endless = Quota::unlimited();
        assert!((0..1_000).all(|_| endless.draw(&failed(500)).is_some()));
        assert_eq!(left(&endless), f64::INFINITY);
        for ratio in [-0.1, 1_000.1, f64::NAN, f64::INFINITY] {
            assert!(Quota::new(ratio, 1).is_err(), "{ratio}");
        }
        let dear = Quota::new(0.2, 10).unwrap().with_cost(|_| 5);
        let permit = dear.draw(&failed(429)).unwrap();
        assert_eq!(left(&dear), 5.0);
        permit.succeeded();
        assert_eq!(left(&dear), 9.0);
        let free = Quota::new(0.2, 1).unwrap().with_cost(|_| 0);
        free.draw(&failed(429)).unwrap().spend();
        assert!(free.draw(&failed(429)).is_none(), "nothing is free");
    }

    proptest! {
        /// Whatever happens in whatever order: extra attempts made ≤ burst + ratio · first tries.
        #[test]
        fn the_bound_holds(
            ratio in 0.0..2.0_f64,
            burst in 0..20_u32,
            steps in prop::collection::vec(0..6_u8, 0..400),
        ) {
            let quota = Quota::new(ratio, burst).unwrap();
            let (mut first, mut extra) = (0_u32, 0_u32);
            let mut running = Vec::new();
            for step in steps {
                match step {
                    0 | 1 => {
                        first += 1;
                        quota.deposit();
                    }
                    2 | 3 => {
                        let status = if step == 2 { 429 } else { 500 };
                        if let Some(mut permit) = quota.draw(&failed(status)) {
                            permit.spend();
                            extra += 1;
                            running.push(permit);
                        }
                    }
                    4 => drop(running.pop()),
                    _ => if let Some(permit) = running.pop() { permit.succeeded() },
                }
                let most = f64::from(burst) + ratio * f64::from(first);
                prop_assert!(f64::from(extra) <= most + 1e-3, "{extra} of {most}");
                prop_assert!(quota.available() <= quota.capacity());
            }
        }
    }
}
