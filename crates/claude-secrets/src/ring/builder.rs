//! The settings of a ring.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use claude_wire::call::Buckets;
use thiserror::Error;

use super::{Affinity, Directory, KeyRing, Shared};
use crate::clock::system_time;
use crate::fingerprint::Fingerprinter;
use crate::keeper::{
    ADVISORY_REFRESH, DEFAULT_FETCH_TIMEOUT, DEFAULT_JITTER, DEFAULT_MAX_AGE, DEFAULT_MAX_STALE,
    DEFAULT_OVERLAP, FAILURE_BACKOFF, Keeper, MANDATORY_REFRESH, Timing,
};
use crate::key::Key;
use crate::pool::{Group, Held, Learnt, SlowStart};
use crate::source::is_key;

/// How many keys a ring may have.
const MAX_KEYS: usize = 1_024;

/// How long a group is taken for limited when the answer does not say: five seconds, ours (2026-11-23).
pub const DEFAULT_LIMITED_FOR: Duration = Duration::from_secs(5);

/// Makes a [`KeyRing`]. Nothing is fetched and nothing runs before the first request, or [`KeyRing::start`].
#[derive(Clone)]
pub struct KeyRingBuilder {
    keys: Vec<Key>,
    environment: Option<Arc<str>>,
    is_strict: bool,
    affinity: Affinity,
    slow_start: SlowStart,
    buckets: Option<Arc<dyn Buckets>>,
    limited_for: Duration,
    timing: Timing,
    fingerprinter: Fingerprinter,
}

/// What is wrong with the settings of a ring.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidKeyRing {
    /// There is no key, or none for the environment of the ring.
    #[error("there is no key{}", Of(.0.as_deref()))]
    NoKeys(Option<Arc<str>>),
    /// There are more than 1,024.
    #[error("there are {0} keys, and 1024 at the most")]
    TooManyKeys(usize),
    /// A key stands where the name of a key, of a line, of an environment or of a group belongs. It is not repeated.
    #[error("a key stands where a name belongs; give its source, and call it something else")]
    KeyAsName,
    /// Two keys have the same name, or one has none.
    #[error("key `{0}`: each key needs a name of its own")]
    Name(Arc<str>),
    /// A weight is no number above 0 and up to 1,000,000.
    #[error("key `{0}`: its weight must be above 0 and at most 1000000")]
    Weight(Arc<str>),
    /// A time is out of its range.
    #[error("{0}")]
    Time(&'static str),
}

struct Of<'a>(Option<&'a str>);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |environment| write!(f, " for the environment `{environment}`"))
    }
}

impl Default for KeyRingBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyRingBuilder {
    /// No keys, and the settings that the methods name.
    #[must_use]
    pub fn new() -> Self {
        let timing = Timing {
            ttl: None,
            jitter: DEFAULT_JITTER,
            advisory: ADVISORY_REFRESH,
            mandatory: MANDATORY_REFRESH,
            fetch_timeout: DEFAULT_FETCH_TIMEOUT,
            backoff: FAILURE_BACKOFF,
            max_stale: DEFAULT_MAX_STALE,
            overlap: DEFAULT_OVERLAP,
            max_age: DEFAULT_MAX_AGE,
            wall_clock: system_time,
        };
        Self {
            keys: Vec::new(),
            environment: None,
            is_strict: false,
            affinity: Affinity::default(),
            slow_start: SlowStart::default(),
            buckets: None,
            limited_for: DEFAULT_LIMITED_FOR,
            timing,
            fingerprinter: Fingerprinter::new(b""),
        }
    }

