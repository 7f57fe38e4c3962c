//! What a simulator tells by HTTP, to tests in other processes and languages.
//!
//! It asks for no key, and what comes in here is neither logged nor counted. The crate docs list it.

mod shapes;

use std::sync::Arc;

use claude_wire::BoxError;
use http::request::Parts;
use http::{Method, Response};
use http_body::Body;

use crate::answer::Answer;
use crate::body::SimBody;
use crate::delivery::Delivery;
use crate::encoding::Coding;
use crate::errors::ApiError;
use crate::faults::{self, Fault};
use crate::messages::Reply;
use crate::receive::{Received, receive};
use crate::simulator::Shared;

/// Where the API has nothing.
const PREFIX: &str = "/_sim/";

/// Whether a request is for the simulator itself.
pub(crate) fn is_meant(head: &Parts) -> bool {
    head.uri.path().starts_with(PREFIX)
}

pub(crate) async fn respond<B>(
    shared: &Arc<Shared>,
    head: &Parts,
    body: B,
) -> Result<Response<SimBody>, BoxError>
where
    B: Body<Data = bytes::Bytes>,
    B::Error: Into<BoxError>,
{
    let answer = match receive(body).await? {
        Received::TooLarge => Err(ApiError::too_large()),
        Received::Whole(body) => route(shared, head, &body),
    };
    let answer = answer.unwrap_or_else(|error| error.into_answer(""));
    let (coding, fault) = (Coding::accepted(&head.headers), Fault::none());
    Ok(answer.into_response(&Delivery { shared, number: 0, request_id: "", fault: &fault, coding }))
}

fn route(shared: &Shared, head: &Parts, body: &[u8]) -> Result<Answer, ApiError> {
    let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    match (path, &head.method) {
        ("bill", &Method::GET) => Ok(shapes::bill(shared.bill().lines(), asked_key(head).as_deref())),
        ("bill", &Method::DELETE) => Ok(shapes::bill(shared.bill().take(), None)),
        ("requests", &Method::GET) => Ok(shapes::requests(&shared.log().entries())),
        ("requests", &Method::DELETE) => Ok(shapes::requests(&shared.log().take())),
        ("bill" | "requests", _) => Err(ApiError::method_not_allowed("GET, DELETE")),
        ("faults", method) => faults::admin(&shared.faults, method, body),
        ("hidden", &Method::GET) => Ok(shapes::hidden(&shared.buckets().hidden())),
        ("replies", &Method::GET) => Ok(shapes::replies(&Reply::every_kind())),
        ("hidden" | "replies", _) => Err(ApiError::method_not_allowed("GET")),
        _ => Err(ApiError::not_found("Not Found")),
    }
}

/// The name of the key whose lines are asked for.
fn asked_key(head: &Parts) -> Option<String> {
    let query = head.uri.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, value)| (name == "key").then(|| value.into_owned()))
}
