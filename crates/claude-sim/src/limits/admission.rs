//! A request that may be executed.

use std::sync::Arc;

use http::HeaderMap;

use super::buckets::Draw;
use super::headers;
use crate::auth::Owner;
use crate::errors::ApiError;
use crate::messages::Usage;
use crate::models::Model;
use crate::service::Call;
use crate::simulator::Shared;

/// A message that has been let in: who asks for it, which model executes it, and what it took out of the
/// buckets so far.
pub(crate) struct Admission {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
    number: u64,
    model: String,
    draw: Draw,
    taken_input: u64,
    taken_output: u64,
}

impl Admission {
    /// Lets a valid request in, or answers with a 402 or a 429 and takes nothing. `input_tokens` is what counts of its
    /// input, as far as that is known already: what the prompt cache holds is free.
    pub(crate) fn of(
        shared: &Arc<Shared>,
        call: &Call<'_>,
        model: &Model,
        speed: &'static str,
        input_tokens: u64,
    ) -> Result<Self, ApiError> {
        shared.keys().check_credit(call.owner)?;
        let now = shared.clock.elapsed();
        let draw = Draw::new(call.owner, model.limit_class(), speed == "fast");
        let mut buckets = shared.buckets();
        let estimate = buckets.hidden().estimate(input_tokens, shared.seed, call.body);
        if let Err(refused) = buckets.admit(&draw, estimate, now) {
            let mut headers = HeaderMap::new();
            buckets.show(&draw, now).write(&mut headers, &shared.clock);
            return Err(refused.into_error(headers));
        }
        Ok(Self {
            shared: Arc::clone(shared),
            owner: Arc::clone(call.owner),
            number: call.number,
            model: model.id().to_owned(),
            draw,
            taken_input: estimate,
            taken_output: 0,
        })
    }

    /// So much has been used by now, in all: corrects the estimate of the input, and takes the output.
    pub(crate) fn charge(&mut self, usage: &Usage) {
        let (input, output) = usage.limited(self.draw.class.counts_cache_reads());
        let more = input.saturating_sub(self.taken_input);
        let less = self.taken_input.saturating_sub(input);
        let written = output.saturating_sub(self.taken_output);
        (self.taken_input, self.taken_output) = (input, output.max(self.taken_output));
        if (more, less, written) != (0, 0, 0) {
            let now = self.shared.clock.elapsed();
            self.shared.buckets().charge(&self.draw, more, less, written, now);
        }
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
        let shown = self.shared.buckets().show(&self.draw, self.shared.clock.elapsed());
        shown.write(headers, &self.shared.clock);
    }
}

/// Lets a request to `count_tokens` in, with the headers that say so, or answers with a 429.
pub(crate) fn admit_count(shared: &Shared, owner: &Owner) -> Result<HeaderMap, ApiError> {
    let now = shared.clock.elapsed();
    let mut buckets = shared.buckets();
    let admitted = buckets.admit_count(owner, now);
    let mut headers = HeaderMap::new();
    headers::show_requests(buckets.show_count(owner, now), &mut headers, &shared.clock);
    match admitted {
        Ok(()) => Ok(headers),
        Err(refused) => Err(refused.into_error(headers)),
    }
}
