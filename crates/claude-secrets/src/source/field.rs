//! The field of a JSON text that holds a secret.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroize;

use super::{SourceError, SourceErrorKind};

/// The way to a field: names with dots between them.
#[derive(Clone)]
pub(crate) struct Field {
    path: Arc<str>,
}

impl Field {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: Arc::from(path) }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

/// The text itself, or the field of it.
pub(crate) fn choose(id: &str, field: Option<&Field>, text: SecretString) -> Result<SecretString, SourceError> {
    match field {
        None => Ok(text),
        Some(field) => field.of(id, text.expose_secret()),
    }
}

impl Field {
    /// The secret in this text, which is JSON.
    pub(crate) fn of(&self, id: &str, text: &str) -> Result<SecretString, SourceError> {
        let text = text.trim_start_matches('\u{feff}');
        // What serde_json says of the place quotes nothing; its other words might.
        let mut value: Value = serde_json::from_str(text).map_err(|error| {
            let detail = format!("is no JSON (line {}, column {})", error.line(), error.column());
            SourceError::new(id, SourceErrorKind::Malformed, detail)
        })?;
        let found = self.in_value(id, &value);
        wipe(&mut value);
        found
    }

    /// The same of what is parsed already.
    pub(crate) fn in_value(&self, id: &str, value: &Value) -> Result<SecretString, SourceError> {
        let missing = || {
            let detail = format!("has no field `{}`", self.path);
            SourceError::new(id, SourceErrorKind::MissingField, detail)
        };
        // A name with a dot in it comes before a path.
        let found = value.get(&*self.path);
        let found = match found {
            Some(found) => found,
            None => self.path.split('.').try_fold(value, |value, name| value.get(name)).ok_or_else(missing)?,
        };
        match found {
            Value::String(text) => Ok(SecretString::from(text.as_str())),
            Value::Null => Err(missing()),
            _ => {
                let detail = format!("the field `{}` is not text", self.path);
                Err(SourceError::new(id, SourceErrorKind::Malformed, detail))
            }
        }
    }
}

/// Nothing of the text stays in memory that is given back.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
