//! What a message answers: the caller's part of it.

use fastrand::Rng;

use super::block::Block;
use super::stop::{RefusalCategory, StopReason};
use super::text;

/// The longest text that [`Reply::of_length`] makes: 64 MiB.
pub const MAX_GENERATED_BYTES: usize = 64 * 1024 * 1024;

/// What a message answers. Give it to [`Builder::with_reply`](crate::Builder::with_reply) for all messages, or
/// to [`Simulator::script`](crate::Simulator::script) for the next one. A request may choose one of
/// [`every_kind`](Self::every_kind) itself, by the header `x-sim-reply`.
///
/// A reply [`of`](Self::of) blocks says it all. Any other decides the text, and around it the request decides:
///
/// * `thinking` of type `enabled` or `adaptive` puts a thinking block first. With `display: "omitted"` that has
///   a signature only.
/// * Tools of the server: an [`echo`](Self::echo) uses each one first, once, unless the last message brings
///   results of tools or is the assistant's, or `tool_choice` says `none`.
/// * Tools of the client: an echo is followed by a call of the first one, unless the last message brings results
///   of tools or `tool_choice` says `none`. Any other reply calls a tool only if `tool_choice` is `any` or `tool`.
///   A forced call stands alone, without text. The input has the properties that the tool's schema requires.
///
/// With every reply,
///
/// * a text that contains one of the `stop_sequences` ends before it;
/// * what is longer than `max_tokens` (two tokens for every seven bytes), or than the model's context has room for,
///   is cut there; a tool call that does not fit is left out. `max_tokens: 0` answers with no content.
///
/// An empty text makes no text block.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub(super) said: Said,
    /// Why it ends, unless it is cut.
    pub(super) stop: Option<StopReason>,
    pub(super) ignores_max_tokens: bool,
    pub(super) tells_usage: bool,
    pub(super) cache: Option<CacheCounts>,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Said {
    #[default]
    Echo,
    Text(String),
    Generated(usize),
    Blocks(Vec<Block>),
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
        Self { said: Said::Text(text.into()), ..Self::default() }
    }

    /// Words of exactly so many bytes in all, [`MAX_GENERATED_BYTES`] at the most, with characters of one to
    /// four bytes.
    #[must_use]
    pub fn of_length(bytes: usize) -> Self {
        Self { said: Said::Generated(bytes.min(MAX_GENERATED_BYTES)), ..Self::default() }
    }

    /// These blocks and nothing else, whatever the request asks for.
    pub fn of(blocks: impl IntoIterator<Item = Block>) -> Self {
        Self { said: Said::Blocks(blocks.into_iter().collect()), ..Self::default() }
    }

    /// A refusal before any output: status 200, no content. Some categories are free; see [`RefusalCategory`].
    /// If the request names `fallbacks` (beta `server-side-fallback-…`), the first of them answers with an
    /// [`echo`](Self::echo) instead, as after every refusal.
    #[must_use]
    pub fn refusal(category: Option<RefusalCategory>) -> Self {
        Self::of([]).stopping_with(StopReason::Refusal(category))
    }

    /// Ends so, if it comes to its end. If nothing is said, that is `tool_use` after a call of a client's tool, and
    /// `end_turn` otherwise.
    #[must_use]
    pub fn stopping_with(mut self, reason: StopReason) -> Self {
        self.stop = Some(reason);
        self
    }

    /// A stream says after each block what has been used so far, in a `message_delta` without a stop reason. The
    /// API allows for several; when it sends them is not documented.
    #[must_use]
    pub const fn telling_usage_between_blocks(mut self) -> Self {
        self.tells_usage = true;
        self
    }

    /// Answers whole, whatever the request's `max_tokens` and the model's context. The API never does that; it is
    /// for texts that are longer than any model would write.
    #[must_use]
    pub const fn ignoring_max_tokens(mut self) -> Self {
        self.ignores_max_tokens = true;
        self
    }

    /// So many tokens were read from the prompt cache. They stand in `usage` beside the other input, and the
    /// simulated cache is left alone.
    #[must_use]
    pub fn with_cache_read(mut self, tokens: u64) -> Self {
        self.cache.get_or_insert_default().read = tokens;
        self
    }

    /// So many tokens were written to the prompt cache, for five minutes and for an hour. They stand in
    /// `usage` beside the other input, and the simulated cache is left alone.
    #[must_use]
    pub fn with_cache_written(mut self, for_5m: u64, for_1h: u64) -> Self {
        let cache = self.cache.get_or_insert_default();
        cache.written_5m = for_5m;
        cache.written_1h = for_1h;
        self
    }

    /// The text of a reply that is not made of blocks.
    pub(super) fn make(&self, excerpt: &str, rng: &mut Rng) -> String {
        match &self.said {
            Said::Echo => text::echo(excerpt, rng),
            Said::Text(text) => text.clone(),
            Said::Generated(bytes) => text::words(*bytes, rng),
            Said::Blocks(_) => String::new(),
        }
    }
}
