//! The clocks.

use std::time::{Duration, Instant, SystemTime};

use claude_wire::call::Clock;

/// Tokio's, so that paused tests hold.
pub(crate) const CLOCK: Clock = || tokio::time::Instant::now().into_std();

/// So long after this instant. What is past what an instant can hold is a year: far enough.
pub(crate) fn after(instant: Instant, time: Duration) -> Instant {
    instant.checked_add(time).unwrap_or_else(|| instant + Duration::from_secs(365 * 24 * 3_600))
}

/// What waits with it.
pub(crate) fn tokio_instant(instant: Instant) -> tokio::time::Instant {
    tokio::time::Instant::from_std(instant)
}

#[expect(clippy::disallowed_methods, reason = "the one default, which is a setting too")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}
