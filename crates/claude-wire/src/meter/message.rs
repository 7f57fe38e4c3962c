//! A JSON response: a message or an error.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Changed, Ending, Reading, Unreadable};
use crate::body::WatchedEnd;
use crate::error_body::ErrorBody;
use crate::json::{Picker, Want, Wanted};
use crate::usage::Usage;

/// The values of a message or an error that are read.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Id,
    Model,
    StopReason,
    Usage,
    /// Usage that changes what is known.
    UsageDelta,
    Error,
    RequestId,
}

pub(super) const MESSAGE: Wanted<Field> = &[
    ("id", Want::Take(Field::Id)),
    ("model", Want::Take(Field::Model)),
    ("stop_reason", Want::Take(Field::StopReason)),
    ("usage", Want::Take(Field::Usage)),
    ("error", Want::Take(Field::Error)),
    ("request_id", Want::Take(Field::RequestId)),
];

/// Reads the few values out of a JSON response.
pub(super) struct MessageScan {
    picker: Picker<Field>,
    request_id: Option<String>,
}

impl Default for MessageScan {
    fn default() -> Self {
        Self { picker: Picker::new(MESSAGE), request_id: None }
    }
}

impl MessageScan {
    pub(super) fn data(&mut self, data: &[u8], reading: &mut Reading) -> Changed {
        let request_id = &mut self.request_id;
        let mut changed = Changed::No;
        self.picker.push(data, |field, value| {
            changed = Changed::Yes;
            take(field, value, reading, request_id);
        });
        // The two stand side by side, in either order. It is kept: a further `error` replaces the first.
        if let Some(error) = reading.error.as_mut().filter(|_| changed == Changed::Yes) {
            error.request_id.clone_from(&self.request_id);
        }
        changed
    }

    pub(super) fn ending(&self, end: WatchedEnd) -> Option<Ending> {
        // No text at all is what a HEAD or a 304 has, and some an error from an edge.
        let empty = self.picker.is_at_start() && end == WatchedEnd::Complete;
        if self.picker.is_done() || empty {
            return Some(Ending::Complete);
        }
        self.picker.is_broken().then_some(Ending::Unreadable(Unreadable::Malformed))
    }
}

/// Takes over one value.
pub(super) fn take(field: Field, value: &[u8], reading: &mut Reading, request_id: &mut Option<String>) {
    match field {
        Field::Id => reading.message_id = text(value),
        Field::Model => reading.model = text(value),
        // Null stands for what is not known yet.
        Field::StopReason => reading.stop_reason = text(value).or(reading.stop_reason.take()),
        Field::Usage => reading.usage = parsed(value),
        Field::UsageDelta => {
            if let Some(usage) = parsed::<Usage>(value) {
                reading.usage.get_or_insert_default().apply_delta(usage);
            }
        }
        Field::Error => reading.error = ErrorBody::read_inner(value),
        Field::RequestId => *request_id = parsed(value),
    }
}

/// A JSON string.
pub(super) fn text(value: &[u8]) -> Option<Arc<str>> {
    parsed::<String>(value).map(Arc::from)
}

/// A value. It takes the way over a tree, in which the last of several equal keys wins.
pub(super) fn parsed<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_value(serde_json::from_slice(value).ok()?).ok()
}
