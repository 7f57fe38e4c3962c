//! Responses: by code, by status, by type.

use claude_errors::Blame::{Account, Caller, Network, Server};
use claude_errors::ErrorKind::{
    Authentication, Billing, Conflict, ConnectionLost, InvalidRequest, NotFound, Overloaded,
    PermissionDenied, PreconditionFailed, RampLimited, RateLimited, RequestTooLarge, Server as ServerKind,
    SpendLimit, Timeout,
};
use claude_errors::Retry::{No, Once, Yes};
use claude_errors::{Classification, ErrorKind};
use claude_wire::ErrorBody;
use http::{HeaderMap, StatusCode};

use crate::support::Executed::{Not, Perhaps};
use crate::support::{Row, coded, headers, judge, now, row, typed};

const BAD_REQUEST: Row = row(InvalidRequest, "BAD_REQUEST", No, Not, Caller);
const AUTH: Row = row(Authentication, "AUTH_ERROR", No, Not, Account);
const BILLING: Row = row(Billing, "BILLING_ERROR", No, Not, Account);
const DENIED: Row = row(PermissionDenied, "PERMISSION_DENIED", No, Not, Account);
const NOT_FOUND: Row = row(NotFound, "NOT_FOUND", No, Not, Caller);
const CONFLICT: Row = row(Conflict, "CONFLICT", Yes, Not, Caller);
const PRECONDITION: Row = row(PreconditionFailed, "PRECONDITION_FAILED", No, Not, Caller);
const TOO_LARGE: Row = row(RequestTooLarge, "REQUEST_TOO_LARGE", No, Not, Caller);
const RATE: Row = row(RateLimited, "RATE_LIMIT", Yes, Not, Account);
const RATE_ONCE: Row = row(RateLimited, "RATE_LIMIT", Once, Not, Account);
const RAMP: Row = row(RampLimited, "RAMP_LIMIT", Yes, Not, Account);
const SPEND: Row = row(SpendLimit, "SPEND_LIMIT", No, Not, Account);
const SERVER: Row = row(ServerKind, "SERVER_ERROR", Yes, Perhaps, Server);
const NOT_SERVED: Row = row(ServerKind, "SERVER_ERROR", Yes, Not, Server);
const OVERLOADED: Row = row(Overloaded, "OVERLOADED", Yes, Not, Server);
const SLOW: Row = row(Timeout, "TIMEOUT", Yes, Perhaps, Server);
const BODY_SLOW: Row = row(Timeout, "TIMEOUT", Yes, Not, Network);
const LEFT: Row = row(ConnectionLost, "CONNECTION_LOST", No, Perhaps, Network);

fn is(status: u16, with: &HeaderMap, body: &str, expected: Row) {
    let judged = judge(status, with, body).unwrap();
    assert_eq!(Row::from(&judged), expected, "{status} {with:?} {body}");
    assert_eq!(judged.status.unwrap(), status);
    assert_eq!(judged.cause, None);
}

/// Bodies that say nothing: what an edge sends, and what is garbage.
const SILENT: [&str; 8] = [
    "",
    "<html><body>413 Request Entity Too Large</body></html>",
    "\u{fffd}\0\x01",
    r#"{"error":"no object"}"#,
    r#"{"error":["rate_limit_error"]}"#,
    r#"{"type":"error"}"#,
    r#"{"type":"error","error":{"type":"overloaded_error""#,
    "null",
];

#[test]
fn statuses_alone() {
    let rows: Vec<(u16, Row)> = vec![
        (400, BAD_REQUEST),
        (401, AUTH),
        (402, BILLING),
        (403, DENIED),
        (404, NOT_FOUND),
        (405, BAD_REQUEST),
        (407, BAD_REQUEST),
        (408, SLOW),
        (409, CONFLICT),
        (410, BAD_REQUEST),
        (411, BAD_REQUEST),
        (412, PRECONDITION),
        (413, TOO_LARGE),
        (418, BAD_REQUEST),
        (422, BAD_REQUEST),
        (424, BAD_REQUEST),
        (425, BAD_REQUEST),
        (429, RATE),
        (431, BAD_REQUEST),
        (498, BAD_REQUEST),
        (499, LEFT),
        (500, SERVER),
        (501, NOT_SERVED),
        (502, SERVER),
        (503, SERVER),
        (504, SLOW),
        (505, SERVER),
        (520, SERVER),
        (524, SERVER),
        (528, SERVER),
        (529, OVERLOADED),
        (530, SERVER),
        (599, SERVER),
        (600, SERVER),
        (999, SERVER),
    ];
    for (status, expected) in rows {
        for body in SILENT {
            is(status, &HeaderMap::new(), body, expected);
        }
    }
}

