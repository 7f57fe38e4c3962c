//! A message as server-sent events.

use fastrand::Rng;
use serde::Serialize;

use super::content::{Content, json_of};
use super::message::{Container, Message, Written};
use super::stop::StopDetails;
use super::usage::{DeltaUsage, Usage};
use crate::tokens;

/// The most spaces that the API's padding is thought to have.
const MAX_PADDING: usize = 15;

/// The lengths of text pieces, in bytes; a piece goes on to the end of its last character.
const PIECE: std::ops::Range<usize> = 4..48;

/// A ping comes after one event of so many, besides the one after the first block's start. When the API sends
/// them is not documented.
const PING_ONE_IN: usize = 40;

/// A ping, which has no padding.
pub(crate) const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

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
    /// Most messages have one; some say between blocks what has been used.
    MessageDelta,
    MessageStop,
}

/// The events of one message, made one by one.
pub(crate) struct EventStream {
    message: Message,
    next: Next,
    /// Whether a ping comes before it.
    ping: bool,
    /// How much of the current block's text is out.
    offset: usize,
    /// The current block's input, if it calls a tool.
    input: String,
    rng: Rng,
    /// What has been used by the events that are out.
    usage: Usage,
    /// The current block's part of that.
    spent: u64,
}

/// What comes next; blocks are counted by their index.
#[derive(Clone, Copy)]
enum Next {
    MessageStart,
    BlockStart(usize),
    /// A first, empty piece of a tool's input.
    EmptyInput(usize),
    Piece(usize),
    /// A delta that comes whole, after the pieces, by its number; or, after the last one, the block's stop.
    Whole(usize, usize),
    /// What has been used, before the block of this index.
    Told(usize),
    MessageDelta,
    MessageStop,
    Done,
}

impl EventStream {
    pub(super) fn new(message: Message, rng: Rng) -> Self {
        let usage = message.start.clone();
        let (next, input) = (Next::MessageStart, String::new());
        Self { message, next, ping: false, offset: 0, input, rng, usage, spent: 0 }
    }

    /// What has been used by the events that are out: the input, and the output that they carry. It only grows,
    /// and at the end it is what the last `message_delta` said.
    pub(crate) fn usage_so_far(&self) -> Usage {
        self.usage.clone()
    }

