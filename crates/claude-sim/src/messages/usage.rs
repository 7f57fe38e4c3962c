//! The `usage` object.

use serde::Serialize;

use super::reply::CacheCounts;
use crate::bill::TokenCounts;

#[derive(Clone, Serialize)]
pub(crate) struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
    pub(crate) service_tier: &'static str,
    pub(crate) inference_geo: &'static str,
    pub(crate) speed: &'static str,
}

#[derive(Clone, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Clone, Copy, Serialize)]
struct Details {
    thinking_tokens: u64,
}

/// What a `message_delta` says of it: totals, and nothing of how it was served.
#[derive(Serialize)]
pub(super) struct DeltaUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
}

impl Usage {
    pub(super) const fn new(
        input_tokens: u64,
        cache: CacheCounts,
        inference_geo: &'static str,
        speed: &'static str,
    ) -> Self {
        Self {
            input_tokens,
            cache_creation_input_tokens: cache.written_5m.saturating_add(cache.written_1h),
            cache_read_input_tokens: cache.read,
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: cache.written_5m,
                ephemeral_1h_input_tokens: cache.written_1h,
            },
            output_tokens: 0,
            output_tokens_details: None,
            service_tier: "standard",
            inference_geo,
            speed,
        }
    }

    /// `thinking_tokens` are part of the output tokens; `None` if nothing was thought.
    pub(super) const fn with_output(mut self, output_tokens: u64, thinking_tokens: Option<u64>) -> Self {
        self.output_tokens = output_tokens;
        self.output_tokens_details = match thinking_tokens {
            Some(thinking_tokens) => Some(Details { thinking_tokens }),
            None => None,
        };
        self
    }

    /// As it stands when a stream begins: little has been written, and nothing is known of thinking.
    pub(super) fn at_start(&self) -> Self {
        self.after(0)
    }

    /// What is billed, by the model that it ran on.
    pub(crate) fn lines(&self, model: &str) -> Vec<(String, TokenCounts)> {
        let tokens = TokenCounts {
            input: self.input_tokens,
            cache_write_5m: self.cache_creation.ephemeral_5m_input_tokens,
            cache_write_1h: self.cache_creation.ephemeral_1h_input_tokens,
            cache_read: self.cache_read_input_tokens,
            output: self.output_tokens,
            web_searches: 0,
        };
        vec![(model.to_owned(), tokens)]
    }

    /// As it stands when so many tokens of output are out.
    pub(super) fn after(&self, output_tokens: u64) -> Self {
        self.clone().with_output(output_tokens.clamp(self.output_tokens.min(1), self.output_tokens), None)
    }

    pub(super) const fn delta(&self) -> DeltaUsage {
        DeltaUsage {
            input_tokens: self.input_tokens,
            cache_creation_input_tokens: self.cache_creation_input_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            output_tokens: self.output_tokens,
            output_tokens_details: self.output_tokens_details,
        }
    }
}
