//! Which attempt of its call a request is.

use std::collections::{HashMap, VecDeque};

use super::MAX_FATES;

/// Counts the requests of each fate. When a new one comes that would be one too many, the one that came first is
/// forgotten, and begins again at its first attempt.
#[derive(Default)]
pub(super) struct Attempts {
    counts: HashMap<u64, u32>,
    order: VecDeque<u64>,
}

impl Attempts {
    /// The number of this attempt, from 1.
    pub(super) fn next(&mut self, fate: u64) -> u32 {
        if !self.counts.contains_key(&fate) {
            while self.order.len() >= MAX_FATES {
                if let Some(oldest) = self.order.pop_front() {
                    self.counts.remove(&oldest);
                }
            }
            self.order.push_back(fate);
        }
        let count = self.counts.entry(fate).or_default();
        *count = count.saturating_add(1);
        *count
    }
}
