//! What the documents leave open about the limits, as one seed has it.

use std::time::Duration;

use crate::seed::{self, Purpose};

/// What no response says of how limits are enforced. The API's documents leave it open (2026-10-08), so it is
/// drawn from the seed, and a client that holds under one draw alone does not hold. Tests can read it
/// ([`Simulator::hidden`](crate::Simulator::hidden)) to know what should have been admitted, or set it
/// ([`Builder::with_hidden`](crate::Builder::with_hidden)).
///
/// Headers say what is in the bucket: where that holds a sixtieth of its limit, no more than that remains.
///
/// ```
/// use std::time::Duration;
///
/// use claude_sim::{Burst, Hidden, Simulator};
///
/// let strict = Hidden::plain().with_burst(Burst::Second).with_grain(Duration::from_millis(500));
/// let simulator = Simulator::builder().with_hidden(strict).build();
/// assert_eq!(simulator.hidden().most(600, Duration::from_secs(30)), 10 + 300);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    burst: Burst,
    grain: Duration,
    estimate_error: u8,
    header_age: Duration,
}

/// How much a bucket holds: what its limit brings in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Burst {
    /// All of the limit per minute, `L`.
    Minute,
    /// `L / 6`.
    TenSeconds,
    /// `L / 60`: 60 requests per minute are one in each second.
    Second,
}

impl Burst {
    /// In seconds of refill.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::TenSeconds => 10,
            Self::Second => 1,
        }
    }

    /// The longest grain of a seed. What is left in a bucket and what a grain brings must fit into it together,
    /// or some of it is lost: hence half of what a small bucket holds. A large one has room for what is left.
    const fn longest_grain(self) -> Duration {
        match self {
            Self::Minute => Duration::from_secs(60),
            Self::TenSeconds => Duration::from_secs(5),
            Self::Second => Duration::from_millis(500),
        }
    }
}

impl Hidden {
    /// The shortest grain.
    const MIN_GRAIN: Duration = Duration::from_millis(1);

