//! Responses, and errors in streams.

use std::error::Error;
use std::time::SystemTime;

use claude_wire::ErrorBody;
use claude_wire::headers;
use claude_wire::meter::Meter;
use claude_wire::shown::name;
use http::header::DATE;
use http::{HeaderMap, StatusCode};

use super::{Classification, Retry};
use crate::kind::{Blame, ErrorKind};

/// The API's own "overloaded", a status without a name.
pub(crate) const OVERLOADED: u16 = 529;

/// How the messages begin of spend limits that a customer set himself (2026-08). They are 400s without a code.
const OWN_SPEND_LIMITS: [&str; 2] = [
    "You have reached your specified API usage limits",
    "You have reached your specified workspace API usage limits",
];

impl Classification {
    /// Judges a response; `None` if its status is below 400: a refusal of the model, for one, is a 200 and no error.
    ///
    /// `body` is what the response's body says, if it could be read and is of the API's shape. `now` is for a
    /// `retry-after` that is a date, where the response has no `date` of its own.
    #[must_use]
    pub fn of_response(
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&ErrorBody>,
        now: SystemTime,
    ) -> Option<Self> {
        if status.as_u16() < 400 {
            return None;
        }
        let empty = ErrorBody::default();
        let said = body.unwrap_or(&empty);
        let mut judged = judge(Some(status), headers, said);
        judged.status = Some(status);
        judged.error_type = boxed(said.error_type.as_deref());
        judged.error_code = boxed(said.error_code.as_deref());
        judged.request_id = boxed(headers::request_id(headers).or(said.request_id.as_deref()));
        // The server's own word.
        match headers::should_retry(headers) {
            Some(true) => judged.retry = Retry::Yes,
            Some(false) => judged.retry = Retry::No,
            None => {}
        }
        if judged.is_retryable() {
            judged.retry_after = headers::retry_after(headers, date(headers).unwrap_or(now));
        }
        Some(judged)
    }

    /// Judges the `error` event of a stream that began well. It was executed, in part at least.
    #[must_use]
    pub fn of_event(said: &ErrorBody) -> Self {
        let judged = judge(None, &HeaderMap::new(), said);
        Self {
            maybe_executed: true,
            error_type: boxed(said.error_type.as_deref()),
            error_code: boxed(said.error_code.as_deref()),
            request_id: boxed(said.request_id.as_deref()),
            ..judged
        }
    }

