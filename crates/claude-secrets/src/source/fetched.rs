//! What a source gives.

use std::fmt;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;

/// A secret, and what its source knows of it.
///
/// White space and a byte order mark around a secret are no part of it. A source need not take them off, nor look whether the rest can
/// be a key: that is done for all sources alike.
///
/// ```
/// use std::time::Duration;
///
/// use claude_secrets::SecretString;
/// use claude_secrets::source::Fetched;
///
/// let fetched = Fetched::new(SecretString::from("sk-ant-new"))
///     .with_previous(SecretString::from("sk-ant-old"))
///     .with_version("7")
///     .with_ttl(Duration::from_secs(60));
/// assert!(!format!("{fetched:?}").contains("sk-ant"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// The secret as it is now.
    pub secret: SecretString,
    /// The one before, if the source keeps it: used while the present one is refused and this one is not, so that a rotation to
    /// a key that does not work yet is not noticed.
    pub previous: Option<SecretString>,
    /// The source's name for this version: an id or a number.
    pub version: Option<String>,
    /// When this version was made, for the age of the key.
    pub created: Option<SystemTime>,
    /// How long the source itself says that this may be used before it is asked again.
    pub ttl: Option<Duration>,
}

impl Fetched {
    /// A secret of which nothing else is known.
    #[must_use]
    pub const fn new(secret: SecretString) -> Self {
        Self { secret, previous: None, version: None, created: None, ttl: None }
    }

    /// Sets [`previous`](Self::previous).
    #[must_use]
    pub fn with_previous(mut self, previous: SecretString) -> Self {
        self.previous = Some(previous);
        self
    }

    /// Sets [`version`](Self::version).
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets [`created`](Self::created).
    #[must_use]
    pub const fn with_created(mut self, created: SystemTime) -> Self {
        self.created = Some(created);
        self
    }

    /// Sets [`ttl`](Self::ttl).
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

/// Shows what is known of the secret, never the secret.
impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("version", &self.version)
            .field("created", &self.created)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
