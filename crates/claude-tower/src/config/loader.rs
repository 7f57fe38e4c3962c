//! What a configuration is loaded from, piece by piece.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use super::{
    Config, ConfigError, ConfigProblemKind,
    check::Validate,
    environment, file,
    finding::{Finding, Place, Source},
    load::{self, Argument},
    together::ForGateway,
};

/// Loads a [`Config`] from a file, the environment over it, and the arguments of a command line over both.
///
/// ```
/// use claude_tower::config::Loader;
///
/// let loader = Loader::new().with_argument("--listen", "gateway.listen", "127.0.0.1:0");
/// assert_eq!(loader.load_gateway()?.gateway.listen.port(), 0);
///
/// let loader = Loader::new().with_argument("--listen", "gateway.listen", "0.0.0.0:8080");
/// let error = loader.load().unwrap_err().to_string();
/// assert!(error.starts_with("argument --listen: must be an address of this machine alone"), "{error}");
/// # Ok::<_, claude_tower::config::ConfigError>(())
/// ```
#[derive(Default)]
pub struct Loader {
    path: Option<PathBuf>,
    environment: Vec<(String, String)>,
    arguments: Vec<Argument>,
    findings: Vec<Finding>,
}

impl Loader {
    /// From nothing: that gives the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From this file.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// With these variables over the file. Those that are not ours are passed over.
    #[must_use]
    pub fn with_environment(mut self, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(environment);
        self
    }

    /// The same with the environment of this process.
    #[must_use]
    pub fn with_process_environment(mut self) -> Self {
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => self.environment.push((name, value)),
                (name, _) => self.findings.extend(not_utf8(name)),
            }
        }
        self
    }

    /// With this value of a key over file and environment. The value is read as that of a variable is, and errors name the
    /// option. A list of tables has none.
    #[must_use]
    pub fn with_argument(mut self, option: &str, key: &str, value: impl Into<String>) -> Self {
        self.arguments.push(Argument { option: option.to_owned(), key: key.to_owned(), value: value.into() });
        self
    }

    /// Loads it, as [`Config::load`] does.
    ///
    /// # Errors
    ///
    /// As for [`Config::load`], and when one of our variables is not UTF-8.
    pub fn load(self) -> Result<Config, ConfigError> {
        self.load_as()
    }

    /// Loads it for a gateway that has nothing else: what it would call, and with whose keys, is checked too, as by
    /// [`Config::validate_gateway`].
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load), and [`Config::validate_gateway`].
    pub fn load_gateway(self) -> Result<Config, ConfigError> {
        self.load_as::<ForGateway>().map(|config| config.0)
    }

    fn load_as<T: DeserializeOwned + Validate>(self) -> Result<T, ConfigError> {
        let Self { path, environment, arguments, findings } = self;
        let text = path.as_deref().map(file::read).transpose()?;
        let source = path.as_deref().zip(text.as_deref()).map(|(path, text)| Source::new(path, text));
        let folder = path.as_deref().and_then(Path::parent);
        load::load_under(&arguments, source, folder, environment, findings)
    }
}

/// Without the values: they may hold anything.
impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A variable whose name or value is not UTF-8, if it is one of ours.
fn not_utf8(name: Result<String, OsString>) -> Option<Finding> {
    let name = name.unwrap_or_else(|name| name.to_string_lossy().into_owned());
    environment::ours(&name)?;
    let message = "its name or its value is not UTF-8 text".to_owned();
    let place = Place::Variable(Arc::from(name));
    Some(Finding { place, kind: ConfigProblemKind::NotUtf8, key: None, message })
}
