//! When a key is looked at again.

use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;

use crate::clock::after;
use crate::source::SourceErrorKind;

/// The settings of all keys of a ring.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    pub(crate) ttl: Option<Duration>,
    pub(crate) jitter: f64,
    pub(crate) advisory: Duration,
    pub(crate) mandatory: Duration,
    pub(crate) fetch_timeout: Duration,
    pub(crate) backoff: (Duration, Duration),
    pub(crate) max_stale: Duration,
    pub(crate) overlap: Duration,
    pub(crate) max_age: Duration,
    pub(crate) wall_clock: fn() -> SystemTime,
}

/// How long a key is used before its source is asked again, where nobody says: five minutes, ours (2026-11-23).
pub const DEFAULT_TTL: Duration = Duration::from_secs(300);
/// So long before that a request begins a fetch in the background: two minutes, as the official Python SDK 2.12.0 does for
/// its tokens (2026-11-20); a quarter of the time at the most.
pub const ADVISORY_REFRESH: Duration = Duration::from_secs(120);
/// So long before that requests wait for the fetch: thirty seconds, as above; a tenth of the time at the most.
pub const MANDATORY_REFRESH: Duration = Duration::from_secs(30);
/// How long the source is left alone after a failure: five seconds, as above, twice as long after each further one,
/// a minute at the most (ours, 2026-11-23).
pub const FAILURE_BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// How long a fetch may take: ten seconds, ours (2026-11-23).
pub const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a key is used past its time while its source is down: a day, ours (2026-11-23).
pub const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 3_600);
/// The same when its source says that it has it no more: ten minutes, ours (2026-11-23). Long enough for a file that is put back, or
/// a secret that is made anew; and whoever takes a key away is not ignored for a day.
pub const MAX_STALE_GONE: Duration = Duration::from_secs(600);
/// How long the key before a rotation can still stand in: a day, ours (2026-11-23).
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// How old a key may become: ninety days, a common rule for production keys (2026-11-23).
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(90 * 24 * 3_600);
/// By which part of itself the time is shortened at most, so that replicas that started together do not fetch together: a
/// tenth, ours (2026-11-23).
pub const DEFAULT_JITTER: f64 = 0.1;

impl Timing {
    /// How long past its time a key is used whose source fails like this. A source that answers, and has it no more, was told
    /// to have it no more.
    pub(super) fn stale_after(&self, kind: SourceErrorKind) -> Duration {
        match kind {
            SourceErrorKind::NotFound | SourceErrorKind::Empty => self.max_stale.min(MAX_STALE_GONE),
            _ => self.max_stale,
        }
    }

    /// How long the source is left alone after so many failures.
    pub(super) fn pause(&self, failures: u32, random: f64) -> Duration {
        let (first, most) = self.backoff;
        let factor = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = first.saturating_mul(factor).min(most);
        shortened(pause, self.jitter * random)
    }
}

/// A time without this part of it. The longest there is has no place in a float and comes back as it was.
fn shortened(time: Duration, part: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * (1.0 - part)).unwrap_or(time)
}

/// When a key was fetched, and what follows from that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freshness {
    pub(super) fetched: Instant,
    advisory: Instant,
    mandatory: Instant,
    expires: Instant,
}

impl Freshness {
    /// Of a key that was fetched now. The shorter of what the source says and what is set holds.
    pub(super) fn new(
        timing: &Timing,
        said: Option<Duration>,
        default: Option<Duration>,
        now: Instant,
    ) -> Self {
        let configured = timing.ttl.or(default).unwrap_or(DEFAULT_TTL);
        let ttl = said.map_or(configured, |said| said.min(configured));
        let ttl = shortened(ttl, timing.jitter * Rng::new().f64());
        let advisory = ttl - timing.advisory.min(ttl / 4);
        let mandatory = ttl - timing.mandatory.min(ttl / 10);
        Self {
            fetched: now,
            advisory: after(now, advisory),
            mandatory: after(now, mandatory),
            expires: after(now, ttl),
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.advisory <= now
    }

    pub(super) fn must_be_renewed(&self, now: Instant) -> bool {
        self.mandatory <= now
    }

    /// Whether its time is over.
    pub(super) fn is_past(&self, now: Instant) -> bool {
        self.expires <= now
    }

    /// Whether it is too old to be used at all.
    pub(super) fn is_spoilt(&self, max_stale: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.expires) > max_stale
    }
}
