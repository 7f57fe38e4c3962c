//! One fetch, from its begin until what it brought is in place.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::freshness::Freshness;
use super::news::News;
use super::state::{About, State};
use super::{Keeper, Timing};
use crate::clock::{CLOCK, after};
use crate::credential::Credential;
use crate::metrics;
use crate::source::{Fetched, SourceError, SourceErrorKind, clean};

/// How often it is said at most that a key is old.
const WARN_AGAIN: Duration = Duration::from_secs(24 * 3_600);

/// Lands the fetch that it belongs to, whatever becomes of the task.
struct Landing {
    keeper: Arc<Keeper>,
    flight: u64,
    begun: Instant,
    /// Whether the source is at work at this moment: what ends then has panicked.
    is_at_work: bool,
    has_landed: bool,
}

impl Keeper {
    /// Begins a fetch; `false` outside of a runtime, and in one that has ended.
    pub(super) fn take_off<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, State>,
    ) -> (MutexGuard<'a, State>, bool) {
        let misconfigured =
            |detail| Some(SourceError::new(self.source.id(), SourceErrorKind::Misconfigured, detail));
        let Ok(runtime) = Handle::try_current() else {
            state.error = misconfigured("keys are fetched inside a tokio runtime");
            return (state, false);
        };
        state.started += 1;
        let flight = state.started;
        let (keeper, begun) = (Arc::clone(self), CLOCK());
        state.flight = Some(flight);
        state.began = Some(begun);
        let landing = Landing { keeper, flight, begun, is_at_work: false, has_landed: false };
        // A runtime that has ended drops the task here and now, and that locks.
        drop(state);
        drop(runtime.spawn(landing.fly()));
        let mut state = self.state();
        let is_lost = state.flight.is_none() && state.finished < flight;
        if is_lost {
            state.error = misconfigured("the tokio runtime has ended");
        }
        (state, !is_lost)
    }
}

impl Landing {
    async fn fly(mut self) {
        let keeper = Arc::clone(&self.keeper);
        let limit = keeper.timing.fetch_timeout;
        let mut fetch = pin!(async { timeout(limit, keeper.source.fetch()).await });
        let fetched = poll_fn(|cx| {
            self.is_at_work = true;
            let polled = fetch.as_mut().poll(cx);
            self.is_at_work = false;
            polled
        });
        let fetched = fetched.await.unwrap_or_else(|_| {
            let detail = format!("did not answer within {limit:?}");
            Err(SourceError::new(keeper.source.id(), SourceErrorKind::TimedOut, detail))
        });
        self.land(fetched.and_then(|fetched| keeper.read(&fetched)));
    }

    fn land(&mut self, brought: Result<Brought, SourceError>) {
        let keeper = &self.keeper;
        let timing = &keeper.timing;
        let now = CLOCK();
        let result = brought.as_ref().map(|_| ()).map_err(SourceError::kind);
        let mut news = Vec::new();
        // What is not ours is asked before anything is locked.
        let default_ttl = keeper.source.default_ttl();
        let age = brought.as_ref().ok().and_then(|brought| brought.about.age(timing));
        let mut state = keeper.state();
        self.has_landed = true;
        if state.flight != Some(self.flight) {
            // It was given up for lost, and others have taken over.
            return;
        }
        state.flight = None;
        state.finished = self.flight;
        match brought {
            Ok(brought) => {
                state.freshness = Some(Freshness::new(timing, brought.ttl, default_ttl, now));
                state.take(brought, age, timing, now, &mut news);
            }
            Err(error) => state.fail(error, timing, now, &mut news),
        }
        state.judge(self.flight, default_ttl, timing, now, &mut news);
        // One that was asked for after this had begun.
        let wanted = state.refused.as_ref().map(|(_, flight)| *flight).max(state.wanted);
        let is_wanted = wanted.is_some_and(|wanted| wanted > self.flight);
        let flight = if is_wanted {
            let (mut state, is_under_way) = keeper.take_off(state);
            if is_under_way { self.flight } else { state.lose() }
        } else {
            drop(state);
            self.flight
        };
        self.flight = flight;
        self.tell();
        let keeper = &self.keeper;
        metrics::fetched(&keeper.name, result, now.saturating_duration_since(self.begun));
        news.into_iter().for_each(|news| news.tell(&keeper.name));
    }

    fn tell(&self) {
        self.keeper.tell(self.flight);
    }
}

/// The task is gone before its fetch was through: its runtime has ended, or the source has panicked.
impl Drop for Landing {
    fn drop(&mut self) {
        if self.has_landed {
            return;
        }
        if self.is_at_work {
            let id = self.keeper.source.id();
            self.land(Err(SourceError::new(id, SourceErrorKind::Unavailable, "its fetch panicked")));
            return;
        }
        let mut state = self.keeper.state();
        if state.flight == Some(self.flight) {
            self.flight = state.lose();
        }
        drop(state);
        self.tell();
    }
}

impl Keeper {
    /// What waits for this fetch, or an earlier one, goes on.
    fn tell(&self, flight: u64) {
        self.landed.send_if_modified(|landed| {
            let is_news = *landed < flight;
            *landed = (*landed).max(flight);
            is_news
        });
    }

