//! One key of a ring, as it is declared.

use std::fmt;
use std::sync::Arc;

use crate::credential::Scheme;
use crate::origin::{API_ORIGIN, InvalidOrigin, Origin};
use crate::source::SecretSource;

/// A key: its name, where it is kept, and for whom it is.
///
/// ```
/// use claude_secrets::Key;
/// use claude_secrets::source::EnvironmentSource;
///
/// let key = Key::new("search", EnvironmentSource::new("SEARCH_API_KEY"))
///     .with_line("search")
///     .with_environment("prod")
///     .with_limit_group("acme");
/// # drop(key);
/// ```
#[derive(Clone)]
pub struct Key {
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<dyn SecretSource>,
    pub(crate) lines: Vec<Arc<str>>,
    pub(crate) environment: Option<Arc<str>>,
    pub(crate) weight: f64,
    pub(crate) limit_group: Option<Arc<str>>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) scheme: Scheme,
}

impl Key {
    /// A key of this name, which stands in logs, metrics and reports. It is for every line and environment that has no key of its
    /// own, and goes to [`API_ORIGIN`] only.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, source: impl SecretSource) -> Self {
        Self {
            name: name.into(),
            source: Arc::new(source),
            lines: Vec::new(),
            environment: None,
            weight: 1.0,
            limit_group: None,
            origins: Vec::new(),
            scheme: Scheme::default(),
        }
    }

    /// It is for callers of this line of business ([`Caller::line`](claude_wire::call::Caller::line)); called several times, of
    /// each of them. All keys of a line are its pool.
    #[must_use]
    pub fn with_line(mut self, line: impl Into<Arc<str>>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// It belongs to this environment, such as `prod`, and is used for no other.
    #[must_use]
    pub fn with_environment(mut self, environment: impl Into<Arc<str>>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Its share of the pool's requests, against 1 of a key that says nothing.
    #[must_use]
    pub const fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Keys of one group share their limits: they are of one organisation, or of one workspace that has limits of its own. When
    /// one meets a limit, another of its group is of no use. Of a key that says nothing it is learnt: keys of one
    /// organisation, as the API's answers name it, are one group. Its workspaces are not told apart: the limits of the organisation
    /// hold for all of them (2026-10-08), so declare those that have lower ones of their own.
    #[must_use]
    pub fn with_limit_group(mut self, group: impl Into<Arc<str>>) -> Self {
        self.limit_group = Some(group.into());
        self
    }

    /// It may go to this origin, such as `https://api.anthropic.com`; called several times, to each of them. Without a
    /// call it is [`API_ORIGIN`] alone.
    ///
    /// # Errors
    ///
    /// If it is no origin.
    pub fn with_origin(mut self, origin: &str) -> Result<Self, InvalidOrigin> {
        self.origins.push(origin.parse()?);
        Ok(self)
    }

    /// Which header carries it.
    #[must_use]
    pub const fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Where it may go.
    pub(crate) fn origins(&self) -> Vec<Origin> {
        if self.origins.is_empty() { API_ORIGIN.parse().into_iter().collect() } else { self.origins.clone() }
    }
}

/// Shows where the key is kept, never the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .field("source", &self.source.id())
            .field("lines", &self.lines)
            .field("environment", &self.environment)
            .field("weight", &self.weight)
            .field("limit_group", &self.limit_group)
            .field("origins", &self.origins)
            .field("scheme", &self.scheme)
            .finish()
    }
}
