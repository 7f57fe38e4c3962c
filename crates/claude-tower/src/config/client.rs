//! `[client]`: the HTTP client that reaches the API.

use std::{net::IpAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{
    ConfigError,
    check::{self, Check, Validate},
    duration, path,
    proxy::Proxy,
};

const CONNECT_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
// Linux counts both keepalive times in whole seconds and refuses more than 32767 of them.
const KEEPALIVE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(2 * 3_600);
// The most that Linux takes (MAX_TCP_KEEPCNT).
const KEEPALIVE_RETRIES: RangeInclusive<u32> = 1..=127;
const POOL_IDLE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
const POOL_MAX_IDLE: RangeInclusive<usize> = 0..=10_000;

/// `[client]`: how connections to the API are made and kept. Used by every client adapter.
///
/// | key | default | range | from |
/// | --- | --- | --- | --- |
/// | `connect_timeout` | `5s` | `100ms` to `10m` | Python SDK 2.12.0, 2026-11-20 |
/// | `tcp_keepalive` | `60s` | `1s` to `2h`, whole seconds | Python SDK 2.12.0, 2026-11-20 |
/// | `tcp_keepalive_interval` | `60s` | `1s` to `2h`, whole seconds | Python SDK 2.12.0, 2026-11-20 |
/// | `tcp_keepalive_retries` | `5` | 1 to 127 | Python SDK 2.12.0, 2026-11-20 |
/// | `pool_idle_timeout` | `50s` | `1s` to `1h` | ours: under the 60 s after which load balancers commonly cut an idle connection, 2026-11-22 |
/// | `pool_max_idle_per_host` | `100` | 0 to 10000 | Python SDK 2.12.0, 2026-11-20 |
/// | `http_version` | `"http1"` | `"auto"`, `"http1"`, `"http2"` | Python SDK 2.12.0, 2026-11-20 |
/// | `proxy` | `"environment"` | `"environment"`, `"none"`, a URL | the SDKs read the same variables, 2026-11-20 |
/// | `no_proxy` | `""` | hosts, with commas between them | |
/// | `[client.tls]` | | | [`TlsConfig`] |
///
/// ```
/// use claude_tower::config::{ClientConfig, HttpVersion};
///
/// let mut client = ClientConfig::default();
/// client.http_version = HttpVersion::Auto;
/// client.validate()?;
/// # Ok::<_, claude_tower::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientConfig {
    /// How long a connection may take: name, TCP and TLS together.
    #[serde(deserialize_with = "duration::deserialize")]
    pub connect_timeout: Duration,
    /// After how much silence the first TCP keepalive probe goes out. Long calls that do not stream are silent for
    /// minutes, and networks drop what is silent.
    #[serde(deserialize_with = "duration::deserialize")]
    pub tcp_keepalive: Duration,
    /// How long after an unanswered probe the next one goes out.
    #[serde(deserialize_with = "duration::deserialize")]
    pub tcp_keepalive_interval: Duration,
    /// After how many unanswered probes the connection counts as dead.
    pub tcp_keepalive_retries: u32,
    /// How long a connection without a call is kept.
    #[serde(deserialize_with = "duration::deserialize")]
    pub pool_idle_timeout: Duration,
    /// How many connections without a call are kept for each host. 0 keeps none.
    pub pool_max_idle_per_host: usize,
    /// The version of HTTP that is spoken.
    pub http_version: HttpVersion,
    /// The proxy.
    pub proxy: Proxy,
    /// What is reached directly although [`proxy`](Self::proxy) is a URL: hosts (with all below them), addresses and
    /// networks (`10.0.0.0/8`), with commas between them; `*` is everything. With `"environment"` it is `NO_PROXY`
    /// that says so, and this must be empty.
    pub no_proxy: String,
    /// Certificates and keys.
    pub tls: TlsConfig,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            tcp_keepalive: Duration::from_secs(60),
            tcp_keepalive_interval: Duration::from_secs(60),
            tcp_keepalive_retries: 5,
            pool_idle_timeout: Duration::from_secs(50),
            pool_max_idle_per_host: 100,
            http_version: HttpVersion::Http1,
            proxy: Proxy::Environment,
            no_proxy: String::new(),
            tls: TlsConfig::default(),
        }
    }
}

