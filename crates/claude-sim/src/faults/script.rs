//! Faults of the next requests.

use std::collections::VecDeque;

use super::MAX_SCRIPTED_FAULTS;
use super::fault::Fault;

/// Faults, and how often each comes before the next one.
#[derive(Default)]
pub(super) struct Script {
    entries: VecDeque<(Fault, u64)>,
}

impl Script {
    /// Equal faults in a row are one entry. What does not fit is left out.
    pub(super) fn add(&mut self, times: u64, fault: Fault) {
        if times == 0 {
            return;
        }
        let room = self.entries.len() < MAX_SCRIPTED_FAULTS;
        match self.entries.back_mut() {
            Some((last, more)) if *last == fault => *more = more.saturating_add(times),
            _ if room => self.entries.push_back((fault, times)),
            _ => {}
        }
    }

    pub(super) fn next(&mut self) -> Option<Fault> {
        let (fault, times) = self.entries.front_mut()?;
        if *times > 1 {
            *times -= 1;
            return Some(fault.clone());
        }
        self.entries.pop_front().map(|(fault, _)| fault)
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn waiting(&self) -> u64 {
        self.entries.iter().fold(0, |sum, (_, times)| sum.saturating_add(*times))
    }
}
