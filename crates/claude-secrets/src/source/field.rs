//! The field of a JSON text that holds a secret.
//!
//! The text is walked once, and only the field is copied, so that there is no tree of what else is in it to be wiped. One copy is
//! out of reach: a text with escapes (`\u002d`) is put together in a buffer of the parser's, which is not wiped. No key
//! needs them, but a tool may write them.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::clean::is_blank;
use super::shown::shown;
use super::{SourceError, SourceErrorKind};
use walk::Found;

mod walk;

/// The way to a field: names with dots between them. A field of the whole object whose name has the dots in it comes first.
#[derive(Clone)]
pub(crate) struct Field {
    path: Arc<str>,
}

impl Field {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: Arc::from(path) }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(shown(&self.path))
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(shown(&self.path), f)
    }
}

/// The text itself, or the field of it.
pub(crate) fn choose(
    id: &str,
    field: Option<&Field>,
    text: SecretString,
) -> Result<SecretString, SourceError> {
    match field {
        None => Ok(text),
        Some(field) => field.of(id, text.expose_secret()),
    }
}

impl Field {
    /// The secret in this text, which is JSON.
    pub(crate) fn of(&self, id: &str, text: &str) -> Result<SecretString, SourceError> {
        if is_blank(text) {
            return Err(SourceError::new(id, SourceErrorKind::Empty, "is empty"));
        }
        let text = text.trim_start_matches('\u{feff}');
        // Where it is said to end quotes nothing of it; the other words of the parser might.
        let found = walk::walk(&self.path, text).map_err(|error| {
            let detail = format!("is not JSON (line {}, column {})", error.line(), error.column());
            SourceError::new(id, SourceErrorKind::Malformed, detail)
        })?;
        self.judge(id, found)
    }

    /// The same of what is parsed already. Whoever parsed it wipes it.
    #[cfg_attr(not(feature = "vault"), allow(dead_code, reason = "only Vault's answers come parsed"))]
    pub(crate) fn in_value(&self, id: &str, value: &Value) -> Result<SecretString, SourceError> {
        let named = value.get(&*self.path);
        let found = named.or_else(|| self.path.split('.').try_fold(value, |value, name| value.get(name)));
        self.judge(
            id,
            match found {
                None | Some(Value::Null) => Found::Nothing,
                Some(Value::String(text)) => Found::Text(SecretString::from(text.as_str())),
                Some(_) => Found::NotText,
            },
        )
    }

    fn judge(&self, id: &str, found: Found) -> Result<SecretString, SourceError> {
        let malformed = |detail| Err(SourceError::new(id, SourceErrorKind::Malformed, detail));
        match found {
            Found::Text(secret) if is_blank(secret.expose_secret()) => {
                let detail = format!("the field `{self}` is empty");
                Err(SourceError::new(id, SourceErrorKind::Empty, detail))
            }
            Found::Text(secret) => Ok(secret),
            Found::Nothing => {
                let detail = format!("has no field `{self}`");
                Err(SourceError::new(id, SourceErrorKind::MissingField, detail))
            }
            Found::NotText => malformed(format!("the field `{self}` is not text")),
            Found::Twice => malformed(format!("has the field `{self}` twice")),
        }
    }
}

/// Nothing of these texts stays in memory that is given back. Names of fields are no secrets.
#[cfg_attr(not(feature = "vault"), allow(dead_code, reason = "only Vault's answers come parsed"))]
pub(crate) fn wipe(value: &mut Value) {
    use zeroize::Zeroize;

    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
