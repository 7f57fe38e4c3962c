//! The token of a handle, which all its sources share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;
use tokio::time::Instant;

use super::failure::Failure;
use super::lease::{Lease, Next};

/// The number of a try to get a token: the first is 1. Numbers, since two moments may be the same one.
pub(super) type Try = u64;

/// A token in use.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: Arc<SecretString>,
    /// When it was had, and by which try, which a renewal does not change.
    pub(super) since: Instant,
    pub(super) by: Try,
    /// `None` if it is good without end, or nobody knows.
    pub(super) lease: Option<Lease>,
}

impl Held {
    pub(super) fn next(&self, now: Instant) -> Next {
        self.lease.as_ref().map_or(Next::Use, |lease| lease.next(now))
    }

    /// Whether it is the very token, renewed or not.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.token, &other.token)
    }
}

/// What is held, and how the last try to get one ended.
#[derive(Default)]
pub(super) struct Session {
    state: Mutex<State>,
    /// Held by the one that logs in or renews: a task that has nothing else to do, and is never left lying with this.
    pub(super) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// How many tries have ended.
    tries: Try,
    held: Option<Held>,
    /// How the last try failed, if it did.
    failed: Option<Failure>,
}

impl Session {
    /// How many tries have ended by now.
    pub(super) fn tries(&self) -> Try {
        self.lock().tries
    }

    /// The token, if it can be used as it is and is not the one that was refused.
    pub(super) fn usable(&self, now: Instant, refused: Option<&Held>) -> Option<Held> {
        self.held()
            .filter(|held| !refused.is_some_and(|refused| refused.is(held)) && held.next(now) == Next::Use)
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.lock().held.clone()
    }

    /// Why the last try failed, if it has ended since there were so many: then whoever began to wait then need not try again.
    pub(super) fn failed_since(&self, tries: Try) -> Option<Failure> {
        let state = self.lock();
        state.failed.clone().filter(|_| state.tries > tries)
    }

    /// The end of a try. One that failed takes nothing away.
    pub(super) fn end(&self, had: &Result<Held, Failure>) {
        let mut state = self.lock();
        state.tries += 1;
        match had {
            Ok(held) => (state.held, state.failed) = (Some(held.clone()), None),
            Err(failure) => state.failed = Some(failure.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
