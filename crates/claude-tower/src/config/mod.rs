//! The configuration of everything in one TOML file, with environment variables over it.
//!
//! [`Config::load`] reads a file, puts the environment over it, checks every value and starts nothing. All that is
//! wrong comes in one [`ConfigError`], each problem with its file, line, column and key, or with its variable. Nothing is
//! passed over: an unknown key is an error in the file as in the environment.
//!
//! ```
//! use claude_tower::config::{Config, HttpVersion};
//!
//! let text = r#"
//! [client]
//! connect_timeout = "2s"
//! http_version = "auto"
//! "#;
//! let config = Config::from_toml(text, "claude-tower.toml")?;
//! assert_eq!(config.client.http_version, HttpVersion::Auto);
//!
//! let environment = [("CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT".to_owned(), "3s".to_owned())];
//! let config = Config::load(None, environment)?;
//! assert_eq!(config.client.connect_timeout.as_secs(), 3);
//!
//! let error = Config::from_toml("[client]\nconnect_timeout = '0s'", "claude-tower.toml").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "claude-tower.toml:2:1: client.connect_timeout: must be between 100ms and 10m, but is 0s",
//! );
//! # Ok::<_, claude_tower::config::ConfigError>(())
//! ```
//!
//! [`Config::reference`] is a file with every key, its default, unit and range.
//!
//! # The file
//!
//! TOML in UTF-8, at most 1 MiB. What there can be several of is a list of tables, `[[gateway.clients]]` for each. Durations are text with a unit ([`duration`]), sizes text with a unit or whole
//! bytes ([`size`]). A relative path of a file (a certificate, a key) is relative to the folder of the configuration
//! file, wherever the program was started.
//!
//! # The environment
//!
//! `CLAUDE_TOWER__CLIENT__TLS__NATIVE_ROOTS=false` sets `client.tls.native_roots`: the prefix `CLAUDE_TOWER__`, then the
//! sections and the key with `__` between them, in upper or lower case. The value is read as what the key takes:
//! text needs no quotes; a list is a TOML array or has commas between its values, so that a value with a comma needs the
//! array. For a key without a default, empty means not set, whatever the file says. A relative path is relative
//! to the working directory.
//!
//! A list of tables is set as a whole, as a TOML array on which the file's tables have no influence:
//! `CLAUDE_TOWER__GATEWAY__CLIENTS='[{ name = "reports", token_sha256 = "sha256:…" }]'`. Empty means none, which
//! is an error for clients, unless `gateway.allow_open` says that it is meant. A part of such a list has no variable.
//!
//! The environment stands over the file, the file over the defaults, and what a [`Loader`] is given of a command line over the
//! environment. A value that is overridden is not checked.
//!
//! # Secrets
//!
//! A key or a token has no place in the file, not even in a comment, nor in one of our variables: what is unmistakably one (of
//! the API, of a client of the gateway, of Vault, of AWS) is refused before anything else is read. Write where it is kept.
//!
//! No error shows a value that may be a secret, and `Debug` shows no password. There is no `Serialize`, which would.

mod check;
mod client;
pub mod duration;
mod environment;
mod error;
mod file;
mod finding;
mod gateway;
mod literal;
mod load;
mod loader;
mod path;
mod proxy;
mod reason;
mod retry;
mod schema;
mod secret;
mod secrets;
pub mod size;
mod suggest;
mod text;
mod together;
mod url;
mod value;
mod walk;

use std::path::Path;

use serde::Deserialize;

use check::{Check, Validate};
use finding::Source;

pub use client::{ClientConfig, HttpVersion, TlsConfig};
pub use error::{ConfigError, ConfigProblem, ConfigProblemKind};
pub use gateway::{GatewayClient, GatewayConfig};
pub use loader::Loader;
pub use proxy::{Proxy, ProxyUrl};
pub use retry::RetryConfig;
pub use secrets::{AwsConfig, KeyConfig, KeyStart, SecretsConfig, VaultConfig};

