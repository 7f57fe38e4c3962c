//! Keeps one key: fetches it, looks again in time, and never twice at once.
//!
//! A fetch runs in a task of its own, so that whoever waits for it may leave. Each has a number; who waits, waits until the
//! fetch of that number has landed, however it did. A fetch whose runtime ends lands too: the next who waits begins another.

mod flight;
mod freshness;
mod news;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::CLOCK;
use crate::credential::{Credential, Scheme};
use crate::fingerprint::Fingerprinter;
use crate::source::{SecretSource, SourceError};

pub(crate) use freshness::Timing;
pub use freshness::{
    ADVISORY_REFRESH, DEFAULT_FETCH_TIMEOUT, DEFAULT_JITTER, DEFAULT_MAX_AGE, DEFAULT_MAX_STALE,
    DEFAULT_OVERLAP, DEFAULT_TTL, FAILURE_BACKOFF, MANDATORY_REFRESH, MAX_STALE_GONE,
};
use news::News;
pub(crate) use state::About;
use state::State;

/// So long after the time of a fetch is over it must have landed: ours, 2026-11-23.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// So long no fetch is begun for a refused key after one that was in vain: ours, 2026-11-23.
const IN_VAIN: Duration = Duration::from_secs(1);

/// One key, and what is known of it.
pub(crate) struct Keeper {
    name: Arc<str>,
    source: Arc<dyn SecretSource>,
    scheme: Scheme,
    fingerprinter: Fingerprinter,
    timing: Arc<Timing>,
    state: Mutex<State>,
    /// The number of the last fetch that has landed.
    landed: watch::Sender<u64>,
}

/// What there is for a request.
pub(crate) enum Look {
    /// This one.
    Use(Arc<Credential>),
    /// Something when the fetch of this number has landed.
    Wait(u64),
    /// Nothing, and when to look again.
    Fail(Arc<NoKey>),
}

/// Why there is nothing.
#[derive(Debug)]
pub(crate) struct NoKey {
    pub(crate) why: Why,
    pub(crate) again_in: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum Why {
    /// The API refuses it, and its source has no other.
    Refused,
    /// Its source failed.
    Source(SourceError),
}

/// What becomes of a key that the API has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is another already.
    Replaced,
    /// It is known when the fetch of this number has landed.
    Wait(u64),
    /// There is no other.
    Dead,
}

/// What can be said of a key.
pub(crate) struct Snapshot {
    pub(crate) current: Option<Arc<Credential>>,
    pub(crate) about: About,
    pub(crate) previous: Option<Arc<Credential>>,
    /// How many requests carry each of them.
    pub(crate) carried: (usize, usize),
    pub(crate) fetched: Option<Instant>,
    pub(crate) is_stale: bool,
    pub(crate) error: Option<SourceError>,
}

impl Keeper {
    pub(crate) fn new(
        name: Arc<str>,
        source: Arc<dyn SecretSource>,
        scheme: Scheme,
        fingerprinter: Fingerprinter,
        timing: Arc<Timing>,
    ) -> Self {
        let (landed, _) = watch::channel(0);
        Self { name, source, scheme, fingerprinter, timing, state: Mutex::default(), landed }
    }

    pub(crate) fn source_id(&self) -> &str {
        self.source.id()
    }

    /// The dead key that this request is to try again, or what there is.
    pub(crate) fn take(self: &Arc<Self>, now: Instant, has_waited: bool) -> Look {
        let mut state = self.state();
        let trial = state.trial.take().filter(|trial| trial.is_dead() && state.is_current(trial));
        drop(state);
        trial.map_or_else(|| self.look(now, has_waited), Look::Use)
    }

    /// What there is now. Begins a fetch if it is time for one. Who `has_waited` for one takes what there is.
    pub(crate) fn look(self: &Arc<Self>, now: Instant, has_waited: bool) -> Look {
        let mut state = self.state();
        state.forget(now);
        let usable = state.usable(now, &self.timing);
        // A dead key is looked after as if it had run out, whatever stands in for it.
        let is_dead = state.current.as_ref().is_some_and(|current| current.is_dead());
        let is_due = is_dead || state.freshness.as_ref().is_none_or(|fresh| fresh.is_due(now));
        // Who has waited takes what came, however short its time: the next begins another.
        let is_asked = usable.is_none() || is_due && !has_waited;
        let usable = if is_asked && state.flight.is_none() && state.may_try(now) {
            (state, _) = self.take_off(state);
            state.usable(now, &self.timing)
        } else {
            usable
        };
        let must_wait = usable.is_none()
            || !has_waited
                && !is_dead
                // Once it has failed there is no telling how long the source takes to fail again.
                && state.failures == 0
                && state.freshness.as_ref().is_none_or(|fresh| fresh.must_be_renewed(now));
        match (state.flight, usable) {
            (Some(flight), _) if must_wait => Look::Wait(flight),
            // A source that is down does not take away what there is.
            (_, Some(credential)) => Look::Use(credential),
            (_, None) => state.nothing(now, self.source.id()),
        }
    }