    /// What has been used when all events are out.
    pub(crate) const fn whole_usage(&self) -> &Usage {
        &self.message.usage
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.next, Next::Done)
    }

    /// The next event, or `None` after the last one.
    pub(crate) fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.ping) {
            return Some(Event { part: Part::Ping, bytes: PING.to_vec() });
        }
        let (part, data, next) = match self.next {
            Next::MessageStart => self.message_start(),
            Next::BlockStart(index) => self.block_start(index),
            Next::EmptyInput(index) => {
                let data = delta(index, "input_json_delta", "partial_json", "");
                (Part::Delta, data, self.piece_or_whole(index))
            }
            Next::Piece(index) => self.piece(index),
            Next::Whole(index, count) => self.whole(index, count),
            Next::Told(index) => (Part::MessageDelta, self.told(), self.block_or_end(index)),
            Next::MessageDelta => (Part::MessageDelta, self.message_delta(), Next::MessageStop),
            Next::MessageStop => (Part::MessageStop, br#"{"type":"message_stop"}"#.to_vec(), Next::Done),
            Next::Done => return None,
        };
        self.ping = match self.next {
            Next::BlockStart(0) => true,
            Next::MessageStop => false,
            _ => self.rng.usize(..PING_ONE_IN) == 0,
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

    fn written(&self, index: usize) -> Option<&Written> {
        self.message.content.get(index)
    }

    /// A block begins without what its deltas bring. A result comes whole, and the input has grown with it.
    fn block_start(&mut self, index: usize) -> Made {
        self.offset = 0;
        self.spent = 0;
        self.input.clear();
        let Some(Written { content, effect, .. }) = self.message.content.get(index) else {
            return (Part::MessageDelta, self.message_delta(), Next::MessageStop);
        };
        let block = content.as_start();
        if let Some(effect) = effect {
            self.usage.apply(effect);
        }
        let called = content.call().map(|(name, input)| (tokens::of_text(name), input.to_string()));
        let next = match called {
            Some((name, input)) => {
                self.input = input;
                self.spend(index, name);
                Next::EmptyInput(index)
            }
            None => self.piece_or_whole(index),
        };
        let data = format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#);
        (Part::BlockStart, data.into_bytes(), next)
    }

    fn piece_or_whole(&self, index: usize) -> Next {
        match self.pieces(index) {
            Some((_, _, text)) if self.offset < text.len() => Next::Piece(index),
            _ => Next::Whole(index, 0),
        }
    }

    /// The kind, the field and the text of what comes in pieces.
    fn pieces(&self, index: usize) -> Option<(&'static str, &'static str, &str)> {
        match &self.written(index)?.content {
            Content::Text { text, .. } => Some(("text_delta", "text", text)),
            Content::Thinking { thinking, .. } => Some(("thinking_delta", "thinking", thinking)),
            // An empty input is written as no input at all.
            content if content.call().is_some() && self.input != "{}" => {
                Some(("input_json_delta", "partial_json", &self.input))
            }
            _ => None,
        }
    }

    fn piece(&mut self, index: usize) -> Made {
        let length = self.rng.usize(PIECE);
        let Some((kind, field, text)) = self.pieces(index) else { return self.block_stop(index) };
        let mut end = (self.offset + length).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let data = delta(index, kind, field, &text[self.offset..end]);
        let tokens = tokens::of_bytes(end as u64) - tokens::of_bytes(self.offset as u64);
        self.offset = end;
        self.spend(index, tokens);
        (Part::Delta, data, self.piece_or_whole(index))
    }

    /// What comes whole after the pieces; if there is no more of it, the block stops.
    fn whole(&mut self, index: usize, count: usize) -> Made {
        let delta = match self.written(index).map(|written| &written.content) {
            Some(Content::Thinking { signature, .. }) if count == 0 => {
                delta(index, "signature_delta", "signature", signature)
            }
            Some(Content::Text { citations: Some(citations), .. }) if count < citations.len() => {
                let citation = json_of(&citations[count]);
                whole_delta(index, &format!(r#"{{"type":"citations_delta","citation":{citation}}}"#))
            }
            Some(Content::Compaction { content, encrypted_content }) if count == 0 => {
                let delta = CompactionDelta { r#type: "compaction_delta", content, encrypted_content };
                whole_delta(index, &json_of(&delta))
            }
            _ => return self.block_stop(index),
        };
        (Part::Delta, delta, Next::Whole(index, count + 1))
    }

    fn block_stop(&mut self, index: usize) -> Made {
        // What was not seen in pieces: thinking that is left out, and the rest that a cut left.
        self.spend(index, u64::MAX);
        let data = format!(r#"{{"type":"content_block_stop","index":{index}}}"#).into_bytes();
        let told = self.message.tells_usage && index + 1 < self.message.content.len();
        let next = if told { Next::Told(index + 1) } else { self.block_or_end(index + 1) };
        (Part::BlockStop, data, next)
    }

    /// The block's tokens go out, and no more than it has.
    fn spend(&mut self, index: usize, tokens: u64) {
        let Some(written) = self.message.content.get(index) else { return };
        let tokens = tokens.min(written.tokens - self.spent);
        self.spent += tokens;
        self.usage.write(tokens, written.is_thinking());
    }

    fn told(&self) -> Vec<u8> {
        let delta = StopDelta { stop_reason: None, stop_sequence: None, stop_details: None, container: None };
        message_delta(delta, self.usage.delta())
    }

    fn message_delta(&mut self) -> Vec<u8> {
        let Message { stop, container, usage, .. } = &self.message;
        self.usage = usage.clone();
        let delta = StopDelta {
            stop_reason: Some(stop.name()),
            stop_sequence: stop.sequence(),
            stop_details: stop.details(),
            container: container.as_ref(),
        };
        message_delta(delta, usage.delta())
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
    usage: DeltaUsage,
}

#[derive(Serialize)]
struct StopDelta<'a> {
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    stop_details: Option<StopDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a Container>,
}

#[derive(Serialize)]
struct CompactionDelta<'a> {
    r#type: &'static str,
    content: &'a Option<String>,
    encrypted_content: &'a Option<String>,
}

fn message_delta(delta: StopDelta<'_>, usage: DeltaUsage) -> Vec<u8> {
    json_of(&MessageDelta { r#type: "message_delta", delta, usage }).into_bytes()
}

fn delta(index: usize, kind: &str, field: &str, text: &str) -> Vec<u8> {
    let text = json_of(text);
    whole_delta(index, &format!(r#"{{"type":"{kind}","{field}":{text}}}"#))
}

fn whole_delta(index: usize, delta: &str) -> Vec<u8> {
    format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#).into_bytes()
}
