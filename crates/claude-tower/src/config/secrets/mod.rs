//! `[secrets]`: where the API's keys are kept, and which of them goes with which call.

mod aws;
mod key;
mod vault;

use std::{ops::RangeInclusive, time::Duration};

use claude_secrets::{
    ADVISORY_REFRESH, Affinity, DEFAULT_FETCH_TIMEOUT, DEFAULT_JITTER, DEFAULT_LIMITED_FOR, DEFAULT_MAX_AGE,
    DEFAULT_MAX_STALE, DEFAULT_OVERLAP, Existing, FAILURE_BACKOFF, KeyRing, KeyRingBuilder,
    MANDATORY_REFRESH, SecretsLayer, SlowStart,
};
use claude_wire::shown;
use http::Uri;
use serde::Deserialize;

use super::{
    ConfigError,
    check::{self, Check, Validate},
    duration,
    error::{ConfigProblem, ConfigProblemKind},
};

pub use aws::AwsConfig;
pub use key::KeyConfig;
pub use vault::VaultConfig;

const NAME: &str = "must be 1 to 128 letters, digits and _ - . : / @";
const MAX_KEYS: usize = 1_024;
const SLOW_START_RATE: RangeInclusive<f64> = 0.1..=1e6;
const SLOW_START_TIME: RangeInclusive<Duration> = Duration::ZERO..=HOUR;
const LIMITED_FOR: RangeInclusive<Duration> = Duration::from_secs(1)..=HOUR;
const TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;
const JITTER: RangeInclusive<f64> = 0.0..=1.0;
const REFRESH: RangeInclusive<Duration> = Duration::ZERO..=HOUR;
const FETCH_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);
const BACKOFF: RangeInclusive<Duration> = Duration::from_millis(100)..=HOUR;
const MAX_STALE: RangeInclusive<Duration> = Duration::ZERO..=MONTH;
const OVERLAP: RangeInclusive<Duration> = Duration::ZERO..=MONTH;
const MAX_AGE: RangeInclusive<Duration> = HOUR..=Duration::from_secs(3_650 * 24 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);

