//! A key that is there already.

use std::fmt;

use secrecy::SecretString;

use super::{Fetch, Fetched, SecretSource};

/// A key that is there already: for tests, and for programs that have their own way to it. A key written down in a program or
/// in its configuration is in every backup of it; use another source.
///
/// ```
/// use claude_secrets::source::{SecretSource, StaticSource};
///
/// let source = StaticSource::new("sk-ant-of-a-simulator");
/// assert_eq!(source.id(), "static");
/// assert_eq!(format!("{source:?}"), "StaticSource");
/// ```
#[derive(Clone)]
pub struct StaticSource {
    secret: SecretString,
}

impl StaticSource {
    /// A source that always gives this.
    #[must_use]
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self { secret: secret.into() }
    }
}

impl SecretSource for StaticSource {
    fn id(&self) -> &str {
        "static"
    }

    fn fetch(&self) -> Fetch<'_> {
        let fetched = Fetched::new(self.secret.clone());
        Box::pin(std::future::ready(Ok(fetched)))
    }
}

impl fmt::Debug for StaticSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticSource")
    }
}
