//! What the generations of models take of a request, and what they do not.
//!
//! From the documentation on models, thinking, tool use and errors, as of 2026-11-22.

use super::Line;

/// What a model takes. Whatever is not here, all take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// `tool_choice` of type `any` or `tool`.
    pub(crate) forced_tools: bool,
    /// A last message of the assistant, for the model to go on with.
    pub(crate) prefill: bool,
    /// `temperature`, `top_p` and `top_k` that are not the default, where the version takes them at all.
    pub(crate) sampling: bool,
    /// `thinking` of type `enabled`, with a budget.
    pub(crate) budgets: bool,
    /// `thinking` of type `adaptive`.
    pub(crate) adaptive: bool,
    /// `thinking` of type `disabled`.
    pub(crate) thoughtless: bool,
    /// `fallbacks`, a beta.
    pub(crate) fallbacks: bool,
}

impl Rules {
    /// Takes everything.
    pub(crate) const LENIENT: Self = Self {
        forced_tools: true,
        prefill: true,
        sampling: true,
        budgets: true,
        adaptive: true,
        thoughtless: true,
        fallbacks: true,
    };

    /// The rules of a line's generation, such as 5.5.
    pub(super) fn of(line: Line, generation: (u8, u8)) -> Self {
        let forces_none_from = match line {
            Line::Fable | Line::Mythos => Some((5, 1)),
            Line::Opus | Line::Sonnet => Some((5, 5)),
            Line::Haiku => None,
        };
        Self {
            forced_tools: forces_none_from.is_none_or(|first| generation < first),
            prefill: generation < (4, 6),
            sampling: generation < (4, 7),
            budgets: generation < (4, 7),
            adaptive: generation > (4, 5),
            thoughtless: !matches!(line, Line::Fable | Line::Mythos) || generation < (5, 0),
            fallbacks: line != Line::Haiku || generation < (5, 5),
        }
    }
}
