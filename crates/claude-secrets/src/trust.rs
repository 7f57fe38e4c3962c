//! Whether the API takes a key, by what it has answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the API's answers say of one version of a key.
///
/// A refusal may be about the request and not about the key (a beta that is missing), and a key that is revoked may be refused
/// here while it is still taken there. So a key that was taken with a request that was sent *after* the refused one is not dead,
/// whatever that one was told; it is looked for another all the same.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    dead: AtomicBool,
    seen: Mutex<Seen>,
}

/// When the last requests were sent that it was taken and refused with.
#[derive(Debug, Default)]
struct Seen {
    taken: Option<Instant>,
    refused: Option<Instant>,
}

impl Trust {
    /// The API has taken it with a request that was sent then.
    pub(crate) fn taken(&self, sent: Instant) {
        let mut seen = self.seen();
        seen.taken = seen.taken.max(Some(sent));
    }

    /// The API has refused it with a request that was sent then.
    pub(crate) fn refused(&self, sent: Instant) {
        let mut seen = self.seen();
        seen.refused = seen.refused.max(Some(sent));
    }

    /// Whether it is not used any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// It is not used any more, unless it has been taken since it was refused; whether that is news.
    pub(crate) fn bury(&self) -> bool {
        let seen = self.seen();
        if seen.taken > seen.refused {
            return false;
        }
        !self.dead.swap(true, Ordering::Relaxed)
    }

    /// It may be used again.
    pub(crate) fn revive(&self) {
        self.dead.store(false, Ordering::Relaxed);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Trust;
    use crate::clock::CLOCK;

    #[test]
    fn a_key_that_is_taken_after_it_was_refused_is_good() {
        let at = |seconds| CLOCK() + Duration::from_secs(seconds);
        let trust = Trust::default();
        trust.taken(at(10));
        trust.refused(at(20));
        trust.taken(at(30));
        trust.refused(at(25));
        assert!(!trust.bury() && !trust.is_dead());
        // What was sent before says nothing of what was sent after.
        trust.refused(at(40));
        trust.taken(at(35));
        assert!(trust.bury() && trust.is_dead());
        assert!(!trust.bury());
        trust.revive();
        assert!(!trust.is_dead());
    }

    #[test]
    fn one_that_was_never_taken_is_believed_to_be_bad() {
        let trust = Trust::default();
        trust.refused(CLOCK());
        assert!(trust.bury());
    }
}
