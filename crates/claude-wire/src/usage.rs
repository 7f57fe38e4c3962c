//! What a response used: the `usage` object of the API, and how a stream's deltas change it.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::shown;

/// The `usage` object of a response (fields as of 2026-11-22).
///
/// Everything may be absent, and a field of an unexpected type counts as absent: a new form must not hide the
/// rest. The counts are disjoint: all input is [`input_tokens`](Self::input_tokens) plus
/// [`cache_creation_input_tokens`](Self::cache_creation_input_tokens) plus
/// [`cache_read_input_tokens`](Self::cache_read_input_tokens).
///
/// With [`iterations`](Self::iterations) the top level leaves out compactions and advisors: who bills adds the
/// iterations up instead, each at its own model's price.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// Input tokens that came from no cache and went into none.
    #[serde(deserialize_with = "lenient")]
    pub input_tokens: Option<u64>,
    /// Input tokens written to the prompt cache.
    #[serde(deserialize_with = "lenient")]
    pub cache_creation_input_tokens: Option<u64>,
    /// Input tokens read from the prompt cache.
    #[serde(deserialize_with = "lenient")]
    pub cache_read_input_tokens: Option<u64>,
    /// The written tokens by their time to live. A stream's deltas do not update it.
    #[serde(deserialize_with = "lenient")]
    pub cache_creation: Option<CacheCreation>,
    /// Output tokens, thinking included.
    #[serde(deserialize_with = "lenient")]
    pub output_tokens: Option<u64>,
    /// Parts of the output tokens.
    #[serde(deserialize_with = "lenient")]
    pub output_tokens_details: Option<OutputTokensDetails>,
    /// Requests of the server's own tools.
    #[serde(deserialize_with = "lenient")]
    pub server_tool_use: Option<ServerToolUse>,
    /// `standard`, `priority` or `batch`.
    #[serde(deserialize_with = "lenient")]
    pub service_tier: Option<String>,
    /// `global`, `us` or `not_available`.
    #[serde(deserialize_with = "lenient")]
    pub inference_geo: Option<String>,
    /// `standard` or `fast`, as served and billed.
    #[serde(deserialize_with = "lenient")]
    pub speed: Option<String>,
    /// The single passes behind one answer (beta). An entry that is no object counts as one of which nothing is
    /// known.
    #[serde(deserialize_with = "lenient_list", skip_serializing_if = "Option::is_none")]
    pub iterations: Option<Vec<Iteration>>,
    /// What became of a fallback credit (beta), as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_credit: Option<serde_json::Value>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Written tokens by the time to live of their cache entry.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CacheCreation {
    /// Written for five minutes.
    #[serde(deserialize_with = "lenient")]
    pub ephemeral_5m_input_tokens: Option<u64>,
    /// Written for an hour.
    #[serde(deserialize_with = "lenient")]
    pub ephemeral_1h_input_tokens: Option<u64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Parts of the output tokens.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OutputTokensDetails {
    /// Tokens of thinking.
    #[serde(deserialize_with = "lenient")]
    pub thinking_tokens: Option<u64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Requests of the server's own tools.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServerToolUse {
    /// Web searches, billed each.
    #[serde(deserialize_with = "lenient")]
    pub web_search_requests: Option<u64>,
    /// Web fetches.
    #[serde(deserialize_with = "lenient")]
    pub web_fetch_requests: Option<u64>,
    /// Code executions. In the documentation's examples but in no SDK's types (2026-11).
    #[serde(deserialize_with = "lenient")]
    pub code_execution_requests: Option<u64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// One pass behind an answer.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Iteration {
    /// `message`, `compaction`, `advisor_message` or `fallback_message`.
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    /// The model it ran on; absent means the response's model.
    #[serde(deserialize_with = "lenient")]
    pub model: Option<String>,
    /// As in [`Usage::input_tokens`].
    #[serde(deserialize_with = "lenient")]
    pub input_tokens: Option<u64>,
    /// As in [`Usage::cache_creation_input_tokens`].
    #[serde(deserialize_with = "lenient")]
    pub cache_creation_input_tokens: Option<u64>,
    /// As in [`Usage::cache_read_input_tokens`].
    #[serde(deserialize_with = "lenient")]
    pub cache_read_input_tokens: Option<u64>,
    /// As in [`Usage::cache_creation`].
    #[serde(deserialize_with = "lenient")]
    pub cache_creation: Option<CacheCreation>,
    /// As in [`Usage::output_tokens`].
    #[serde(deserialize_with = "lenient")]
    pub output_tokens: Option<u64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl Usage {
    /// Takes in the usage of a stream's `message_delta` exactly as the official SDKs do (Python 2.12.0,
    /// TypeScript 1.12.0).
    ///
    /// The values are totals so far and are never added. The output tokens, the input and cache counts, the
    /// server tools, the details, the iterations and the credit replace what was there when they are present;
    /// the split of cache writes, the tier, the geography and the speed stay as the stream began.
    pub fn apply_delta(&mut self, delta: Self) {
        macro_rules! replace {
            ($($field:ident),+) => {$(
                if delta.$field.is_some() {
                    self.$field = delta.$field;
                }
            )+};
        }
        replace!(
            output_tokens,
            input_tokens,
            cache_creation_input_tokens,
            cache_read_input_tokens,
            server_tool_use,
            output_tokens_details,
            iterations,
            fallback_credit
        );
    }

    /// Everything that went in: fresh, written and read tokens.
    #[must_use]
    pub fn total_input_tokens(&self) -> u64 {
        [self.input_tokens, self.cache_creation_input_tokens, self.cache_read_input_tokens]
            .into_iter()
            .flatten()
            .fold(0, u64::saturating_add)
    }
}

macro_rules! debug {
    ($($type:ident { $($word:ident),*; $($count:ident),* })+) => {$(
        /// Leaves out what this version does not know, and of all words whatever is no [name](shown::name).
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($word), &self.$word.as_deref().map(shown::debug)))*
                    $(.field(stringify!($count), &self.$count))*
                    .finish_non_exhaustive()
            }
        }
    )+};
}

debug! {
    Usage {
        service_tier, inference_geo, speed;
        input_tokens, cache_creation_input_tokens, cache_read_input_tokens, cache_creation, output_tokens,
        output_tokens_details, server_tool_use, iterations
    }
    CacheCreation { ; ephemeral_5m_input_tokens, ephemeral_1h_input_tokens }
    OutputTokensDetails { ; thinking_tokens }
    ServerToolUse { ; web_search_requests, web_fetch_requests, code_execution_requests }
    Iteration {
        kind, model;
        input_tokens, cache_creation_input_tokens, cache_read_input_tokens, cache_creation, output_tokens
    }
}

/// A value of the expected type, or `None` for any other.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// A list in which an entry of another type stands empty, so that the others are not lost.
fn lenient_list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let serde_json::Value::Array(entries) = serde_json::Value::deserialize(deserializer)? else {
        return Ok(None);
    };
    Ok(Some(entries.into_iter().map(|entry| serde_json::from_value(entry).unwrap_or_default()).collect()))
}
