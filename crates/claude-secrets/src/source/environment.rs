//! A variable of the environment.

use std::env::{self, VarError};
use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::clean::is_blank;
use super::field::{Field, choose};
use super::shown::shown;
use super::{Fetch, Fetched, SecretSource, SourceError, SourceErrorKind};

/// A variable of the environment: the key itself, or JSON with the key in a field.
///
/// The environment of a process is its own for as long as it runs, so a key in it rotates with a restart. What it holds can be
/// read by whoever may look into the process, and is handed on to every child; a [`FileSource`](super::FileSource) has
/// neither fault.
///
/// ```
/// use claude_secrets::source::{EnvironmentSource, SecretSource};
///
/// let plain = EnvironmentSource::new("ANTHROPIC_API_KEY");
/// assert_eq!(plain.id(), "env:ANTHROPIC_API_KEY");
///
/// let json = EnvironmentSource::new("KEYS").with_field("claude.api_key");
/// assert_eq!(json.id(), "env:KEYS#claude.api_key");
/// ```
#[derive(Clone)]
pub struct EnvironmentSource {
    id: Arc<str>,
    name: Arc<str>,
    field: Option<Field>,
}

impl EnvironmentSource {
    /// The variable of this name, such as `ANTHROPIC_API_KEY`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self { id: format!("env:{}", shown(&name)).into(), name, field: None }
    }

    /// The key is in a field of JSON: its name, or several with dots between them for objects in objects.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        let field = Field::new(field);
        self.id = format!("env:{}#{field}", shown(&self.name)).into();
        self.field = Some(field);
        self
    }

    fn read(&self) -> Result<Fetched, SourceError> {
        let error = |kind, detail| Err(SourceError::new(&self.id, kind, detail));
        // No system has variables of such names, and some would look for others.
        if self.name.is_empty() || self.name.contains(['=', '\0']) {
            return error(SourceErrorKind::Misconfigured, "no variable can have this name");
        }
        let text = match env::var(&*self.name) {
            Ok(text) => Zeroizing::new(text),
            Err(VarError::NotPresent) => return error(SourceErrorKind::NotFound, "the variable is not set"),
            Err(VarError::NotUnicode(value)) => {
                drop(Zeroizing::new(value.into_encoded_bytes()));
                return error(SourceErrorKind::Malformed, "the variable is not UTF-8");
            }
        };
        if is_blank(&text) {
            return error(SourceErrorKind::Empty, "the variable is set, but empty");
        }
        // A copy of its exact length, because a string that is shortened may be moved, and what it leaves is not wiped.
        choose(&self.id, self.field.as_ref(), SecretString::from(text.as_str())).map(Fetched::new)
    }
}

impl SecretSource for EnvironmentSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn fetch(&self) -> Fetch<'_> {
        Box::pin(async { self.read() })
    }
}

impl fmt::Debug for EnvironmentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentSource").field("id", &self.id).finish_non_exhaustive()
    }
}
