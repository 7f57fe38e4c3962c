//! One token bucket, exact: there are no fractions that could drift.

use std::time::Duration;

use super::Hidden;
use super::pieces::{PIECES, pieces, whole};
use super::snapshot::Snapshot;

/// A bucket that is refilled at `limit` per minute, at the ends of grains of time. Nothing runs: whoever looks
/// refills it first. Times are counted since the simulator was built, as are grains.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    limit: u64,
    hidden: Hidden,
    /// In pieces. Below zero it is a debt.
    level: i128,
    /// How many grains are in the level.
    grains: i128,
    /// What headers were last told.
    shown: Option<Snapshot>,
}

impl Bucket {
    /// A full one. A limit below one is one.
    pub(super) fn full(limit: u64, hidden: Hidden, now: Duration) -> Self {
        let mut bucket = Self { limit: limit.max(1), hidden, level: 0, grains: 0, shown: None };
        bucket.grains = bucket.grains_until(now);
        bucket.level = bucket.capacity();
        bucket
    }

    /// Another limit from now on. What is in it stays, as far as it fits.
    pub(super) fn set_limit(&mut self, limit: u64, now: Duration) {
        self.refill(now);
        if self.limit != limit.max(1) {
            self.limit = limit.max(1);
            self.level = self.level.min(self.capacity());
            self.shown = None;
        }
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn refill(&mut self, now: Duration) {
        let grains = self.grains_until(now);
        let refill = (grains - self.grains).max(0).saturating_mul(self.per_grain());
        self.level = self.level.saturating_add(refill).min(self.capacity());
        self.grains = self.grains.max(grains);
    }

    /// How long after `now` so many can be taken; zero if they can be taken now. A request that is larger than
    /// the bucket goes when that is full. The bucket has been refilled.
    pub(super) fn wait_for(&self, amount: u64, now: Duration) -> Duration {
        let needed = pieces(amount).min(self.capacity());
        self.reached(needed, now).saturating_sub(now)
    }

    /// The same for any amount above zero, however small.
    pub(super) fn wait_for_any(&self, now: Duration) -> Duration {
        self.reached(1, now).saturating_sub(now)
    }

    /// Takes so many, if need be as a debt. The bucket has been refilled.
    pub(super) const fn take(&mut self, amount: u64) {
        self.level = self.level.saturating_sub(pieces(amount));
    }

    /// Puts back what was taken too much. The bucket has been refilled.
    pub(super) fn give(&mut self, amount: u64) {
        self.level = self.level.saturating_add(pieces(amount)).min(self.capacity());
    }

    /// What headers say: something that was true a moment ago.
    pub(super) fn show(&mut self, now: Duration) -> Snapshot {
        match self.shown {
            Some(shown) if now.saturating_sub(shown.at) < self.hidden.header_age() => shown,
            _ => {
                self.refill(now);
                let full_at = self.reached(self.capacity(), now);
                *self.shown.insert(Snapshot { limit: self.limit, level: self.level, at: now, full_at })
            }
        }
    }

    /// When it holds so many pieces: now, or at the end of a grain.
    fn reached(&self, level: i128, now: Duration) -> Duration {
        let missing = level.saturating_sub(self.level);
        if missing <= 0 {
            return now;
        }
        let grains = self.grains.saturating_add(div_ceil(missing, self.per_grain()));
        duration(grains.saturating_mul(nanos(self.hidden.grain())))
    }

    /// At least one.
    fn capacity(&self) -> i128 {
        let seconds = i128::from(self.hidden.burst().seconds());
        (pieces(self.limit) * seconds / 60).max(PIECES)
    }

    fn per_grain(&self) -> i128 {
        i128::from(self.limit).saturating_mul(nanos(self.hidden.grain()))
    }

    fn grains_until(&self, now: Duration) -> i128 {
        nanos(now) / nanos(self.hidden.grain())
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(whole(nanos))
}

/// Both are positive.
const fn div_ceil(a: i128, b: i128) -> i128 {
    a.saturating_add(b - 1) / b
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::limits::Burst;

    /// A number of whole ones and a fraction, always in lowest terms.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Fraction(i128, i128);

    impl Fraction {
        fn new(top: i128, bottom: i128) -> Self {
            let (mut a, mut b) = (top.abs(), bottom);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            Self(top / a.max(1), bottom / a.max(1))
        }

        fn plus(self, other: Self) -> Self {
            Self::new(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
        }

        fn least(self, other: Self) -> Self {
            if self.at_least(other) { other } else { self }
        }

        fn at_least(self, other: Self) -> bool {
            self.0 * other.1 >= other.0 * self.1
        }
    }

    /// The same bucket as one would explain it: the clock strikes, and so much comes in.
    struct Naive {
        limit: i128,
        capacity: Fraction,
        level: Fraction,
        grain_millis: i128,
        now_millis: i128,
    }

    impl Naive {
        fn new(limit: u64, hidden: Hidden) -> Self {
            let one = Fraction(1, 1);
            let burst = Fraction::new(i128::from(limit) * i128::from(hidden.burst().seconds()), 60);
            let capacity = if burst.at_least(one) { burst } else { one };
            let grain_millis = i128::try_from(hidden.grain().as_millis()).unwrap();
            Self { limit: limit.into(), capacity, level: capacity, grain_millis, now_millis: 0 }
        }

        fn wait_a_millisecond(&mut self) {
            self.now_millis += 1;
            if self.now_millis % self.grain_millis == 0 {
                let refill = Fraction::new(self.limit * self.grain_millis, 60_000);
                self.level = self.level.plus(refill).least(self.capacity);
            }
        }

        fn admits(&self, amount: u64) -> bool {
            self.level.at_least(Fraction(amount.into(), 1).least(self.capacity))
        }

        fn take(&mut self, amount: i128) {
            self.level = self.level.plus(Fraction(-amount, 1)).least(self.capacity);
        }
    }

    fn hidden(rng: &mut Rng) -> Hidden {
        let burst = [Burst::Minute, Burst::TenSeconds, Burst::Second][rng.usize(..3)];
        let grain = Duration::from_millis(rng.u64(1..3_000));
        Hidden::plain().with_burst(burst).with_grain(grain)
    }

    #[test]
    fn it_is_what_the_naive_one_is() {
        for seed in 0..400 {
            let mut rng = Rng::with_seed(seed);
            let hidden = hidden(&mut rng);
            let limit = [1, 7, 59, 60, 61, 1_000, 999_983][rng.usize(..7)];
            let (mut bucket, mut naive) =
                (Bucket::full(limit, hidden, Duration::ZERO), Naive::new(limit, hidden));
            for _ in 0..60 {
                for _ in 0..rng.u32(..1_500) {
                    naive.wait_a_millisecond();
                }
                let now = Duration::from_millis(u64::try_from(naive.now_millis).unwrap());
                bucket.refill(now);
                let amount = rng.u64(..limit / 20 + 3);
                let admits = naive.admits(amount);
                assert_eq!(bucket.wait_for(amount, now).is_zero(), admits, "seed {seed}");
                assert_eq!(bucket.wait_for_any(now).is_zero(), naive.level.0 > 0, "seed {seed}");
                if admits {
                    bucket.take(amount);
                    naive.take(amount.into());
                } else if rng.u8(..4) == 0 {
                    bucket.give(amount);
                    naive.take(-i128::from(amount));
                }
                assert_eq!(Fraction::new(bucket.level, PIECES), naive.level, "seed {seed}");
            }
        }
    }

    #[test]
    fn the_wait_is_the_shortest() {
        for seed in 0..400 {
            let mut rng = Rng::with_seed(seed);
            let hidden = hidden(&mut rng);
            let limit = rng.u64(1..100_000);
            let mut now = Duration::from_nanos(rng.u64(..10_000_000_000));
            let mut bucket = Bucket::full(limit, hidden, now);
            for _ in 0..20 {
                let amount = rng.u64(1..limit + 2);
                bucket.refill(now);
                let wait = bucket.wait_for(amount, now);
                if !wait.is_zero() {
                    let mut early = bucket.clone();
                    let just_before = now + wait - Duration::from_nanos(1);
                    early.refill(just_before);
                    assert!(!early.wait_for(amount, just_before).is_zero(), "seed {seed}");
                }
                now += wait;
                bucket.refill(now);
                assert!(bucket.wait_for(amount, now).is_zero(), "seed {seed}");
                bucket.take(amount);
            }
        }
    }

    #[test]
    fn what_is_larger_than_the_bucket_goes_when_that_is_full_and_leaves_a_debt() {
        let hidden = Hidden::plain().with_burst(Burst::Second).with_grain(Duration::from_secs(1));
        let mut bucket = Bucket::full(600, hidden, Duration::ZERO);
        assert_eq!(bucket.wait_for(25, Duration::ZERO), Duration::ZERO);
        bucket.take(25);
        assert_eq!(bucket.level, -15 * PIECES);
        assert_eq!(bucket.wait_for_any(Duration::ZERO), Duration::from_secs(2));
        assert_eq!(bucket.wait_for(25, Duration::ZERO), Duration::from_secs(3));
    }

    #[test]
    fn the_largest_numbers_break_nothing() {
        let later = Duration::MAX;
        let mut bucket = Bucket::full(u64::MAX, Hidden::plain(), Duration::ZERO);
        for _ in 0..3 {
            bucket.take(u64::MAX);
        }
        assert!(bucket.show(Duration::ZERO).remaining_rounded() == 0);
        assert!(!bucket.wait_for(u64::MAX, Duration::ZERO).is_zero());
        bucket.refill(later);
        bucket.give(u64::MAX);
        assert_eq!(bucket.wait_for(u64::MAX, later), Duration::ZERO);
        bucket.set_limit(0, later);
        assert_eq!(bucket.limit(), 1);
        let shown = bucket.show(later).plus(Snapshot::full(u64::MAX, later));
        assert_eq!((shown.limit, shown.remaining()), (u64::MAX, u64::MAX));
    }

    #[test]
    fn what_remains_is_rounded_and_within_the_limit() {
        let mut bucket = Bucket::full(2_700, Hidden::plain(), Duration::ZERO);
        for (taken, shown) in [(0, 2_700), (199, 2_700), (2, 2_000), (999, 2_000), (1, 1_000), (1_500, 0)] {
            bucket.take(taken);
            assert_eq!(bucket.show(Duration::ZERO).remaining_rounded(), shown);
        }
    }
}
