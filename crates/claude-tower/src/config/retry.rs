//! `[retry]`: how failed attempts are repeated.

use std::{error::Error, ops::RangeInclusive, time::Duration};

use claude_retry::{Backoff, Hold, MaybeExecuted, Quota, RetryLayer};
use claude_wire::headers::names;
use http::HeaderName;
use serde::{Deserialize, Deserializer};

use super::{
    ConfigError,
    check::{self, Check, Validate},
    duration,
    error::{ConfigProblem, ConfigProblemKind},
    size, text,
};

const MAX_RETRIES: RangeInclusive<u32> = 0..=20;
const BACKOFF_BASE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);
const BACKOFF_MAX: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3_600);
const JITTER: RangeInclusive<f64> = 0.0..=1.0;
const OVERLOAD_FLOOR: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);
const MAX_WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3_600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 3_600);
const QUOTA_RATIO: RangeInclusive<f64> = 0.0..=100.0;
const QUOTA_BURST: RangeInclusive<u32> = 0..=1_000_000;
// Whoever streams waits meanwhile, and each call may hold so much in memory.
const HOLD_TIME: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);
const HOLD_BYTES: RangeInclusive<u64> = 0..=16 << 20;
// With a frame each: no more frames are held.
const HOLD_EVENTS: RangeInclusive<u64> = 0..=1_000;
const COLLECT: RangeInclusive<u64> = 0..=64 << 20;

