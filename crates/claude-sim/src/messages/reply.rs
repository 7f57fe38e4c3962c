//! What a message answers: the caller's part of it.

use fastrand::Rng;

use super::text;

/// The longest text that [`Reply::of_length`] makes: 64 MiB.
pub const MAX_GENERATED_BYTES: usize = 64 * 1024 * 1024;

/// What a message answers. Give it to [`Builder::with_reply`](crate::Builder::with_reply) for all messages, or
/// to [`Simulator::script`](crate::Simulator::script) for the next one.
///
/// The reply decides the text. Around it, the request decides:
///
/// * `thinking` of type `enabled` or `adaptive` puts a thinking block first. With `display: "omitted"` that has
///   a signature only.
/// * Tools of the client: an [`echo`](Self::echo) is followed by a call of the first one, unless the last message
///   brings results of tools or `tool_choice` says `none`. Any other reply calls a tool only if `tool_choice`
///   is `any` or `tool`. A forced call stands alone, without text. The input has the properties that the
///   tool's schema requires.
/// * A text that contains one of the `stop_sequences` ends before it.
/// * A text of more than `max_tokens` (two tokens for every seven bytes) is cut there; a tool call that does
///   not fit is left out. `max_tokens: 0` answers with no content.
///
/// An empty text makes no text block.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    text: Text,
    ignores_max_tokens: bool,
    pub(super) cache: CacheCounts,
}

#[derive(Clone, Debug, Default)]
enum Text {
    #[default]
    Echo,
    Given(String),
    Generated(usize),
}

/// Counts of the prompt cache for `usage`, in tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CacheCounts {
    pub(super) read: u64,
    pub(super) written_5m: u64,
    pub(super) written_1h: u64,
}

impl Reply {
    /// The beginning of what the user wrote last, and some words. It has characters of one to four bytes.
    #[must_use]
    pub fn echo() -> Self {
        Self::default()
    }

    /// This text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Text::Given(text.into()), ..Self::default() }
    }

    /// Words of exactly so many bytes in all, [`MAX_GENERATED_BYTES`] at the most, with characters of one to
    /// four bytes.
    #[must_use]
    pub fn of_length(bytes: usize) -> Self {
        Self { text: Text::Generated(bytes.min(MAX_GENERATED_BYTES)), ..Self::default() }
    }

    /// Answers whole, whatever the request's `max_tokens`. The API never does that; it is for texts that are
    /// longer than any model would write.
    #[must_use]
    pub const fn ignoring_max_tokens(mut self) -> Self {
        self.ignores_max_tokens = true;
        self
    }

    /// So many tokens were read from the prompt cache. They stand in `usage` beside the other input.
    #[must_use]
    pub const fn with_cache_read(mut self, tokens: u64) -> Self {
        self.cache.read = tokens;
        self
    }

    /// So many tokens were written to the prompt cache, for five minutes and for an hour. They stand in
    /// `usage` beside the other input.
    #[must_use]
    pub const fn with_cache_written(mut self, for_5m: u64, for_1h: u64) -> Self {
        self.cache.written_5m = for_5m;
        self.cache.written_1h = for_1h;
        self
    }

    pub(super) const fn is_echo(&self) -> bool {
        matches!(self.text, Text::Echo)
    }

    /// How many tokens the answer may have.
    pub(super) const fn budget(&self, max_tokens: u64) -> u64 {
        if self.ignores_max_tokens { u64::MAX } else { max_tokens }
    }

    pub(super) fn make(&self, excerpt: &str, rng: &mut Rng) -> String {
        match &self.text {
            Text::Echo => text::echo(excerpt, rng),
            Text::Given(text) => text.clone(),
            Text::Generated(bytes) => text::words(*bytes, rng),
        }
    }
}
