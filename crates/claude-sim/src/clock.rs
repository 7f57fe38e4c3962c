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
        self.dated(if self.still { Duration::ZERO } else { self.elapsed() })
    }

    /// The date of an instant that is not before now, rounded up to whole seconds.
    pub(crate) fn date_at(&self, at: Duration) -> SystemTime {
        let past = if self.still { self.elapsed() } else { Duration::ZERO };
        let date = self.dated(at.saturating_sub(past));
        let fraction = date.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |date| date.subsec_nanos());
        let rest = if fraction == 0 { 0 } else { 1_000_000_000 - fraction };
        date.checked_add(Duration::from_nanos(rest.into())).unwrap_or(date)
    }

    fn dated(&self, elapsed: Duration) -> SystemTime {
        self.date.checked_add(elapsed).unwrap_or(self.date)
    }
}