/// The whole configuration. See the [module docs](self).
///
/// ```
/// use claude_tower::config::Config;
///
/// assert_eq!(Config::from_toml("", "empty.toml")?, Config::default());
/// # Ok::<_, claude_tower::config::ConfigError>(())
/// ```
// A new section is: a struct with `#[serde(default, deny_unknown_fields)]`, `Default` and `Validate`, a field here, a line
// in `check`, and its part of the reference file. The tests find its keys by themselves. A field `Vec<Struct>` is a list of
// tables; its struct is made like a section, and `Check::tables` checks it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The HTTP client that reaches the API.
    pub client: ClientConfig,
    /// The gateway in front of the stack.
    pub gateway: GatewayConfig,
    /// How failed attempts are repeated.
    pub retry: RetryConfig,
    /// The API's keys, by where they are kept.
    pub secrets: SecretsConfig,
}

impl Validate for Config {
    fn check(&self, check: &mut Check<'_>) {
        check.section("client", &self.client);
        check.section("gateway", &self.gateway);
        check.section("retry", &self.retry);
        check.section("secrets", &self.secrets);
        if let Some(upstream) = &self.gateway.upstream {
            self.secrets.check_upstream(upstream, true, check);
        }
    }
}

impl Config {
    /// Loads the file, if one is given, and puts `environment` over it. Variables that are not ours are passed over.
    ///
    /// To check a configuration is to load it: this reads the one file, and starts and connects nothing.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no UTF-8 or no TOML; when a key is unknown, set twice, of the wrong type, out of
    /// its range, or does not go together with another; and when a key or a token stands in it. As many problems as can be told apart are reported at once.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::loader(path).with_environment(environment).load()
    }

    /// [`load`](Self::load) with the environment of this process.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load), and when one of our variables is not UTF-8.
    pub fn load_with_process_environment(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::loader(path).with_process_environment().load()
    }

    /// Reads the text of a file, without an environment. `name` stands in errors.
    ///
    /// Relative paths stay as they are, because there is no folder for them.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    pub fn from_toml(text: &str, name: &str) -> Result<Self, ConfigError> {
        load::load(Some(Source::new(Path::new(name), text)), None, [], Vec::new())
    }

    /// Checks values that were set in code; those that were loaded have been checked.
    ///
    /// # Errors
    ///
    /// When a value is out of its range, or does not go together with another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check::validate("", self)
    }

    /// Checks values that were set in code for a gateway that has nothing else, as [`Loader::load_gateway`] does: beyond
    /// [`validate`](Self::validate), that clients have a key or an upstream, that each of them would be given one, and that
    /// the keys may go to the API if no upstream is set.
    ///
    /// # Errors
    ///
    /// When one of that is not so.
    pub fn validate_gateway(&self) -> Result<(), ConfigError> {
        check::validate("", &together::ForGateway(self.clone()))
    }

    /// What is no mistake in the configuration of a gateway and should be known, in a sentence each: that it serves whoever reaches it,
    /// or that a line of business has no key of its own.
    #[must_use]
    pub fn gateway_warnings(&self) -> Vec<String> {
        together::warnings(self)
    }

    /// All keys there are, dotted, such as `client.tls.native_roots`; also those without a default. Those of each table in a
    /// list have `[]` behind the list's name.
    #[must_use]
    pub fn keys() -> Vec<String> {
        schema::Node::of::<Self>().keys().iter().map(|key| schema::dotted(key)).collect()
    }

    /// A file with every key: its default, and what it means in one line, with unit and range. Keys without a default
    /// are commented out.
    #[must_use]
    pub fn reference() -> &'static str {
        include_str!("../../claude-tower.reference.toml")
    }

    fn loader(path: Option<&Path>) -> Loader {
        path.into_iter().fold(Loader::new(), Loader::with_file)
    }
}
