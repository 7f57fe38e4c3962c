//! One event, and the one thing that can be wrong with it.

use std::error::Error;
use std::fmt;

/// One event of a stream. It borrows from the chunk or from the scanner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    pub(super) name: &'a [u8],
    pub(super) data: &'a [u8],
    pub(super) id: &'a [u8],
    pub(super) retry: Option<u64>,
}

impl<'a> Event<'a> {
    /// The `event` field; empty when there was none, which the standard calls a `message`. The official SDKs
    /// skip such events.
    #[must_use]
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }

    /// The `data` lines, joined by `\n`.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The latest `id` field of the stream up to this event; empty when there was none.
    #[must_use]
    pub const fn id(&self) -> &'a [u8] {
        self.id
    }

    /// The `retry` field of this event, in milliseconds.
    #[must_use]
    pub const fn retry(&self) -> Option<u64> {
        self.retry
    }
}

/// Shows the name and the length of the data, not the data: it is completion text.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({}, {} bytes)", self.name.escape_ascii(), self.data.len())
    }
}

/// An event passed the scanner's cap. Its rest is skipped, and the scanner goes on with the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTooLarge {
    pub(super) cap: usize,
}

impl EventTooLarge {
    /// The cap that was passed, in bytes.
    #[must_use]
    pub const fn cap(&self) -> usize {
        self.cap
    }
}

impl fmt::Display for EventTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a server-sent event is longer than {} bytes", self.cap)
    }
}

impl Error for EventTooLarge {}
