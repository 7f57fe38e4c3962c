//! The token of a handle, which all its sources share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;
use tokio::time::Instant;

use super::failure::Failure;
use super::lease::{Lease, Next};

/// A token in use.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: Arc<SecretString>,
    /// When it was had, which a renewal does not change.
    pub(super) since: Instant,
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
    held: Option<Held>,
    failed: Option<(Instant, Failure)>,
}

impl Session {
    /// The token, if it can be used as it is and is not the one that was refused.
    pub(super) fn usable(&self, now: Instant, refused: Option<&Held>) -> Option<Held> {
        self.held()
            .filter(|held| !refused.is_some_and(|refused| refused.is(held)) && held.next(now) == Next::Use)
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.lock().held.clone()
    }

    pub(super) fn hold(&self, held: Held) {
        *self.lock() = State { held: Some(held), failed: None };
    }

    /// Why the last try failed, if it ended after this moment: then whoever began to wait before need not try again.
    pub(super) fn failed_since(&self, moment: Instant) -> Option<Failure> {
        self.lock().failed.as_ref().filter(|(at, _)| *at >= moment).map(|(_, failure)| failure.clone())
    }

    pub(super) fn fail(&self, at: Instant, failure: Failure) {
        self.lock().failed = Some((at, failure));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
