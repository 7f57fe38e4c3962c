//! The token of a handle, which all its sources share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blake3::Hash;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::failure::Failure;
use super::lease::{Lease, Next};
use crate::source::SourceErrorKind;

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

/// How long a login that was refused is not tried again with the same secret: this at first, and each time four times as long, up to
/// [`LONGEST_PAUSE`]. Vault and OpenBao lock out after five refusals if none is more than 15 minutes after the one before (their
/// defaults, 2026-11): the fifth is.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(16 * 60);

/// A login that was refused.
struct Refusal {
    secret: Hash,
    failure: Failure,
    pause: Duration,
    until: Instant,
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
    refusal: Option<Refusal>,
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

    /// Why a login with this secret was refused, if it is not to be tried again yet.
    pub(super) fn refused(&self, secret: &SecretString, now: Instant) -> Option<Failure> {
        let state = self.lock();
        let refusal = state.refusal.as_ref().filter(|refusal| now < refusal.until)?;
        (refusal.secret == hash(secret)).then(|| refusal.failure.clone())
    }

    /// The end of a login with this secret. One that was no answer about it changes nothing.
    pub(super) fn logged_in<T>(&self, secret: &SecretString, now: Instant, login: &Result<T, Failure>) {
        let mut state = self.lock();
        match login {
            Ok(_) => state.refusal = None,
            Err(failure) if failure.kind() == SourceErrorKind::Denied => {
                let secret = hash(secret);
                let before = state.refusal.take().filter(|before| before.secret == secret);
                let pause = before.map_or(FIRST_PAUSE, |before| (before.pause * 4).min(LONGEST_PAUSE));
                let failure = failure.clone();
                state.refusal = Some(Refusal { secret, failure, pause, until: now + pause });
            }
            Err(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(secret: &SecretString) -> Hash {
    blake3::hash(secret.expose_secret().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each login is refused and nobody waits, the seconds from one to the next.
    fn pauses(session: &Session, secret: &SecretString) -> Vec<u64> {
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let refused = Failure::new(SourceErrorKind::Denied, "refused");
            session.logged_in::<()>(secret, now, &Err(refused));
            let begin = now;
            while session.refused(secret, now).is_some() {
                now += Duration::from_secs(1);
            }
            pauses.push((now - begin).as_secs());
        }
        pauses
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_never_comes_to_five_refusals_close_together() {
        let pauses = pauses(&Session::default(), &SecretString::from("wrong-canary"));
        assert_eq!(pauses, [15, 60, 240, 960, 960, 960]);
        assert!(pauses.windows(4).all(|four| four.iter().any(|pause| *pause > 15 * 60)));
    }

    #[tokio::test(start_paused = true)]
    async fn another_secret_or_a_success_begins_anew_and_another_failure_changes_nothing() {
        let session = Session::default();
        let (one, two) = (SecretString::from("one-canary"), SecretString::from("two-canary"));
        let now = Instant::now();
        pauses(&session, &one);
        assert_eq!(pauses(&session, &two)[0], 15);
        assert_eq!(pauses(&session, &one)[0], 15);
        let refused = Failure::new(SourceErrorKind::Denied, "refused");
        session.logged_in::<()>(&one, now, &Err(refused));
        let away = Failure::new(SourceErrorKind::Unavailable, "is away");
        session.logged_in::<()>(&one, now, &Err(away));
        assert!(session.refused(&one, now).is_some() && session.refused(&two, now).is_none());
        session.logged_in(&one, now, &Ok(()));
        assert!(session.refused(&one, now).is_none());
        assert_eq!(pauses(&session, &one)[0], 15);
    }
}
