//! The typed error: its words, its source, where it is found, and that it travels.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use claude_errors::observe::ObserveErrors;
use claude_errors::report::Report;
use claude_errors::typed::{ResponseBody, ResponseFuture, TypedErrors};
use claude_errors::{
    Blame, Classification, Error, ErrorKind, ErrorLayer, Messages, MetricsReporter, Observe, Retry,
    TracingReporter, Typed,
};
use claude_wire::call::{Refusal, RefusalKind};
use claude_wire::{Body, BoxError};
use http::Response;

fn of_response(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Error {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Error::from_response(response.body(Bytes::from(body)).unwrap(), SystemTime::UNIX_EPOCH).unwrap()
}

fn refused() -> Error {
    Error::from_service(Refusal::new(RefusalKind::Policy, "NO_TOOLS", "tools are not allowed"), None)
}

/// As every crate that is built on this one will want them.
#[test]
fn everything_travels() {
    fn check<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn sends<T: Send + Sync>() {}
    check::<Error>();
    check::<Classification>();
    check::<ErrorKind>();
    check::<Blame>();
    check::<Retry>();
    check::<Messages>();
    check::<ErrorLayer<Typed>>();
    check::<ErrorLayer<Observe>>();
    check::<TypedErrors<()>>();
    check::<ObserveErrors<()>>();
    check::<TracingReporter>();
    check::<MetricsReporter>();
    check::<Report<'static>>();
    sends::<ResponseBody<Body>>();
    sends::<ResponseFuture<std::future::Ready<()>, Body>>();
    sends::<claude_errors::observe::ResponseFuture<std::future::Ready<()>>>();
    #[cfg(feature = "sentry")]
    sends::<claude_errors::report::SentryReporter>();
}

#[test]
fn its_words() {
    let mut seen = std::collections::BTreeSet::new();
    for kind in ErrorKind::ALL {
        let words = kind.to_string();
        assert!(words.starts_with(char::is_lowercase) || words.starts_with("the API"), "{words}");
        assert!(!words.ends_with('.') && words.len() < 60, "{words}");
        assert!(seen.insert(words));
    }
    let limited = of_response(429, &[], "");
    assert_eq!(
        (limited.to_string(), limited.message()),
        ("the rate limit is reached".to_owned(), "the rate limit is reached")
    );
    assert_eq!(refused().to_string(), "tools are not allowed");
}

/// The same, whatever is around it and whatever it was.
#[test]
fn as_json() {
    for (error, expected) in [
        (
            of_response(429, &[], ""),
            r#"{"code":"RATE_LIMIT","message":"the rate limit is reached","retryable":true}"#,
        ),
        (
            of_response(401, &[], ""),
            r#"{"code":"AUTH_ERROR","message":"the API key is not accepted","retryable":false}"#,
        ),
        (refused(), r#"{"code":"NO_TOOLS","message":"tools are not allowed","retryable":false}"#),
    ] {
        assert_eq!(serde_json::to_string(&error).unwrap(), expected);
    }
}

#[test]
fn what_it_tells() {
    let body = r#"{"error":{"type":"rate_limit_error","message":"in its own words","details":{"error_code":"ramp_limit_exceeded"}}}"#;
    let error = of_response(429, &[("retry-after", "7"), ("request-id", "req_1")], body);
    assert_eq!(
        (error.kind(), error.code(), error.blame()),
        (ErrorKind::RampLimited, "RAMP_LIMIT", Blame::Account)
    );
    assert_eq!((error.status().unwrap().as_u16(), error.request_id()), (429, Some("req_1")));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.is_retryable() && !error.maybe_executed() && !error.is_refusal() && !error.is_mid_stream());
    assert_eq!(error.api_message(), Some("in its own words"));
    assert!(error.source().is_none());
    // Once is enough to be tried again.
    let once = of_response(429, &[], r#"{"error":{"type":"rate_limit_error"}}"#);
    assert_eq!((once.classification().retry, once.is_retryable()), (Retry::Once, true));
    assert!(refused().is_refusal());
    assert_eq!(refused().blame(), Blame::Stack);
}

#[test]
fn other_words() {
    let messages = Messages::new()
        .with("RATE_LIMIT", "one")
        .with("RATE_LIMIT", "Zu viel.")
        .with("NO_TOOLS".to_owned(), "Nein.".to_owned());
    assert_eq!(
        (messages.get("RATE_LIMIT"), messages.get("NO_TOOLS"), messages.get("TIMEOUT")),
        (Some("Zu viel."), Some("Nein."), None)
    );
    // A clone that is changed leaves the other as it is.
    let changed = messages.clone().with("RATE_LIMIT", "Genug.");
    assert_eq!((messages.get("RATE_LIMIT"), changed.get("RATE_LIMIT")), (Some("Zu viel."), Some("Genug.")));

    let error = of_response(429, &[], "");
    let german = error.clone().with_messages(&messages);
    assert_eq!((error.message(), german.message()), ("the rate limit is reached", "Zu viel."));
    assert_eq!(serde_json::to_value(&german).unwrap()["message"], "Zu viel.");
    assert_eq!(german.classification(), error.classification());
    assert_eq!(refused().with_messages(&messages).to_string(), "Nein.");
    assert_eq!(
        of_response(404, &[], "").with_messages(&messages).to_string(),
        "there is no such model or resource"
    );
    // In an answer, too.
    let event = Error::from_service(io::Error::from(io::ErrorKind::TimedOut), None);
    let answer = event.with_messages(&Messages::new().with("TIMEOUT", "Zu \"spät\".")).to_response();
    let tree: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(tree["error"]["message"], "Zu \"spät\".");
}

#[derive(Debug)]
struct Around(BoxError);

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("around")
    }
}

