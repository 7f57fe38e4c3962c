//! One call, shared by all its attempts.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::Extensions;

use super::attempt::Record;
use super::{Attempt, Clock};

/// How many attempts a [`Call`] remembers: the latest 32.
pub const MAX_HISTORY: usize = 32;

/// Names a call in logs and ledgers. Chosen by whoever makes the [`Call`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

/// What a user asked for once, however many attempts it takes. A clone is another handle to the same call.
#[derive(Clone)]
pub struct Call {
    shared: Arc<Shared>,
}

struct Shared {
    id: CallId,
    begun: Instant,
    clock: Clock,
    first: Record,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: u32,
    /// Those behind the first.
    later: VecDeque<Attempt>,
    charge: u128,
}

impl Call {
    /// A call that begins now.
    #[must_use]
    pub fn new(id: CallId, clock: Clock) -> Self {
        let first = Record::new(0, clock);
        Self { shared: Arc::new(Shared { id, begun: clock(), clock, first, state: Mutex::default() }) }
    }

    /// The call that a request belongs to: the one in its extensions, or that of its [`Attempt`].
    #[must_use]
    pub fn find(extensions: &Extensions) -> Option<&Self> {
        extensions.get().or_else(|| Attempt::find(extensions)?.call())
    }

    pub(super) fn first(&self) -> &Record {
        &self.shared.first
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> CallId {
        self.shared.id
    }

    /// When it began. Queues are ordered by this, so that a repeated call keeps its place.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.shared.begun
    }

    /// Begins the next attempt and remembers it. The caller puts it into the request's extensions.
    #[must_use]
    pub fn begin_attempt(&self) -> Attempt {
        let mut state = self.state();
        let number = state.begun;
        state.begun = state.begun.saturating_add(1);
        if number == 0 {
            self.shared.first.begin();
            return Attempt::first_of(self.clone());
        }
        let attempt = Attempt::new(number, self.shared.clock);
        if state.later.len() == MAX_HISTORY {
            state.later.pop_front();
        }
        state.later.push_back(attempt.clone());
        attempt
    }

    /// How many attempts have begun.
    #[must_use]
    pub fn attempts_begun(&self) -> u32 {
        self.state().begun
    }

    /// The attempts so far, oldest first, the present one included; the latest [`MAX_HISTORY`] of them.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        let state = self.state();
        let remembers_first = state.begun > 0 && state.later.len() < MAX_HISTORY;
        let first = remembers_first.then(|| Attempt::first_of(self.clone()));
        first.into_iter().chain(state.later.iter().cloned()).collect()
    }

    /// Adds to what the call has cost, in pico-dollars.
    pub fn add_charge(&self, pico_dollars: u128) {
        let mut state = self.state();
        state.charge = state.charge.saturating_add(pico_dollars);
    }

    /// What all attempts together have cost so far, in pico-dollars.
    #[must_use]
    pub fn charge(&self) -> u128 {
        self.state().charge
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Call")
            .field("id", &self.shared.id)
            .field("attempts", &state.begun)
            .field("charge", &state.charge)
            .finish_non_exhaustive()
    }
}
