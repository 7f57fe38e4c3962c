//! What a call that was given up says: to callers, to official SDKs behind them, and in logs.

use std::error::Error;
use std::io::ErrorKind::{ConnectionRefused, ConnectionReset};

use claude_errors::ErrorLayer;
use claude_retry::{GaveUp, MaybeExecuted, Quota, Reason, RetryError, RetryLayer};
use claude_wire::Body;
use claude_wire::BoxError;
use http::{Method, Request};
use tower::{Layer, ServiceExt};

use crate::support::{
    Client, Deed, Ready, Wrapped, gave_up, io, millis, never, ok, plain, post, post_due, secs, send, status,
};

/// For each reason: a layer, a call and a client of which it comes, and how it ends.
fn each() -> Vec<(Reason, RetryLayer, Request<Body>, Client, u32)> {
    let refused = || Client::new([io(ConnectionRefused)]);
    let streamed = Body::stream(Body::from("{}"));
    let streamed = Request::post("/v1/messages").body(streamed).unwrap();
    let batch = || Request::post("/v1/messages/batches").body(Body::from("{}")).unwrap();
    let broke = || Quota::new(0.0, 0).unwrap();
    vec![
        (Reason::Attempts, plain(), post(), refused(), 4),
        (Reason::Quota, plain().with_quota(broke()), post(), refused(), 1),
        (Reason::Deadline, plain().with_timeout(millis(5)), post(), refused(), 1),
        (Reason::LongWait, plain().with_max_wait(millis(5)), post(), refused(), 1),
        (
            Reason::NotReady,
            plain().with_only_if_ready(true),
            post(),
            refused().ready_as([Ready::Now, Ready::Never]),
            1,
        ),
        (Reason::MaybeExecuted, plain(), batch(), Client::new([io(ConnectionReset)]), 1),
        (Reason::StreamedRequest, plain(), streamed, refused(), 1),
    ]
}

#[tokio::test(start_paused = true)]
async fn of_every_reason() {
    let words = [
        ("attempts", "gave up after 4 attempts: no further attempt is allowed"),
        ("quota", "gave up after 1 attempt: there is no retry quota left"),
        ("deadline", "gave up after 1 attempt: the deadline is past or cannot be met"),
        ("long_wait", "gave up after 1 attempt: the wait would be too long"),
        ("not_ready", "gave up after 1 attempt: the service is not ready"),
        ("maybe_executed", "gave up after 1 attempt: the request may have been executed"),
        ("streamed_request", "gave up after 1 attempt: the request body can be sent only once"),
    ];
    for ((reason, layer, request, client, attempts), (name, words)) in each().into_iter().zip(words) {
        let error: BoxError = send(&layer, &client, request).await.unwrap_err();
        assert_eq!(error.to_string(), words);
        assert_eq!(reason.as_str(), name);
        let said = GaveUp::find(&*error).unwrap();
        assert_eq!((said.reason, said.attempts), (reason, attempts));
        assert_eq!(said.to_string(), words);
        assert!(words.ends_with(&reason.to_string()));
        let ours = error.downcast_ref::<RetryError>().unwrap();
        assert_eq!(ours.gave_up(), said);
        assert!(ours.source().is_some(), "and why");
        // Wherever in a chain it stands.
        assert_eq!(GaveUp::find(&Wrapped(Wrapped(RetryOf(error)))), Some(said));
    }
    assert_eq!(GaveUp::find(&Wrapped(crate::support::Strange)), None);
}

/// A boxed error as one that has a source.
#[derive(Debug)]
struct RetryOf(BoxError);

impl std::fmt::Display for RetryOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("retry of")
    }
}

