//! How long to wait where the server does not say.

use std::time::Duration;

use thiserror::Error;

/// Waits that double: `base · 2ⁿ` after `n` retries, up to `max`, each shortened by a random share of at most `jitter`.
///
/// | | default | from |
/// | --- | --- | --- |
/// | `base`, `max` | 0.5 s, 8 s | the official SDKs (Python 2.12.0, 2026-11-20) |
/// | `jitter` | 0.25 | the same: a wait is between three quarters of its step and the whole |
/// | `overload_floor` | 1 s | ours, 2026-11-23: who is overloaded (529) is left alone for at least so long |
///
/// A wait that the server asks for, and the least one after an overload, is never shortened: jitter is added to it. What is
/// waited at the most is not the backoff's to say, but [`RetryLayer::with_max_wait`](crate::RetryLayer::with_max_wait)'s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    jitter: f64,
    overload_floor: Duration,
}

/// These waits make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidBackoff(&'static str);

impl Default for Backoff {
    fn default() -> Self {
        Self::between(Duration::from_millis(500), Duration::from_secs(8))
    }
}

impl Backoff {
    /// Of waits that are known to make sense.
    pub(crate) const fn between(base: Duration, max: Duration) -> Self {
        Self { base, max, jitter: 0.25, overload_floor: Duration::from_secs(1) }
    }

    /// From `base` after the first failure, doubling up to `max`; the rest as in [`Backoff::default`].
    ///
    /// # Errors
    ///
    /// If `base` is zero, or longer than `max`.
    pub fn new(base: Duration, max: Duration) -> Result<Self, InvalidBackoff> {
        if base.is_zero() {
            return Err(InvalidBackoff("the first wait of a backoff must be longer than nothing"));
        }
        if base > max {
            return Err(InvalidBackoff("the first wait of a backoff must not be longer than the longest"));
        }
        Ok(Self::between(base, max))
    }

    /// The share of a step by which a wait may be shorter, from 0 to 1. With 0 no wait is left to chance, nor is anything
    /// added to those that the server asks for.
    ///
    /// # Errors
    ///
    /// If it is no number from 0 to 1.
    pub fn with_jitter(mut self, jitter: f64) -> Result<Self, InvalidBackoff> {
        if !(0.0..=1.0).contains(&jitter) {
            return Err(InvalidBackoff("the jitter of a backoff must be a number from 0 to 1"));
        }
        self.jitter = jitter;
        Ok(self)
    }

    /// The least wait after an answer that says that the API is overloaded (529), if it does not say how long to wait.
    #[must_use]
    pub const fn with_overload_floor(mut self, floor: Duration) -> Self {
        self.overload_floor = floor;
        self
    }

    pub(crate) const fn overload_floor(&self) -> Duration {
        self.overload_floor
    }

    /// The wait after `retries` retries, without its jitter.
    #[must_use]
    pub fn step(&self, retries: u32) -> Duration {
        let factor = 1_u32.checked_shl(retries).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }

    /// The wait after `retries` retries; not below `floor`, but above it by up to the jitter, so that not all come back at
    /// the floor. `random` is from 0 to 1.
    pub(crate) fn wait(&self, retries: u32, floor: Duration, random: f64) -> Duration {
        let step = self.step(retries);
        let shortest = share(step, 1.0 - self.jitter);
        if shortest >= floor {
            shortest.saturating_add(share(step.saturating_sub(shortest), random))
        } else {
            floor.saturating_add(share(floor.min(step), self.jitter * random))
        }
    }

    /// A wait that the server asks for, and something on top, since others have heard the same: up to one step of the
    /// backoff, and never more than was asked for. Nothing if there is no jitter.
    pub(crate) fn wait_asked_for(&self, asked: Duration, retries: u32, random: f64) -> Duration {
        if self.jitter == 0.0 {
            return asked;
        }
        asked.saturating_add(share(asked.min(self.step(retries)), random))
    }
}

/// A part of a duration, `part` of 1. (`mul_f64` panics where rounding ends above the longest.)
fn share(whole: Duration, part: f64) -> Duration {
    Duration::try_from_secs_f64(whole.as_secs_f64() * part).map_or(whole, |share| share.min(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(wait: Duration) -> u128 {
        wait.as_millis()
    }

    /// The ranges of the official SDK for Java (2.57.0): [375, 500], [750, 1000], … [6000, 8000] ms.
    #[test]
    fn the_ranges_of_the_official_sdks() {
        let backoff = Backoff::default();
        let ranges =
            [(375, 500), (750, 1_000), (1_500, 2_000), (3_000, 4_000), (6_000, 8_000), (6_000, 8_000)];
        for (retries, (shortest, longest)) in (0..).zip(ranges) {
            assert_eq!(millis(backoff.wait(retries, Duration::ZERO, 0.0)), shortest);
            assert_eq!(millis(backoff.wait(retries, Duration::ZERO, 1.0)), longest);
        }
        for retries in [31, 32, 1_000, u32::MAX] {
            assert_eq!(millis(backoff.step(retries)), 8_000);
        }
    }

    #[test]
    fn nothing_below_the_floor_and_not_all_at_it() {
        let backoff = Backoff::default();
        let floor = Duration::from_secs(1);
        assert_eq!(millis(backoff.wait(0, floor, 0.0)), 1_000);
        assert_eq!(millis(backoff.wait(0, floor, 1.0)), 1_125);
        assert_eq!(millis(backoff.wait(1, floor, 0.0)), 1_000);
        assert_eq!(millis(backoff.wait(1, floor, 1.0)), 1_250);
        assert_eq!(millis(backoff.wait(2, floor, 0.0)), 1_500, "a step above the floor is left alone");
    }

    #[test]
    fn what_the_server_asks_for_is_the_least() {
        let backoff = Backoff::default();
        for (asked, most) in [(20_000, 20_500), (100, 200), (10, 20)] {
            assert_eq!(
                millis(backoff.wait_asked_for(Duration::from_millis(asked), 0, 0.0)),
                u128::from(asked)
            );
            assert_eq!(millis(backoff.wait_asked_for(Duration::from_millis(asked), 0, 1.0)), most);
        }
        assert_eq!(backoff.wait_asked_for(Duration::MAX, 0, 1.0), Duration::MAX);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let backoff = Backoff::new(Duration::from_nanos(1), Duration::MAX).unwrap();
        assert_eq!(backoff.step(u32::MAX), Duration::from_nanos(u32::MAX.into()));
        let backoff = Backoff::new(Duration::MAX, Duration::MAX).unwrap().with_jitter(1.0).unwrap();
        for random in [0.0, 0.5, 1.0] {
            backoff.wait(9, Duration::MAX, random);
            backoff.wait(9, Duration::ZERO, random);
        }
    }

    #[test]
    fn bad_values() {
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(2));
        assert!(Backoff::new(Duration::ZERO, long).is_err());
        assert!(Backoff::new(long, short).is_err());
        assert!(Backoff::new(short, short).is_ok());
        for jitter in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Backoff::default().with_jitter(jitter).is_err(), "{jitter}");
        }
    }
}
