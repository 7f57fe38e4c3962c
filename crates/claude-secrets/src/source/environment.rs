//! A variable of the environment.

use std::env::{self, VarError};
use std::sync::Arc;

use secrecy::SecretString;

use super::field::{Field, choose};
use super::{Fetch, Fetched, SecretSource, SourceError, SourceErrorKind};

/// A variable of the environment: the key itself, or JSON with the key in a field.
///
/// The environment of a process is its own for as long as it runs, so a key in it rotates with a restart. What it holds can be
/// read by whoever may look into the process, and is handed on to every child.
#[derive(Clone, Debug)]
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
        Self { id: format!("env:{name}").into(), name, field: None }
    }

    /// The key is in a field of JSON: its name, or several with dots between them for objects in objects.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        self.id = format!("env:{}#{field}", self.name).into();
        self.field = Some(Field::new(field));
        self
    }

    fn read(&self) -> Result<Fetched, SourceError> {
        let error = |kind, detail| SourceError::new(&self.id, kind, detail);
        match env::var(&*self.name) {
            Ok(text) => choose(&self.id, self.field.as_ref(), SecretString::from(text)).map(Fetched::new),
            Err(VarError::NotPresent) => Err(error(SourceErrorKind::NotFound, "the variable is not set")),
            Err(VarError::NotUnicode(_)) => Err(error(SourceErrorKind::Malformed, "its value is not UTF-8")),
        }
    }
}

impl SecretSource for EnvironmentSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn fetch(&self) -> Fetch<'_> {
        Box::pin(std::future::ready(self.read()))
    }
}