impl ClientConfig {
    /// Checks values that were set in code; those that were loaded have been checked.
    ///
    /// # Errors
    ///
    /// When a value is out of its range, or does not go together with another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check::validate("client", self)
    }
}

impl Validate for ClientConfig {
    fn check(&self, check: &mut Check<'_>) {
        check.duration("connect_timeout", self.connect_timeout, CONNECT_TIMEOUT);
        for (key, value) in
            [("tcp_keepalive", self.tcp_keepalive), ("tcp_keepalive_interval", self.tcp_keepalive_interval)]
        {
            check.duration(key, value, KEEPALIVE);
            // Otherwise the system would drop the rest without a word.
            let whole = value.subsec_nanos() == 0 || !KEEPALIVE.contains(&value);
            check.require(
                whole,
                key,
                format!("must be in whole seconds, but is {}", duration::format(value)),
            );
        }
        check.number("tcp_keepalive_retries", self.tcp_keepalive_retries, KEEPALIVE_RETRIES);
        check.duration("pool_idle_timeout", self.pool_idle_timeout, POOL_IDLE_TIMEOUT);
        check.number("pool_max_idle_per_host", self.pool_max_idle_per_host, POOL_MAX_IDLE);

        check.require(
            self.no_proxy.is_empty() || self.no_proxy.split(',').all(is_host),
            "no_proxy",
            "must be hosts, addresses or networks with commas between them, without schemes and ports",
        );
        check.together(
            self.no_proxy.is_empty() || matches!(self.proxy, Proxy::Url(_)),
            &["no_proxy", "proxy"],
            "goes only with client.proxy as a URL; with \"environment\", set the variable NO_PROXY",
        );
        check.section("tls", &self.tls);
    }
}

/// Whether an entry of `no_proxy` can match anything. Clients pass over the others without a word.
fn is_host(entry: &str) -> bool {
    let entry = entry.trim();
    let address = entry.split_once('/').map_or(entry, |(address, _)| address);
    if let Ok(address) = address.parse::<IpAddr>() {
        let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
        return entry
            .split_once('/')
            .is_none_or(|(_, bits)| bits.parse::<u8>().is_ok_and(|bits| bits <= longest));
    }
    let host = entry.strip_prefix('.').unwrap_or(entry);
    entry == "*"
        || (!host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))
}

/// The version of HTTP a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/2 where TLS agrees on it, HTTP/1.1 otherwise.
    Auto,
    /// HTTP/1.1: one connection for each call at a time, as the official SDKs do it.
    #[default]
    Http1,
    /// HTTP/2 alone.
    Http2,
}

/// `[client.tls]`: which servers are believed, and how the client shows who it is.
///
/// | key | default | |
/// | --- | --- | --- |
/// | `native_roots` | `true` | without them, `extra_ca` must name at least one file |
/// | `extra_ca` | `[]` | paths of PEM files |
/// | `client_cert`, `client_key` | not set | paths of PEM files, both or neither |
///
/// Relative paths in a file are relative to that file's folder; in an environment variable, to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TlsConfig {
    /// Whether the certificate authorities of the system are believed.
    pub native_roots: bool,
    /// Files with further authorities, for a proxy that breaks TLS open or an endpoint of one's own.
    #[serde(deserialize_with = "path::list")]
    pub extra_ca: Vec<PathBuf>,
    /// The client's certificate, with its chain.
    #[serde(deserialize_with = "path::optional")]
    pub client_cert: Option<PathBuf>,
    /// The key that belongs to [`client_cert`](Self::client_cert).
    #[serde(deserialize_with = "path::optional")]
    pub client_key: Option<PathBuf>,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self { native_roots: true, extra_ca: Vec::new(), client_cert: None, client_key: None }
    }
}

impl Validate for TlsConfig {
    fn check(&self, check: &mut Check<'_>) {
        check.together(
            self.native_roots || !self.extra_ca.is_empty(),
            &["native_roots", "extra_ca"],
            "must be true unless client.tls.extra_ca names a file: no server could be believed",
        );
        check.together(
            self.client_cert.is_none() || self.client_key.is_some(),
            &["client_cert", "client_key"],
            "needs client.tls.client_key as well: set both or neither",
        );
        check.together(
            self.client_key.is_none() || self.client_cert.is_some(),
            &["client_key", "client_cert"],
            "needs client.tls.client_cert as well: set both or neither",
        );
    }
}
