//! The time of a simulator: tokio's clock, and the date that goes with it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// What the time is. It goes on with tokio's clock, so that paused tests hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    date: SystemTime,
    /// Whether the date stays where it began. Buckets and waits go on all the same.
    still: bool,
}

impl Clock {
    pub(crate) fn start(date: SystemTime, still: bool) -> Self {
        Self { started: Instant::now(), date, still }
    }

    /// Since the simulator was built.
    pub(crate) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.started)
    }

    /// The date of answers.
    pub(crate) fn date(&self) -> SystemTime {
        let elapsed = if self.still { Duration::ZERO } else { self.elapsed() };
        self.date.checked_add(elapsed).unwrap_or(self.date)
    }
}
