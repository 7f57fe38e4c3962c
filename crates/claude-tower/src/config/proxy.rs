//! Which proxy a client uses.

use std::{fmt, str::FromStr};

use http::Uri;
use serde::{Deserialize, Deserializer};

use super::{
    error::{ConfigError, ConfigProblem, ConfigProblemKind},
    text,
    url::{Rules, shown},
};

const EXPECTED: &str = "\"environment\", \"none\" or the URL of a proxy: http://host:port, https://host:port or \
                        socks5://host:port, with a user and a password if it needs them";

const RULES: Rules =
    Rules { schemes: &["http", "https", "socks5"], user: true, path: false, port: &["socks5"] };

/// Which proxy a client uses. Written as `"environment"`, `"none"` or the proxy's URL.
///
/// ```
/// use claude_tower::config::Proxy;
///
/// let proxy: Proxy = "http://user:password@proxy.example:3128".parse()?;
/// assert_eq!(format!("{proxy:?}"), "Url(http://***@proxy.example:3128/)");
/// # Ok::<_, claude_tower::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in either case.
    #[default]
    Environment,
    /// No proxy, whatever the environment says.
    None,
    /// This one.
    Url(ProxyUrl),
}

impl FromStr for Proxy {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        parse(text).ok_or_else(|| {
            let problem = ConfigProblem::new(ConfigProblemKind::InvalidValue, format!("must be {EXPECTED}"));
            ConfigError::one(problem)
        })
    }
}

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, EXPECTED, parse)
    }
}

fn parse(text: &str) -> Option<Proxy> {
    match text {
        "environment" => Some(Proxy::Environment),
        "none" => Some(Proxy::None),
        url => RULES.parse(url).map(|uri| Proxy::Url(ProxyUrl(uri))),
    }
}

/// The URL of a proxy: `http`, `https` or `socks5`, a host, and a port where the scheme has no usual one.
///
/// It may carry a user and a password, percent-encoded; `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Uri);

impl ProxyUrl {
    /// The URL with the password in it. Not for logs.
    #[must_use]
    pub fn expose(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}
