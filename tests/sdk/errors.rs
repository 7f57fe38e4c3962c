//! Which class of error each SDK raises for what: a table, so that two servers that are wrong in the same way do not
//! pass. As of Python 2.12.0 and TypeScript 1.12.0, 2026-11-20.

use crate::failures::{Call, Seen, WAYS};
use crate::harness::Sdk;

/// What an SDK is expected to make of a call.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    class: &'static str,
    /// TypeScript has none for an `error` event.
    status: Option<u16>,
    kind: Option<&'static str>,
    code: Option<&'static str>,
    attempts: u32,
}

impl Expected {
    const fn new(class: &'static str, status: u16) -> Self {
        Self { class, status: Some(status), kind: None, code: None, attempts: 1 }
    }

    pub(crate) fn check(&self, seen: &Seen) {
        let what = format!("{} ({}): {:?}", seen.call.fault, seen.call.way, seen.raised);
        assert_eq!(seen.class(), self.class, "{what}");
        let raised = seen.raised.as_ref().unwrap();
        assert_eq!(raised["status"].as_u64(), self.status.map(u64::from), "{what}");
        assert_eq!(raised["type"].as_str(), self.kind, "{what}");
        assert_eq!(raised["error_code"].as_str(), self.code, "{what}");
        assert_eq!(raised["details"]["error_code"].as_str(), self.code, "{what}");
        assert_eq!(seen.attempts, self.attempts, "{what}");
        assert_ne!(raised["message"], "", "{what}");
        if self.kind.is_some() {
            let request_id = raised["request_id"].as_str().unwrap();
            assert!(request_id.starts_with("req_"), "{what}");
            assert!(raised["body"]["request_id"].as_str().is_none_or(|id| id == request_id), "{what}");
        }
    }
}

/// All errors that are answers, in all ways.
pub(crate) fn all(sdk: Sdk) -> Vec<(Call, Expected)> {
    let mut all = Vec::new();
    let mut every_way = |fault: &str, expected: &Expected, max_retries: u32| {
        for way in WAYS {
            let attempts = if max_retries > 0 { expected.attempts } else { 1 };
            let call = Call { max_retries, ..Call::once(fault, way) };
            all.push((call, Expected { attempts, ..expected.clone() }));
        }
    };
    for (status, python, typescript, kind) in STATUSES {
        let class = if sdk == Sdk::Python { python } else { typescript };
        let bare = Expected { attempts: tried(status), ..Expected::new(class, status) };
        let typed = Expected { kind: Some(kind), ..bare.clone() };
        every_way(&format!("status={status}"), &typed, 0);
        every_way(&format!("status={status} body=html"), &bare, 0);
        every_way(&format!("status={status} body=empty"), &bare, 0);
        // Ten milliseconds instead of half a second.
        every_way(&format!("status={status} retry-after-ms=10"), &typed, 1);
    }
    for (status, code, class) in CODES {
        let kind = STATUSES.iter().find(|known| known.0 == status).map(|known| known.3);
        let attempts = tried(status);
        let expected = Expected { kind, code: Some(code), attempts, ..Expected::new(class, status) };
        every_way(&format!("status={status} code={code} retry-after-ms=10"), &expected, 1);
    }
    for &(fault, class, status, kind, attempts) in DETAILS {
        let class = match sdk {
            Sdk::TypeScript if class == "APIStatusError" => "APIError",
            _ => class,
        };
        let code = match fault {
            "ramp-limit=30" => Some("ramp_limit_exceeded"),
            "spend-cap" => Some("enforced_spend_limit_reached"),
            "contract-spend-cap" => Some("contract_spend_limit_reached"),
            _ => None,
        };
        let expected = Expected { kind, code, attempts, ..Expected::new(class, status) };
        every_way(fault, &expected, u32::from(fault.contains("retry-after-ms") || attempts > 1));
    }
    all.extend(events(sdk));
    all
}