    /// The API has refused this one. The first who says so causes a fetch.
    pub(crate) fn refused(self: &Arc<Self>, credential: &Arc<Credential>) -> Refused {
        let (refused, is_buried) = self.weigh(credential);
        if is_buried {
            News::Buried(Arc::clone(credential)).tell(&self.name);
        }
        refused
    }

    /// What becomes of it, and whether it is known for dead by this.
    fn weigh(self: &Arc<Self>, credential: &Arc<Credential>) -> (Refused, bool) {
        let mut state = self.state();
        if !state.is_current(credential) {
            let is_buried = credential.trust.bury();
            let Some(dead) = state.current.as_ref().filter(|current| is_buried && current.is_dead()) else {
                // That one which has a good successor is refused is no news.
                return (Refused::Replaced, false);
            };
            // The last that stood in for it. The source may have another by now; and a key that was refused when it was new may
            // have become valid.
            dead.trust.revive();
            if state.flight.is_none() {
                (state, _) = self.take_off(state);
            }
            return (state.flight.map_or(Refused::Replaced, Refused::Wait), true);
        }
        if credential.is_dead() {
            return (Refused::Dead, false);
        }
        if let Some((of, flight)) = &state.refused
            && Arc::ptr_eq(of, credential)
        {
            return (Refused::Wait(*flight), false);
        }
        // Requests that are refused for themselves do not make the source be asked at their rate.
        if state.in_vain.is_some_and(|at| CLOCK().saturating_duration_since(at) < IN_VAIN) {
            return (Refused::Dead, false);
        }
        // A fetch that is under way may have read before the key was changed.
        let flight = state.started + 1;
        state.refused = Some((Arc::clone(credential), flight));
        if state.flight.is_some() {
            return (Refused::Wait(flight), false);
        }
        let (mut state, is_under_way) = self.take_off(state);
        if is_under_way {
            return (Refused::Wait(flight), false);
        }
        state.refused = None;
        (Refused::Dead, credential.trust.bury())
    }

    /// Waits until it is known what becomes of one that was refused.
    pub(crate) async fn settled(self: &Arc<Self>, credential: &Arc<Credential>, mut flight: u64) {
        while !self.finished(flight).await {
            match self.refused(credential) {
                Refused::Wait(next) => flight = next,
                Refused::Replaced | Refused::Dead => return,
            }
        }
    }

    /// Fetches now, whatever is known, and gives a dead key another try. The number of the fetch that will have begun after this,
    /// if there can be one.
    pub(crate) fn refresh(self: &Arc<Self>) -> Option<u64> {
        let mut state = self.state();
        let flight = state.started + 1;
        state.wanted = Some(flight);
        if state.flight.is_some() {
            return Some(flight);
        }
        let (mut state, is_under_way) = self.take_off(state);
        if is_under_way {
            return Some(flight);
        }
        state.wanted = None;
        None
    }

    /// Waits until what was asked for is done.
    pub(crate) async fn refreshed(self: &Arc<Self>, mut flight: Option<u64>) {
        while let Some(awaited) = flight
            && !self.finished(awaited).await
        {
            flight = self.refresh();
        }
    }

    /// Waits until the fetch of this number has landed; whether it came to its end, or one that began after it. If not, its
    /// runtime has ended.
    async fn finished(&self, flight: u64) -> bool {
        self.landed(flight).await;
        self.state().finished >= flight
    }

    /// Waits until the fetch of this number has landed. One whose own clock stands still, since nobody drives its runtime, is
    /// given up for lost.
    pub(crate) async fn landed(&self, flight: u64) {
        let mut landed = self.landed.subscribe();
        let limit = self.timing.fetch_timeout.saturating_add(LOST_AFTER);
        // The sender is in `self`.
        while timeout(limit, landed.wait_for(|landed| *landed >= flight)).await.is_err() {
            self.lose_overdue(limit);
        }
    }

    /// Whether its source is down, or has only a key that the API refuses.
    pub(crate) fn is_unwell(&self) -> bool {
        let state = self.state();
        state.error.is_some() || state.current.as_ref().is_some_and(|current| current.is_dead())
    }

    /// What the last fetch failed with.
    pub(crate) fn error(&self) -> Option<SourceError> {
        self.state().error.clone()
    }

    pub(crate) fn snapshot(&self, now: Instant) -> Snapshot {
        let state = self.state();
        let before = state.before.as_ref().map(|(before, _)| before);
        let carried = |of: Option<&Arc<Credential>>| of.map_or(0, |of| state.carried(of));
        Snapshot {
            carried: (carried(state.current.as_ref()), carried(before)),
            current: state.current.clone(),
            about: state.about.clone(),
            previous: state.previous(now),
            fetched: state.freshness.as_ref().map(|fresh| fresh.fetched),
            is_stale: state.error.is_some()
                && state.freshness.as_ref().is_some_and(|fresh| fresh.is_past(now)),
            error: state.error.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("name", &self.name)
            .field("source", &self.source.id())
            .finish_non_exhaustive()
    }
}
