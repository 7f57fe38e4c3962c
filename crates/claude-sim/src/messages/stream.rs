//! A message as server-sent events.

use fastrand::Rng;
use serde::Serialize;
use serde_json::json;

use super::message::{Block, Message};
use super::tokens;
use super::usage::Usage;

/// The most spaces that the API's padding is thought to have.
const MAX_PADDING: usize = 15;

/// The lengths of text pieces, in bytes; a piece goes on to the end of its last character.
const PIECE: std::ops::Range<usize> = 4..48;

/// One event, ready to be sent.
pub(crate) struct Event {
    pub(crate) part: Part,
    /// The event with its name, its padding and its empty line.
    pub(crate) bytes: Vec<u8>,
}

/// Which part of the grammar an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    MessageStart,
    BlockStart,
    Ping,
    /// Content. The first of these is what a caller waits for.
    Delta,
    BlockStop,
    MessageDelta,
    MessageStop,
}

/// The events of one message, made one by one.
pub(crate) struct EventStream {
    message: Message,
    next: Next,
    /// How much of the current block's text is out.
    offset: usize,
    /// The current block's input, if it calls a tool.
    input: String,
    rng: Rng,
    /// Bytes of content that are out.
    written: u64,
}

/// What comes next; blocks are counted by their index.
#[derive(Clone, Copy)]
enum Next {
    MessageStart,
    BlockStart(usize),
    Ping,
    /// A first, empty piece of a tool's input.
    EmptyInput(usize),
    Piece(usize),
    Signature(usize),
    BlockStop(usize),
    MessageDelta,
    MessageStop,
    Done,
}

impl EventStream {
    pub(super) const fn new(message: Message, rng: Rng) -> Self {
        Self { message, next: Next::MessageStart, offset: 0, input: String::new(), rng, written: 0 }
    }

