//! What is not repeated, what is given up, and what callers are told to make of it.

use serde_json::Value;

use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Closed;
use crate::support::wire::Peer;

use super::{As, BOTH, Path, ask, set};

/// Fault, attempts, status, and what the API itself says of another attempt.
const FAILURES: [(&str, usize, u16, Option<&str>); 14] = [
    ("overloaded", 4, 529, None),
    ("internal", 4, 500, None),
    ("status=408", 4, 408, None),
    ("status=409", 4, 409, None),
    ("status=429 retry-after-ms=1", 4, 429, None),
    ("status=400 should-retry=true", 4, 400, Some("true")),
    // One that does not say when it ends may be of the kind that stays.
    ("status=429", 2, 429, None),
    // Nobody waits so long.
    ("rate-limited=301", 1, 429, None),
    ("spend-cap", 1, 429, None),
    ("contract-spend-cap", 1, 429, None),
    ("gateway-spend-limit", 1, 429, Some("false")),
    ("status=500 should-retry=false", 1, 500, Some("false")),
    ("status=400", 1, 400, None),
    ("status=404", 1, 404, None),
];

/// The SDKs would repeat these, too, and both together would send many requests for one.
fn is_repeated_by_sdks(status: u16, said: Option<&str>) -> bool {
    said.map_or(matches!(status, 408 | 409 | 429 | 500..), |said| said == "true")
}

#[tokio::test]
async fn callers_are_told_not_to_repeat_what_was_given_up() {
    for final_word in ["true", "false"] {
        let path = Path::start(&[("FINAL_WORD", final_word)]).await;
        for how in BOTH {
            for (fault, attempts, status, said) in FAILURES {
                let what = format!("{fault}, {how:?}, final_word = {final_word}");
                let answer = path.ask(how, &format!("x-sim-fault: {fault}\r\n")).await;
                let requests = path.take_requests();
                assert_eq!((answer.head.status(), requests.len()), (status, attempts), "{what}");
                let told = final_word == "true" && is_repeated_by_sdks(status, said);
                assert_eq!(answer.should_retry(), if told { Some("false") } else { said }, "{what}");
                // It is the last attempt's.
                assert_eq!(
                    answer.head.get("request-id"),
                    Some(&*requests[attempts - 1].request_id),
                    "{what}"
                );
                let body: Value = serde_json::from_slice(&answer.body.whole()).unwrap();
                assert_eq!(body["type"], "error", "{what}");
            }
        }
    }
}

/// A stream that fails before its content each time comes as it would have without the gateway, which no SDK repeats.
#[tokio::test]
async fn the_last_stream_comes_as_it_is() {
    let path = Path::start(&[]).await;
    let answer = path.ask(As::Stream, "x-sim-fault: error-event=overloaded_error\r\n").await;
    assert_eq!((answer.head.status(), answer.should_retry()), (200, Some("false")));
    assert_eq!(path.take_requests().len(), 4);
    let body = String::from_utf8(answer.body.whole()).unwrap();
    assert!(body.starts_with("event: message_start\n"), "{body}");
    assert!(body.contains("event: error\n") && body.contains("overloaded_error"), "{body}");

    let answer = path.ask(As::Stream, "x-sim-fault: reset-after-headers\r\n").await;
    assert_eq!((answer.head.status(), answer.body.trailers), (200, None));
    assert_eq!(path.take_requests().len(), 4);
}

/// The gateway's own answers, where there is none of the upstream.
#[tokio::test]
async fn the_gateways_own_answers_are_final_too() {
    let closed = Closed::new();
    for (final_word, expected) in [("true", Some("false")), ("false", None)] {
        let mut command = gateway::repeating(&closed.url);
        let mut gateway = Gateway::start(set(&mut command, &[("FINAL_WORD", final_word)])).await;
        let answer = ask(Peer::connect(gateway.address).await, As::Whole, "").await;
        assert_eq!((answer.head.status(), answer.should_retry()), (502, expected));
        let line = gateway.logged("no answer from the upstream").await;
        assert!(line.contains("gave up after 4 attempts"), "{line}");

        let path = Path::start(&[("FINAL_WORD", final_word)]).await;
        let answer = path.ask(As::Whole, "x-sim-fault: reset-before-headers\r\n").await;
        assert_eq!((answer.head.status(), answer.should_retry()), (502, expected));
        assert_eq!(path.take_requests().len(), 4);

        let path = Path::start(&[("FINAL_WORD", final_word), ("TIMEOUT", "1s")]).await;
        let answer = path.ask(As::Whole, "x-sim-fault: stall-headers=forever\r\n").await;
        assert_eq!((answer.head.status(), answer.should_retry()), (504, expected));
        assert_eq!(path.take_requests().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_repeated_if_nothing_is_to_be() {
    for settings in [&[("ENABLED", "false")][..], &[("MAX_RETRIES", "0"), ("FINAL_WORD", "false")]] {
        let path = Path::start(settings).await;
        for how in BOTH {
            for (fault, _, status, said) in FAILURES {
                let answer = path.ask(how, &format!("x-sim-fault: {fault}\r\n")).await;
                let seen = (answer.head.status(), answer.should_retry(), path.take_requests().len());
                assert_eq!(seen, (status, said, 1), "{fault}, {how:?}, {settings:?}");
            }
            let answer = path.ask(how, "x-sim-fault: reset-before-headers\r\n").await;
            assert_eq!((answer.head.status(), answer.should_retry()), (502, None), "{how:?}, {settings:?}");
            assert_eq!(path.take_requests().len(), 1);
        }
    }
}

/// Batches and files are not made twice.
#[tokio::test]
async fn what_may_have_been_executed_is_repeated_only_where_that_costs_an_answer() {
    let path = Path::start(&[]).await;
    for (method, target, attempts) in [
        ("POST", "/v1/messages/batches", 1),
        ("POST", "/v1/messages/count_tokens", 4),
        ("POST", "/v1/files", 1),
        ("GET", "/v1/models", 4),
        ("DELETE", "/v1/files/file_1", 4),
    ] {
        let mut caller = Peer::connect(path.gateway.address).await;
        let body = if method == "POST" { "content-length: 2\r\n\r\n{}" } else { "\r\n" };
        let head = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nx-sim-fault: status=502\r\n");
        caller.send(format!("{head}{body}")).await;
        let head = caller.answer(method).await;
        assert_eq!((head.status(), head.get("x-should-retry")), (502, Some("false")), "{target}");
        assert_eq!(path.take_requests().len(), attempts, "{method} {target}");
    }
}
