//! The `usage` object as it is written.

use serde::{Serialize, Serializer};

use super::{Run, RunKind, ServerTools, Usage};
use crate::bill::TokenCounts;

impl Usage {
    pub(in crate::messages) fn delta(&self) -> DeltaUsage {
        let top = self.top();
        DeltaUsage {
            input_tokens: top.input,
            cache_creation_input_tokens: top.cache_writes(),
            cache_read_input_tokens: top.cache_read,
            output_tokens: top.output,
            output_tokens_details: self.details(),
            server_tool_use: self.server_tools,
            iterations: self.iterations(),
        }
    }

    fn details(&self) -> Option<Details> {
        self.thinking_tokens.map(|thinking_tokens| Details { thinking_tokens })
    }

    fn iterations(&self) -> Option<Vec<Iteration>> {
        self.shows_runs.then(|| self.settled().into_iter().map(Iteration::of).collect())
    }
}

#[derive(Clone, Copy, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

impl CacheCreation {
    const fn of(tokens: &TokenCounts) -> Self {
        Self {
            ephemeral_5m_input_tokens: tokens.cache_write_5m,
            ephemeral_1h_input_tokens: tokens.cache_write_1h,
        }
    }
}

#[derive(Clone, Copy, Serialize)]
struct Details {
    thinking_tokens: u64,
}

/// What a `message_delta` says: totals, and nothing of how it was served.
#[derive(Serialize)]
pub(in crate::messages) struct DeltaUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<ServerTools>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<Vec<Iteration>>,
}

#[derive(Serialize)]
struct Iteration {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Named::is_left_out")]
    model: Named,
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_creation: CacheCreation,
}

/// The model of an iteration: a compaction says none, and a message of the model that was asked says null.
enum Named {
    LeftOut,
    As(Option<String>),
}

impl Named {
    const fn is_left_out(&self) -> bool {
        matches!(self, Self::LeftOut)
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::As(Some(model)) => serializer.serialize_str(model),
            Self::As(None) | Self::LeftOut => serializer.serialize_none(),
        }
    }
}

impl Iteration {
    fn of(run: Run) -> Self {
        let Run { kind, by, tokens } = run;
        let model = by.map(|by| by.model.clone());
        Self {
            r#type: match kind {
                RunKind::Message | RunKind::Declined => "message",
                RunKind::Fallback => "fallback_message",
                RunKind::Compaction => "compaction",
                RunKind::Advisor => "advisor_message",
            },
            model: if kind == RunKind::Compaction { Named::LeftOut } else { Named::As(model) },
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            cache_read_input_tokens: tokens.cache_read,
            cache_creation_input_tokens: tokens.cache_writes(),
            cache_creation: CacheCreation::of(&tokens),
        }
    }
}

impl Serialize for Usage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let top = self.top();
        let shown = Shown {
            input_tokens: top.input,
            cache_creation_input_tokens: top.cache_writes(),
            cache_read_input_tokens: top.cache_read,
            cache_creation: CacheCreation::of(&top),
            output_tokens: top.output,
            output_tokens_details: self.details(),
            server_tool_use: self.server_tools,
            service_tier: self.service_tier,
            inference_geo: self.asked.inference_geo,
            speed: self.asked.speed,
            iterations: self.iterations(),
        };
        shown.serialize(serializer)
    }
}

#[derive(Serialize)]
struct Shown {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<ServerTools>,
    service_tier: &'static str,
    inference_geo: &'static str,
    speed: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<Vec<Iteration>>,
}