/// `[retry]`: which failed attempts are repeated, when, and how many at most.
///
/// | key | default | range | from |
/// | --- | --- | --- | --- |
/// | `enabled` | `true` | | ours, 2026-11-23 |
/// | `max_retries` | `3` | 0 to 20 | ours: one more than the Python SDK 2.12.0, 2026-11-20 |
/// | `backoff_base` | `500ms` | `1ms` to `10m` | Python SDK 2.12.0, 2026-11-20 |
/// | `backoff_max` | `8s` | `1ms` to `1h`, not below `backoff_base` | Python SDK 2.12.0, 2026-11-20 |
/// | `jitter` | `0.25` | 0 to 1 | Python SDK 2.12.0, 2026-11-20 |
/// | `overload_floor` | `1s` | `0s` to `10m` | ours, 2026-11-23 |
/// | `max_wait` | `5m` | `0s` to `24h` | ours, 2026-11-23 |
/// | `timeout` | not set | `1ms` to `24h` | |
/// | `quota_ratio` | `0.2` | 0 to 100 | tower's and Finagle's retry budgets, 2026-11-23 |
/// | `quota_burst` | `100` | 0 to 1000000 | ours, 2026-11-23 |
/// | `maybe_executed` | `"repeat-answers"` | `"leave"`, `"repeat-answers"`, `"repeat-all"` | ours, 2026-11-23 |
/// | `hold_time` | `5s` | `0s` to `1m` | ours, 2026-11-23 |
/// | `hold_bytes` | `64KiB` | 0 to `16MiB` | ours, 2026-11-23 |
/// | `hold_events` | `200` | 0 to 1000 | LiteLLM 1.106.2, 2026-11-22 |
/// | `collect` | `1MiB` | 0 to `64MiB` | ours, 2026-11-23 |
/// | `only_if_ready` | `false` | | ours, 2026-11-23 |
/// | `retry_count_header` | not set | a name that begins with `x-`, but not `x-api-key` | |
/// | `final_word` | `true` | | ours, 2026-11-23 |
///
/// ```
/// use std::time::Duration;
/// use claude_tower::config::RetryConfig;
///
/// let mut retry = RetryConfig::default();
/// retry.max_retries = 5;
/// retry.timeout = Some(Duration::from_secs(600));
/// retry.validate()?;
/// # Ok::<_, claude_tower::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Whether failed attempts are repeated at all.
    pub enabled: bool,
    /// How often a request is repeated after its first attempt. 0 never.
    pub max_retries: u32,
    /// How long the first wait is. Each further one is twice as long.
    #[serde(deserialize_with = "duration::deserialize")]
    pub backoff_base: Duration,
    /// What no wait grows beyond. One that the API asks for may be longer.
    #[serde(deserialize_with = "duration::deserialize")]
    pub backoff_max: Duration,
    /// By which share of itself a wait may be shorter, so that callers that failed together do not come back together.
    /// One that the API asks for is never shorter.
    pub jitter: f64,
    /// How long the wait after an overload (529) is at least.
    #[serde(deserialize_with = "duration::deserialize")]
    pub overload_floor: Duration,
    /// The longest wait that is waited for, the API's own `retry-after` included. If it would be longer, the failure
    /// goes to the caller at once.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_wait: Duration,
    /// How long a request may take with all its attempts, waits and queues, up to the first content of a stream.
    #[serde(deserialize_with = "duration::optional")]
    pub timeout: Option<Duration>,
    /// How many repeats each first attempt adds to the quota.
    pub quota_ratio: f64,
    /// How many repeats the quota holds at most, and at the start. 0 allows none at all.
    pub quota_burst: u32,
    /// What becomes of a failure after which the request may have been executed.
    #[serde(with = "Words")]
    pub maybe_executed: MaybeExecuted,
    /// How long a stream is held back at most until its first content, so that one that fails before can be repeated. If
    /// this, [`hold_bytes`](Self::hold_bytes) or [`hold_events`](Self::hold_events) is 0, nothing is held back.
    #[serde(deserialize_with = "duration::deserialize")]
    pub hold_time: Duration,
    /// How many bytes of a stream are held back at most.
    #[serde(deserialize_with = "size::deserialize")]
    pub hold_bytes: u64,
    /// How many events of a stream are held back at most.
    pub hold_events: u64,
    /// Up to which size an answer that is no stream is collected before it goes to the caller, so that one that is cut
    /// short can be repeated. 0 collects none.
    #[serde(deserialize_with = "size::deserialize")]
    pub collect: u64,
    /// Whether a request is repeated only if what is below is ready for it at once.
    pub only_if_ready: bool,
    /// The header that says in each attempt how many were made before it.
    #[serde(deserialize_with = "header")]
    pub retry_count_header: Option<HeaderName>,
    /// Whether a failure that is given up on tells the caller not to repeat it either (`x-should-retry: false`): the
    /// repeats of both would multiply.
    pub final_word: bool,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_retries: 3,
            backoff_base: Duration::from_millis(500),
            backoff_max: Duration::from_secs(8),
            jitter: 0.25,
            overload_floor: Duration::from_secs(1),
            max_wait: Duration::from_secs(300),
            timeout: None,
            quota_ratio: 0.2,
            quota_burst: 100,
            maybe_executed: MaybeExecuted::RepeatAnswers,
            hold_time: Duration::from_secs(5),
            hold_bytes: 64 << 10,
            hold_events: 200,
            collect: 1 << 20,
            only_if_ready: false,
            retry_count_header: None,
            final_word: true,
        }
    }
}

