//! When a call has to be over.

use std::time::{Duration, Instant};

/// The instant by which a call must have answered, queues and repeats included. For a stream it is the instant
/// of its first content.
///
/// The instant is `std`'s, taken from the clock that the application waits with
/// (`tokio::time::Instant::into_std`), so that it stands still with a paused one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// At this instant.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// `timeout` after `now`; `None` when that is past what an instant can hold, which is as good as no
    /// deadline.
    #[must_use]
    pub fn after(now: Instant, timeout: Duration) -> Option<Self> {
        now.checked_add(timeout).map(Self)
    }

    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// How long is left at `now`; zero once it is past.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it is past at `now`.
    #[must_use]
    pub fn is_past(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// The earlier of two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }
}
