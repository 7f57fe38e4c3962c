//! How many requests are being answered, now and at the most.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl InFlight {
    pub(crate) fn enter(&self) -> InFlightGuard {
        let now = self.counts.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.counts.most.fetch_max(now, Ordering::Relaxed);
        InFlightGuard { counts: Arc::clone(&self.counts) }
    }

    pub(crate) fn now(&self) -> usize {
        self.counts.now.load(Ordering::Relaxed)
    }

    pub(crate) fn most(&self) -> usize {
        self.counts.most.load(Ordering::Relaxed)
    }
}

/// Counts one request until it is dropped.
pub(crate) struct InFlightGuard {
    counts: Arc<Counts>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.counts.now.fetch_sub(1, Ordering::Relaxed);
    }
}