/// Errors in a stream that has begun. What is asked for in one piece gets them as an answer instead.
fn events(sdk: Sdk) -> Vec<(Call, Expected)> {
    let (class, status) = if sdk == Sdk::Python { ("APIStatusError", Some(200)) } else { ("APIError", None) };
    let mut all = Vec::new();
    for (kind, of_status) in EVENTS {
        for place in ["at-start", "after=0", "after=1", "after=2", "after=2 no-request-id"] {
            let fault = format!("error-event={kind} {place}");
            let event = Expected { status, kind: Some(kind), ..Expected::new(class, 200) };
            for way in ["stream", "helper"] {
                // Never repeated: the caller has seen the beginning.
                all.push((Call { max_retries: 1, ..Call::once(&*fault, way) }, event.clone()));
            }
            let known = STATUSES.iter().find(|known| known.0 == of_status).unwrap();
            let class = if sdk == Sdk::Python { known.1 } else { known.2 };
            let whole = Expected { kind: Some(kind), ..Expected::new(class, of_status) };
            all.push((Call::once(&*fault, "whole"), whole));
        }
    }
    all
}

/// How often an SDK with one retry tries.
const fn tried(status: u16) -> u32 {
    if matches!(status, 408 | 409 | 429 | 500..) { 2 } else { 1 }
}

/// The errors that the simulator's JSON is checked by.
pub(crate) fn faults_with_json() -> Vec<String> {
    let mut faults: Vec<String> = STATUSES.iter().map(|known| format!("status={}", known.0)).collect();
    let known = CODES.iter().filter(|(_, code, _)| *code != UNKNOWN_CODE);
    faults.extend(known.map(|(status, code, _)| format!("status={status} code={code}")));
    faults.extend(EVENTS.iter().map(|(kind, _)| format!("error-event={kind}")));
    faults.extend(EVENTS.iter().map(|(kind, _)| format!("error-event={kind} at-start no-request-id")));
    faults
}

/// Errors that come in the middle of a stream, and the status that they have outside of one.
const EVENTS: [(&str, u16); 4] =
    [("overloaded_error", 529), ("api_error", 500), ("rate_limit_error", 429), ("timeout_error", 504)];

/// Everything that the SDKs make a class of: status, class in Python, class in TypeScript, type. `error_code`s have
/// classes of their own; see [`CODES`].
const STATUSES: [(u16, &str, &str, &str); 19] = [
    (400, "BadRequestError", "BadRequestError", "invalid_request_error"),
    (401, "AuthenticationError", "AuthenticationError", "authentication_error"),
    (402, "PaymentRequiredError", "PaymentRequiredError", "billing_error"),
    (403, "PermissionDeniedError", "PermissionDeniedError", "permission_error"),
    (404, "NotFoundError", "NotFoundError", "not_found_error"),
    (408, "RequestTimeoutError", "RequestTimeoutError", "timeout_error"),
    (409, "ConflictError", "ConflictError", "conflict_error"),
    (412, "PreconditionFailedError", "PreconditionFailedError", "memory_precondition_failed_error"),
    (413, "ContentTooLargeError", "ContentTooLargeError", "request_too_large"),
    (422, "UnprocessableEntityError", "UnprocessableEntityError", "invalid_request_error"),
    (429, "RateLimitError", "RateLimitError", "rate_limit_error"),
    (431, "RequestHeaderFieldsTooLargeError", "RequestHeaderFieldsTooLargeError", "invalid_request_error"),
    (499, "ClientClosedRequestError", "ClientClosedRequestError", "invalid_request_error"),
    (500, "InternalServerError", "InternalServerError", "api_error"),
    (501, "HTTPNotImplementedError", "NotImplementedError", "api_error"),
    (502, "InternalServerError", "InternalServerError", "api_error"),
    (503, "ServiceUnavailableError", "ServiceUnavailableError", "api_error"),
    (504, "GatewayTimeoutError", "GatewayTimeoutError", "timeout_error"),
    (529, "OverloadedError", "OverloadedError", "overloaded_error"),
];

const UNKNOWN_CODE: &str = "a_code_of_next_year";

