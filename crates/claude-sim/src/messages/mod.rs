//! `POST /v1/messages` and `POST /v1/messages/count_tokens`.
//!
//! A request becomes a [`Message`](message::Message) first, whole and complete, and that is sent as JSON or
//! as events; so both say the same.

mod block;
mod check;
mod citation;
mod content;
mod fallbacks;
mod fields;
mod kinds;
mod message;
mod replay;
mod reply;
mod request;
mod sampling;
mod schema;
mod seal;
mod server_tool;
mod stop;
mod stream;
mod text;
mod thinking;
mod tools;
mod usage;
mod writer;

use std::sync::Arc;

use http::HeaderMap;
use serde::Serialize;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::execution::Execution;
use crate::limits::{self, Admission};
use crate::seed::{self, Purpose};
use crate::service::Call;
use crate::simulator::Shared;

use request::Asked;

pub use block::Block;
pub use citation::Citation;
pub use kinds::NamedReply;
pub use reply::{MAX_GENERATED_BYTES, Reply};
pub use stop::{RefusalCategory, StopReason};
pub(crate) use stream::{Event, EventStream, PING, Part};
pub(crate) use usage::{Line, Usage};

pub(crate) fn create(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, ApiError> {
    let body = request::parse(call.body)?;
    let headers = &call.head.headers;
    let asked = Asked::read(&body, call.body, headers, &shared.models, request::Purpose::Answer)?;
    let named = named_reply(headers)?;
    let plan = asked.plan(call.owner, shared);
    let admission = Admission::of(shared, call, asked.model, asked.speed, plan.uncached())?;
    let mut rng = seed::rng(shared.seed, call.number, Purpose::Content);
    let reply = named.unwrap_or_else(|| shared.next_reply());
    let plan = reply.cache.map_or(plan, |said| asked.plan_as(said));
    let start = asked.input_usage(plan.input);
    let message = message::Message::compose(&asked, &reply, start, shared.clock.date(), &mut rng);
    let mut execution = Execution::begin(admission, message.start.clone());
    if message.is_free() {
        execution.set_free();
    }
    let padding = seed::rng(shared.seed, call.number, Purpose::Stream);
    let mut answer = if asked.stream {
        let mut answer = Answer::events(EventStream::new(message, padding));
        execution.show_limits(answer.headers_mut());
        answer
    } else {
        // It shows its limits when it is written.
        let answer = Answer::json(&message.as_json());
        answer.writing(EventStream::new(message, padding))
    };
    answer.execute(execution);
    answer.cache_prompt(plan.into_ticket(shared));
    Ok(answer)
}

/// Chooses a reply from outside, by its name.
const REPLY_HEADER: &str = "x-sim-reply";

fn named_reply(headers: &HeaderMap) -> Result<Option<Reply>, ApiError> {
    let Some(name) = headers.get(REPLY_HEADER) else { return Ok(None) };
    let reply = name.to_str().ok().and_then(Reply::named);
    reply.map(Some).ok_or_else(|| {
        let names: Vec<_> = Reply::every_kind().iter().map(|kind| kind.name).collect();
        ApiError::invalid(format!("{REPLY_HEADER}: the simulator knows {}", names.join(", ")))
    })
}

pub(crate) fn count_tokens(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, ApiError> {
    let body = request::parse(call.body)?;
    let asked = Asked::read(&body, call.body, &call.head.headers, &shared.models, request::Purpose::Count)?;
    let limits = limits::admit_count(shared, call.owner)?;
    let mut answer = Answer::json(&Count { input_tokens: asked.input_tokens });
    answer.headers_mut().extend(limits);
    Ok(answer)
}

#[derive(Serialize)]
struct Count {
    input_tokens: u64,
}
