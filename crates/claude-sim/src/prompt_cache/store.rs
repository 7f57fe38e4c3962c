//! The entries of the cache.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Ttl;

/// How many entries there are at the most; the one that was used longest ago goes first. The API's own bound is not
/// known.
const MAX_ENTRIES: usize = 10_000;

/// Entries by the digests of their prefixes. Times are since the simulator was built.
#[derive(Default)]
pub(crate) struct PromptCache {
    entries: HashMap<u64, Entry>,
    /// The entries in the order of their last use.
    by_use: BTreeMap<u64, u64>,
    uses: u64,
}

struct Entry {
    ttl: Ttl,
    expires: Duration,
    used: u64,
}

impl PromptCache {
    pub(super) fn holds(&self, digest: u64, now: Duration) -> bool {
        self.entries.get(&digest).is_some_and(|entry| now < entry.expires)
    }

    /// It was used by a request that started then.
    pub(super) fn refresh(&mut self, digest: u64, started: Duration) {
        if let Some(ttl) = self.entries.get(&digest).map(|entry| entry.ttl) {
            self.write(digest, ttl, started);
        }
    }

    /// A request that started then wrote it.
    pub(super) fn write(&mut self, digest: u64, ttl: Ttl, started: Duration) {
        let expires = started.saturating_add(ttl.life());
        let used = self.uses;
        self.uses += 1;
        let entry = self.entries.entry(digest).or_insert(Entry { ttl, expires, used });
        self.by_use.remove(&entry.used);
        *entry = Entry { ttl, expires: expires.max(entry.expires), used };
        self.by_use.insert(used, digest);
        while self.by_use.len() > MAX_ENTRIES {
            if let Some((_, oldest)) = self.by_use.pop_first() {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first() {
        let mut cache = PromptCache::default();
        let now = Duration::ZERO;
        for digest in 0..=MAX_ENTRIES as u64 {
            cache.write(digest, Ttl::OneHour, now);
            cache.refresh(0, now);
        }
        assert_eq!((cache.entries.len(), cache.by_use.len()), (MAX_ENTRIES, MAX_ENTRIES));
        assert!(cache.holds(0, now) && !cache.holds(1, now) && cache.holds(2, now));
    }
}
