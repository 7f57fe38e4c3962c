//! How long the head of a stream is held back.

use std::time::Duration;

/// More frames than these are not held, however small they are: each weighs about a hundred bytes.
pub(crate) const MAX_FRAMES: usize = 1024;

/// How far a stream is read ahead before its head is handed on: until its first content, but no further than this.
///
/// While the head is held, a stream that fails, ends or carries an `error` event is repeated like a status. Past any of
/// the bounds it is handed on as it is, and what happens to it then is its reader's. Nothing is changed or copied, and 1,024
/// frames at the most are held.
///
/// Only answers to `POST /v1/messages` are held, if their request can be sent again and they are in no content coding.
///
/// Content is any `content_block_delta`, a block that arrives whole, `message_delta` and `message_stop`; `message_start`,
/// the start of a block that grows, pings and comments are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub(crate) time: Duration,
    pub(crate) bytes: usize,
    pub(crate) events: u64,
}

impl Default for Hold {
    /// 5 s, 64 KiB, 200 events. The last is what `LiteLLM` holds (1.106.2, 2026-11); the others are ours, 2026-11-22.
    fn default() -> Self {
        Self { time: Duration::from_secs(5), bytes: 64 * 1024, events: 200 }
    }
}

impl Hold {
    /// Nothing is held: the head of a stream is handed on at once, and a stream that has begun is never repeated.
    #[must_use]
    pub const fn off() -> Self {
        Self { time: Duration::ZERO, bytes: 0, events: 0 }
    }

    /// How long, from the head's arrival on. Zero holds nothing.
    #[must_use]
    pub const fn with_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// How many bytes. 0 holds nothing.
    #[must_use]
    pub const fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How many events, pings among them. 0 holds nothing.
    #[must_use]
    pub const fn with_events(mut self, events: u64) -> Self {
        self.events = events;
        self
    }

    /// Whether anything is held at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.time.is_zero() && self.bytes > 0 && self.events > 0
    }
}