    /// Adds a key.
    #[must_use]
    pub fn with_key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// The environment that the stack runs in, such as `prod`. Keys of others are then not used, not even fetched, and callers of
    /// others are refused. Without it the environment of each caller chooses.
    #[must_use]
    pub fn with_environment(mut self, environment: impl Into<Arc<str>>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Refuses callers of a line that has no key of its own, instead of giving them one of those that are for no line. Off if
    /// nothing else is said.
    #[must_use]
    pub const fn with_strict_lines(mut self, strict: bool) -> Self {
        self.is_strict = strict;
        self
    }

    /// By what requests are kept together at one key of a pool.
    #[must_use]
    pub const fn with_affinity(mut self, affinity: Affinity) -> Self {
        self.affinity = affinity;
        self
    }

    /// How fast traffic grows that has moved to another key.
    #[must_use]
    pub const fn with_slow_start(mut self, slow_start: SlowStart) -> Self {
        self.slow_start = slow_start;
        self
    }

    /// Who knows how full the buckets of limit groups are: one that is nearly empty (below a twentieth) is passed over while there is
    /// another.
    #[must_use]
    pub fn with_buckets(mut self, buckets: Arc<dyn Buckets>) -> Self {
        self.buckets = Some(buckets);
        self
    }

    /// For how long a group is taken for limited when a 429 does not say; [`DEFAULT_LIMITED_FOR`] if nothing else is said.
    #[must_use]
    pub const fn with_limited_for(mut self, time: Duration) -> Self {
        self.limited_for = time;
        self
    }

    /// For how long a key is used before its source is asked again. A source may ask for less. Without it, the source's own
    /// default, or [`DEFAULT_TTL`](crate::DEFAULT_TTL).
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.timing.ttl = Some(ttl);
        self
    }

    /// By which part of itself that time is shortened at most, from 0 to 1, by chance: replicas then do not fetch together.
    /// [`DEFAULT_JITTER`](crate::DEFAULT_JITTER) if nothing else is said.
    #[must_use]
    pub const fn with_jitter(mut self, jitter: f64) -> Self {
        self.timing.jitter = jitter;
        self
    }

    /// How long before the end of that time a request begins a fetch in the background (`advisory`), and from when on requests wait
    /// for it (`mandatory`). [`ADVISORY_REFRESH`](crate::ADVISORY_REFRESH) and [`MANDATORY_REFRESH`](crate::MANDATORY_REFRESH) if nothing else is said; a quarter
    /// and a tenth of the time at the most.
    #[must_use]
    pub const fn with_refresh_before(mut self, advisory: Duration, mandatory: Duration) -> Self {
        self.timing.advisory = advisory;
        self.timing.mandatory = mandatory;
        self
    }

    /// How long one fetch may take; [`DEFAULT_FETCH_TIMEOUT`](crate::DEFAULT_FETCH_TIMEOUT) if nothing else is said.
    #[must_use]
    pub const fn with_fetch_timeout(mut self, timeout: Duration) -> Self {
        self.timing.fetch_timeout = timeout;
        self
    }

    /// How long a source is left alone after a failure: at first, and at most, each time twice as long.
    /// [`FAILURE_BACKOFF`](crate::FAILURE_BACKOFF) if nothing else is said.
    #[must_use]
    pub const fn with_failure_backoff(mut self, first: Duration, most: Duration) -> Self {
        self.timing.backoff = (first, most);
        self
    }

    /// How long past its time a key is used while its source is down; no longer than
    /// [`MAX_STALE_GONE`](crate::MAX_STALE_GONE) if that says that it has it no more. [`DEFAULT_MAX_STALE`](crate::DEFAULT_MAX_STALE) if nothing else is said.
    #[must_use]
    pub const fn with_max_stale(mut self, time: Duration) -> Self {
        self.timing.max_stale = time;
        self
    }

    /// How long the key before a rotation stands in while the API refuses the new one;
    /// [`DEFAULT_OVERLAP`](crate::DEFAULT_OVERLAP) if nothing else is said. Zero: never.
    #[must_use]
    pub const fn with_overlap(mut self, time: Duration) -> Self {
        self.timing.overlap = time;
        self
    }

    /// How old a key may become before it is warned of; [`DEFAULT_MAX_AGE`](crate::DEFAULT_MAX_AGE) if nothing else is said.
    #[must_use]
    pub const fn with_max_age(mut self, age: Duration) -> Self {
        self.timing.max_age = age;
        self
    }

    /// What goes into the fingerprints of keys besides the keys. Replicas that are to agree on the names of keys, and of limit
    /// groups that are named after them, need the same.
    #[must_use]
    pub fn with_pepper(mut self, pepper: &[u8]) -> Self {
        self.fingerprinter = Fingerprinter::new(pepper);
        self
    }

