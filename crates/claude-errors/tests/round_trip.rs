//! An error from a response and back, byte for byte; and errors that were never a response, as one.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use claude_errors::{Error, ErrorKind, Messages, Retry};
use claude_wire::call::{Refusal, RefusalKind};
use claude_wire::{ErrorBody, headers};
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark(u32);

fn pairs(response: &Response<Bytes>) -> Vec<(String, Vec<u8>)> {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
    response.headers().iter().map(pair).collect()
}

fn any_headers() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let names = vec![
        "request-id",
        "retry-after",
        "x-should-retry",
        "set-cookie",
        "date",
        "content-length",
        "x-a",
        "x-b",
    ];
    let value = vec(prop_oneof![Just(b'\t'), 32..127_u8, 128..=255_u8], 0..12)
        .prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap());
    let telling =
        prop::sample::select(vec!["true", "false", "12", "0.5", "req_1", "Fri, 29 Sep 2023 16:26:57 GMT"])
            .prop_map(HeaderValue::from_static);
    vec((prop::sample::select(names).prop_map(HeaderName::from_static), prop_oneof![value, telling]), 0..12)
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let texts = vec![
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        r#"{"error": {"type":"x"}} "#,
        "<html>",
        "",
    ];
    prop_oneof![
        vec(any::<u8>(), 0..200),
        prop::sample::select(texts).prop_map(|text| text.as_bytes().to_vec())
    ]
}

proptest! {
    #[test]
    fn there_and_back(
        status in 100..1000_u16,
        version in prop::sample::select(vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_2]),
        headers in any_headers(),
        body in any_body(),
        mark in any::<u32>(),
    ) {
        let make = || {
            let mut response = Response::new(Bytes::from(body.clone()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            *response.version_mut() = version;
            for (name, value) in &headers {
                response.headers_mut().append(name.clone(), value.clone());
            }
            response.extensions_mut().insert(Mark(mark));
            response
        };
        let same = |back: &Response<Bytes>| {
            let sent = make();
            prop_assert_eq!((back.status(), back.version(), back.body()), (sent.status(), version, sent.body()));
            prop_assert_eq!(back.headers(), sent.headers());
            prop_assert_eq!(pairs(back), pairs(&sent));
            prop_assert_eq!(back.extensions().get(), Some(&Mark(mark)));
            Ok(())
        };
        match Error::from_response(make(), SystemTime::UNIX_EPOCH) {
            Err(back) => {
                prop_assert!(status < 400);
                same(&back)?;
            }
            Ok(error) => {
                prop_assert!(status >= 400);
                prop_assert_eq!(error.status().unwrap(), status);
                same(&error.to_response())?;
                same(&error.response().unwrap())?;
                // However often, from a clone, and in other words.
                let clone = error.clone().with_messages(&Messages::new().with(error.code(), "other words"));
                same(&clone.to_response())?;
                same(&Response::from(clone))?;
                #[cfg(feature = "axum")]
                {
                    let back = axum_core::response::IntoResponse::into_response(error);
                    let (head, body) = back.into_parts();
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    let body = runtime.block_on(http_body_util::BodyExt::collect(body)).unwrap().to_bytes();
                    same(&Response::from_parts(head, body))?;
                }
            }
        }
    }
}

fn refused(kind: RefusalKind) -> Error {
    Error::from_service(Refusal::new(kind, "ITS_OWN_CODE", "its own \"words\""), None)
}

fn of_io(kind: io::ErrorKind) -> Error {
    Error::from_service(io::Error::from(kind), None)
}

/// As whoever understands the API's errors reads it.
fn shape(error: &Error) -> (u16, String, String) {
    let response = error.to_response();
    assert!(error.response().is_none());
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["content-length"], response.body().len().to_string());
    let tree: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(tree["type"], "error");
    let read = ErrorBody::read(response.body()).unwrap();
    assert_eq!(read.message.as_deref(), Some(error.message()));
    assert_eq!(read.request_id.as_deref(), error.request_id());
    assert_eq!(headers::request_id(response.headers()), error.request_id());
    assert_eq!(tree.get("request_id").is_some(), error.request_id().is_some());
    assert_eq!(headers::should_retry(response.headers()), (!error.is_retryable()).then_some(false));
    (response.status().as_u16(), read.error_type.unwrap(), read.error_code.unwrap())
}