    /// Judges an answer that broke off: after a good head its body failed, with this error, or ended too soon.
    #[must_use]
    pub fn of_cut_answer(error: Option<&(dyn Error + 'static)>) -> Self {
        let judged = error.map(|error| Self::of_error(error, Some(true)));
        match judged {
            // A clock or a rule of a layer below, which says more than that the answer broke off.
            Some(judged) if matches!(judged.kind, ErrorKind::Timeout | ErrorKind::Refused(_)) => {
                Self { maybe_executed: true, ..judged }
            }
            judged => Self {
                cause: judged.and_then(|judged| judged.cause),
                maybe_executed: true,
                ..again(ErrorKind::IncompleteResponse)
            },
        }
    }
}

/// A word from outside, if it looks like a name.
fn boxed(text: Option<&str>) -> Option<Box<str>> {
    text.and_then(name).map(Into::into)
}

/// The response's own clock: a date against it needs no clock of ours, and is right where ours is not.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

fn judge(status: Option<StatusCode>, headers: &HeaderMap, said: &ErrorBody) -> Classification {
    if let Some(judged) = said.error_code.as_deref().and_then(by_code) {
        return judged;
    }
    let error_type = said.error_type.as_deref().unwrap_or_default();
    let Some(status) = status else {
        return by_type(error_type).unwrap_or_else(|| server(true));
    };
    match status.as_u16() {
        400 if is_own_spend_limit(said) => Classification::new(ErrorKind::SpendLimit),
        // Gateways are known to answer a 400 or a 500 for what has a status of its own.
        400 | 500 if is_telling(error_type) => by_type(error_type).unwrap_or_else(|| server(true)),
        401 => Classification::new(ErrorKind::Authentication),
        402 => Classification::new(ErrorKind::Billing),
        403 => Classification::new(ErrorKind::PermissionDenied),
        404 => Classification::new(ErrorKind::NotFound),
        408 | 504 => timeout(),
        409 => again(ErrorKind::Conflict),
        412 => Classification::new(ErrorKind::PreconditionFailed),
        413 => Classification::new(ErrorKind::RequestTooLarge),
        429 if error_type == "billing_error" => Classification::new(ErrorKind::SpendLimit),
        429 => rate_limited(headers, error_type),
        // The server's word for a caller that left: how far it got by then is not known.
        499 => Classification { maybe_executed: true, ..Classification::new(ErrorKind::ConnectionLost) },
        ..500 if is_telling(error_type) => by_type(error_type).unwrap_or_else(|| server(true)),
        ..500 => Classification::new(ErrorKind::InvalidRequest),
        OVERLOADED => again(ErrorKind::Overloaded),
        _ if error_type == "overloaded_error" => again(ErrorKind::Overloaded),
        501 => server(false),
        // A 503 too: an edge may say it of a service that did serve.
        _ if error_type == "timeout_error" => timeout(),
        _ => server(true),
    }
}

/// The codes that say more than their status and type do (as of 2026-11).
fn by_code(code: &str) -> Option<Classification> {
    Some(match code {
        "ramp_limit_exceeded" => again(ErrorKind::RampLimited),
        "enforced_spend_limit_reached"
        | "contract_spend_limit_reached"
        | "linked_organization_spend_limit_reached" => Classification::new(ErrorKind::SpendLimit),
        // The body did not arrive; nothing was done.
        "request_body_timeout" => again(ErrorKind::Timeout),
        "thread_continue_in_flight" => again(ErrorKind::Conflict),
        "organization_on_hold" => Classification::new(ErrorKind::PermissionDenied),
        "request_body_too_large_after_decoding" => Classification::new(ErrorKind::RequestTooLarge),
        "cmek_context_unavailable" | "cmek_key_unreachable" => again(ErrorKind::Server),
        "compaction_unavailable" => again(ErrorKind::Overloaded),
        _ => return None,
    })
}

/// By `error.type` alone: of an event, or where the status says little.
fn by_type(error_type: &str) -> Option<Classification> {
    Some(match error_type {
        "invalid_request_error" => Classification::new(ErrorKind::InvalidRequest),
        "authentication_error" => Classification::new(ErrorKind::Authentication),
        "billing_error" => Classification::new(ErrorKind::Billing),
        "permission_error" => Classification::new(ErrorKind::PermissionDenied),
        "not_found_error" => Classification::new(ErrorKind::NotFound),
        "request_too_large" => Classification::new(ErrorKind::RequestTooLarge),
        "rate_limit_error" => again(ErrorKind::RateLimited),
        "timeout_error" => timeout(),
        "overloaded_error" => again(ErrorKind::Overloaded),
        "conflict_error" | "memory_path_conflict_error" => again(ErrorKind::Conflict),
        "memory_precondition_failed_error" => Classification::new(ErrorKind::PreconditionFailed),
        "api_error" => server(true),
        _ => return None,
    })
}

/// Whether a type says more than a status that covers everything.
fn is_telling(error_type: &str) -> bool {
    !matches!(error_type, "invalid_request_error" | "api_error" | "") && by_type(error_type).is_some()
}

fn is_own_spend_limit(said: &ErrorBody) -> bool {
    let message = said.message.as_deref().unwrap_or_default();
    OWN_SPEND_LIMITS.iter().any(|start| message.starts_with(start))
}

/// A 429 of the API that does not say when to come back is probably a spend limit without its code, or with one that its
/// coding hides. Others' have other types, or none.
fn rate_limited(headers: &HeaderMap, error_type: &str) -> Classification {
    let says_when = headers.contains_key("retry-after") || headers.contains_key("retry-after-ms");
    let is_hidden = error_type.is_empty() && Meter::coding(headers).is_some();
    let may_be_the_api = by_type(error_type).is_some() || is_hidden;
    let retry = if may_be_the_api && !says_when { Retry::Once } else { Retry::Yes };
    Classification { retry, ..Classification::new(ErrorKind::RateLimited) }
}

fn again(kind: ErrorKind) -> Classification {
    Classification { retry: Retry::Yes, ..Classification::new(kind) }
}

fn server(maybe_executed: bool) -> Classification {
    Classification { maybe_executed, ..again(ErrorKind::Server) }
}

/// The server's own clock ran out.
fn timeout() -> Classification {
    Classification { maybe_executed: true, blame: Blame::Server, ..again(ErrorKind::Timeout) }
}
