//! The request's `thinking`.

use super::fields::{self, Object};
use crate::errors::ApiError;
use crate::models::Rules;

/// The least budget that the API takes.
const MIN_BUDGET: u64 = 1_024;

/// Whether the answer begins with a thinking block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    Off,
    /// The thinking can be read.
    Shown,
    /// There is a signature and no text.
    Omitted,
}

impl Thinking {
    /// `max_tokens` is none for a count.
    pub(super) fn read(body: &Object, max_tokens: Option<u64>, rules: Rules) -> Result<Self, ApiError> {
        let Some(thinking) = fields::optional(body, "thinking") else {
            return Ok(Self::Off);
        };
        let thinking = fields::object(thinking, "thinking")?;
        match fields::string(fields::required(thinking, "thinking", "type")?, "thinking.type")? {
            "disabled" if !rules.thoughtless => {
                return Err(ApiError::invalid("\"thinking.type.disabled\" is not supported for this model."));
            }
            "disabled" | "between_tools" => return Ok(Self::Off),
            "adaptive" if !rules.adaptive => {
                return Err(ApiError::invalid("adaptive thinking is not supported on this model"));
            }
            "adaptive" => {}
            "enabled" if !rules.budgets => {
                return Err(ApiError::invalid(
                    "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \
                     \"output_config.effort\" to control thinking behavior.",
                ));
            }
            "enabled" => {
                let at = "thinking.enabled.budget_tokens";
                let budget = fields::required(thinking, "thinking.enabled", "budget_tokens")?;
                let budget = fields::count(budget, at)?;
                if budget < MIN_BUDGET {
                    return Err(fields::wrong(at, "Input should be greater than or equal to 1024"));
                }
                if max_tokens.is_some_and(|most| budget >= most) {
                    let complaint = "`max_tokens` must be greater than `thinking.budget_tokens`.";
                    return Err(ApiError::invalid(complaint));
                }
            }
            _ => {
                let complaint = "Input should be 'enabled', 'disabled', 'between_tools' or 'adaptive'";
                return Err(fields::wrong("thinking.type", complaint));
            }
        }
        // What is shown by default depends on the model, in a way that is not documented; here it is shown.
        match fields::optional(thinking, "display").map(|it| it.as_str()) {
            None | Some(Some("summarized")) => Ok(Self::Shown),
            Some(Some("omitted")) => Ok(Self::Omitted),
            Some(_) => Err(fields::wrong("thinking.display", "Input should be 'summarized' or 'omitted'")),
        }
    }

    pub(super) fn is_on(self) -> bool {
        self != Self::Off
    }
}
