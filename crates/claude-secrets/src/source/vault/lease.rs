//! For how long a token is good.

use std::time::Duration;

use tokio::time::Instant;

/// What of a token's lease is left untouched at its end: a tenth, this at most. A token that ends on its way to the server is
/// worse than a login a little early.
const MARGIN: Duration = Duration::from_secs(10);

/// The time a token has been given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    renew_at: Option<Instant>,
    ends_at: Instant,
    /// How long the first one was: a renewal that gives much less has come upon the limit of the token's life.
    first: Duration,
}

/// What is to be done with a token before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Use,
    Renew,
    Replace,
}

impl Lease {
    /// From now on. `None` if it is without end, which servers write as zero.
    pub(super) fn new(now: Instant, length: Duration, renewable: bool) -> Option<Self> {
        Self::after(now, length, renewable, length)
    }

    /// The lease that a renewal gave. `None` if it is so short that the next ones will come faster and faster.
    pub(super) fn renewed(&self, now: Instant, length: Duration, renewable: bool) -> Option<Self> {
        if length < self.first / 2 { None } else { Self::after(now, length, renewable, self.first) }
    }

    fn after(now: Instant, length: Duration, renewable: bool, first: Duration) -> Option<Self> {
        let used = length.checked_sub((length / 10).min(MARGIN)).filter(|used| !used.is_zero())?;
        // A length beyond all clocks is without end, too.
        let ends_at = now.checked_add(used)?;
        let renew_at = renewable.then(|| now + length / 3 * 2);
        Some(Self { renew_at, ends_at, first })
    }

    pub(super) fn next(&self, now: Instant) -> Next {
        if now >= self.ends_at {
            Next::Replace
        } else if self.renew_at.is_some_and(|at| now >= at) {
            Next::Renew
        } else {
            Next::Use
        }
    }

    /// The same, but the next renewal is tried after a part of what is left.
    pub(super) fn put_off(&self, now: Instant) -> Self {
        let left = self.ends_at.saturating_duration_since(now);
        Self { renew_at: self.renew_at.map(|_| now + left / 4), ..*self }
    }

    /// The same, never to be renewed again.
    pub(super) const fn last(&self) -> Self {
        Self { renew_at: None, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lease: &Lease, start: Instant, seconds: u64) -> Next {
        lease.next(start + Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_then_renewed_then_replaced() {
        let start = Instant::now();
        let lease = Lease::new(start, Duration::from_secs(60), true).unwrap();
        assert_eq!(after(&lease, start, 39), Next::Use);
        assert_eq!(after(&lease, start, 40), Next::Renew);
        assert_eq!(after(&lease, start, 53), Next::Renew);
        assert_eq!(after(&lease, start, 54), Next::Replace);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_renewed_is_used_until_its_end() {
        let start = Instant::now();
        let lease = Lease::new(start, Duration::from_secs(3600), false).unwrap();
        assert_eq!(after(&lease, start, 3589), Next::Use);
        assert_eq!(after(&lease, start, 3590), Next::Replace);
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_without_end_and_so_is_more_than_a_clock_can_count() {
        assert!(Lease::new(Instant::now(), Duration::ZERO, true).is_none());
        assert!(Lease::new(Instant::now(), Duration::MAX, false).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_near_the_limit_is_not_worth_having() {
        let start = Instant::now();
        let lease = Lease::new(start, Duration::from_secs(60), true).unwrap();
        assert!(lease.renewed(start, Duration::from_secs(30), true).is_some());
        assert!(lease.renewed(start, Duration::from_secs(29), true).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_failed_is_tried_again_before_the_end() {
        let start = Instant::now();
        let lease = Lease::new(start, Duration::from_secs(60), true).unwrap();
        let lease = lease.put_off(start + Duration::from_secs(42));
        assert_eq!(after(&lease, start, 44), Next::Use);
        assert_eq!(after(&lease, start, 45), Next::Renew);
        assert_eq!(after(&lease, start, 54), Next::Replace);
        assert_eq!(after(&lease.last(), start, 53), Next::Use);
    }
}