    /// Gives a fetch up for lost that takes longer than it may: its runtime stands still.
    pub(super) fn lose_overdue(&self, limit: Duration) {
        let mut state = self.state();
        let is_overdue = state.began.is_some_and(|began| CLOCK().saturating_duration_since(began) >= limit);
        if state.flight.is_some() && is_overdue {
            let flight = state.lose();
            drop(state);
            self.tell(flight);
        }
    }
}

impl About {
    /// How old the key is, if its source says when it was made.
    fn age(&self, timing: &Timing) -> Option<Duration> {
        Some((timing.wall_clock)().duration_since(self.created?).unwrap_or_default())
    }
}

impl State {
    /// Whoever waits says it again, and takes over; also who waits for the one that would have come after this. The number that
    /// they wait for has landed by this.
    fn lose(&mut self) -> u64 {
        self.flight = None;
        self.refused = None;
        self.wanted = None;
        self.started += 1;
        self.started
    }
}

/// What a fetch has brought, ready to be put on requests.
struct Brought {
    current: Credential,
    about: About,
    previous: Option<Credential>,
    ttl: Option<Duration>,
}

impl Keeper {
    fn read(&self, fetched: &Fetched) -> Result<Brought, SourceError> {
        let id = self.source.id();
        let credential = |secret| {
            let secret = clean(id, secret)?;
            Credential::new(&secret, self.scheme, &self.fingerprinter)
                .ok_or_else(|| SourceError::new(id, SourceErrorKind::Malformed, "cannot stand in a header"))
        };
        let current = credential(fetched.secret.clone())?;
        let version = fetched.version.as_deref().map(Arc::from);
        // One that cannot be used is none: it would only stand in.
        let previous = fetched.previous.clone().and_then(|secret| credential(secret).ok());
        Ok(Brought {
            current,
            about: About { version, created: fetched.created },
            previous,
            ttl: fetched.ttl,
        })
    }
}

impl State {
    fn take(
        &mut self,
        brought: Brought,
        age: Option<Duration>,
        timing: &Timing,
        now: Instant,
        news: &mut Vec<News>,
    ) {
        let Brought { current, about, previous, .. } = brought;
        self.next_try = None;
        self.error = None;
        self.about = about;
        let until = after(now, timing.overlap);
        let current = match self.current.take() {
            // What the API has said of it still holds.
            Some(known) if known.is_same(&current) => known,
            Some(known) => {
                let to = Arc::new(current);
                let version = self.about.version.clone();
                news.push(News::Rotated { from: Arc::clone(&known), to: Arc::clone(&to), version });
                self.before = Some((known, until));
                self.warned = None;
                self.in_vain = None;
                to
            }
            None => Arc::new(current),
        };
        // One that is dead and still the same counts on.
        if !current.is_dead() {
            self.failures = 0;
        }
        if let Some(previous) = previous {
            let is_known = self.before.as_ref().is_some_and(|(before, _)| before.is_same(&previous))
                || self.gone == Some(previous.digest());
            if !is_known && !previous.is_same(&current) {
                self.before = Some((Arc::new(previous), until));
            }
        }
        let is_said = self.warned.is_some_and(|at| now.saturating_duration_since(at) < WARN_AGAIN);
        let is_due = age.is_some_and(|age| age > timing.max_age) && !is_said;
        if is_due {
            self.warned = Some(now);
        }
        news.push(News::Fetched { age, is_due, credential: Arc::clone(&current) });
        self.current = Some(current);
    }

    fn fail(&mut self, error: SourceError, timing: &Timing, now: Instant, news: &mut Vec<News>) {
        self.leave_alone(timing, now);
        let stale = self.freshness.as_ref().map(|fresh| now.saturating_duration_since(fresh.fetched));
        news.push(News::Failed { error: error.clone(), stale });
        self.error = Some(error);
    }

    /// What becomes of a key that was refused, now that this fetch has landed.
    fn judge(
        &mut self,
        flight: u64,
        default_ttl: Option<Duration>,
        timing: &Timing,
        now: Instant,
        news: &mut Vec<News>,
    ) {
        if self.wanted.take_if(|wanted| *wanted <= flight).is_some() {
            // An operator's word: what the API has said is to be asked again.
            let before = self.before.as_ref().map(|(before, _)| before);
            self.current.iter().chain(before).for_each(|credential| credential.trust.revive());
            self.refused = None;
            if self.error.is_none() {
                self.failures = 0;
            }
            return;
        }
        let mut is_news = false;
        // That one which has a successor was refused is no news; it does not stand in for it.
        if let Some((of, _)) = self.refused.take_if(|(_, awaited)| *awaited <= flight) {
            let is_dead = of.trust.bury();
            if self.is_current(&of) && is_dead {
                is_news = true;
                news.push(News::Buried(of));
            } else if self.is_current(&of) {
                self.in_vain = Some(now);
            }
        }
        let dead = self.current.clone().filter(|current| current.is_dead());
        if let Some(dead) = dead.filter(|_| self.error.is_none()) {
            self.leave_alone(timing, now);
            // A source that costs nothing to look at may have a new key any moment.
            let soon = default_ttl.map(|ttl| after(now, ttl));
            self.next_try = self.next_try.min(soon.or(self.next_try));
            self.trial = (!is_news).then_some(dead);
        }
    }

    /// The source is asked again after a pause.
    fn leave_alone(&mut self, timing: &Timing, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.next_try = Some(after(now, timing.pause(self.failures, fastrand::f64())));
    }
}
