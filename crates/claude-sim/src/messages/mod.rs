//! `POST /v1/messages` and `POST /v1/messages/count_tokens`.
//!
//! A request becomes a [`Message`](message::Message) first, whole and complete, and that is sent as JSON or
//! as events; so both say the same.

mod check;
mod fields;
mod message;
mod reply;
mod request;
mod schema;
mod stream;
mod text;
mod thinking;
mod tokens;
mod tools;
mod usage;

use std::sync::Arc;

use serde::Serialize;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::execution::Execution;
use crate::limits::{self, Admission};
use crate::seed::{self, Purpose};
use crate::service::Call;
use crate::simulator::Shared;

pub use reply::{MAX_GENERATED_BYTES, Reply};
pub(crate) use stream::{Event, EventStream, Part};
pub(crate) use usage::Usage;

pub(crate) fn create(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, ApiError> {
    let body = request::parse(call.body)?;
    let asked = request::Asked::read(&body, &call.head.headers, &shared.models)?;
    let admission = Admission::of(shared, call, asked.model, asked.speed, asked.input_tokens)?;
    let mut rng = seed::rng(shared.seed, call.number, Purpose::Content);
    let message = message::Message::compose(&asked, &shared.next_reply(), &mut rng);
    let mut execution = Execution::begin(admission, message.usage.at_start());
    let mut answer = if asked.stream {
        let padding = seed::rng(shared.seed, call.number, Purpose::Stream);
        Answer::events(EventStream::new(message, padding))
    } else {
        execution.progress(message.usage.clone());
        Answer::json(&message.as_json())
    };
    execution.show_limits(answer.headers_mut());
    answer.execute(execution);
    Ok(answer)
}

pub(crate) fn count_tokens(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, ApiError> {
    let body = request::parse(call.body)?;
    let input_tokens = request::count(&body, &call.head.headers, &shared.models)?;
    let mut answer = Answer::json(&Count { input_tokens });
    limits::show_count_tokens(answer.headers_mut(), shared.clock.date());
    Ok(answer)
}

#[derive(Serialize)]
struct Count {
    input_tokens: u64,
}
