//! How fast messages are written.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::messages::Part;

/// How fast messages are written. [`instant`](Self::instant) if nothing is said. Give it to
/// [`Builder::with_pace`](crate::Builder::with_pace).
///
/// A stream has its head, `message_start` and the beginning of its first block at once, then waits for the first
/// token, and then before each event for the tokens that came before it. A whole message waits for all of them before
/// its head. Answers without tokens, such as errors, do not wait.
///
/// It is a timetable: a reader that is slow finds what has been written meanwhile and is not made slower. Waits are
/// of tokio's clock, and so hold when it is paused; it rounds up to milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    first_token: Duration,
    tokens_per_second: Option<NonZeroU32>,
    pings: Option<Duration>,
}

impl Pace {
    /// No waiting at all.
    #[must_use]
    pub const fn instant() -> Self {
        Self { first_token: Duration::ZERO, tokens_per_second: None, pings: None }
    }

    /// The time to the first token.
    #[must_use]
    pub const fn with_first_token(mut self, after: Duration) -> Self {
        self.first_token = after;
        self
    }

    /// How many tokens of output are written in a second, from the first one on.
    #[must_use]
    pub const fn with_tokens_per_second(mut self, tokens: NonZeroU32) -> Self {
        self.tokens_per_second = Some(tokens);
        self
    }

    /// A stream has a `ping` whenever nothing else came for so long, a millisecond at the least.
    #[must_use]
    pub fn with_pings(mut self, every: Duration) -> Self {
        self.pings = Some(every.max(Duration::from_millis(1)));
        self
    }

    pub(crate) const fn pings(&self) -> Option<Duration> {
        self.pings
    }

    /// When so many tokens are written, counted from the beginning.
    pub(crate) fn written(&self, tokens: u64) -> Duration {
        let Some(rate) = self.tokens_per_second else { return self.first_token };
        let nanos = u128::from(tokens.saturating_sub(1)) * 1_000_000_000 / u128::from(rate.get());
        self.first_token.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

/// The timetable of one stream.
pub(crate) struct Timetable {
    pace: Pace,
    passed: Duration,
    /// The output tokens of the events that are out.
    tokens: u64,
    /// Whether the first token has been waited for.
    writing: bool,
}

impl Timetable {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, passed: Duration::ZERO, tokens: 0, writing: false }
    }

    /// How long to wait before this event, with which so many tokens are out.
    pub(crate) fn wait_for(&mut self, part: Part, tokens: u64) -> Duration {
        // The one that closes the message comes when all is written, also what is not shown.
        let before = if part == Part::MessageDelta { tokens } else { self.tokens };
        self.tokens = tokens;
        self.writing |= matches!(part, Part::Delta | Part::MessageDelta);
        if !self.writing {
            return Duration::ZERO;
        }
        let due = self.pace.written(before).max(self.passed);
        let wait = due.saturating_sub(self.passed);
        self.passed = due;
        wait
    }
}

/// Waits; [`Duration::MAX`] is for ever.
pub(crate) async fn wait(length: Duration) {
    match length {
        Duration::ZERO => {}
        Duration::MAX => std::future::pending().await,
        length => tokio::time::sleep(length).await,
    }
}
