//! `[gateway]`: the gateway in front of the stack.

mod client;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use claude_secrets::door::{Door, DoorError};
use http::Uri;
use serde::{Deserialize, Deserializer};

use super::{
    ConfigError,
    check::{self, Check, Validate},
    duration,
    error::{ConfigProblem, ConfigProblemKind},
    size, text,
    url::{Rules, shown},
};

pub use client::GatewayClient;

const UPSTREAM: Rules = Rules { schemes: &["http", "https"], user: false, path: true, port: &[] };
const UPSTREAM_EXPECTED: &str =
    "an http or https URL without user, query and fragment, such as https://api.anthropic.com";
const SHUTDOWN_GRACE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3_600);
// Each call may hold so much.
const MAX_BUFFERED_REQUEST: RangeInclusive<u64> = 0..=1 << 30;
// More threads than this is a slip of the finger on any machine of today.
const WORKER_THREADS: RangeInclusive<usize> = 0..=1_024;

/// `[gateway]`: where the gateway listens, who may call it and whom it calls.
///
/// | key | default | range | from |
/// | --- | --- | --- | --- |
/// | `listen` | `"127.0.0.1:8080"` | an IP address and a port; port 0 takes a free one | ours, 2026-11-22 |
/// | `upstream` | not set | an `http` or `https` URL | |
/// | `shutdown_grace` | `10m` | `0s` to `24h` | the SDKs' limit of 600 s for one call, 2026-11-20 |
/// | `max_buffered_request` | `32MiB` | 0 to `1GiB` | the API's limit for Messages requests, 2026-10 |
/// | `access_log` | `true` | | ours, 2026-11-22 |
/// | `worker_threads` | `0` | 0 to 1024 | tokio's own default, 2026-11-22 |
/// | `allow_open` | `false` | | ours, 2026-11-23 |
/// | `[[gateway.clients]]` | none | at most 4096 tokens; a list that is set and empty needs `allow_open` | [`GatewayClient`] |
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Where the gateway listens. Only this machine reaches the default: whoever reaches it spends your money. An address
    /// that others reach needs [`clients`](Self::clients) or [`allow_open`](Self::allow_open).
    #[serde(deserialize_with = "listen")]
    pub listen: SocketAddr,
    /// What the gateway calls. Without it: the API, or the simulator when there is no key.
    #[serde(deserialize_with = "upstream")]
    pub upstream: Option<Uri>,
    /// How long running calls may take to end after the signal to stop. `0s` cuts them at once.
    #[serde(deserialize_with = "duration::deserialize")]
    pub shutdown_grace: Duration,
    /// Up to which size a request is read into memory before it is sent, so that it can be sent again. A larger one, and
    /// one that carries files, goes on as it comes, and is sent once. 0 reads none, and none is read where nothing is
    /// repeated (`retry.enabled`).
    #[serde(deserialize_with = "size::deserialize")]
    pub max_buffered_request: u64,
    /// Whether each call is logged in one line, without prompts, completions and keys.
    pub access_log: bool,
    /// How many threads work on calls. 0 is one for each core.
    pub worker_threads: usize,
    /// Whether the gateway may listen where others reach it although it has no clients, and so serves anyone.
    pub allow_open: bool,
    /// Who may call, each with tokens of its own. Without any, whoever reaches the gateway.
    pub clients: Vec<GatewayClient>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            upstream: None,
            shutdown_grace: Duration::from_secs(600),
            max_buffered_request: 32 << 20,
            access_log: true,
            worker_threads: 0,
            allow_open: false,
            clients: Vec::new(),
        }
    }
}

impl GatewayConfig {
    /// Checks values that were set in code; those that were loaded have been checked.
    ///
    /// # Errors
    ///
    /// When a value is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check::validate("gateway", self)
    }

    /// The door for these clients, or `None` if there are none: then nobody is asked who they are.
    ///
    /// ```
    /// use claude_tower::config::Config;
    ///
    /// let text = r#"
    /// [[gateway.clients]]
    /// name = "reports"
    /// token_sha256 = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    /// line = "research"
    /// "#;
    /// let door = Config::from_toml(text, "claude-tower.toml")?.gateway.door()?;
    /// assert!(door.is_some());
    /// # Ok::<_, claude_tower::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`validate`](Self::validate).
    pub fn door(&self) -> Result<Option<Door>, ConfigError> {
        self.validate()?;
        if self.clients.is_empty() {
            return Ok(None);
        }
        Door::new(self.clients.iter().map(GatewayClient::at_the_door))
            .map(Some)
            .map_err(|error| refused(&error))
    }

    fn is_open_to_others(&self) -> bool {
        // An IPv4 address may be written as one of IPv6.
        self.clients.is_empty() && !self.listen.ip().to_canonical().is_loopback()
    }
}

impl Validate for GatewayConfig {
    fn check(&self, check: &mut Check<'_>) {
        check.duration("shutdown_grace", self.shutdown_grace, SHUTDOWN_GRACE);
        check.size("max_buffered_request", self.max_buffered_request, MAX_BUFFERED_REQUEST);
        check.number("worker_threads", self.worker_threads, WORKER_THREADS);
        let valid = self.upstream.as_ref().is_none_or(|uri| UPSTREAM.allows(uri));
        check.require(valid, "upstream", format!("must be {UPSTREAM_EXPECTED}"));
        check.together(
            self.allow_open || !self.is_open_to_others(),
            &["listen", "allow_open", "clients"],
            format!(
                "must be an address of this machine alone, such as 127.0.0.1:8080, but is {}, where anyone may call: name \
                 who may in [[gateway.clients]], or set gateway.allow_open = true",
                self.listen
            ),
        );
        check.together(
            self.allow_open || !self.clients.is_empty() || !check.is_set("clients"),
            &["clients", "allow_open"],
            "must not be empty, for then anyone may call: name who may, leave it out, or set gateway.allow_open = true",
        );
        client::check(&self.clients, check);
    }
}

/// What the door refuses does not pass the checks either, unless the two differ.
fn refused(error: &DoorError) -> ConfigError {
    ConfigError::one(ConfigProblem::new(ConfigProblemKind::Conflict, error.to_string()))
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All fields are named, so that a new one is not forgotten here.
        let Self {
            listen,
            upstream,
            shutdown_grace,
            max_buffered_request,
            access_log,
            worker_threads,
            allow_open,
            clients,
        } = self;
        f.debug_struct("GatewayConfig")
            .field("listen", listen)
            .field("upstream", &upstream.as_ref().map(shown))
            .field("shutdown_grace", shutdown_grace)
            .field("max_buffered_request", max_buffered_request)
            .field("access_log", access_log)
            .field("worker_threads", worker_threads)
            .field("allow_open", allow_open)
            .field("clients", clients)
            .finish()
    }
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let expected = "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080";
    text::deserialize(deserializer, expected, |text| text.parse().ok())
}

fn upstream<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
    Ok(Option::<Upstream>::deserialize(deserializer)?.map(|upstream| upstream.0))
}

struct Upstream(Uri);

impl<'de> Deserialize<'de> for Upstream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, UPSTREAM_EXPECTED, |text| UPSTREAM.parse(text).map(Self))
    }
}
