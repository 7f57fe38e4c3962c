//! A request that may be executed.

use std::sync::Arc;

use http::HeaderMap;

use super::Limits;
use crate::auth::Owner;
use crate::errors::ApiError;
use crate::models::{Line, Model};
use crate::service::Call;
use crate::simulator::Shared;

/// A message that has been let in: who asks for it, and which model executes it.
pub(crate) struct Admission {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
    number: u64,
    model: String,
    line: Option<Line>,
}

impl Admission {
    /// Lets a valid request in. `input_tokens` is what counts of its input: all that the prompt cache does not
    /// hold.
    pub(crate) fn of(
        shared: &Arc<Shared>,
        call: &Call<'_>,
        model: &Model,
        _speed: &'static str,
        _input_tokens: u64,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            shared: Arc::clone(shared),
            owner: Arc::clone(call.owner),
            number: call.number,
            model: model.id().to_owned(),
            line: model.line(),
        })
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) const fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The id of the model that executes it.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    pub(crate) fn show(&self, headers: &mut HeaderMap) {
        Limits::of(self.line).show(headers, self.shared.clock.date());
    }
}