    /// What reads the wall clock, for the age of keys and for a `retry-after` that is a date.
    #[must_use]
    pub const fn with_wall_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.timing.wall_clock = clock;
        self
    }

    /// Makes the ring.
    ///
    /// # Errors
    ///
    /// When a setting is out of its range, or there is no key.
    pub fn build(self) -> Result<KeyRing, InvalidKeyRing> {
        self.check()?;
        let Self { environment, timing, fingerprinter, .. } = self;
        let timing = Arc::new(timing);
        let mut groups: HashMap<Arc<str>, Arc<Group>> = HashMap::new();
        let is_ours = |key: &Key| match (&environment, &key.environment) {
            (Some(ours), Some(its)) => ours == its,
            _ => true,
        };
        let keys: Vec<Arc<Held>> = self
            .keys
            .into_iter()
            .filter(is_ours)
            .map(|key| {
                let group = match &key.limit_group {
                    Some(name) => Arc::clone(
                        groups
                            .entry(Arc::clone(name))
                            .or_insert_with(|| Arc::new(Group::new(Arc::clone(name)))),
                    ),
                    // Nothing is known of it yet: a group of its own.
                    None => Arc::new(Group::new(format!("key:{}", key.name).into())),
                };
                let (name, source) = (Arc::clone(&key.name), Arc::clone(&key.source));
                let keeper =
                    Keeper::new(name, source, key.scheme, fingerprinter.clone(), Arc::clone(&timing));
                Arc::new(Held::new(key, Arc::new(keeper), group))
            })
            .collect();
        if keys.is_empty() {
            return Err(InvalidKeyRing::NoKeys(environment));
        }
        Ok(KeyRing {
            shared: Arc::new(Shared {
                directory: Directory::new(&keys, environment, self.is_strict),
                keys,
                learnt: Learnt::default(),
                affinity: self.affinity,
                slow_start: self.slow_start,
                buckets: self.buckets,
                limited_for: self.limited_for,
                fingerprinter,
                wall_clock: timing.wall_clock,
                max_age: timing.max_age,
            }),
        })
    }

    fn check(&self) -> Result<(), InvalidKeyRing> {
        let mut shown = self.environment.iter().chain(self.keys.iter().flat_map(names_of));
        if shown.any(|name| is_key(name)) {
            return Err(InvalidKeyRing::KeyAsName);
        }
        if self.keys.is_empty() {
            return Err(InvalidKeyRing::NoKeys(None));
        }
        if self.keys.len() > MAX_KEYS {
            return Err(InvalidKeyRing::TooManyKeys(self.keys.len()));
        }
        let mut names = HashSet::new();
        for key in &self.keys {
            if key.name.trim().is_empty() || !names.insert(&key.name) {
                return Err(InvalidKeyRing::Name(Arc::clone(&key.name)));
            }
            if !(key.weight > 0.0 && key.weight <= 1e6) {
                return Err(InvalidKeyRing::Weight(Arc::clone(&key.name)));
            }
        }
        let timing = &self.timing;
        let wrong = [
            (
                timing.ttl.is_some_and(|ttl| ttl < Duration::from_millis(1)),
                "the time to live must be 1 ms or more",
            ),
            (!(0.0..=1.0).contains(&timing.jitter), "the jitter must be between 0 and 1"),
            (timing.mandatory > timing.advisory, "the mandatory refresh must not be before the advisory one"),
            (timing.fetch_timeout.is_zero(), "a fetch needs more than no time"),
            (timing.backoff.0.is_zero(), "the pause after a failure must not be nothing"),
            (
                timing.backoff.0 > timing.backoff.1,
                "the first pause after a failure must not be above the longest",
            ),
        ];
        wrong
            .into_iter()
            .find(|(is_wrong, _)| *is_wrong)
            .map_or(Ok(()), |(_, what)| Err(InvalidKeyRing::Time(what)))
    }
}

/// All that is shown of a key.
fn names_of(key: &Key) -> impl Iterator<Item = &Arc<str>> {
    [&key.name].into_iter().chain(&key.lines).chain(&key.environment).chain(&key.limit_group)
}

/// Shows where keys are kept, never a key.
impl fmt::Debug for KeyRingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRingBuilder")
            .field("keys", &self.keys)
            .field("environment", &self.environment)
            .field("strict_lines", &self.is_strict)
            .field("affinity", &self.affinity)
            .field("slow_start", &self.slow_start)
            .field("limited_for", &self.limited_for)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}