impl RetryConfig {
    /// Checks values that were set in code; those that were loaded have been checked.
    ///
    /// # Errors
    ///
    /// When a value is out of its range, or does not go together with another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check::validate("retry", self)
    }

    /// The layer with these settings, or `None` if it is not [`enabled`](Self::enabled). Each has a quota of its own.
    ///
    /// ```
    /// use claude_tower::config::Config;
    /// use claude_tower::stack::{Slot, StackBuilder};
    ///
    /// let config = Config::from_toml("[retry]\nmax_retries = 5", "claude-tower.toml")?;
    /// let mut stack = StackBuilder::new();
    /// if let Some(retry) = config.retry.layer()? {
    ///     stack = stack.layer(Slot::Retry, retry);
    /// }
    /// # Ok::<_, claude_tower::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`validate`](Self::validate).
    pub fn layer(&self) -> Result<Option<RetryLayer>, ConfigError> {
        self.validate()?;
        if !self.enabled {
            return Ok(None);
        }
        let backoff = Backoff::new(self.backoff_base, self.backoff_max)
            .and_then(|backoff| backoff.with_jitter(self.jitter))
            .map_err(refused)?
            .with_overload_floor(self.overload_floor);
        let hold = Hold::default()
            .with_time(self.hold_time)
            .with_bytes(in_memory(self.hold_bytes))
            .with_events(self.hold_events);
        let mut layer = RetryLayer::new()
            .with_max_retries(self.max_retries)
            .with_backoff(backoff)
            .with_max_wait(self.max_wait)
            .with_quota(Quota::new(self.quota_ratio, self.quota_burst).map_err(refused)?)
            .with_maybe_executed(self.maybe_executed)
            .with_hold(hold)
            .with_collect(in_memory(self.collect))
            .with_only_if_ready(self.only_if_ready)
            .with_final_word(self.final_word);
        if let Some(timeout) = self.timeout {
            layer = layer.with_timeout(timeout);
        }
        if let Some(name) = &self.retry_count_header {
            layer = layer.with_retry_count_header(name.clone());
        }
        Ok(Some(layer))
    }
}

impl Validate for RetryConfig {
    fn check(&self, check: &mut Check<'_>) {
        check.number("max_retries", self.max_retries, MAX_RETRIES);
        check.duration("backoff_base", self.backoff_base, BACKOFF_BASE);
        check.duration("backoff_max", self.backoff_max, BACKOFF_MAX);
        // One that is out of its range has been named already.
        let in_range = BACKOFF_BASE.contains(&self.backoff_base) && BACKOFF_MAX.contains(&self.backoff_max);
        let [base, max] = [self.backoff_base, self.backoff_max].map(duration::format);
        check.together(
            self.backoff_base <= self.backoff_max || !in_range,
            &["backoff_base", "backoff_max"],
            format!("must not put retry.backoff_base ({base}) above retry.backoff_max ({max})"),
        );
        check.number("jitter", self.jitter, JITTER);
        check.duration("overload_floor", self.overload_floor, OVERLOAD_FLOOR);
        check.duration("max_wait", self.max_wait, MAX_WAIT);
        if let Some(timeout) = self.timeout {
            check.duration("timeout", timeout, TIMEOUT);
        }
        check.number("quota_ratio", self.quota_ratio, QUOTA_RATIO);
        check.number("quota_burst", self.quota_burst, QUOTA_BURST);
        check.duration("hold_time", self.hold_time, HOLD_TIME);
        check.size("hold_bytes", self.hold_bytes, HOLD_BYTES);
        check.number("hold_events", self.hold_events, HOLD_EVENTS);
        check.size("collect", self.collect, COLLECT);
        let is_ours = |name: &HeaderName| name.as_str().starts_with("x-") && name != names::X_API_KEY;
        let valid = self.retry_count_header.as_ref().is_none_or(is_ours);
        check.require(valid, "retry_count_header", "must begin with x-, and not be x-api-key");
    }
}

/// How [`MaybeExecuted`] is written.
#[derive(Deserialize)]
#[serde(remote = "MaybeExecuted", rename_all = "kebab-case")]
enum Words {
    Leave,
    RepeatAnswers,
    RepeatAll,
}

/// What the layer refuses is out of range here already, unless the two differ.
fn refused(error: impl Error) -> ConfigError {
    ConfigError::one(ConfigProblem::new(ConfigProblemKind::OutOfRange, error.to_string()))
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn header<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderName>, D::Error> {
    Ok(Option::<Header>::deserialize(deserializer)?.map(|header| header.0))
}

struct Header(HeaderName);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "the name of a header, such as x-stainless-retry-count";
        text::deserialize(deserializer, expected, |text| text.parse().ok().map(Self))
    }
}
