//! The events of a streamed message.

use std::sync::Arc;

use serde::Deserialize;

use super::message::parsed;
use super::{Changed, Ending, Reading, Unreadable};
use crate::error_body::ErrorBody;
use crate::json::{Cursor, Fault};
use crate::sse::{Event, Scanner};
use crate::usage::{Usage, lenient};

/// Blocks that begin empty and grow by deltas (2026-11). Any other arrives whole.
const GROWING: [&str; 7] =
    ["text", "thinking", "tool_use", "server_tool_use", "mcp_tool_use", "compaction", "connector_text"];

/// Reads the events of a stream.
#[derive(Default)]
pub(super) struct EventScan {
    scanner: Scanner,
    too_large: bool,
}

impl EventScan {
    pub(super) fn data(&mut self, data: &[u8], reading: &mut Reading) -> Changed {
        let mut changed = Changed::No;
        let mut events = self.scanner.push(data);
        while let Some(event) = events.next() {
            match event {
                Ok(event) => {
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

    /// An end without `message_stop` and without an error is the body's own affair.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.too_large.then_some(Ending::Unreadable(Unreadable::EventTooLarge))
    }
}

fn read(event: &Event<'_>, reading: &mut Reading) -> Changed {
    match event.name() {
        b"content_block_delta" => {
            reading.delta_bytes = reading.delta_bytes.saturating_add(delta_length(event.data()));
            return content(reading);
        }
        b"message_start" => {
            let Some(start) = parsed::<MessageStart>(event.data()).and_then(|start| start.message) else {
                return Changed::No;
            };
            reading.message_id = start.id.map(Arc::from);
            reading.model = start.model.map(Arc::from);
            reading.usage = start.usage;
        }
        b"content_block_start" => {
            let block = parsed::<BlockStart>(event.data()).and_then(|start| start.content_block);
            let Some(block) = block else {
                return Changed::No;
            };
            let kind = block.kind.unwrap_or_default();
            if GROWING.contains(&kind.as_str()) {
                return Changed::No;
            }
            if let Some(model) = block.to.and_then(|to| to.model).filter(|_| kind == "fallback") {
                reading.model = Some(model.into());
                reading.has_content = true;
                return Changed::Yes;
            }
            return content(reading);
        }
        b"message_delta" => {
            reading.has_content = true;
            let Some(MessageDelta { delta, usage }) = parsed(event.data()) else {
                return Changed::Yes;
            };
            if let Some(stop_reason) = delta.and_then(|delta| delta.stop_reason) {
                reading.stop_reason = Some(stop_reason.into());
            }
            if let Some(usage) = usage {
                reading.usage.get_or_insert_default().apply_delta(usage);
            }
        }
        b"message_stop" => {
            reading.has_content = true;
            reading.ending = Some(Ending::Complete);
        }
        b"error" => {
            reading.error = Some(ErrorBody::read(event.data()).unwrap_or_default());
            reading.ending = Some(Ending::Complete);
        }
        _ => return Changed::No,
    }
    Changed::Yes
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

#[derive(Deserialize)]
struct MessageStart {
    #[serde(default, deserialize_with = "lenient")]
    message: Option<MessageHead>,
}

#[derive(Deserialize)]
struct MessageHead {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct BlockStart {
    #[serde(default, deserialize_with = "lenient")]
    content_block: Option<Block>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    to: Option<ServedBy>,
}

#[derive(Deserialize)]
struct ServedBy {
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
}

#[derive(Deserialize)]
struct MessageDelta {
    #[serde(default, deserialize_with = "lenient")]
    delta: Option<StopDelta>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct StopDelta {
    #[serde(default, deserialize_with = "lenient")]
    stop_reason: Option<String>,
}