/// `[secrets]`: the keys of the API, by where they are kept. Without any key, requests go on with what their callers sent.
///
/// | key | default | range | from |
/// | --- | --- | --- | --- |
/// | `start` | `"eager"` | `"eager"`, `"lazy"` | ours, 2026-11-23 |
/// | `existing` | `"replace"` | `"replace"`, `"keep"`, `"refuse"` | ours, 2026-11-23 |
/// | `environment` | not set | a name | |
/// | `strict_lines` | `false` | | ours, 2026-11-23 |
/// | `affinity` | `"conversation"` | `"conversation"`, `"caller"`, `"none"` | ours, 2026-11-23 |
/// | `slow_start_rate` | `10` | 0.1 to 1000000 | ours, 2026-11-23 |
/// | `slow_start_time` | `10s` | `0s` to `1h` | ours, 2026-11-23 |
/// | `limited_for` | `5s` | `1s` to `1h` | ours, 2026-11-23 |
/// | `ttl` | not set: the source's own | `1s` to `24h` | |
/// | `jitter` | `0.1` | 0 to 1 | ours, 2026-11-23 |
/// | `refresh_advisory` | `2m` | `0s` to `1h` | Python SDK 2.12.0, 2026-11-20 |
/// | `refresh_mandatory` | `30s` | `0s` to `1h`, not above `refresh_advisory` | Python SDK 2.12.0, 2026-11-20 |
/// | `fetch_timeout` | `10s` | `100ms` to `5m` | ours, 2026-11-23 |
/// | `failure_backoff` | `5s` | `100ms` to `1h` | Python SDK 2.12.0, 2026-11-20 |
/// | `failure_backoff_max` | `60s` | `100ms` to `1h`, not below `failure_backoff` | ours, 2026-11-23 |
/// | `max_stale` | `24h` | `0s` to `720h` | ours, 2026-11-23 |
/// | `overlap` | `24h` | `0s` to `720h` | ours, 2026-11-23 |
/// | `max_age` | `2160h` (90 days) | `1h` to `87600h` | ours, 2026-11-23 |
/// | `[[secrets.keys]]` | none | at most 1024 | [`KeyConfig`] |
/// | `[secrets.aws]` | | | [`AwsConfig`] |
/// | `[secrets.vault]` | | | [`VaultConfig`] |
///
/// The file names sources and holds no key: one that stands in it is refused.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SecretsConfig {
    /// When keys are fetched first. For whoever starts the stack: a ring does nothing by itself.
    pub start: KeyStart,
    /// What becomes of a credential that a request carries already.
    #[serde(with = "ExistingWords")]
    pub existing: Existing,
    /// The environment that this stack runs in. Keys of others are not used.
    pub environment: Option<String>,
    /// Whether callers of a line that has no key of its own are refused.
    pub strict_lines: bool,
    /// By what requests are kept together at one key of a pool.
    #[serde(with = "AffinityWords")]
    pub affinity: Affinity,
    /// With how many requests a second traffic begins that has moved to another key.
    pub slow_start_rate: f64,
    /// After how long it is whole again. `0s` moves all at once.
    #[serde(deserialize_with = "duration::deserialize")]
    pub slow_start_time: Duration,
    /// For how long keys are passed over whose limits are used up, when the API does not say.
    #[serde(deserialize_with = "duration::deserialize")]
    pub limited_for: Duration,
    /// For how long a key is used before its source is asked again.
    #[serde(deserialize_with = "duration::optional")]
    pub ttl: Option<Duration>,
    /// By which share of itself that time is shortened at most, by chance.
    pub jitter: f64,
    /// How long before the end of that time a key is fetched in the background.
    #[serde(deserialize_with = "duration::deserialize")]
    pub refresh_advisory: Duration,
    /// How long before the end of that time requests wait for the fetch.
    #[serde(deserialize_with = "duration::deserialize")]
    pub refresh_mandatory: Duration,
    /// How long one fetch may take.
    #[serde(deserialize_with = "duration::deserialize")]
    pub fetch_timeout: Duration,
    /// How long a source is left alone after its first failure. Each further pause is twice as long.
    #[serde(deserialize_with = "duration::deserialize")]
    pub failure_backoff: Duration,
    /// What no such pause grows beyond.
    #[serde(deserialize_with = "duration::deserialize")]
    pub failure_backoff_max: Duration,
    /// How long past its time a key is used while its source is down.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_stale: Duration,
    /// How long the key before a rotation stands in while the API refuses the new one.
    #[serde(deserialize_with = "duration::deserialize")]
    pub overlap: Duration,
    /// How old a key may become before it is warned of.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_age: Duration,
    /// The keys.
    pub keys: Vec<KeyConfig>,
    /// How AWS Secrets Manager is reached.
    pub aws: AwsConfig,
    /// How Vault or OpenBao is reached.
    pub vault: VaultConfig,
}

impl Default for SecretsConfig {
    fn default() -> Self {
        let (failure_backoff, failure_backoff_max) = FAILURE_BACKOFF;
        Self {
            start: KeyStart::default(),
            existing: Existing::default(),
            environment: None,
            strict_lines: false,
            affinity: Affinity::default(),
            slow_start_rate: 10.0,
            slow_start_time: Duration::from_secs(10),
            limited_for: DEFAULT_LIMITED_FOR,
            ttl: None,
            jitter: DEFAULT_JITTER,
            refresh_advisory: ADVISORY_REFRESH,
            refresh_mandatory: MANDATORY_REFRESH,
            fetch_timeout: DEFAULT_FETCH_TIMEOUT,
            failure_backoff,
            failure_backoff_max,
            max_stale: DEFAULT_MAX_STALE,
            overlap: DEFAULT_OVERLAP,
            max_age: DEFAULT_MAX_AGE,
            keys: Vec::new(),
            aws: AwsConfig::default(),
            vault: VaultConfig::default(),
        }
    }
}