    /// As drawn from this seed: any burst; a grain of 1 to 60 whole seconds, but no more than 5 s in buckets of
    /// ten seconds and half a second in buckets of one; estimates that are wrong by up to 0 to 20 %; headers
    /// that are 0 to 2 s old.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = seed::rng(seed, 0, Purpose::Hidden);
        let burst = [Burst::Minute, Burst::TenSeconds, Burst::Second][rng.usize(..3)];
        // Drawn from what the burst allows, or most of the smaller ones would have the longest.
        let longest = burst.longest_grain();
        let grain = match longest.as_secs() {
            0 => longest,
            seconds => Duration::from_secs(rng.u64(1..=seconds)),
        };
        let estimate_error = rng.u8(..=20);
        let header_age = Duration::from_millis(rng.u64(..=2_000));
        Self { burst, grain, estimate_error, header_age }
    }

    /// The mildest: buckets that hold a whole minute's limit and are refilled in each millisecond, estimates
    /// that are right, headers that are true.
    #[must_use]
    pub const fn plain() -> Self {
        Self { burst: Burst::Minute, grain: Self::MIN_GRAIN, estimate_error: 0, header_age: Duration::ZERO }
    }

    /// How much a bucket holds. A grain that brings more than that becomes shorter.
    #[must_use]
    pub fn with_burst(mut self, burst: Burst) -> Self {
        self.burst = burst;
        self.with_grain(self.grain)
    }

    /// In what steps of time the refill arrives; from a millisecond to what the bucket holds.
    #[must_use]
    pub fn with_grain(mut self, grain: Duration) -> Self {
        self.grain = grain.clamp(Self::MIN_GRAIN, Duration::from_secs(self.burst.seconds()));
        self
    }

    /// By how many per cent the first estimate of a request's input may be wrong, 100 at the most. Requests of
    /// one body are estimated alike, and the estimate is corrected when the message starts.
    #[must_use]
    pub fn with_estimate_error(mut self, percent: u8) -> Self {
        self.estimate_error = percent.min(100);
        self
    }

    /// How old the state may be that headers show.
    #[must_use]
    pub const fn with_header_age(mut self, age: Duration) -> Self {
        self.header_age = age;
        self
    }

    /// How much a bucket holds.
    #[must_use]
    pub const fn burst(&self) -> Burst {
        self.burst
    }

    /// In what steps of time the refill arrives. Steps are counted from the building of the simulator.
    #[must_use]
    pub const fn grain(&self) -> Duration {
        self.grain
    }

    /// By how many per cent the first estimate of a request's input may be wrong.
    #[must_use]
    pub const fn estimate_error(&self) -> u8 {
        self.estimate_error
    }

    /// How old the state may be that headers show.
    #[must_use]
    pub const fn header_age(&self) -> Duration {
        self.header_age
    }

    /// The most that a bucket of this limit per minute can give without a debt, from the building of the
    /// simulator until `elapsed`: what it held at first, and what has come in since.
    #[must_use]
    pub fn most(&self, limit: u64, elapsed: Duration) -> u64 {
        const MINUTE: u128 = 60_000_000_000;
        let limit = u128::from(limit.max(1));
        let capacity = (limit * u128::from(self.burst.seconds()) * (MINUTE / 60)).max(MINUTE);
        let grain = self.grain.as_nanos();
        let refill = limit.saturating_mul(elapsed.as_nanos() / grain * grain);
        u64::try_from(capacity.saturating_add(refill) / MINUTE).unwrap_or(u64::MAX)
    }

    /// The first estimate of an input of so many tokens.
    pub(super) fn estimate(&self, input_tokens: u64, seed: u64, body: &[u8]) -> u64 {
        let error = u64::from(self.estimate_error) * 10;
        let per_mille = 1_000 - error + seed::rng_of(seed, body, Purpose::Estimate).u64(..=2 * error);
        let estimate = (u128::from(input_tokens) * u128::from(per_mille)).div_ceil(1_000);
        u64::try_from(estimate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn seeds_cover_what_is_open() {
        let drawn: Vec<Hidden> = (0..1_000).map(Hidden::of_seed).collect();
        let bursts: BTreeSet<u64> = drawn.iter().map(|hidden| hidden.burst.seconds()).collect();
        assert_eq!(bursts, BTreeSet::from([1, 10, 60]));
        for hidden in &drawn {
            assert!(hidden.grain <= hidden.burst.longest_grain());
            assert!(hidden.estimate_error <= 20 && hidden.header_age <= Duration::from_secs(2));
            assert_eq!(hidden.with_grain(hidden.grain), *hidden);
        }
        let grains: BTreeSet<u64> = drawn.iter().map(|hidden| hidden.grain.as_secs()).collect();
        assert_eq!(grains, (0..=60).collect());
        let errors: BTreeSet<u8> = drawn.iter().map(|hidden| hidden.estimate_error).collect();
        assert_eq!(errors.len(), 21);
        assert_eq!(Hidden::of_seed(7), Hidden::of_seed(7));
    }

    #[test]
    fn estimates_stay_within_their_error() {
        let hidden = Hidden::plain().with_estimate_error(20);
        let estimates: BTreeSet<u64> =
            (0_u32..2_000).map(|body| hidden.estimate(1_000, 7, &body.to_le_bytes())).collect();
        assert!(estimates.first() < Some(&810) && estimates.last() > Some(&1_190), "{estimates:?}");
        assert!(estimates.first() >= Some(&800) && estimates.last() <= Some(&1_200));
        assert_eq!(hidden.estimate(1_000, 7, b"x"), hidden.estimate(1_000, 7, b"x"));
        assert_eq!(Hidden::plain().estimate(1_000, 7, b"x"), 1_000);
    }
}