/// Each status with the type that the API gives it.
#[test]
fn statuses_and_their_types() {
    for (status, error_type, expected) in [
        (400, "invalid_request_error", BAD_REQUEST),
        (401, "authentication_error", AUTH),
        (402, "billing_error", BILLING),
        (403, "permission_error", DENIED),
        (404, "not_found_error", NOT_FOUND),
        (408, "timeout_error", SLOW),
        (409, "conflict_error", CONFLICT),
        (409, "memory_path_conflict_error", CONFLICT),
        (412, "memory_precondition_failed_error", PRECONDITION),
        (412, "invalid_request_error", PRECONDITION),
        (413, "request_too_large", TOO_LARGE),
        (422, "invalid_request_error", BAD_REQUEST),
        (429, "rate_limit_error", RATE_ONCE),
        (429, "billing_error", SPEND),
        (431, "invalid_request_error", BAD_REQUEST),
        (499, "api_error", LEFT),
        (500, "api_error", SERVER),
        (501, "api_error", NOT_SERVED),
        (502, "api_error", SERVER),
        (503, "api_error", SERVER),
        (503, "overloaded_error", OVERLOADED),
        (504, "timeout_error", SLOW),
        (529, "overloaded_error", OVERLOADED),
    ] {
        is(status, &HeaderMap::new(), &typed(error_type), expected);
    }
}

/// A status that covers everything gives way to a type that says more, and no other does.
#[test]
fn types_that_say_more_than_the_status() {
    for (error_type, at_400, at_500) in [
        ("invalid_request_error", BAD_REQUEST, SERVER),
        ("authentication_error", AUTH, AUTH),
        ("billing_error", BILLING, BILLING),
        ("permission_error", DENIED, DENIED),
        ("not_found_error", NOT_FOUND, NOT_FOUND),
        ("request_too_large", TOO_LARGE, TOO_LARGE),
        ("rate_limit_error", RATE, RATE),
        ("timeout_error", SLOW, SLOW),
        ("overloaded_error", OVERLOADED, OVERLOADED),
        ("conflict_error", CONFLICT, CONFLICT),
        ("memory_path_conflict_error", CONFLICT, CONFLICT),
        ("memory_precondition_failed_error", PRECONDITION, PRECONDITION),
        ("api_error", BAD_REQUEST, SERVER),
        ("", BAD_REQUEST, SERVER),
        ("a_type_of_tomorrow", BAD_REQUEST, SERVER),
    ] {
        for status in [400, 422, 498] {
            is(status, &HeaderMap::new(), &typed(error_type), at_400);
        }
        is(500, &HeaderMap::new(), &typed(error_type), at_500);
    }
    for (status, error_type, expected) in [
        (401, "overloaded_error", AUTH),
        (403, "not_found_error", DENIED),
        (404, "authentication_error", NOT_FOUND),
        (413, "invalid_request_error", TOO_LARGE),
        (502, "invalid_request_error", SERVER),
        (502, "overloaded_error", OVERLOADED),
        (504, "overloaded_error", SLOW),
        (599, "overloaded_error", OVERLOADED),
        (529, "api_error", OVERLOADED),
    ] {
        is(status, &HeaderMap::new(), &typed(error_type), expected);
    }
}

