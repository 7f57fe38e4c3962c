//! The results of a batch, one JSON text a line.

use std::sync::Arc;

use memchr::memchr;

use super::message::{parsed, text};
use super::{BatchItem, BatchTotals, Changed, Ending, Reading};
use crate::body::WatchedEnd;
use crate::json::{Picker, Want, Wanted};

#[derive(Clone, Copy)]
enum Field {
    CustomId,
    MessageId,
    Result,
    Model,
    StopReason,
    Usage,
}

const LINE: Wanted<Field> = &[
    ("custom_id", Want::Take(Field::CustomId)),
    ("result", Want::Into(&[("type", Want::Take(Field::Result)), ("message", Want::Into(MESSAGE))])),
];

const MESSAGE: Wanted<Field> = &[
    ("id", Want::Take(Field::MessageId)),
    ("model", Want::Take(Field::Model)),
    ("stop_reason", Want::Take(Field::StopReason)),
    ("usage", Want::Take(Field::Usage)),
];

/// Reads the results line by line. A line that cannot be read counts as one of its own kind and does not
/// disturb the others.
pub(super) struct BatchScan {
    picker: Picker<Field>,
    item: BatchItem,
}

impl Default for BatchScan {
    fn default() -> Self {
        Self { picker: Picker::new(LINE), item: BatchItem::default() }
    }
}

impl BatchScan {
    pub(super) fn data(&mut self, data: &[u8], reading: &mut Reading, items: &mut Vec<BatchItem>) -> Changed {
        let mut rest = data;
        // A line feed stands in no JSON string, so that it ends a line wherever it is.
        while let Some(end) = memchr(b'\n', rest) {
            self.part(&rest[..end]);
            self.end_line(&mut reading.batch, items);
            rest = &rest[end + 1..];
        }
        self.part(rest);
        if items.is_empty() { Changed::No } else { Changed::Yes }
    }

    pub(super) fn ending(
        &mut self,
        end: WatchedEnd,
        reading: &mut Reading,
        items: &mut Vec<BatchItem>,
    ) -> Option<Ending> {
        // The last line may have no line feed.
        if self.picker.is_done() {
            self.end_line(&mut reading.batch, items);
        }
        (end == WatchedEnd::Complete && self.picker.is_at_start()).then_some(Ending::Complete)
    }

    fn part(&mut self, part: &[u8]) {
        let item = &mut self.item;
        self.picker.push(part, |field, value| match field {
            Field::CustomId => item.custom_id = text(value),
            Field::MessageId => item.message_id = text(value),
            Field::Result => item.result = text(value),
            Field::Model => item.model = text(value),
            Field::StopReason => item.stop_reason = text(value),
            Field::Usage => item.usage = parsed(value),
        });
    }

    fn end_line(&mut self, totals: &mut BatchTotals, items: &mut Vec<BatchItem>) {
        if !self.picker.is_at_start() {
            let mut item = std::mem::take(&mut self.item);
            if !self.picker.is_done() {
                item = BatchItem::default();
            }
            totals.count(item.result.as_ref());
            items.push(item);
        }
        self.picker.reset();
    }
}

impl BatchTotals {
    fn count(&mut self, result: Option<&Arc<str>>) {
        let total = match result.map(|result| &**result) {
            Some("succeeded") => &mut self.succeeded,
            Some("errored") => &mut self.errored,
            Some("canceled") => &mut self.canceled,
            Some("expired") => &mut self.expired,
            _ => &mut self.other,
        };
        *total = total.saturating_add(1);
    }
}