#[test]
fn the_table() {
    let unsendable = Error::from_service(http::Request::get("no uri").body(()).unwrap_err(), None);
    for (error, status, error_type, code) in [
        (of_io(io::ErrorKind::ConnectionRefused), 502, "api_error", "connection_error"),
        (of_io(io::ErrorKind::ConnectionReset), 502, "api_error", "connection_lost"),
        (of_io(io::ErrorKind::TimedOut), 504, "timeout_error", "timeout"),
        (of_io(io::ErrorKind::Other), 500, "api_error", "unknown_error"),
        (unsendable, 400, "invalid_request_error", "unsendable_request"),
        (refused(RefusalKind::RateLimited), 429, "rate_limit_error", "its_own_code"),
        (refused(RefusalKind::Overloaded), 529, "overloaded_error", "its_own_code"),
        (refused(RefusalKind::DeadlineExceeded), 504, "timeout_error", "its_own_code"),
        (refused(RefusalKind::BudgetExceeded), 402, "billing_error", "its_own_code"),
        (refused(RefusalKind::Unpriced), 400, "invalid_request_error", "its_own_code"),
        (refused(RefusalKind::NoCredential), 401, "authentication_error", "its_own_code"),
        (refused(RefusalKind::OriginNotAllowed), 403, "permission_error", "its_own_code"),
        (refused(RefusalKind::NotPermitted), 403, "permission_error", "its_own_code"),
        (refused(RefusalKind::CredentialUnavailable), 503, "api_error", "its_own_code"),
        (refused(RefusalKind::NoEndpoint), 503, "api_error", "its_own_code"),
        (refused(RefusalKind::Policy), 400, "invalid_request_error", "its_own_code"),
    ] {
        assert_eq!(shape(&error), (status, error_type.to_owned(), code.to_owned()), "{error:?}");
    }
}

/// An answer that is no HTTP, and one that broke off: only clients and bodies make those.
#[cfg(feature = "hyper")]
#[tokio::test]
async fn the_table_of_broken_answers() {
    use claude_errors::ErrorLayer;
    use http_body_util::BodyExt;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tower::{Layer, ServiceExt};

    let (ours, mut theirs) = tokio::io::duplex(100);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
    let request = http::Request::new(http_body_util::Empty::<Bytes>::new());
    let answers = async {
        theirs.read_u8().await.unwrap();
        theirs.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await.unwrap();
    };
    let (answer, _, ()) = tokio::join!(sender.send_request(request), connection, answers);
    let garbled = Error::from_service(answer.unwrap_err(), None);
    assert_eq!(shape(&garbled), (502, "api_error".to_owned(), "invalid_response".to_owned()));

    let half = tower::service_fn(|_: http::Request<claude_wire::Body>| async {
        Ok::<_, io::Error>(
            Response::builder()
                .header("content-type", "application/json")
                .body(claude_wire::Body::from("{"))
                .unwrap(),
        )
    });
    let request = http::Request::post("/v1/messages").body(claude_wire::Body::from("{}")).unwrap();
    let body = ErrorLayer::typed().layer(half).oneshot(request).await.unwrap().into_body();
    let cut = body.collect().await.unwrap_err();
    assert_eq!(shape(&cut), (502, "api_error".to_owned(), "incomplete_response".to_owned()));
}

fn event(error_type: &str, code: Option<&str>) -> Error {
    let mut said =
        serde_json::json!({"error": {"type": error_type, "message": "a secret"}, "request_id": "req_1"});
    if let Some(code) = code {
        said["error"]["details"] = serde_json::json!({"error_code": code});
    }
    Error::from_event(&ErrorBody::read(said.to_string().as_bytes()).unwrap())
}