/// Every code of the API, at its status. Most say no more than that does.
#[test]
fn codes() {
    let quiet_400 = [
        "available_tools_limit_exceeded",
        "claude_code_key_creator_not_member",
        "claude_code_version_too_old",
        "cmek_key_disabled",
        "cmek_key_network_blocked",
        "compaction_block_ambiguous",
        "compaction_block_misplaced",
        "compaction_content_mismatch",
        "compaction_incomplete_turn",
        "compaction_nothing_to_summarize",
        "compaction_signature_invalid",
        "compaction_too_many_tool_references",
        "compaction_tool_changes_mismatch",
        "file_not_downloadable",
        "image_dimensions_too_large",
        "organization_not_enrolled_in_beta",
        "request_body_encoding_invalid",
        "request_body_encoding_unsupported",
        "storage_quota_exceeded",
        "thread_already_continued",
        "thread_fingerprint_mismatch",
        "thread_unsupported_request",
        "tool_name_conflict",
        "tool_reference_unresolved",
        "unsupported_charset",
        "user_profile_not_found",
        "user_profile_required",
        "a_code_of_tomorrow",
    ];
    for code in quiet_400 {
        is(400, &HeaderMap::new(), &coded("invalid_request_error", code), BAD_REQUEST);
    }
    for (status, error_type, code, expected) in [
        (400, "invalid_request_error", "organization_on_hold", DENIED),
        (400, "invalid_request_error", "request_body_timeout", BODY_SLOW),
        (400, "invalid_request_error", "thread_continue_in_flight", CONFLICT),
        (402, "billing_error", "linked_organization_billing_unavailable", BILLING),
        (402, "billing_error", "linked_organization_spend_limit_reached", SPEND),
        (403, "permission_error", "sandbox_egress_restricted", DENIED),
        (403, "permission_error", "user_profile_billing_not_authorized", DENIED),
        (403, "permission_error", "user_profile_not_billable", DENIED),
        (404, "not_found_error", "file_expired", NOT_FOUND),
        (404, "not_found_error", "thread_not_found", NOT_FOUND),
        (409, "conflict_error", "concurrent_membership_change", CONFLICT),
        (409, "conflict_error", "skill_read_blocked_undecryptable", CONFLICT),
        (412, "invalid_request_error", "heartbeat_precondition_failed", PRECONDITION),
        (413, "request_too_large", "request_body_too_large_after_decoding", TOO_LARGE),
        (429, "rate_limit_error", "ramp_limit_exceeded", RAMP),
        (429, "rate_limit_error", "enforced_spend_limit_reached", SPEND),
        (429, "rate_limit_error", "contract_spend_limit_reached", SPEND),
        (429, "rate_limit_error", "a_code_of_tomorrow", RATE_ONCE),
        (503, "api_error", "cmek_context_unavailable", NOT_SERVED),
        (503, "api_error", "cmek_key_unreachable", NOT_SERVED),
        (503, "api_error", "a_code_of_tomorrow", SERVER),
        (529, "overloaded_error", "compaction_unavailable", OVERLOADED),
        (529, "overloaded_error", "a_code_of_tomorrow", OVERLOADED),
        (500, "api_error", "a_code_of_tomorrow", SERVER),
    ] {
        is(status, &HeaderMap::new(), &coded(error_type, code), expected);
        let judged = judge(status, &HeaderMap::new(), &coded(error_type, code)).unwrap();
        assert_eq!(
            (judged.error_type.as_deref(), judged.error_code.as_deref()),
            (Some(error_type), Some(code))
        );
    }
}

/// A known code overrides whatever status and type a gateway made of it.
#[test]
fn codes_override_status_and_type() {
    for (code, expected) in [
        ("ramp_limit_exceeded", RAMP),
        ("enforced_spend_limit_reached", SPEND),
        ("contract_spend_limit_reached", SPEND),
        ("linked_organization_spend_limit_reached", SPEND),
        ("request_body_timeout", BODY_SLOW),
        ("thread_continue_in_flight", CONFLICT),
        ("organization_on_hold", DENIED),
        ("request_body_too_large_after_decoding", TOO_LARGE),
        ("cmek_context_unavailable", NOT_SERVED),
        ("cmek_key_unreachable", NOT_SERVED),
        ("compaction_unavailable", OVERLOADED),
    ] {
        for (status, error_type) in
            [(400, "invalid_request_error"), (418, "x"), (500, "api_error"), (502, "")]
        {
            is(status, &HeaderMap::new(), &coded(error_type, code), expected);
        }
    }
}