impl StdError for Around {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

#[test]
fn its_source_is_what_it_was_made_from() {
    let error = Error::from_service(Around(io::Error::from(io::ErrorKind::BrokenPipe).into()), None);
    for error in [error.clone(), error.with_messages(&Messages::new().with("CONNECTION_LOST", "x"))] {
        let source = error.source().unwrap().downcast_ref::<Around>().unwrap();
        let below = source.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(below.kind(), io::ErrorKind::BrokenPipe);
    }
    // What a refusal was found in, it still says.
    let error = Error::from_service(Around(Refusal::new(RefusalKind::Policy, "X", "x").into()), None);
    assert_eq!(error.source().unwrap().to_string(), "around");
    assert!(Refusal::find(&error).is_some());
}

/// Wherever it stands, and as it is.
#[test]
fn found_in_other_errors() {
    let error = || of_response(529, &[], "whole");
    let wrapped: Vec<BoxError> = vec![
        Box::new(error()),
        Box::new(Around(error().into())),
        Box::new(Around(Around(error().into()).into())),
        Box::new(io::Error::other(error())),
        Box::new(Around(io::Error::other(error()).into())),
        Box::new(Arc::new(error())),
        Box::new(Arc::new(io::Error::other(error()))),
        Box::new(Box::new(io::Error::other(error()))),
        Box::new(Arc::<dyn StdError + Send + Sync>::from(Box::new(error()) as BoxError)),
    ];
    for wrapped in wrapped {
        let found = Error::find(&*wrapped).unwrap();
        assert_eq!(found.response().unwrap().body(), "whole");
        assert_eq!(Classification::of_error(&*wrapped, None), *error().classification());
        assert_eq!(Error::from_service(wrapped, None).kind(), ErrorKind::Overloaded);
    }
    // The outermost of several.
    let outer = Error::from_service(Around(io::Error::from(io::ErrorKind::TimedOut).into()), None);
    assert_eq!(Error::find(&Around(outer.into())).unwrap().kind(), ErrorKind::Timeout);
    assert!(Error::find(&io::Error::other("words")).is_none());
}

#[test]
fn shown_to_developers() {
    let shown = format!(
        "{:?}",
        of_response(429, &[("request-id", "req_1")], r#"{"error":{"type":"rate_limit_error"}}"#)
    );
    for part in
        ["RATE_LIMIT", "RateLimited", "Once", "429", "rate_limit_error", "req_1", "mid_stream: false", ".."]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
