//! How fast traffic that has moved to another key may grow.

use std::time::{Duration, Instant};

use thiserror::Error;

/// What is not used of the rate is lost, a quarter of a step a second: traffic that has moved may grow at once to four times
/// of what it is, whenever that is, and beyond only step by step. Ours, 2026-11-23.
const FALL: f64 = 0.25;

/// How traffic comes to a key that takes over, or that comes back after it was limited or out of use: some requests a second at first, twice as
/// many after each second in which they are used up, until a time is over and nobody waits any more. The rest goes to other keys,
/// or waits. The API limits sharp growth as such (`ramp_limit_exceeded`), whatever a key's buckets hold.
///
/// The default is ours (2026-11-23): 10 a second, for 10 seconds; by then some 14,000 requests have passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    per_second: f64,
    time: Duration,
}

/// A rate that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a slow start begins with a rate of 0.1 to 1000000 requests a second, and lasts an hour at the most")]
pub struct InvalidSlowStart(());

impl Default for SlowStart {
    fn default() -> Self {
        Self { per_second: 10.0, time: Duration::from_secs(10) }
    }
}

impl SlowStart {
    /// So many requests a second at first, and over after this time.
    ///
    /// # Errors
    ///
    /// If the rate is no number between 0.1 and 1,000,000, or the time longer than an hour.
    pub fn new(per_second: f64, time: Duration) -> Result<Self, InvalidSlowStart> {
        let is_valid = (0.1..=1e6).contains(&per_second) && time <= Duration::from_secs(3_600);
        is_valid.then_some(Self { per_second, time }).ok_or(InvalidSlowStart(()))
    }

    /// All at once.
    #[must_use]
    pub const fn off() -> Self {
        Self { per_second: 1.0, time: Duration::ZERO }
    }

    /// So many have left when the rate has doubled so often: rate / ln 2 * (2^height - 1).
    fn left(&self, height: f64) -> f64 {
        self.per_second / std::f64::consts::LN_2 * (height.exp2() - 1.0)
    }

    /// How often the rate has doubled when so many have left.
    fn height(&self, left: f64) -> f64 {
        (1.0 + left.max(0.0) * std::f64::consts::LN_2 / self.per_second).log2()
    }
}

/// A slow start under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    begun: Instant,
    /// The turn of the next one. Who comes later than that lets the rate fall.
    next: Instant,
    /// How often the rate will have doubled by then.
    height: f64,
    last: Instant,
}

impl Ramp {
    pub(super) const fn new(now: Instant) -> Self {
        Self { begun: now, next: now, height: 0.0, last: now }
    }

    /// Another that began at the same time.
    pub(super) const fn anew(&self) -> Self {
        Self::new(self.begun)
    }

    /// When it began, which tells it from any other.
    pub(super) const fn begun(&self) -> Instant {
        self.begun
    }

    /// When the last one came.
    pub(super) const fn last(&self) -> Instant {
        self.last
    }

    /// Whether nobody waits, and nobody has come for so long that it begins anew.
    pub(super) fn is_forgotten(&self, slow: &SlowStart, now: Instant) -> bool {
        now.saturating_duration_since(self.last) > slow.time && self.next <= now
    }

    /// Whether its time is over and nobody waits.
    pub(super) fn is_over(&self, slow: &SlowStart, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= slow.time && self.next <= now
    }

    /// When the next one may leave.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        if let Some(unused) = now.checked_duration_since(self.next) {
            self.height = (self.height - unused.as_secs_f64() * FALL).max(0.0);
            self.next = now;
        }
        self.next
    }

    /// Counts one that leaves when it is its turn.
    pub(super) fn admit(&mut self, slow: &SlowStart, now: Instant) {
        self.last = now;
        // Up there nobody has to wait.
        if self.height < slow.time.as_secs_f64() || self.next > now {
            self.climb(slow, 1.0);
        }
    }

    pub(super) fn give_back(&mut self, slow: &SlowStart) {
        self.climb(slow, -1.0);
    }

    /// Moves the next turn by so many.
    fn climb(&mut self, slow: &SlowStart, turns: f64) {
        let height = slow.height(slow.left(self.height) + turns);
        let step = Duration::try_from_secs_f64((height - self.height).abs()).unwrap_or_default();
        self.height = height;
        let next = if turns > 0.0 { self.next.checked_add(step) } else { self.next.checked_sub(step) };
        self.next = next.unwrap_or(self.next);
    }

    /// How many have been counted whose turn has not come.
    pub(super) fn waiting(&self, slow: &SlowStart, now: Instant) -> u64 {
        let ahead = self.next.saturating_duration_since(now).as_secs_f64();
        let turns = slow.left(self.height) - slow.left((self.height - ahead).max(0.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float that is too large is the largest"
        )]
        let turns = turns.round() as u64;
        // One of them is the next one's.
        turns.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ramp, SlowStart};
    use crate::clock::CLOCK;

    /// When each of so many that come at once may leave, after the first.
    fn turns(slow: &SlowStart, count: u32) -> Vec<Duration> {
        let now = CLOCK();
        let mut ramp = Ramp::new(now);
        let turn = |_| {
            let turn = ramp.next(now);
            ramp.admit(slow, now);
            turn - now
        };
        (0..count).map(turn).collect()
    }

    #[test]
    fn the_rate_doubles_each_second() {
        let turns = turns(&SlowStart::default(), 1_000);
        let by = |seconds| turns.iter().filter(|turn| **turn < Duration::from_secs(seconds)).count();
        let (one, two, three) = (by(1), by(2), by(3));
        assert!((14..=16).contains(&one), "{one}");
        assert!((28..=30).contains(&(two - one)), "{two}");
        assert!((56..=59).contains(&(three - two)), "{three}");
        assert_eq!(turns[0], Duration::ZERO);
    }

    #[test]
    fn off_is_at_once() {
        assert_eq!(turns(&SlowStart::off(), 1_000).last(), Some(&Duration::ZERO));
    }

    #[test]
    fn who_waits_is_counted_and_who_leaves_is_not() {
        let (slow, now) = (SlowStart::default(), CLOCK());
        let mut ramp = Ramp::new(now);
        assert_eq!(ramp.waiting(&slow, now), 0);
        for waiting in 0..10_000 {
            ramp.admit(&slow, now);
            assert_eq!(ramp.waiting(&slow, now), waiting);
        }
        for _ in 0..9_000 {
            ramp.give_back(&slow);
        }
        assert_eq!(ramp.waiting(&slow, now), 999);
        let turn = ramp.next(now);
        assert_eq!(ramp.waiting(&slow, turn), 0);
        assert!((ramp.next(now) - now).as_secs_f64() < 6.2, "{turn:?}");
    }

    #[test]
    fn what_is_not_used_is_lost() {
        let (slow, begin) = (SlowStart::default(), CLOCK());
        let mut ramp = Ramp::new(begin);
        // One a second for an hour.
        for second in 0..3_600 {
            let now = begin + Duration::from_secs(second);
            assert_eq!(ramp.next(now), now);
            ramp.admit(&slow, now);
        }
        let now = begin + Duration::from_secs(3_600);
        for _ in 0..100 {
            ramp.next(now);
            ramp.admit(&slow, now);
        }
        // The same as of one that has just begun.
        let waits = ramp.next(now) - now;
        assert!((2.9..=3.1).contains(&waits.as_secs_f64()), "{waits:?}");
    }

    #[test]
    fn rates_that_are_none() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
            assert!(SlowStart::new(rate, Duration::from_secs(1)).is_err(), "{rate}");
        }
        assert!(SlowStart::new(1.0, Duration::from_secs(3_601)).is_err());
    }
}