/// The status of its kind, and the API's own type and code.
#[test]
fn events() {
    for (error_type, code, status, shown) in [
        ("invalid_request_error", None, 400, "bad_request"),
        ("authentication_error", None, 401, "auth_error"),
        ("billing_error", None, 402, "billing_error"),
        ("permission_error", None, 403, "permission_denied"),
        ("not_found_error", None, 404, "not_found"),
        ("conflict_error", None, 409, "conflict"),
        ("memory_precondition_failed_error", None, 412, "precondition_failed"),
        ("request_too_large", None, 413, "request_too_large"),
        ("rate_limit_error", None, 429, "rate_limit"),
        ("rate_limit_error", Some("ramp_limit_exceeded"), 429, "ramp_limit_exceeded"),
        ("rate_limit_error", Some("enforced_spend_limit_reached"), 429, "enforced_spend_limit_reached"),
        ("api_error", None, 500, "server_error"),
        ("a_type_of_tomorrow", Some("a_code_of_tomorrow"), 500, "a_code_of_tomorrow"),
        ("timeout_error", None, 504, "timeout"),
        ("overloaded_error", None, 529, "overloaded"),
    ] {
        let error = event(error_type, code);
        assert_eq!(shape(&error), (status, error_type.to_owned(), shown.to_owned()));
        assert_eq!(error.request_id(), Some("req_1"));
        assert!(!String::from_utf8_lossy(error.to_response().body()).contains("secret"));
    }
    // What is no name is not shown, and the type is that of the kind.
    assert_eq!(shape(&event("two words", None)), (500, "api_error".to_owned(), "server_error".to_owned()));
}

/// Whoever understands the answer comes to the same kind.
#[test]
fn read_again() {
    for error in [
        event("overloaded_error", None),
        event("rate_limit_error", Some("enforced_spend_limit_reached")),
        event("not_found_error", None),
        event("timeout_error", None),
    ] {
        let again = Error::from_response(error.to_response(), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!((again.kind(), again.is_retryable()), (error.kind(), error.is_retryable()));
        assert_eq!(again.request_id(), error.request_id());
    }
    let spent = refused(RefusalKind::BudgetExceeded);
    let again = Error::from_response(spent.to_response(), SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!((again.kind(), again.classification().retry), (ErrorKind::Billing, Retry::No));
}

#[test]
fn waits_are_rounded_up() {
    for (wait, header) in [
        (Duration::ZERO, "0"),
        (Duration::from_nanos(1), "1"),
        (Duration::from_millis(999), "1"),
        (Duration::from_secs(1), "1"),
        (Duration::from_millis(1_001), "2"),
        (Duration::from_secs(60), "60"),
    ] {
        let refusal = Refusal::new(RefusalKind::RateLimited, "X", "x").with_retry_after(wait);
        let response = Error::from_service(refusal, None).to_response();
        assert_eq!(response.headers()["retry-after"], header, "{wait:?}");
        assert!(!response.headers().contains_key("x-should-retry"));
    }
    assert!(!refused(RefusalKind::RateLimited).to_response().headers().contains_key("retry-after"));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn as_an_answer_of_axum() {
    for error in
        [of_io(io::ErrorKind::TimedOut), refused(RefusalKind::NoEndpoint), event("overloaded_error", None)]
    {
        let expected = error.to_response();
        let (head, body) = axum_core::response::IntoResponse::into_response(error).into_parts();
        assert_eq!((head.status, &head.headers), (expected.status(), expected.headers()));
        assert_eq!(http_body_util::BodyExt::collect(body).await.unwrap().to_bytes(), expected.body());
    }
}

#[test]
fn a_wait_without_end_is_a_long_one() {
    let refusal = Refusal::new(RefusalKind::RateLimited, "FULL", "full").with_retry_after(Duration::MAX);
    let response = Error::from_service(refusal, Some(false)).to_response();
    assert_eq!(response.headers()["retry-after"], "4294967");
}