    /// What has been used by the events that are out: the input, and the output that they carry.
    pub(crate) fn usage_so_far(&self) -> Usage {
        match self.next {
            Next::MessageStop | Next::Done => self.message.usage.clone(),
            _ => self.message.usage.after(tokens::of_bytes(self.written)),
        }
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.next, Next::Done)
    }

    /// The next event, or `None` after the last one.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let (part, data, next) = match self.next {
            Next::MessageStart => self.message_start(),
            Next::BlockStart(index) => self.block_start(index),
            Next::Ping => {
                let bytes = b"event: ping\ndata: {\"type\": \"ping\"}\n\n".to_vec();
                self.next = self.deltas(0);
                return Some(Event { part: Part::Ping, bytes });
            }
            Next::EmptyInput(index) => {
                let data = delta(index, "input_json_delta", "partial_json", "");
                (Part::Delta, data, self.piece_or_stop(index))
            }
            Next::Piece(index) => self.piece(index),
            Next::Signature(index) => self.signature(index),
            Next::BlockStop(index) => {
                let data = format!(r#"{{"type":"content_block_stop","index":{index}}}"#).into_bytes();
                (Part::BlockStop, data, self.block_or_end(index + 1))
            }
            Next::MessageDelta => (Part::MessageDelta, self.message_delta(), Next::MessageStop),
            Next::MessageStop => (Part::MessageStop, br#"{"type":"message_stop"}"#.to_vec(), Next::Done),
            Next::Done => return None,
        };
        self.next = next;
        Some(Event { part, bytes: self.event(part.name(), &data) })
    }

    /// Puts the padding before the last brace, as the API does against those who measure.
    fn event(&mut self, name: &str, data: &[u8]) -> Vec<u8> {
        let padding = self.rng.usize(..=MAX_PADDING);
        let (start, brace) = data.split_at(data.len().saturating_sub(1));
        let mut event = Vec::with_capacity(data.len() + name.len() + padding + 16);
        for part in [b"event: ", name.as_bytes(), b"\ndata: ", start, &SPACES[..padding], brace, b"\n\n"] {
            event.extend_from_slice(part);
        }
        event
    }

    fn message_start(&self) -> Made {
        let message = json_of(&self.message.as_start_json());
        let data = format!(r#"{{"type":"message_start","message":{message}}}"#);
        (Part::MessageStart, data.into_bytes(), self.block_or_end(0))
    }

    fn block_or_end(&self, index: usize) -> Next {
        if index < self.message.content.len() { Next::BlockStart(index) } else { Next::MessageDelta }
    }

    /// A block begins without its content. The first one is followed by a ping.
    fn block_start(&mut self, index: usize) -> Made {
        self.offset = 0;
        self.input.clear();
        let block = match self.message.content.get(index) {
            Some(Block::Thinking { .. }) => {
                json_of(&Block::Thinking { thinking: String::new(), signature: String::new() })
            }
            Some(Block::ToolUse { id, name, input, caller }) => {
                self.input = input.to_string();
                let (id, name) = (id.clone(), name.clone());
                json_of(&Block::ToolUse { id, name, input: json!({}), caller: *caller })
            }
            Some(Block::Text { .. }) | None => json_of(&Block::Text { text: String::new() }),
        };
        let data = format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#);
        let next = if index == 0 { Next::Ping } else { self.deltas(index) };
        (Part::BlockStart, data.into_bytes(), next)
    }

    fn deltas(&self, index: usize) -> Next {
        match self.message.content.get(index) {
            Some(Block::ToolUse { .. }) => Next::EmptyInput(index),
            _ => self.piece_or_stop(index),
        }
    }

    fn piece_or_stop(&self, index: usize) -> Next {
        match self.message.content.get(index) {
            // An empty input is written as no input at all.
            Some(Block::ToolUse { .. }) if self.input == "{}" => Next::BlockStop(index),
            Some(block) if self.offset < self.text(block).len() => Next::Piece(index),
            Some(Block::Thinking { .. }) => Next::Signature(index),
            _ => Next::BlockStop(index),
        }
    }

    fn piece(&mut self, index: usize) -> Made {
        let length = self.rng.usize(PIECE);
        let Some(block) = self.message.content.get(index) else {
            return (Part::Delta, Vec::new(), Next::MessageDelta);
        };
        let text = self.text(block);
        let mut end = (self.offset + length).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let (kind, field) = match block {
            Block::Thinking { .. } => ("thinking_delta", "thinking"),
            Block::Text { .. } => ("text_delta", "text"),
            Block::ToolUse { .. } => ("input_json_delta", "partial_json"),
        };
        let data = delta(index, kind, field, &text[self.offset..end]);
        self.written += (end - self.offset) as u64;
        self.offset = end;
        (Part::Delta, data, self.piece_or_stop(index))
    }

    fn signature(&self, index: usize) -> Made {
        let signature = match self.message.content.get(index) {
            Some(Block::Thinking { signature, .. }) => signature,
            _ => "",
        };
        (Part::Delta, delta(index, "signature_delta", "signature", signature), Next::BlockStop(index))
    }

    fn text<'a>(&'a self, block: &'a Block) -> &'a str {
        match block {
            Block::Thinking { thinking, .. } => thinking,
            Block::Text { text } => text,
            Block::ToolUse { .. } => &self.input,
        }
    }

    fn message_delta(&self) -> Vec<u8> {
        let stop = &self.message.stop;
        let event = MessageDelta {
            r#type: "message_delta",
            delta: StopDelta { stop_reason: stop.reason(), stop_sequence: stop.sequence(), stop_details: () },
            usage: self.message.usage.delta(),
        };
        json_of(&event).into_bytes()
    }
}

const SPACES: [u8; MAX_PADDING] = [b' '; MAX_PADDING];

/// An event, its data, and what comes after it.
type Made = (Part, Vec<u8>, Next);

impl Part {
    /// The event's name.
    const fn name(self) -> &'static str {
        match self {
            Self::MessageStart => "message_start",
            Self::BlockStart => "content_block_start",
            Self::Ping => "ping",
            Self::Delta => "content_block_delta",
            Self::BlockStop => "content_block_stop",
            Self::MessageDelta => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    r#type: &'static str,
    delta: StopDelta<'a>,
    usage: super::usage::DeltaUsage,
}

#[derive(Serialize)]
struct StopDelta<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    stop_details: (),
}

fn delta(index: usize, kind: &str, field: &str, text: &str) -> Vec<u8> {
    let text = json_of(text);
    format!(
        r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}","{field}":{text}}}}}"#
    )
    .into_bytes()
}

/// Nothing that is written here can fail: there are no maps with other keys than texts.
fn json_of<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
