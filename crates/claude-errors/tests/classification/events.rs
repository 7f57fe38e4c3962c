//! `error` events of streams that began well.

use claude_errors::Blame::{Account, Caller, Server};
use claude_errors::Retry::{No, Yes};
use claude_errors::{Blame, Classification, Error, ErrorKind};
use claude_wire::ErrorBody;

use crate::support::Executed::Perhaps;
use crate::support::{Row, coded, row, typed};

fn event(data: &str) -> Classification {
    Classification::of_event(&ErrorBody::read(data.as_bytes()).unwrap())
}

/// By their code and type, and always perhaps executed.
#[test]
fn by_type() {
    for (error_type, kind, code, retry, blame) in [
        ("invalid_request_error", ErrorKind::InvalidRequest, "BAD_REQUEST", No, Caller),
        ("authentication_error", ErrorKind::Authentication, "AUTH_ERROR", No, Account),
        ("billing_error", ErrorKind::Billing, "BILLING_ERROR", No, Account),
        ("permission_error", ErrorKind::PermissionDenied, "PERMISSION_DENIED", No, Account),
        ("not_found_error", ErrorKind::NotFound, "NOT_FOUND", No, Caller),
        ("request_too_large", ErrorKind::RequestTooLarge, "REQUEST_TOO_LARGE", No, Caller),
        ("rate_limit_error", ErrorKind::RateLimited, "RATE_LIMIT", Yes, Account),
        ("timeout_error", ErrorKind::Timeout, "TIMEOUT", Yes, Server),
        ("overloaded_error", ErrorKind::Overloaded, "OVERLOADED", Yes, Server),
        ("conflict_error", ErrorKind::Conflict, "CONFLICT", Yes, Caller),
        ("memory_path_conflict_error", ErrorKind::Conflict, "CONFLICT", Yes, Caller),
        (
            "memory_precondition_failed_error",
            ErrorKind::PreconditionFailed,
            "PRECONDITION_FAILED",
            No,
            Caller,
        ),
        ("api_error", ErrorKind::Server, "SERVER_ERROR", Yes, Server),
        ("a_type_of_tomorrow", ErrorKind::Server, "SERVER_ERROR", Yes, Server),
        ("", ErrorKind::Server, "SERVER_ERROR", Yes, Server),
    ] {
        let judged = event(&typed(error_type));
        assert_eq!(Row::from(&judged), row(kind, code, retry, Perhaps, blame), "{error_type}");
        assert_eq!((judged.status, judged.retry_after), (None, None));
        assert_eq!(judged.request_id.as_deref(), Some("req_1"));
        let named = Some(error_type).filter(|error_type| !error_type.is_empty());
        assert_eq!(judged.error_type.as_deref(), named);
    }
    let silent = event(r#"{"error":{}}"#);
    assert_eq!(Row::from(&silent), row(ErrorKind::Server, "SERVER_ERROR", Yes, Perhaps, Server));
}

#[test]
fn by_code() {
    let judged = |code: &str| {
        let judged = event(&coded("api_error", code));
        assert!(judged.maybe_executed);
        assert_eq!(judged.error_code.as_deref(), Some(code));
        (judged.kind, judged.retry)
    };
    assert_eq!(judged("enforced_spend_limit_reached"), (ErrorKind::SpendLimit, No));
    assert_eq!(judged("ramp_limit_exceeded"), (ErrorKind::RampLimited, Yes));
    assert_eq!(judged("compaction_unavailable"), (ErrorKind::Overloaded, Yes));
    assert_eq!(judged("cmek_key_unreachable"), (ErrorKind::Server, Yes));
    assert_eq!(judged("a_code_of_tomorrow"), (ErrorKind::Server, Yes));
}

#[test]
fn as_an_error() {
    let said = ErrorBody::read(typed("overloaded_error").as_bytes()).unwrap();
    let error = Error::from_event(&said);
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.is_mid_stream() && error.maybe_executed() && error.is_retryable());
    assert_eq!(error.api_message(), Some("why"));
    assert_eq!(error.status(), None);
    assert!(error.response().is_none());
}

#[test]
fn an_answer_that_breaks_off() {
    let judged = Classification::of_cut_answer(None);
    let expected = row(ErrorKind::IncompleteResponse, "INCOMPLETE_RESPONSE", Yes, Perhaps, Blame::Network);
    assert_eq!(Row::from(&judged), expected);
}
