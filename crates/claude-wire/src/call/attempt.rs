//! One attempt of a call.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{Extensions, Request};

use super::{Call, Clock};
use crate::body::Body;

/// What lower layers say of one attempt, for upper layers to read: also after an error, when there is no
/// response to carry it. A clone is another handle to the same attempt.
///
/// **Sent or not.** Guards of rate and money give back what they hold if the attempt was never sent, and keep
/// it if it was sent and dropped. The mark is set once (but see [`restart`](Self::restart)), by the first of: a client adapter that has a connection
/// in hand (reqwest's does not say when, so for an empty body at its first poll); the first poll of the request's [`Body`]; and, where there is neither below, the innermost layer
/// when it calls its inner service ([`dispatch`](super::dispatch)).
#[derive(Clone)]
pub struct Attempt {
    place: Place,
}

/// Where what is known of an attempt is kept.
#[derive(Clone)]
enum Place {
    /// In its call, which has room for the first: most calls need no second.
    InCall(Call),
    Alone(Arc<Record>),
}

/// What is known of one attempt.
pub(super) struct Record {
    number: u32,
    clock: Clock,
    begun: OnceLock<Instant>,
    claims: AtomicU32,
    state: Mutex<State>,
}

impl Record {
    /// The record of an attempt that has not begun.
    pub(super) fn new(number: u32, clock: Clock) -> Self {
        Self {
            number,
            clock,
            begun: OnceLock::new(),
            claims: AtomicU32::new(0),
            state: Mutex::new(State::default()),
        }
    }

    /// Begins it now, if it has not begun.
    pub(super) fn begin(&self) -> Instant {
        *self.begun.get_or_init(self.clock)
    }
}

#[derive(Default)]
struct State {
    sent_at: Option<Instant>,
    waiting: Vec<(u64, Waker)>,
    next_waiter: u64,
    model: Option<Arc<str>>,
    endpoint: Option<Arc<str>>,
    origin: Option<Arc<str>>,
    key_fingerprint: Option<Arc<str>>,
    limit_group: Option<Arc<str>>,
    alternative_left: bool,
    wait_handled: bool,
    outcome: Option<Outcome>,
}

/// How an attempt ended, as the layer that made it judged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// A stable name of what happened, such as `ok` or `overloaded`.
    pub kind: &'static str,
    /// The status of the response, if there was one.
    pub status: Option<http::StatusCode>,
    /// From the attempt's begin to its outcome.
    pub duration: Duration,
    /// How long the call then waited before its next attempt.
    pub wait: Option<Duration>,
    /// Whether the attempt may have been executed, and billed, although it failed.
    pub maybe_executed: bool,
}

impl Outcome {
    /// An outcome of this kind, after this time.
    #[must_use]
    pub const fn new(kind: &'static str, duration: Duration) -> Self {
        Self { kind, status: None, duration, wait: None, maybe_executed: false }
    }

    /// Sets the status.
    #[must_use]
    pub const fn with_status(mut self, status: http::StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the wait that followed.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Says that the attempt may have been executed.
    #[must_use]
    pub const fn perhaps_executed(mut self) -> Self {
        self.maybe_executed = true;
        self
    }
}

/// One written fact of an attempt: its setter and its getter.
macro_rules! fact {
    ($(#[$doc:meta])* $set:ident, $get:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $get(&self) -> Option<Arc<str>> {
            self.state().$get.clone()
        }

        #[doc = concat!("Writes [`", stringify!($get), "`](Self::", stringify!($get), ").")]
        pub fn $set(&self, value: impl Into<Arc<str>>) {
            self.state().$get = Some(value.into());
        }
    };
}

impl Attempt {
    /// The attempt of this number (the first is 0), begun now. Layers that make attempts use
    /// [`Call::begin_attempt`](super::Call::begin_attempt).
    #[must_use]
    pub fn new(number: u32, clock: Clock) -> Self {
        let record = Record::new(number, clock);
        record.begin();
        Self { place: Place::Alone(Arc::new(record)) }
    }

    /// The first attempt of a call.
    pub(super) const fn first_of(call: Call) -> Self {
        Self { place: Place::InCall(call) }
    }

    fn record(&self) -> &Record {
        match &self.place {
            Place::InCall(call) => call.first(),
            Place::Alone(record) => record,
        }
    }

    /// The call whose first attempt this is. Of a later attempt the call is only in the request's extensions:
    /// [`Call::find`] looks at both.
    #[must_use]
    pub const fn call(&self) -> Option<&Call> {
        match &self.place {
            Place::InCall(call) => Some(call),
            Place::Alone(_) => None,
        }
    }

