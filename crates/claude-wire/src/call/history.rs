//! One call, shared by all its attempts.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

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
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: u32,
    attempts: VecDeque<Attempt>,
    charge: u128,
}

impl Call {
    /// A call that begins now.
    #[must_use]
    pub fn new(id: CallId, clock: Clock) -> Self {
        Self { shared: Arc::new(Shared { id, begun: clock(), clock, state: Mutex::default() }) }
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
        let attempt = Attempt::new(state.begun, self.shared.clock);
        state.begun = state.begun.saturating_add(1);
        if state.attempts.len() == MAX_HISTORY {
            state.attempts.pop_front();
        }
        state.attempts.push_back(attempt.clone());
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
        self.state().attempts.iter().cloned().collect()
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
