//! What a meter has read so far.

use std::fmt;
use std::sync::Arc;

use crate::error_body::ErrorBody;
use crate::shown;
use crate::usage::Usage;

/// What kind of body is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// One JSON text: a message, an error, a count.
    Json,
    /// Server-sent events.
    Events,
    /// The results of a batch, one JSON text a line.
    BatchResults,
    /// Nothing that is read: only its end is seen.
    #[default]
    Other,
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All of it was there: the JSON text was whole, or the events came to `message_stop` or to an `error`.
    /// What follows those is passed on, but changes nothing.
    Complete,
    /// It failed or ended too soon.
    Cut,
    /// The caller dropped it before its end.
    Dropped,
    /// It could not be read.
    Unreadable(Unreadable),
}

/// Why a body could not be read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// It is in this content coding.
    Coding(Box<str>),
    /// It is not of the form that its content type promises.
    Malformed,
    /// A single event was larger than the scanner's cap, and the end was not seen.
    EventTooLarge,
}

/// Shows a coding only if it is a [name](shown::name).
impl fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coding(coding) => f.debug_tuple("Coding").field(&shown::debug(coding)).finish(),
            Self::Malformed => f.write_str("Malformed"),
            Self::EventTooLarge => f.write_str("EventTooLarge"),
        }
    }
}

/// What has been read of one response so far.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Reading {
    /// What kind of body it is.
    pub kind: Kind,
    /// Bytes of the body that went by.
    pub bytes: u64,
    /// Events of a stream that went by, pings and unknown ones too.
    pub events: u64,
    /// `id` of the message.
    pub message_id: Option<Arc<str>>,
    /// The model that served, which may not be the one that was asked for.
    pub model: Option<Arc<str>>,
    /// The usage; in a stream, as the official SDKs accumulate it. Not of batch results: those have one
    /// each ([`BatchItem`]).
    pub usage: Option<Usage>,
    /// Why the message ended.
    pub stop_reason: Option<Arc<str>>,
    /// The error of an error response, or of a stream's `error` event.
    pub error: Option<ErrorBody>,
    /// Whether content has gone by in a stream: a delta, a block that arrives whole, or the message's end.
    pub has_content: bool,
    /// The length of the stream's deltas, as written in JSON. Where the final usage is lost, output is
    /// estimated from it.
    pub delta_bytes: u64,
    /// Batch results by what became of them.
    pub batch: BatchTotals,
    /// How the body ended, once it has.
    pub ending: Option<Ending>,
}

/// Leaves out the error's message, which may quote a prompt, and of all words whatever is no [name](shown::name).
impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("kind", &self.kind)
            .field("bytes", &self.bytes)
            .field("events", &self.events)
            .field("message_id", &self.message_id.as_deref().map(shown::debug))
            .field("model", &self.model.as_deref().map(shown::debug))
            .field("usage", &self.usage)
            .field("stop_reason", &self.stop_reason.as_deref().map(shown::debug))
            .field("error", &self.error)
            .field("has_content", &self.has_content)
            .field("batch", &self.batch)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

/// How far a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// As in [`Reading::bytes`].
    pub bytes: u64,
    /// As in [`Reading::events`].
    pub events: u64,
    /// As in [`Reading::delta_bytes`].
    pub delta_bytes: u64,
    /// As in [`Reading::has_content`].
    pub has_content: bool,
    /// Whether there is a [`Reading::ending`].
    pub has_ended: bool,
}

/// How many results of a batch have gone by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchTotals {
    /// Those with a message; only they are billed.
    pub succeeded: u64,
    /// Those with an error.
    pub errored: u64,
    /// Canceled before they ran.
    pub canceled: u64,
    /// Not run within 24 hours.
    pub expired: u64,
    /// Of a kind that this version does not know, or lines that could not be read.
    pub other: u64,
}

/// One result of a batch.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BatchItem {
    /// The caller's own name of the request. Results may be fetched twice: with `message_id` it tells them apart.
    pub custom_id: Option<Arc<str>>,
    /// `id` of the message.
    pub message_id: Option<Arc<str>>,
    /// `succeeded`, `errored`, `canceled` or `expired`; `None` if the line could not be read.
    pub result: Option<Arc<str>>,
    /// The model that served.
    pub model: Option<Arc<str>>,
    /// The usage of the message.
    pub usage: Option<Usage>,
    /// Why the message ended.
    pub stop_reason: Option<Arc<str>>,
}

/// Leaves out of all words whatever is no [name](shown::name).
impl fmt::Debug for BatchItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchItem")
            .field("custom_id", &self.custom_id.as_deref().map(shown::debug))
            .field("message_id", &self.message_id.as_deref().map(shown::debug))
            .field("result", &self.result.as_deref().map(shown::debug))
            .field("model", &self.model.as_deref().map(shown::debug))
            .field("usage", &self.usage)
            .field("stop_reason", &self.stop_reason.as_deref().map(shown::debug))
            .finish()
    }
}
