//! The layer and its settings.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use http::HeaderName;
use tower_layer::Layer;

use crate::backoff::Backoff;
use crate::hold::Hold;
use crate::quota::Quota;
use crate::service::Retry;

/// How often a call is repeated if nothing else is said: ours (2026-11-23), one more than the official SDKs (2026-11-20).
pub const DEFAULT_MAX_RETRIES: u32 = 3;
/// The longest wait before a retry if nothing else is said: five minutes, ours (2026-11-23). The API's limits of a minute
/// are whole again by then (2026-10).
pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(300);
/// How much of an error response's body is read if nothing else is said, in bytes: 64 KiB, ours (2026-11-23). The API's are
/// a few hundred bytes.
pub const DEFAULT_ERROR_BODY_CAP: usize = 64 * 1024;
/// How long the body of an error response is waited for: five seconds, ours (2026-11-23).
pub const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do with attempts that failed, but may have been executed, and billed, all the same: a connection that broke after
/// the request was sent, a time-out, 408, 500, 502, 503, 504, an `error` event in a stream, an answer that broke off.
///
/// The API has no key that would make two of the same request one (2026-11). Such an attempt may be paid twice, and nothing
/// can prevent it but not to repeat it. Every such retry is counted ([`metrics::RETRIES_TOTAL`](crate::metrics::RETRIES_TOTAL))
/// and marked ([`Outcome::maybe_executed`](claude_wire::call::Outcome::maybe_executed)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MaybeExecuted {
    /// They are never repeated.
    Leave,
    /// They are repeated where the worst is a second answer: messages that go on from no state of the API's (a thread, a
    /// container) and name no MCP servers, which may act twice; counts; and methods that are idempotent. Batches and files
    /// are not created twice. A tool that the API itself runs, such as a web search, may run twice.
    #[default]
    RepeatAnswers,
    /// They are always repeated, as the official SDKs do.
    RepeatAll,
}

