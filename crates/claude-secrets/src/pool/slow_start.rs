//! How fast traffic that has moved to another key may grow.

use std::time::{Duration, Instant};

use thiserror::Error;

/// How traffic comes to a key that takes over, or that comes back after it was limited: some requests a second at first, twice as
/// many after each second, until a time is over. The rest goes to other keys, or waits. The API limits sharp growth as
/// such (`ramp_limit_exceeded`), whatever a key's buckets hold.
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

    /// When, after its begin, the request of this number may leave. The first is 0.
    fn leaves(&self, number: u64) -> Duration {
        // So many have left after t seconds: rate / ln 2 * (2^t - 1).
        #[expect(clippy::cast_precision_loss, reason = "a time is wanted, not a count")]
        let seconds = (1.0 + number as f64 * std::f64::consts::LN_2 / self.per_second).log2();
        Duration::try_from_secs_f64(seconds).unwrap_or(self.time).min(self.time)
    }
}

impl SlowStart {
    /// How many have left after this time.
    fn left(&self, time: Duration) -> u64 {
        let left = self.per_second / std::f64::consts::LN_2 * (time.as_secs_f64().exp2() - 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float that is too large is the largest"
        )]
        let left = left as u64;
        left
    }
}

/// A slow start under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    begun: Instant,
    admitted: u64,
    last: Instant,
}

impl Ramp {
    pub(super) const fn new(now: Instant) -> Self {
        Self { begun: now, admitted: 0, last: now }
    }

    /// Whether nobody has come for so long that it begins anew.
    pub(super) fn is_forgotten(&self, slow: &SlowStart, now: Instant) -> bool {
        now.saturating_duration_since(self.last) > slow.time
    }

    pub(super) fn is_over(&self, slow: &SlowStart, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= slow.time
    }

    /// When the next one may leave.
    pub(super) fn next(&self, slow: &SlowStart) -> Instant {
        self.begun.checked_add(slow.leaves(self.admitted)).unwrap_or(self.begun)
    }

    pub(super) fn admit(&mut self, now: Instant) {
        self.admitted = self.admitted.saturating_add(1);
        self.last = now;
    }

    pub(super) fn give_back(&mut self) {
        self.admitted = self.admitted.saturating_sub(1);
    }

    /// How many have been counted whose turn has not come.
    pub(super) fn waiting(&self, slow: &SlowStart, now: Instant) -> u64 {
        self.admitted.saturating_sub(slow.left(now.saturating_duration_since(self.begun)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::SlowStart;

    #[test]
    fn the_rate_doubles_each_second() {
        let slow = SlowStart::default();
        let by = |seconds: u64| {
            (0_u64..).take_while(|number| slow.leaves(*number) < Duration::from_secs(seconds)).count()
        };
        let (one, two, three) = (by(1), by(2), by(3));
        assert!((14..=16).contains(&one), "{one}");
        assert!((28..=30).contains(&(two - one)), "{two}");
        assert!((56..=59).contains(&(three - two)), "{three}");
        assert_eq!(slow.leaves(0), Duration::ZERO);
        assert_eq!(slow.leaves(u64::MAX), Duration::from_secs(10));
        assert_eq!(SlowStart::off().leaves(1_000), Duration::ZERO);
    }

    #[test]
    fn rates_that_are_none() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
            assert!(SlowStart::new(rate, Duration::from_secs(1)).is_err(), "{rate}");
        }
        assert!(SlowStart::new(1.0, Duration::from_secs(3_601)).is_err());
    }
}
