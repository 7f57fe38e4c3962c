//! The events of a streamed message.

use super::message::{Field, MESSAGE, take, text};
use super::{Changed, Ending, Reading, Unreadable};
use crate::body::WatchedEnd;
use crate::json::{Cursor, Fault, Picker, Want, Wanted};
use crate::sse::{Event, Scanner};

/// Blocks that begin empty and grow by deltas (2026-11). Any other arrives whole.
const GROWING: [&str; 7] =
    ["text", "thinking", "tool_use", "server_tool_use", "mcp_tool_use", "compaction", "connector_text"];

/// The events of a message (2026-11). A stream that has none of them is in somebody else's terms.
const KNOWN: [&[u8]; 8] = [
    b"message_start",
    b"content_block_start",
    b"content_block_delta",
    b"content_block_stop",
    b"message_delta",
    b"message_stop",
    b"ping",
    b"error",
];

/// Reads the events of a stream.
#[derive(Default)]
pub(super) struct EventScan {
    scanner: Scanner,
    too_large: bool,
    /// An event of a message was seen.
    is_known: bool,
}

impl EventScan {
    pub(super) fn data(&mut self, data: &[u8], reading: &mut Reading) -> Changed {
        let mut changed = Changed::No;
        let mut events = self.scanner.push(data);
        while let Some(event) = events.next() {
            reading.events = reading.events.saturating_add(1);
            match event {
                Ok(event) => {
                    self.is_known |= KNOWN.contains(&event.name());
                    if read(&event, reading) == Changed::Yes {
                        changed = Changed::Yes;
                    }
                    if reading.ending.is_some() {
                        break;
                    }
                }
                Err(_) => self.too_large = true,
            }
        }
        changed
    }

    /// An end without `message_stop` and without an error is the body's own affair, unless it spoke of something else.
    pub(super) fn ending(&self, end: WatchedEnd, reading: &Reading) -> Option<Ending> {
        let is_foreign = !self.is_known && reading.events > 0 && end == WatchedEnd::Complete;
        if self.too_large {
            Some(Ending::Unreadable(Unreadable::EventTooLarge))
        } else if is_foreign {
            Some(Ending::Unreadable(Unreadable::Malformed))
        } else {
            None
        }
    }
}

fn read(event: &Event<'_>, reading: &mut Reading) -> Changed {
    match event.name() {
        b"content_block_delta" => {
            reading.delta_bytes = reading.delta_bytes.saturating_add(delta_length(event.data()));
            return content(reading);
        }
        b"message_start" => pick(event, START, reading),
        b"content_block_start" => return block_start(event, reading),
        b"message_delta" => {
            reading.has_content = true;
            pick(event, DELTA, reading);
        }
        b"message_stop" => {
            reading.has_content = true;
            reading.ending = Some(Ending::Complete);
        }
        b"error" => {
            pick(event, MESSAGE, reading);
            reading.error.get_or_insert_default();
            reading.ending = Some(Ending::Complete);
        }
        _ => return Changed::No,
    }
    Changed::Yes
}

/// The head of a message.
const START: Wanted<Field> = &[("message", Want::Into(MESSAGE))];

/// What a `message_delta` changes.
const DELTA: Wanted<Field> = &[
    ("delta", Want::Into(&[("stop_reason", Want::Take(Field::StopReason))])),
    ("usage", Want::Take(Field::UsageDelta)),
];

/// Takes the wanted values of an event. What is not wanted may be large, and is passed over where it lies.
fn pick(event: &Event<'_>, wanted: Wanted<Field>, reading: &mut Reading) {
    let mut request_id = None;
    Picker::new(wanted).push(event.data(), |field, value| take(field, value, reading, &mut request_id));
    if let (Some(error), Some(_)) = (&mut reading.error, &request_id) {
        error.request_id = request_id;
    }
}

/// What a `content_block_start` may say that matters.
#[derive(Clone, Copy)]
enum Block {
    Kind,
    ServedBy,
}

const BLOCK: Wanted<Block> = &[(
    "content_block",
    Want::Into(&[
        ("type", Want::Take(Block::Kind)),
        ("to", Want::Into(&[("model", Want::Take(Block::ServedBy))])),
    ]),
)];

fn block_start(event: &Event<'_>, reading: &mut Reading) -> Changed {
    let (mut kind, mut served_by) = (None, None);
    Picker::new(BLOCK).push(event.data(), |field, value| match field {
        Block::Kind => kind = text(value),
        Block::ServedBy => served_by = text(value),
    });
    match kind.as_deref() {
        Some("fallback") if served_by.is_some() => {
            reading.model = served_by;
            reading.has_content = true;
            Changed::Yes
        }
        Some(kind) if !GROWING.contains(&kind) => content(reading),
        _ => Changed::No,
    }
}

/// Content goes by; only the first changes anything.
fn content(reading: &mut Reading) -> Changed {
    if std::mem::replace(&mut reading.has_content, true) { Changed::No } else { Changed::Yes }
}

/// The length of the texts in an event's `delta`, as they are written.
fn delta_length(data: &[u8]) -> u64 {
    let mut length = 0;
    // What cannot be read counts as far as it could.
    let _: Result<(), Fault> = Cursor::new(data).object(|cursor, key| {
        if cursor.bytes()[key.range] != *b"delta" || cursor.peek() != Some(b'{') {
            return cursor.skip();
        }
        cursor.object(|cursor, key| {
            let counts = !matches!(&cursor.bytes()[key.range], b"type" | b"signature");
            if !counts || cursor.peek() != Some(b'"') {
                return cursor.skip();
            }
            length += cursor.string()?.range.len() as u64;
            Ok(())
        })
    });
    length
}
