//! What an answer means.

use http::StatusCode;
use serde_json::Value;

use super::client::ServerTime;
use super::failure::Failure;
use crate::source::SourceErrorKind::{self, Denied, Malformed, Misconfigured, NotFound, Unavailable};
use crate::source::field::wipe;

/// An answer of the server, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) date: ServerTime,
    /// Absent if it is none.
    pub(super) json: Option<Json>,
}

/// JSON that leaves nothing in memory.
pub(super) struct Json(Value);

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl std::ops::Deref for Json {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Drop for Json {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl Answer {
    /// The JSON of a success, or what the failure is. What the server says in words is looked into and never shown.
    pub(super) fn success(self) -> Result<Json, Failure> {
        if self.status.is_success() {
            return self.json.ok_or_else(|| Failure::new(Malformed, "answers with what is no JSON"));
        }
        Err(self.failure())
    }

    pub(super) fn failure(&self) -> Failure {
        let (kind, words): (SourceErrorKind, &str) = match self.status.as_u16() {
            403 | 401 => (Denied, "permission denied"),
            404 => (NotFound, self.absence().unwrap_or("there is nothing")),
            // An engine of KV version 2 that has been mounted just now, or was of version 1 before.
            400 if self.says("Upgrading from") => (Unavailable, "its engine is still being upgraded"),
            412 => (Unavailable, "has not caught up with its cluster yet"),
            429 => (Unavailable, "is asked too often"),
            503 if self.says("is sealed") => (Unavailable, "is sealed"),
            503 | 501 if self.says("not initialized") => (Unavailable, "is not initialized"),
            500..=599 => (Unavailable, "has a failure of its own"),
            400..=499 => (Misconfigured, "does not take the request"),
            _ => (Malformed, "answers unlike Vault"),
        };
        Failure::new(kind, format!("{words} ({})", self.status.as_u16()))
    }

    /// There is nothing, and the server does not say why.
    pub(super) fn is_absence_without_reason(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.absence().is_none()
    }

    /// Why there is nothing, if the server says.
    fn absence(&self) -> Option<&'static str> {
        let metadata = |name| self.json.as_ref()?.get("data")?.get("metadata")?.get(name);
        if metadata("destroyed").and_then(Value::as_bool) == Some(true) {
            Some("this version was destroyed")
        } else if metadata("deletion_time").and_then(Value::as_str).is_some_and(|time| !time.is_empty()) {
            Some("this version was deleted")
        } else if self.says("versioned K/V") {
            Some("there is nothing, and the engine is of KV version 2")
        } else {
            self.says("no handler for route").then_some("no engine is mounted there")
        }
    }

    /// Whether these words are among the server's errors or warnings.
    fn says(&self, words: &str) -> bool {
        let lists =
            ["errors", "warnings"].into_iter().filter_map(|name| self.json.as_ref()?.get(name)?.as_array());
        lists.flatten().filter_map(Value::as_str).any(|text| text.contains(words))
    }
}