/// Repeats what failed and may succeed. See the [crate docs](crate). A clone, and every service made by it, shares the quota
/// and the seed; what is set on one afterwards is not set on the others.
#[derive(Clone)]
pub struct RetryLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) max_retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) max_wait: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) quota: Quota,
    pub(crate) maybe_executed: MaybeExecuted,
    pub(crate) hold: Hold,
    pub(crate) collect: usize,
    pub(crate) only_if_ready: bool,
    pub(crate) count_header: Option<HeaderName>,
    pub(crate) final_word: bool,
    pub(crate) error_body_cap: usize,
    pub(crate) wall_clock: fn() -> SystemTime,
    seed: Option<Arc<AtomicU64>>,
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryLayer {
    /// Three retries after the waits of [`Backoff::default`], within [`Quota::default`].
    #[must_use]
    pub fn new() -> Self {
        let settings = Settings {
            max_retries: DEFAULT_MAX_RETRIES,
            backoff: Backoff::default(),
            max_wait: DEFAULT_MAX_WAIT,
            timeout: None,
            quota: Quota::default(),
            maybe_executed: MaybeExecuted::default(),
            hold: Hold::default(),
            collect: 0,
            only_if_ready: false,
            count_header: None,
            final_word: false,
            error_body_cap: DEFAULT_ERROR_BODY_CAP,
            wall_clock: system_time,
            seed: None,
        };
        Self { settings: Arc::new(settings) }
    }

    /// For those who have time: five retries after waits from one second to one minute, with the jitter of
    /// [`Backoff::default`]. Ours, 2026-11-23.
    #[must_use]
    pub fn patient() -> Self {
        let backoff = Backoff::between(Duration::from_secs(1), Duration::from_secs(60));
        Self::new().with_max_retries(5).with_backoff(backoff)
    }

    /// How often a call is repeated at the most: one less than it has attempts. 0 repeats nothing;
    /// [`DEFAULT_MAX_RETRIES`] if nothing else is said.
    #[must_use]
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.settings().max_retries = retries;
        self
    }

    /// How long to wait where the server does not say.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.settings().backoff = backoff;
        self
    }

    /// The longest wait. If the server, or the backoff, asks for a longer one, the call is given up at once; jitter alone
    /// makes none longer. [`DEFAULT_MAX_WAIT`] if nothing else is said.
    #[must_use]
    pub fn with_max_wait(mut self, wait: Duration) -> Self {
        self.settings().max_wait = wait;
        self
    }

    /// How long a call may take in all: attempts, waits, and the queues of the layers below. A
    /// [`Deadline`](claude_wire::call::Deadline) of the request counts too; the earlier one holds.
    ///
    /// It ends with the first content of a streamed message, with the last byte of a JSON answer, and with the head of
    /// anything else, streams in a content coding among them. Layers below find it in the request's extensions. What comes
    /// too late is not sent at all. There is none if nothing else is said. It costs an allocation for its clock, and one more
    /// for that of a JSON answer.
    ///
    /// A wait that cannot end before it is not begun, whatever chance would make of it.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.settings().timeout = Some(timeout);
        self
    }

    /// What pays for all extra work: [`Quota::default`] if nothing else is said. Clones of one quota may be given to several
    /// layers.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.settings().quota = quota;
        self
    }

    /// What to do with attempts that may have been executed although they failed.
    #[must_use]
    pub fn with_maybe_executed(mut self, maybe_executed: MaybeExecuted) -> Self {
        self.settings().maybe_executed = maybe_executed;
        self
    }

    /// How far streams are read ahead before their head is handed on.
    #[must_use]
    pub fn with_hold(mut self, hold: Hold) -> Self {
        self.settings().hold = hold;
        self
    }

    /// Reads JSON answers whole before they are handed on, if they are no longer than this many bytes, so that one that is
    /// cut short is repeated too: half a percent of the calls where one connection in fifty breaks, half of those behind the head
    /// (99.4 % against 99.99 % answered; by the storms of this crate's tests, 2026-11-23). Longer ones are handed on from their first byte as soon as that is known. Only the deadline
    /// bounds the time. 0, the default, hands all on as they come.
    #[must_use]
    pub fn with_collect(mut self, bytes: usize) -> Self {
        self.settings().collect = bytes;
        self
    }

    /// Makes a retry only if the inner service is ready for it at once; if not, the call is given up
    /// ([`Reason::NotReady`](crate::Reason::NotReady)). Under overload, retries then do not queue.
    #[must_use]
    pub fn with_only_if_ready(mut self, only_if_ready: bool) -> Self {
        self.settings().only_if_ready = only_if_ready;
        self
    }

    /// Puts a header on each attempt with the number of retries before it, from 0; on top of the number that the caller
    /// has put there.
    #[must_use]
    pub fn with_retry_count_header(mut self, name: HeaderName) -> Self {
        self.settings().count_header = Some(name);
        self
    }

    /// Puts `x-should-retry: false` on each failed answer that leaves this layer and that the official SDKs would repeat
    /// (408, 409, 429, 500 and above, 2026-11-20), so that their retries and these do not multiply. A
    /// collected answer that is still cut short at the last attempt becomes an error: whoever gets half of it repeats the
    /// call. For gateways; one that
    /// makes an answer of an error has to say it there itself. Off if nothing else is said.
    #[must_use]
    pub fn with_final_word(mut self, final_word: bool) -> Self {
        self.settings().final_word = final_word;
        self
    }

    /// How much of an error response's body is read, in bytes: to be judged, and so that the connection can be used again.
    /// It is waited for [`ERROR_BODY_TIMEOUT`]. Past either the answer is judged by its head. [`DEFAULT_ERROR_BODY_CAP`] if
    /// nothing else is said.
    #[must_use]
    pub fn with_error_body_cap(mut self, bytes: usize) -> Self {
        self.settings().error_body_cap = bytes;
        self
    }

    /// Draws jitter from a seed, for tests: calls that fail in the same order wait the same times.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.settings().seed = Some(Arc::new(AtomicU64::new(seed)));
        self
    }

    /// What reads the wall clock, for a `retry-after` that is a date in a response without a `date`; the system's clock
    /// if nothing else is said.
    #[must_use]
    pub fn with_wall_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.settings().wall_clock = clock;
        self
    }

    /// The quota, to look at or, cloned, to give to another layer.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.settings.quota
    }

    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

impl Settings {
    /// A number from 0 to 1: of this thread's generator, or the seed's next.
    pub(crate) fn random(&self) -> f64 {
        match &self.seed {
            None => fastrand::f64(),
            Some(seed) => Rng::with_seed(seed.fetch_add(1, Ordering::Relaxed)).f64(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one default, which is an argument too")]
fn system_time() -> SystemTime {
    SystemTime::now()
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry::new(inner, Arc::clone(&self.settings))
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        f.debug_struct("RetryLayer")
            .field("max_retries", &settings.max_retries)
            .field("backoff", &settings.backoff)
            .field("max_wait", &settings.max_wait)
            .field("timeout", &settings.timeout)
            .field("quota", &settings.quota)
            .field("maybe_executed", &settings.maybe_executed)
            .field("hold", &settings.hold)
            .field("collect", &settings.collect)
            .field("only_if_ready", &settings.only_if_ready)
            .field("count_header", &settings.count_header)
            .field("final_word", &settings.final_word)
            .field("error_body_cap", &settings.error_body_cap)
            .finish_non_exhaustive()
    }
}