impl SecretsConfig {
    /// Checks values that were set in code; those that were loaded have been checked.
    ///
    /// # Errors
    ///
    /// When a value is out of its range, does not go together with another, or needs a feature that is not there.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check::validate("secrets", self)
    }

    /// A ring of these keys, or `None` if there are none. Nothing is fetched yet. Each call makes a ring of its own.
    ///
    /// ```
    /// use claude_tower::config::Config;
    ///
    /// let text = r#"
    /// [[secrets.keys]]
    /// name = "research"
    /// file = "/run/secrets/claude-research"
    /// lines = ["research"]
    ///
    /// [[secrets.keys]]
    /// name = "everyone-else"
    /// env = "ANTHROPIC_API_KEY"
    /// "#;
    /// let ring = Config::from_toml(text, "claude-tower.toml")?.secrets.key_ring()?;
    /// assert_eq!(ring.map(|ring| ring.status().len()), Some(2));
    /// # Ok::<_, claude_tower::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`validate`](Self::validate).
    pub fn key_ring(&self) -> Result<Option<KeyRing>, ConfigError> {
        let ring = self.key_ring_builder()?.map(KeyRingBuilder::build).transpose();
        ring.map_err(|error| refused(&error))
    }

    /// The settings of [`key_ring`](Self::key_ring), for what no file can say: buckets, a pepper, a clock, keys from elsewhere.
    ///
    /// # Errors
    ///
    /// As for [`validate`](Self::validate).
    pub fn key_ring_builder(&self) -> Result<Option<KeyRingBuilder>, ConfigError> {
        self.validate()?;
        if self.keys.is_empty() {
            return Ok(None);
        }
        let slow_start = if self.slow_start_time.is_zero() {
            SlowStart::off()
        } else {
            SlowStart::new(self.slow_start_rate, self.slow_start_time).map_err(|error| refused(&error))?
        };
        let mut ring = KeyRing::builder()
            .with_strict_lines(self.strict_lines)
            .with_affinity(self.affinity)
            .with_slow_start(slow_start)
            .with_limited_for(self.limited_for)
            .with_jitter(self.jitter)
            .with_refresh_before(self.refresh_advisory, self.refresh_mandatory)
            .with_fetch_timeout(self.fetch_timeout)
            .with_failure_backoff(self.failure_backoff, self.failure_backoff_max)
            .with_max_stale(self.max_stale)
            .with_overlap(self.overlap)
            .with_max_age(self.max_age);
        if let Some(ttl) = self.ttl {
            ring = ring.with_ttl(ttl);
        }
        if let Some(environment) = &self.environment {
            ring = ring.with_environment(environment.as_str());
        }
        let mut stores = key::Stores::new(self);
        for key in &self.keys {
            ring = ring.with_key(key.with(&mut stores)?);
        }
        Ok(Some(ring))
    }

    /// The layer with a ring of these keys, or `None` if there are none.
    ///
    /// ```
    /// use claude_tower::config::Config;
    /// use claude_tower::stack::{Slot, StackBuilder};
    ///
    /// let text = "[[secrets.keys]]\nname = 'key'\nenv = 'ANTHROPIC_API_KEY'";
    /// let config = Config::from_toml(text, "claude-tower.toml")?;
    /// let mut stack = StackBuilder::new();
    /// if let Some(secrets) = config.secrets.layer()? {
    ///     stack = stack.layer(Slot::Secrets, secrets);
    /// }
    /// # Ok::<_, claude_tower::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`validate`](Self::validate).
    pub fn layer(&self) -> Result<Option<SecretsLayer>, ConfigError> {
        Ok(self.key_ring()?.map(|ring| SecretsLayer::new(ring).with_existing(self.existing)))
    }

    /// Checks that each key may go where the gateway sends it. Otherwise its requests would be refused, one by one.
    pub(super) fn check_upstream(&self, upstream: &Uri, is_set: bool, check: &mut Check<'_>) {
        for (index, key) in self.keys.iter().enumerate().filter(|(_, key)| self.uses(key)) {
            if let Some(origin) = key.lacks(upstream) {
                let origins = format!("secrets.keys[{index}].origins");
                let why = if is_set {
                    "where gateway.upstream is"
                } else {
                    "which is called, since gateway.upstream is not set"
                };
                let message = format!("must go together: {origins} has to name {origin}, {why}");
                check.together(false, &[&origins, "gateway.upstream"], message);
            }
        }
    }

    /// Whether a caller of this environment and line gets a key, and whether that is one of the line. The same as the ring's own
    /// choice, but about names alone.
    pub(super) fn for_caller(&self, environment: Option<&str>, line: Option<&str>) -> Result<bool, Unmapped> {
        let own = self.environment.as_deref();
        if own.zip(environment).is_some_and(|(own, asked)| own != asked) {
            return Err(Unmapped::OtherEnvironment);
        }
        let environment = own.or(environment);
        let is_here =
            |key: &&KeyConfig| key.environment.is_none() || key.environment.as_deref() == environment;
        let here = || self.keys.iter().filter(is_here);
        if let Some(line) = line {
            if here().any(|key| key.lines.iter().any(|other| other == line)) {
                return Ok(true);
            }
            if self.strict_lines {
                return Err(Unmapped::Line);
            }
        }
        if here().any(|key| key.lines.is_empty()) {
            return Ok(line.is_none());
        }
        let is_of_one = |key: &KeyConfig| key.environment.is_some();
        let has_environment = here().any(is_of_one);
        let lacks = !has_environment && self.keys.iter().any(is_of_one);
        Err(if lacks { Unmapped::Environment } else { Unmapped::Line })
    }

    /// Whether any of the keys is for this stack.
    pub(super) fn has_a_key(&self) -> bool {
        self.keys.iter().any(|key| self.uses(key))
    }

    fn uses(&self, key: &KeyConfig) -> bool {
        self.environment.is_none() || key.environment.is_none() || self.environment == key.environment
    }

    fn check_keys(&self, check: &mut Check<'_>) {
        check.tables("keys", &self.keys);
        for (index, key) in self.keys.iter().enumerate() {
            let first = self.keys.iter().take(index).position(|other| other.name == key.name);
            if let Some(first) = first.filter(|_| !key.name.is_empty()) {
                let message = format!("is the name of secrets.keys[{first}] as well");
                check.together(false, &[&format!("keys[{index}].name")], message);
            }
            check.together(
                key.vault.is_none() || self.vault.address.is_some(),
                &[&format!("keys[{index}].vault"), "vault.address"],
                "needs secrets.vault.address as well: where Vault is",
            );
            if key.vault.is_some() {
                let at = key.in_vault(&self.vault);
                let path = format!("keys[{index}].vault");
                if let Err(message) = at.check() {
                    check.require(false, &path, message);
                }
                check.together(
                    at.kv_version != 1 || key.version.is_none(),
                    &[&format!("keys[{index}].version"), "vault.kv_version"],
                    "needs an engine of KV version 2: version 1 keeps no versions",
                );
            }
        }
        self.check_policy(check);
        self.check_timeouts(check);
        let count = self.keys.len();
        check.require(count <= MAX_KEYS, "keys", format!("must be no more than {MAX_KEYS}, but are {count}"));
        check.together(
            self.keys.is_empty() || self.has_a_key(),
            &["environment", "keys"],
            "must be that of a key: each of secrets.keys has another environment",
        );
    }
}

