//! What is known of a key at one moment.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::freshness::{Freshness, Timing};
use super::{Look, NoKey, Why};
use crate::credential::Credential;
use crate::fingerprint::Digest;
use crate::source::{SourceError, SourceErrorKind};

/// What the source says of the present version.
#[derive(Clone, Default)]
pub(crate) struct About {
    pub(crate) version: Option<Arc<str>>,
    pub(crate) created: Option<SystemTime>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) current: Option<Arc<Credential>>,
    pub(super) about: About,
    /// The key before, and until when it can stand in.
    pub(super) before: Option<(Arc<Credential>, Instant)>,
    /// The one that did, and whose time is over, whatever its source says of it.
    pub(super) gone: Option<Digest>,
    pub(super) freshness: Option<Freshness>,
    /// The fetch that is under way.
    pub(super) flight: Option<u64>,
    /// When the last one began.
    pub(super) began: Option<Instant>,
    /// How many fetches have begun, with those that others were to take over.
    pub(super) started: u64,
    /// The last that came to its end.
    pub(super) finished: u64,
    /// The key that the API has refused, and the fetch that will tell what becomes of it.
    pub(super) refused: Option<(Arc<Credential>, u64)>,
    /// When a fetch for a refused key brought no other, although the key is good.
    pub(super) in_vain: Option<Instant>,
    /// The dead key that its source still gives: one request tries it again.
    pub(super) trial: Option<Arc<Credential>>,
    /// The fetch that an operator has asked for.
    pub(super) wanted: Option<u64>,
    /// Failures in a row; a key that is dead and still the same counts as one.
    pub(super) failures: u32,
    pub(super) next_try: Option<Instant>,
    pub(super) error: Option<SourceError>,
    /// When it was last said that the key is old.
    pub(super) warned: Option<Instant>,
}

impl State {
    /// The key to use, if there is one.
    pub(super) fn usable(&self, now: Instant, timing: &Timing) -> Option<Arc<Credential>> {
        let fresh = self.freshness.as_ref()?;
        // While its source is well, an old key is one that nobody has asked for; or one that its waiter was slow to take.
        if let Some(error) = &self.error
            && fresh.is_spoilt(timing.stale_after(error.kind()), now)
        {
            return None;
        }
        let current = self.current.as_ref().filter(|current| !current.is_dead());
        current.cloned().or_else(|| self.previous(now).filter(|previous| !previous.is_dead()))
    }

    /// What cannot stand in any more is not kept.
    pub(super) fn forget(&mut self, now: Instant) {
        if let Some((before, _)) = self.before.take_if(|(_, until)| *until <= now) {
            self.gone = Some(before.digest());
        }
    }

    /// The key before, while it can stand in.
    pub(super) fn previous(&self, now: Instant) -> Option<Arc<Credential>> {
        let (previous, until) = self.before.as_ref()?;
        (*until > now).then(|| Arc::clone(previous))
    }

    pub(super) fn is_current(&self, credential: &Arc<Credential>) -> bool {
        self.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, credential))
    }

    /// How many others have a handle to this one: the requests that carry it.
    pub(super) fn carried(&self, credential: &Arc<Credential>) -> usize {
        let before = self.before.as_ref().map(|(before, _)| before);
        let refused = self.refused.as_ref().map(|(refused, _)| refused);
        let own = [self.current.as_ref(), before, refused, self.trial.as_ref()];
        let own = own.into_iter().flatten().filter(|own| Arc::ptr_eq(own, credential)).count();
        Arc::strong_count(credential).saturating_sub(own)
    }

    /// Whether the source is not left alone after a failure.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.next_try.is_none_or(|next_try| next_try <= now)
    }

    /// Why there is nothing to use, and nothing to wait for.
    pub(super) fn nothing(&self, now: Instant, id: &str) -> Look {
        let again_in = self.next_try.map(|next_try| next_try.saturating_duration_since(now));
        let is_dead = self.current.as_ref().is_some_and(|current| current.is_dead());
        let why = match &self.error {
            Some(error) => Why::Source(error.clone()),
            None if is_dead => Why::Refused,
            None => Why::Source(SourceError::new(id, SourceErrorKind::Unavailable, "has not been fetched")),
        };
        Look::Fail(Arc::new(NoKey { why, again_in }))
    }
}