    /// The attempt this request belongs to.
    #[must_use]
    pub fn find(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The attempt this request belongs to, or a first one if no layer above made any. Either is tied to the
    /// body that the request has now: a layer in between may have put in another one.
    pub fn of(request: &mut Request<Body>, clock: Clock) -> Self {
        if let Some(found) = request.extensions().get::<Self>().cloned() {
            request.body_mut().watched_by(found.clone());
            return found;
        }
        let attempt = Self::new(0, clock);
        attempt.put_into(request);
        attempt
    }

    /// Puts this attempt into the request in place of any other, and ties it to the request's body.
    pub fn put_into(&self, request: &mut Request<Body>) {
        request.extensions_mut().insert(self.clone());
        request.body_mut().watched_by(self.clone());
    }

    /// Its number within the call; the first is 0.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.record().number
    }

    /// When it began.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.record().begin()
    }

    /// Marks it as sent, now. Only the first mark counts.
    pub fn mark_sent(&self) {
        let waiting = {
            let mut state = self.state();
            if state.sent_at.is_some() {
                return;
            }
            state.sent_at = Some((self.record().clock)());
            std::mem::take(&mut state.waiting)
        };
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    /// Takes the mark off: what was sent has been refused before any of it was executed, and the very attempt is about to be
    /// sent again. For who replaces a credential and nobody else; whoever repeats makes a new attempt.
    pub fn restart(&self) {
        self.state().sent_at = None;
    }

    /// Whether any of it may have reached the server.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.sent_at().is_some()
    }

    /// When it was marked as sent.
    #[must_use]
    pub fn sent_at(&self) -> Option<Instant> {
        self.state().sent_at
    }

    /// Waits for the mark, for clocks that start when the attempt leaves. Any number of tasks may wait; one that is
    /// dropped leaves nothing.
    #[must_use]
    pub fn sent(&self) -> Sent {
        Sent { attempt: self.clone(), waiter: None }
    }

    /// Says that the service which now has the request will mark it as sent itself. Called in `call` by every
    /// adapter and by every layer that waits before it calls its inner service.
    pub fn claim(&self) {
        self.record().claims.fetch_add(1, Ordering::Relaxed);
    }

    /// How many services have claimed the mark.
    pub(super) fn claims(&self) -> u32 {
        self.record().claims.load(Ordering::Relaxed)
    }

    fact! {
        /// The model that this attempt asks for.
        set_model, model
    }

    fact! {
        /// The endpoint chosen for this attempt, by its configured name.
        set_endpoint, endpoint
    }

    fact! {
        /// The origin it goes to: scheme, host and port.
        set_origin, origin
    }

    fact! {
        /// The keyed fingerprint of the key it carries; never the key.
        set_key_fingerprint, key_fingerprint
    }

    fact! {
        /// The group of keys that share their limits with that key.
        set_limit_group, limit_group
    }

    /// Whether a further attempt could go to another limit group or endpoint.
    #[must_use]
    pub fn alternative_left(&self) -> bool {
        self.state().alternative_left
    }

    /// Says that there is one. Every layer that chooses may know of one; none takes back what another said.
    pub fn offer_alternative(&self) {
        self.state().alternative_left = true;
    }

    /// Whether a layer below has paused what this attempt ran against and will make the next one wait, so that
    /// nobody above has to.
    #[must_use]
    pub fn wait_handled(&self) -> bool {
        self.state().wait_handled
    }

    /// Writes [`wait_handled`](Self::wait_handled).
    pub fn set_wait_handled(&self, handled: bool) {
        self.state().wait_handled = handled;
    }

    /// How it ended, once that is known.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.state().outcome.clone()
    }

    /// Writes [`outcome`](Self::outcome).
    pub fn set_outcome(&self, outcome: Outcome) {
        self.state().outcome = Some(outcome);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.record().state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The future of [`Attempt::sent`]: when the attempt was marked as sent.
pub struct Sent {
    attempt: Attempt,
    /// Its place among those that wait.
    waiter: Option<u64>,
}

impl Future for Sent {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        let attempt = self.attempt.clone();
        let mut state = attempt.state();
        if let Some(at) = state.sent_at {
            return Poll::Ready(at);
        }
        let waiter = self.waiter.unwrap_or(state.next_waiter);
        match state.waiting.iter_mut().find(|(other, _)| *other == waiter) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => {
                state.next_waiter += 1;
                state.waiting.push((waiter, cx.waker().clone()));
            }
        }
        self.waiter = Some(waiter);
        Poll::Pending
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.attempt.state().waiting.retain(|(other, _)| *other != waiter);
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent")
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Attempt")
            .field("number", &self.number())
            .field("sent", &state.sent_at.is_some())
            .field("model", &state.model)
            .field("endpoint", &state.endpoint)
            .field("origin", &state.origin)
            .field("key_fingerprint", &state.key_fingerprint)
            .field("limit_group", &state.limit_group)
            .field("alternative_left", &state.alternative_left)
            .field("wait_handled", &state.wait_handled)
            .field("outcome", &state.outcome)
            .finish_non_exhaustive()
    }
}