impl SecretsConfig {
    /// What keys are asked for, where there are none.
    fn check_policy(&self, check: &mut Check<'_>) {
        for (key, is_set) in [
            ("existing", self.existing != Existing::default()),
            ("environment", self.environment.is_some()),
            ("strict_lines", self.strict_lines),
        ] {
            check.together(
                !is_set || !self.keys.is_empty(),
                &[key, "keys"],
                "has no effect without a key: name one in [[secrets.keys]]",
            );
        }
    }

    /// A fetch that is given up as a whole has not even the time for what went well.
    fn check_timeouts(&self, check: &mut Check<'_>) {
        for (key, timeout, is_used) in [
            ("aws.timeout", self.aws.timeout, self.keys.iter().any(|key| key.aws.is_some())),
            ("vault.timeout", self.vault.timeout, self.keys.iter().any(|key| key.vault.is_some())),
        ] {
            if is_used {
                let fetch = ("fetch_timeout", self.fetch_timeout);
                not_above(check, (key, timeout), fetch, &FETCH_TIMEOUT);
            }
        }
    }
}

impl Validate for SecretsConfig {
    fn check(&self, check: &mut Check<'_>) {
        let is_name = self.environment.as_deref().is_none_or(|name| shown::name(name).is_some());
        check.require(is_name, "environment", NAME);
        check.number("slow_start_rate", self.slow_start_rate, SLOW_START_RATE);
        check.duration("slow_start_time", self.slow_start_time, SLOW_START_TIME);
        check.duration("limited_for", self.limited_for, LIMITED_FOR);
        if let Some(ttl) = self.ttl {
            check.duration("ttl", ttl, TTL);
        }
        check.number("jitter", self.jitter, JITTER);
        check.duration("refresh_advisory", self.refresh_advisory, REFRESH);
        check.duration("refresh_mandatory", self.refresh_mandatory, REFRESH);
        not_above(
            check,
            ("refresh_mandatory", self.refresh_mandatory),
            ("refresh_advisory", self.refresh_advisory),
            &REFRESH,
        );
        check.duration("fetch_timeout", self.fetch_timeout, FETCH_TIMEOUT);
        check.duration("failure_backoff", self.failure_backoff, BACKOFF);
        check.duration("failure_backoff_max", self.failure_backoff_max, BACKOFF);
        not_above(
            check,
            ("failure_backoff", self.failure_backoff),
            ("failure_backoff_max", self.failure_backoff_max),
            &BACKOFF,
        );
        check.duration("max_stale", self.max_stale, MAX_STALE);
        check.duration("overlap", self.overlap, OVERLAP);
        check.duration("max_age", self.max_age, MAX_AGE);
        self.check_keys(check);
        check.section("aws", &self.aws);
        check.section("vault", &self.vault);
    }
}

