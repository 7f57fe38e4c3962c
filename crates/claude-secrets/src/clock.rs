//! The clocks.

use std::time::{Instant, SystemTime};

use claude_wire::call::Clock;

/// Tokio's, so that paused tests hold.
pub(crate) const CLOCK: Clock = || tokio::time::Instant::now().into_std();

/// What waits with it.
pub(crate) fn tokio_instant(instant: Instant) -> tokio::time::Instant {
    tokio::time::Instant::from_std(instant)
}

#[expect(clippy::disallowed_methods, reason = "the one default, which is a setting too")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}
