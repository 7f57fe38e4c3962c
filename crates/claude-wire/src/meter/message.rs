//! A JSON response: a message or an error.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Changed, Ending, Reading, Unreadable};
use crate::error_body::ErrorBody;
use crate::json::{Picker, Want, Wanted};

/// The values of a message or an error that are read.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Id,
    Model,
    StopReason,
    Usage,
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
            match field {
                Field::Id => reading.message_id = text(value),
                Field::Model => reading.model = text(value),
                Field::StopReason => reading.stop_reason = text(value),
                Field::Usage => reading.usage = parsed(value),
                Field::Error => reading.error = ErrorBody::read_inner(value),
                Field::RequestId => *request_id = parsed(value),
            }
        });
        // The two stand side by side, in either order.
        if let (Some(error), Some(_)) = (&mut reading.error, &self.request_id) {
            error.request_id = self.request_id.take();
        }
        changed
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        if self.picker.is_done() {
            return Some(Ending::Complete);
        }
        self.picker.is_broken().then_some(Ending::Unreadable(Unreadable::Malformed))
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
