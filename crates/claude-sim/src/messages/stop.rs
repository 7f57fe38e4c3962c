//! Why a message ends.

use serde::Serialize;

/// Why a message ends. See [`Reply::stopping_with`](crate::Reply::stopping_with).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The model had said all.
    EndTurn,
    /// The caller has to run a tool.
    ToolUse,
    /// `max_tokens` was reached.
    MaxTokens,
    /// This one of the `stop_sequences` was next.
    StopSequence(String),
    /// The server stopped a long turn; the caller may send it back to have it go on.
    PauseTurn,
    /// Classifiers refused. Before any output that is free, but for some categories; see [`RefusalCategory`].
    Refusal(Option<RefusalCategory>),
    /// The context was full before `max_tokens` was reached.
    ModelContextWindowExceeded,
    /// The input has been compacted, and the caller wanted to see that first (beta).
    Compaction,
}

/// What a refusal is about.
///
/// A refusal before any output is billed only if it is about [`Bio`](Self::Bio),
/// [`FrontierLlm`](Self::FrontierLlm) or [`ReasoningExtraction`](Self::ReasoningExtraction) (the API's
/// documentation on pricing, since 2026-09-24), although `usage` shows tokens. One in mid-output is always billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalCategory {
    /// Attacks on computers.
    Cyber,
    /// Biological harm.
    Bio,
    /// Help for competing models.
    FrontierLlm,
    /// The model's own reasoning.
    ReasoningExtraction,
    /// Other harm.
    GeneralHarms,
}

impl RefusalCategory {
    /// Whether such a refusal costs something although nothing was put out.
    const fn is_billed(self) -> bool {
        matches!(self, Self::Bio | Self::FrontierLlm | Self::ReasoningExtraction)
    }
}

#[derive(Serialize)]
pub(super) struct StopDetails {
    r#type: &'static str,
    category: Option<RefusalCategory>,
    explanation: Option<&'static str>,
}

impl StopReason {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::ToolUse => "tool_use",
            Self::MaxTokens => "max_tokens",
            Self::StopSequence(_) => "stop_sequence",
            Self::PauseTurn => "pause_turn",
            Self::Refusal(_) => "refusal",
            Self::ModelContextWindowExceeded => "model_context_window_exceeded",
            Self::Compaction => "compaction",
        }
    }

    pub(super) fn sequence(&self) -> Option<&str> {
        match self {
            Self::StopSequence(sequence) => Some(sequence),
            _ => None,
        }
    }

    pub(super) fn details(&self) -> Option<StopDetails> {
        let &Self::Refusal(category) = self else { return None };
        let explanation = category.map(|_| "The simulator was told to refuse this request.");
        Some(StopDetails { r#type: "refusal", category, explanation })
    }

    /// Whether a message that ends so, and has no content, is off the bill.
    pub(super) const fn is_free_before_output(&self) -> bool {
        match self {
            Self::Refusal(None) => true,
            Self::Refusal(Some(category)) => !category.is_billed(),
            _ => false,
        }
    }
}