#[test]
fn spend_limits_that_customers_set() {
    let said = |error_type: &str, message: &str| {
        format!(r#"{{"type":"error","error":{{"type":"{error_type}","message":"{message}"}}}}"#)
    };
    let own = "You have reached your specified API usage limits. You will regain access on 2026-12-01.";
    let workspace = "You have reached your specified workspace API usage limits.";
    is(400, &HeaderMap::new(), &said("invalid_request_error", own), SPEND);
    is(400, &HeaderMap::new(), &said("invalid_request_error", workspace), SPEND);
    // Only as a beginning, and only of a 400.
    let quoted = format!("prompt: {own}");
    is(400, &HeaderMap::new(), &said("invalid_request_error", &quoted), BAD_REQUEST);
    is(422, &HeaderMap::new(), &said("invalid_request_error", own), BAD_REQUEST);
    is(500, &HeaderMap::new(), &said("api_error", own), SERVER);
}

/// A 429 of the API that does not say when it ends is tried once more; an edge's, and one that does, as long as it takes.
#[test]
fn a_429_that_does_not_say_when() {
    let json = typed("rate_limit_error");
    for (with, body, expected) in [
        (&[][..], &*json, RATE_ONCE),
        (&[("retry-after", "12")], &json, RATE),
        (&[("retry-after-ms", "12")], &json, RATE),
        (&[("retry-after", "garbage")], &json, RATE),
        (&[("x-should-retry", "true")], &json, RATE),
        (&[("x-should-retry", "false")], &json, Row { retry: No, ..RATE }),
        (&[], "slow down", RATE),
        (&[], "", RATE),
    ] {
        is(429, &headers(with), body, expected);
    }
}

/// What a coding hides may be the API's, and a spend limit.
#[test]
fn a_429_in_a_coding() {
    let gzip = ("content-encoding", "gzip");
    for (with, body, expected) in [
        (&[gzip][..], "", RATE_ONCE),
        (&[("content-encoding", "identity, br")], "", RATE_ONCE),
        (&[gzip, ("retry-after", "12")], "", RATE),
        (&[gzip, ("retry-after-ms", "12")], "", RATE),
        (&[gzip, ("retry-after", "garbage")], "", RATE),
        (&[gzip, ("x-should-retry", "true")], "", RATE),
        (&[gzip, ("x-should-retry", "false")], "", Row { retry: No, ..RATE }),
        // It hides nothing.
        (&[("content-encoding", "identity")], "", RATE),
        (&[("content-encoding", "")], "", RATE),
        // Somebody has read it all the same.
        (&[gzip], &typed("type_of_others"), RATE),
        (&[gzip], &typed("rate_limit_error"), RATE_ONCE),
        (&[gzip], &coded("rate_limit_error", "enforced_spend_limit_reached"), SPEND),
    ] {
        is(429, &headers(with), body, expected);
    }
    // Of no other status it says anything.
    for status in [408, 409, 500, 503, 529] {
        let bare = Row::from(&judge(status, &HeaderMap::new(), "").unwrap());
        is(status, &headers(&[gzip]), "", bare);
    }
}

/// The server's own word overrides what it would be otherwise, and nothing else does.
#[test]
fn x_should_retry() {
    for status in [400, 401, 404, 408, 409, 413, 429, 499, 500, 501, 503, 504, 529] {
        let silent = Row::from(&judge(status, &HeaderMap::new(), "").unwrap());
        for (word, retry) in [
            ("true", Yes),
            ("false", No),
            (" true ", Yes),
            ("TRUE", silent.retry),
            ("1", silent.retry),
            ("", silent.retry),
        ] {
            is(status, &headers(&[("x-should-retry", word)]), "", Row { retry, ..silent });
        }
    }
    let spent = coded("rate_limit_error", "enforced_spend_limit_reached");
    is(429, &headers(&[("x-should-retry", "true")]), &spent, Row { retry: Yes, ..SPEND });
    is(500, &headers(&[("x-should-retry", "false")]), &typed("api_error"), Row { retry: No, ..SERVER });
}

/// Whatever its headers and its body say.
#[test]
fn below_400_is_no_error() {
    let refusal = r#"{"type":"message","stop_reason":"refusal","stop_details":{"category":"cyber"}}"#;
    for status in [100, 101, 200, 201, 204, 301, 304, 307, 399] {
        for body in [refusal, "", &typed("overloaded_error")] {
            let with = headers(&[("x-should-retry", "true"), ("retry-after", "5")]);
            assert_eq!(judge(status, &with, body), None, "{status}");
        }
    }
}

#[test]
fn what_is_kept_of_a_response() {
    let body = coded("rate_limit_error", "ramp_limit_exceeded");
    let judged = judge(429, &headers(&[("request-id", "req_2")]), &body).unwrap();
    assert_eq!(judged.request_id.as_deref(), Some("req_2"));
    // The header counts before the body, and a header that is no name hides what the body says of it.
    let in_body = typed("api_error");
    for (header, expected) in
        [(Some("req_2"), Some("req_2")), (None, Some("req_1")), (Some("two words"), None)]
    {
        let with: Vec<_> = header.map(|id| ("request-id", id)).into_iter().collect();
        let judged = judge(500, &headers(&with), &in_body).unwrap();
        assert_eq!(judged.request_id.as_deref(), expected);
    }
    // Words that are no names are not kept, and judged all the same.
    let judged = judge(500, &HeaderMap::new(), &coded("my secret prompt", "two words")).unwrap();
    assert_eq!((judged.error_type, judged.error_code), (None, None));
    assert_eq!(judged.kind, ErrorKind::Server);
}

#[test]
fn without_a_body_at_all() {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let none = Classification::of_response(status, &HeaderMap::new(), None, now()).unwrap();
    assert_eq!(Row::from(&none), RATE);
    // JSON with an error in it is not yet the API's: proxies have that shape too.
    for (said, expected) in [
        (r#"{"error":{}}"#, RATE),
        (r#"{"error":{"code":429,"message":"too many","status":"RESOURCE_EXHAUSTED"}}"#, RATE),
        (r#"{"error":{"type":"rate_limit_error"}}"#, RATE_ONCE),
    ] {
        let body = ErrorBody::read(said.as_bytes()).unwrap();
        let judged = Classification::of_response(status, &HeaderMap::new(), Some(&body), now()).unwrap();
        assert_eq!(Row::from(&judged), expected, "{said}");
    }
}