/// One time must not be longer than the other. What is out of its range has been named already.
fn not_above(
    check: &mut Check<'_>,
    (low, low_value): (&str, Duration),
    (high, high_value): (&str, Duration),
    range: &RangeInclusive<Duration>,
) {
    let in_range = range.contains(&low_value) && range.contains(&high_value);
    let [low_shown, high_shown] = [low_value, high_value].map(duration::format);
    check.together(
        low_value <= high_value || !in_range,
        &[low, high],
        format!("must not put secrets.{low} ({low_shown}) above secrets.{high} ({high_shown})"),
    );
}

/// What is refused further down is out of range here already, unless the two differ. The error must show no secret.
fn refused(error: &dyn std::error::Error) -> ConfigError {
    ConfigError::one(ConfigProblem::new(ConfigProblemKind::OutOfRange, error.to_string()))
}

/// Why a caller gets no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmapped {
    /// The caller is of another environment than the stack.
    OtherEnvironment,
    /// No key is for the environment, or for all.
    Environment,
    /// No key is for the line, or for all.
    Line,
}

/// When keys are fetched first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyStart {
    /// Before the first request comes ([`KeyRing::start`]): what cannot be had is known then.
    #[default]
    Eager,
    /// With the first request that needs them, which waits for them.
    Lazy,
}

/// How [`Existing`] is written.
#[derive(Deserialize)]
#[serde(remote = "Existing", rename_all = "kebab-case")]
enum ExistingWords {
    Replace,
    Keep,
    Refuse,
}

/// How [`Affinity`] is written.
#[derive(Deserialize)]
#[serde(remote = "Affinity", rename_all = "kebab-case")]
enum AffinityWords {
    Conversation,
    Caller,
    None,
}
