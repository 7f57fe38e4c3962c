//! How many requests are being answered, now and at the most.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::simulator::Shared;

#[derive(Debug, Default)]
pub(crate) struct InFlight {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl InFlight {
    /// One more; how many there were before.
    pub(crate) fn enter(&self) -> usize {
        let before = self.now.fetch_add(1, Ordering::Relaxed);
        self.most.fetch_max(before + 1, Ordering::Relaxed);
        before
    }

    pub(crate) fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

/// Counts one request until it is dropped. That is the request's end, which the log notes.
pub(crate) struct InFlightGuard {
    shared: Arc<Shared>,
    number: u64,
}

impl InFlightGuard {
    /// For a request that has been counted.
    pub(crate) const fn new(shared: Arc<Shared>, number: u64) -> Self {
        Self { shared, number }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let now = self.shared.clock.elapsed();
        self.shared.log().ended(self.number, now);
        self.shared.in_flight.now.fetch_sub(1, Ordering::Relaxed);
    }
}