/// Codes that a Messages request may meet: status, code, class in both SDKs.
const CODES: [(u16, &str, &str); 15] = [
    (400, "organization_on_hold", "OrganizationOnHoldError"),
    (400, "request_body_timeout", "BetaRequestBodyTimeoutError"),
    (400, "thread_continue_in_flight", "ThreadContinueInFlightError"),
    (400, "unsupported_charset", "BetaUnsupportedCharsetError"),
    (402, "linked_organization_spend_limit_reached", "LinkedOrganizationSpendLimitReachedError"),
    (403, "user_profile_not_billable", "UserProfileNotBillableError"),
    (404, "thread_not_found", "ThreadNotFoundError"),
    (409, "skill_read_blocked_undecryptable", "SkillReadBlockedUndecryptableError"),
    (413, "request_body_too_large_after_decoding", "RequestBodyTooLargeAfterDecodingError"),
    (429, "ramp_limit_exceeded", "RampLimitExceededError"),
    (429, "enforced_spend_limit_reached", "EnforcedSpendLimitReachedError"),
    (429, "contract_spend_limit_reached", "ContractSpendLimitReachedError"),
    (503, "cmek_key_unreachable", "CMEKKeyUnreachableError"),
    (529, "compaction_unavailable", "CompactionUnavailableError"),
    // Unknown ones are the bare status's.
    (429, UNKNOWN_CODE, "RateLimitError"),
];

/// What else may be said, and errors that have a name: class, status, type, and how often an SDK with one retry tries.
const DETAILS: &[(&str, &str, u16, Option<&str>, u32)] = &[
    ("rate-limited=12", "RateLimitError", 429, Some("rate_limit_error"), 1),
    ("ramp-limit=30", "RampLimitExceededError", 429, Some("rate_limit_error"), 1),
    ("spend-cap", "EnforcedSpendLimitReachedError", 429, Some("rate_limit_error"), 1),
    ("contract-spend-cap", "ContractSpendLimitReachedError", 429, Some("rate_limit_error"), 1),
    ("organization-spend-limit", "BadRequestError", 400, Some("invalid_request_error"), 1),
    ("workspace-spend-limit", "BadRequestError", 400, Some("invalid_request_error"), 1),
    ("gateway-spend-limit retry-after-ms=10", "RateLimitError", 429, Some("billing_error"), 1),
    ("overloaded", "OverloadedError", 529, Some("overloaded_error"), 1),
    ("internal executed", "InternalServerError", 500, Some("api_error"), 1),
    (
        "status=429 retry-after=\"Sun, 22 Nov 2026 12:00:00 GMT\"",
        "RateLimitError",
        429,
        Some("rate_limit_error"),
        1,
    ),
    ("status=500 retry-after-ms=10 should-retry=false", "InternalServerError", 500, Some("api_error"), 1),
    (
        "status=400 retry-after-ms=10 should-retry=true",
        "BadRequestError",
        400,
        Some("invalid_request_error"),
        2,
    ),
    ("status=413 body=html retry-after-ms=10", "ContentTooLargeError", 413, None, 1),
    ("status=502 body=html retry-after-ms=10", "InternalServerError", 502, None, 2),
    ("status=404 no-type", "NotFoundError", 404, None, 1),
    ("status=404 type=error_of_next_year", "NotFoundError", 404, Some("error_of_next_year"), 1),
    (
        "status=400 message=\"\\xc3\\xa4 \\xf0\\x9f\\xa6\\x80\"",
        "BadRequestError",
        400,
        Some("invalid_request_error"),
        1,
    ),
    ("status=400 bytes=\"{\\\"type\\\":\" content-type=application/json", "BadRequestError", 400, None, 1),
    ("status=418", "APIStatusError", 418, Some("invalid_request_error"), 1),
    ("status=507 body=empty", "InternalServerError", 507, None, 1),
    (
        "status=500 header=\"anthropic-ratelimit-requests-remaining: 0\"",
        "InternalServerError",
        500,
        Some("api_error"),
        1,
    ),
];