impl Error for RetryOf {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// The same of responses, where there is one: with the failure as it came.
#[tokio::test(start_paused = true)]
async fn of_responses() {
    for (reason, layer, request, _, attempts) in each() {
        if reason == Reason::NotReady {
            // The answer was let go before the wait.
            continue;
        }
        let client = Client::new([status(500).header("request-id", "req_1")]);
        let response = send(&layer, &client, request).await.unwrap();
        let said = gave_up(&response).unwrap();
        assert_eq!((said.reason, said.attempts), (reason, attempts));
        assert_eq!(response.headers()["request-id"], "req_1");
    }
}

/// A client library above that takes errors apart finds what it would without the layer.
#[tokio::test(start_paused = true)]
async fn above_it_errors_are_what_they_were() {
    for (deed, kind) in [
        (io(ConnectionRefused), claude_errors::ErrorKind::Connection),
        (status(529), claude_errors::ErrorKind::Overloaded),
        (status(404), claude_errors::ErrorKind::NotFound),
    ] {
        let client = Client::new([deed]);
        let stack = ErrorLayer::typed().layer(plain().layer(client));
        let error = stack.oneshot(post()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    // And that an attempt before the last may have been executed.
    let client = Client::new([status(500), status(529)]);
    let stack = ErrorLayer::typed().layer(plain().layer(client));
    assert!(stack.oneshot(post()).await.unwrap_err().maybe_executed());
}

// The final word.

/// What `x-should-retry` says of an answer in the end.
async fn word(layer: &RetryLayer, deed: Deed) -> Option<String> {
    let client = Client::new([deed]);
    let response = send(layer, &client, post()).await.unwrap();
    let values: Vec<_> = response.headers().get_all("x-should-retry").iter().collect();
    assert!(values.len() <= 1, "one word");
    values.first().map(|value| value.to_str().unwrap().to_owned())
}

/// What the official SDKs would repeat once more is said to be final, and of nothing else anything.
#[tokio::test(start_paused = true)]
async fn the_final_word() {
    let gateway = plain().with_final_word(true);
    let no = Some("false".to_owned());
    for code in [408, 409, 429, 500, 501, 502, 503, 504, 520, 529] {
        assert_eq!(word(&gateway, status(code)).await, no, "{code}");
        assert_eq!(word(&plain(), status(code)).await, None, "{code}, unasked");
        let server = |word| status(code).header("x-should-retry", word);
        assert_eq!(word(&gateway, server("true")).await, no, "{code}");
        assert_eq!(word(&gateway, server("false")).await, no, "{code}");
        assert_eq!(word(&gateway, server("perhaps")).await, no, "{code}");
        assert_eq!(word(&plain(), server("true")).await, Some("true".to_owned()), "{code}");
    }
    for code in [400, 401, 402, 403, 404, 412, 413, 422, 499] {
        assert_eq!(word(&gateway, status(code)).await, None, "{code}");
        assert_eq!(word(&gateway, status(code).header("x-should-retry", "true")).await, no, "{code}");
    }
    for code in [200, 204, 301, 304] {
        assert_eq!(word(&gateway, status(code)).await, None, "{code}");
        let yes = Some("true".to_owned());
        assert_eq!(word(&gateway, status(code).header("x-should-retry", "true")).await, yes, "{code}");
    }
    // A spend limit is repeated here by nobody, and by the SDKs all the same.
    let spent = crate::support::coded("rate_limit_error", "enforced_spend_limit_reached");
    assert_eq!(word(&gateway, status(429).saying(spent)).await, no);
}

/// Whatever it was given up for.
#[tokio::test(start_paused = true)]
async fn the_final_word_of_every_reason() {
    for (reason, layer, request, _, _) in each() {
        if reason == Reason::NotReady {
            continue;
        }
        let client = Client::new([status(500)]);
        let response = send(&layer.with_final_word(true), &client, request).await.unwrap();
        assert_eq!(response.headers()["x-should-retry"], "false", "{reason:?}");
    }
    // A failure whose body the deadline cut short.
    let slow = status(529).streaming([crate::support::Step::Never]);
    let layer = plain().with_final_word(true);
    let response = send(&layer, &Client::new([slow]), post_due(secs(1))).await.unwrap();
    assert_eq!(response.headers()["x-should-retry"], "false");
    assert_eq!(gave_up(&response).unwrap().reason, Reason::Deadline);
}

// What is shown.

#[tokio::test(start_paused = true)]
async fn debug_says_what_is_set() {
    let layer = plain().with_max_retries(7).with_maybe_executed(MaybeExecuted::Leave);
    let shown = format!("{layer:?}");
    for part in ["RetryLayer", "max_retries: 7", "Leave", "Quota", "Backoff", "Hold"] {
        assert!(shown.contains(part), "{shown}");
    }
    let service = layer.layer(tower::service_fn(|_: Request<Body>| async {
        Ok::<_, BoxError>(http::Response::new(Body::empty()))
    }));
    assert!(!format!("{service:?}").is_empty());
    let mut service = layer.layer(Client::new([never()]));
    let future = tower::Service::call(service.ready().await.unwrap(), post());
    assert_eq!(format!("{future:?}"), "ResponseFuture");
    let request = Request::builder().method(Method::GET).uri("/v1/models").body(Body::empty()).unwrap();
    let response = send(&layer, &Client::new([ok()]), request).await.unwrap();
    assert_eq!(format!("{:?}", response.body()), "ResponseBody");
}
