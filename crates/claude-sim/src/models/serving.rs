//! How a model serves a request, as far as a price may depend on it.

use super::{FastMode, Model};

/// A model, and how it serves. A message may have runs of several models, and each has its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Serving {
    /// The model's id.
    pub(crate) model: String,
    pub(crate) speed: &'static str,
    pub(crate) inference_geo: &'static str,
    long_context: Option<u64>,
}

impl Serving {
    /// Whether a prompt of so many tokens is longer than what the usual price is for.
    pub(crate) fn is_long(&self, prompt: u64) -> bool {
        self.long_context.is_some_and(|most| prompt > most)
    }
}

impl Model {
    /// How it serves a request that would have it fast, or in the United States: as far as it can.
    pub(crate) fn serving(&self, fast: bool, us: bool) -> Serving {
        Serving {
            model: self.id.clone(),
            speed: if fast && matches!(self.fast, FastMode::Fast | FastMode::Preview) {
                "fast"
            } else {
                "standard"
            },
            inference_geo: match (self.shows_geo, us) {
                (false, _) => "not_available",
                (true, false) => "global",
                (true, true) => "us",
            },
            long_context: self.long_context,
        }
    }
}
