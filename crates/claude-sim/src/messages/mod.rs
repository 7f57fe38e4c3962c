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

use serde::Serialize;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::limits::{self, Limits};
use crate::seed::{self, Purpose};
use crate::service::Call;
use crate::simulator::Shared;

pub use reply::{MAX_GENERATED_BYTES, Reply};
pub(crate) use stream::EventStream;

pub(crate) fn create(shared: &Shared, call: &Call<'_>) -> Result<Answer, ApiError> {
    let body = request::parse(call.body)?;
    let asked = request::Asked::read(&body, &call.head.headers, &shared.models)?;
    let mut rng = seed::rng(shared.seed, call.number, Purpose::Content);
    let message = message::Message::compose(&asked, &shared.next_reply(), &mut rng);
    let mut answer = if asked.stream {
        let padding = seed::rng(shared.seed, call.number, Purpose::Stream);
        Answer::events(EventStream::new(message, padding))
    } else {
        Answer::json(&message.as_json())
    };
    Limits::of(asked.model.line()).show(answer.headers_mut(), shared.date);
    Ok(answer)
}

pub(crate) fn count_tokens(shared: &Shared, call: &Call<'_>) -> Result<Answer, ApiError> {
    let body = request::parse(call.body)?;
    let input_tokens = request::count(&body, &call.head.headers, &shared.models)?;
    let mut answer = Answer::json(&Count { input_tokens });
    limits::show_count_tokens(answer.headers_mut(), shared.date);
    Ok(answer)
}

#[derive(Serialize)]
struct Count {
    input_tokens: u64,
}
