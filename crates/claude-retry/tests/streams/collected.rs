//! JSON answers that are read whole before they are handed on.

use std::error::Error;
use std::time::Duration;

use claude_errors::{Classification, ErrorKind};
use claude_retry::{MaybeExecuted, Quota, Reason, RetryError, RetryLayer};
use claude_wire::{Body, BoxError};
use http::{Method, Request, Response};
use tokio::time::Instant;

use crate::support::{
    JSON, MESSAGE, MESSAGES, READERS, Script, Step, Upstream, answer, call_of, data, gave_up, history, layer,
    millis, post, read, read_all, seconds, send, trailers,
};

fn collecting() -> RetryLayer {
    layer().with_collect(10_000)
}

fn json(steps: impl IntoIterator<Item = Step>) -> Response<Script> {
    answer(200, JSON, Script::new(steps))
}

/// What a client says when the connection ends before the `content-length` does.
fn too_short() -> BoxError {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}

fn cut_short() -> Vec<Vec<Step>> {
    let (left, right) = MESSAGE.split_at(30);
    vec![
        vec![Step::Fail],
        vec![Step::Wait, Step::FailWith(too_short)],
        vec![data(left), Step::Fail],
        vec![data(left), Step::Wait, data(&right[..50]), Step::FailWith(too_short)],
        vec![data(&MESSAGE[..MESSAGE.len() - 1]), Step::Fail],
        // In good order, but not whole.
        vec![data("{")],
        vec![data(left)],
        vec![data(left), Step::Wait, Step::Trailers],
        vec![data(left), data(&right[..right.len() - 1])],
    ]
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_short_is_repeated() {
    for steps in cut_short() {
        for knows in [false, true] {
            let shown = format!("{steps:?} {knows}");
            let bad = answer(200, JSON, Script::new(steps.clone()).knowing_if(knows));
            let upstream = Upstream::of([bad, json([data(MESSAGE)])]);
            let request = post(MESSAGES);
            let call = call_of(&request);
            let response = send(&collecting(), &upstream, request).await.unwrap();
            assert_eq!(gave_up(&response), None, "{shown}");
            assert_eq!(read_all(response).await.text(), MESSAGE, "{shown}");
            let cut = ("INCOMPLETE_RESPONSE", true, Some(millis(500)));
            assert_eq!(history(&call), [cut, ("ok", false, None)], "{shown}");
        }
    }
}

/// Unless whole answers are asked for.
#[tokio::test(start_paused = true)]
async fn by_default_answers_are_handed_on_as_they_come() {
    let upstream = Upstream::of([json([Step::Never])]);
    send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
    for steps in cut_short() {
        let upstream = Upstream::of([json(steps.clone())]);
        let got = read_all(send(&layer(), &upstream, post(MESSAGES)).await.unwrap()).await;
        let plain = read_all(json(steps)).await;
        assert_eq!((got.frames, got.error.is_some()), (plain.frames, plain.error.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_one_that_is_cut_short_is_handed_on_as_it_came() {
    for steps in cut_short() {
        for reader in READERS {
            // One that is not to be sent twice is not read ahead.
            for (layer, gave_up_as, attempts) in [
                (collecting(), Some((Reason::Attempts, 4)), 4),
                (collecting().with_maybe_executed(MaybeExecuted::Leave), None, 1),
            ] {
                let again = steps.clone();
                let upstream = Upstream::new(move |_| Ok(json(again.clone())));
                let response = send(&layer, &upstream, post(MESSAGES)).await.unwrap();
                assert_eq!((gave_up(&response), upstream.calls()), (gave_up_as, attempts));
                let (got, plain) =
                    (read(response.into_body(), reader).await, read_all(json(steps.clone())).await);
                assert_eq!((got.bytes(), got.trailers), (plain.bytes(), plain.trailers));
                let error = |error: Option<BoxError>| error.map(|error| error.to_string());
                assert_eq!(error(got.error), error(plain.error));
            }
        }
    }
}

/// Whoever gets half an answer repeats the call, and nobody can say in its head that he should not.
#[tokio::test(start_paused = true)]
async fn with_the_final_word_the_last_one_that_is_cut_short_is_an_error() {
    let word = || collecting().with_final_word(true);
    for steps in cut_short() {
        for (layer, reason, attempts) in [
            (word(), Reason::Attempts, 4),
            (word().with_max_wait(millis(700)), Reason::LongWait, 2),
            (word().with_quota(Quota::new(0.0, 0).unwrap()), Reason::Quota, 1),
            (word().with_timeout(millis(1_200)), Reason::Deadline, 2),
        ] {
            let again = steps.clone();
            let upstream = Upstream::new(move |_| Ok(json(again.clone())));
            let request = post(MESSAGES);
            let call = call_of(&request);
            let error = send(&layer, &upstream, request).await.unwrap_err();
            let error = error.downcast_ref::<RetryError>().unwrap();
            assert_eq!((error.gave_up().reason, error.gave_up().attempts), (reason, attempts), "{steps:?}");
            let cut = error.source().unwrap().downcast_ref::<claude_errors::Error>().unwrap();
            assert_eq!((cut.kind(), cut.maybe_executed()), (ErrorKind::IncompleteResponse, true));
            // For whoever judges it further above.
            let judged = Classification::of_error(error, Some(true));
            assert_eq!((judged.kind, judged.maybe_executed), (ErrorKind::IncompleteResponse, true));
            assert_eq!(history(&call).last(), Some(&("INCOMPLETE_RESPONSE", true, None)));
            assert!(!upstream.is_alive(upstream.calls() - 1), "nothing of it is kept");
        }
        // What is not read ahead has been handed on by then.
        for layer in [
            word().with_max_retries(0),
            word().with_maybe_executed(MaybeExecuted::Leave),
            layer().with_final_word(true),
        ] {
            let upstream = Upstream::of([json(steps.clone())]);
            let response = send(&layer, &upstream, post(MESSAGES)).await.unwrap();
            assert!(!response.headers().contains_key("x-should-retry"));
            assert_eq!(read_all(response).await.bytes(), read_all(json(steps.clone())).await.bytes());
        }
    }
    // A whole one is an answer.
    let upstream = Upstream::of([json([data(MESSAGE)])]);
    assert_eq!(read_all(send(&word(), &upstream, post(MESSAGES)).await.unwrap()).await.text(), MESSAGE);
}

/// The head comes with the last byte.
#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_however_long_it_takes() {
    let (left, right) = MESSAGE.split_at(30);
    let slow = [Step::Sleep(seconds(60)), data(left), Step::Sleep(seconds(540)), data(right), Step::Trailers];
    let upstream = Upstream::of([json(slow)]);
    let begun = Instant::now();
    let response = send(&collecting(), &upstream, post(MESSAGES)).await.unwrap();
    assert_eq!(Instant::now().saturating_duration_since(begun), seconds(600));
    let got = read_all(response).await;
    assert_eq!((got.text(), got.trailers), (MESSAGE.to_owned(), Some(trailers())));
}

#[tokio::test(start_paused = true)]
async fn past_the_cap_an_answer_is_handed_on_and_not_repeated() {
    let cap = 1_000;
    let layer = layer().with_collect(cap);
    let text = |length: usize| format!("{{\"id\":\"{}", "x".repeat(length - 7));
    for steps in
        [|text: String| vec![data(text)], |text: String| vec![data(&text[..7]), Step::Wait, data(&text[7..])]]
    {
        let upstream =
            Upstream::of([json(steps(text(cap)).into_iter().chain([Step::Fail])), json([data("{}")])]);
        assert_eq!(read_all(send(&layer, &upstream, post(MESSAGES)).await.unwrap()).await.text(), "{}");
        for reader in READERS {
            let tail = [Step::Sleep(seconds(3600)), data("more"), Step::Fail];
            let upstream = Upstream::of([json(steps(text(cap + 1)).into_iter().chain(tail))]);
            let begun = Instant::now();
            let response = send(&layer, &upstream, post(MESSAGES)).await.unwrap();
            assert_eq!((Instant::now(), gave_up(&response)), (begun, None), "at once");
            let got = read(response.into_body(), reader).await;
            assert_eq!((got.text(), got.is_broken()), (text(cap + 1) + "more", true));
        }
    }
}

/// No more of an endless one is read than it takes to see that it is too long.
#[tokio::test(start_paused = true)]
async fn an_endless_answer_is_handed_on() {
    let steps = std::iter::repeat_n(data("0123456789"), 100_000);
    let upstream = Upstream::of([answer(200, JSON, Script::new(steps).knowing())]);
    let response = send(&collecting(), &upstream, post(MESSAGES)).await.unwrap();
    assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(1_000_000));
    assert!(!upstream.was_read(0));
}

/// How answers of other endpoints end is their own affair, but a body that fails has failed.
#[tokio::test(start_paused = true)]
async fn of_other_answers_only_those_whose_body_fails_are_repeated() {
    for (method, path) in [
        (Method::GET, "/v1/models"),
        (Method::POST, "/v1/messages/count_tokens"),
        (Method::POST, "/v1/complete"),
        (Method::GET, MESSAGES),
    ] {
        let request = || {
            let mut request = post(path);
            *request.method_mut() = method.clone();
            request
        };
        let upstream = Upstream::of([json([data("{\"data\":")])]);
        let response = send(&collecting(), &upstream, request()).await.unwrap();
        assert_eq!((gave_up(&response), read_all(response).await.text()), (None, "{\"data\":".to_owned()));
        let upstream = Upstream::of([json([data("{\"data\":"), Step::Fail]), json([data("{}")])]);
        let response = send(&collecting(), &upstream, request()).await.unwrap();
        assert_eq!(read_all(response).await.text(), "{}", "{path}");
    }
}

/// What would be done twice is not.
#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_is_cut_short_is_not_created_twice() {
    let upstream = Upstream::of([json([data("{\"id\":"), Step::Fail])]);
    let response = send(&collecting(), &upstream, post("/v1/messages/batches")).await.unwrap();
    assert_eq!((gave_up(&response), upstream.calls()), (None, 1));
    let got = read_all(response).await;
    assert_eq!((got.text(), got.is_broken()), ("{\"id\":".to_owned(), true));
}

#[tokio::test(start_paused = true)]
async fn what_fails_behind_a_whole_message_has_not_failed() {
    for steps in [
        vec![data(MESSAGE), Step::Fail],
        vec![data(MESSAGE), Step::Wait, Step::FailWith(too_short)],
        vec![data(MESSAGE), data("\n"), Step::Fail],
    ] {
        let upstream = Upstream::of([json(steps.clone())]);
        let request = post(MESSAGES);
        let call = call_of(&request);
        let response = send(&collecting(), &upstream, request).await.unwrap();
        assert_eq!(gave_up(&response), None);
        let (got, plain) = (read_all(response).await, read_all(json(steps)).await);
        assert_eq!((got.bytes(), got.error.is_some()), (plain.bytes(), plain.error.is_some()));
        assert_eq!(history(&call), [("ok", false, None)]);
    }
}

/// What is whole, or could never be, is an answer.
#[tokio::test(start_paused = true)]
async fn whole_answers_of_any_form_are_not_repeated() {
    for text in [MESSAGE, "", "{}", "[]", "null", "<html>", "}", "{\"error\":{\"type\":\"api_error\"}}"] {
        for knows in [false, true] {
            let body = Script::new((!text.is_empty()).then(|| data(text))).knowing_if(knows);
            let upstream = Upstream::of([answer(200, JSON, body)]);
            let response = send(&collecting(), &upstream, post(MESSAGES)).await.unwrap();
            assert_eq!((gave_up(&response), read_all(response).await.text()), (None, text.to_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_types_of_json_are_collected_and_nothing_else() {
    for kind in [JSON, "application/json; charset=utf-8", "application/problem+json"] {
        let upstream = Upstream::of([answer(200, kind, Script::new([Step::Fail])), json([data("{}")])]);
        assert_eq!(
            read_all(send(&collecting(), &upstream, post(MESSAGES)).await.unwrap()).await.text(),
            "{}"
        );
    }
    for kind in ["application/x-jsonl", "text/plain", "application/octet-stream"] {
        let body = Script::new([data("{"), Step::Sleep(seconds(9)), Step::Fail]);
        let upstream = Upstream::of([answer(200, kind, body)]);
        let begun = Instant::now();
        let response = send(&collecting(), &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!((Instant::now(), gave_up(&response)), (begun, None), "{kind}");
        assert!(read_all(response).await.is_broken());
    }
}

/// It cannot be read, but whether it is all there can be seen.
#[tokio::test(start_paused = true)]
async fn a_coded_answer_is_repeated_if_its_body_fails() {
    let coded = |steps: &[Step]| {
        let mut response = json(steps.iter().cloned());
        response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        response
    };
    let upstream = Upstream::of([coded(&[data("\u{1f}"), Step::Fail]), coded(&[data("\u{1f}gzip")])]);
    let response = send(&collecting(), &upstream, post(MESSAGES)).await.unwrap();
    assert_eq!(read_all(response).await.text(), "\u{1f}gzip");
    assert_eq!(upstream.calls(), 2);
}

/// The head alone promises a body that does not come.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_head_request_is_handed_on() {
    let head = || {
        let mut request = post(MESSAGES);
        *request.method_mut() = Method::HEAD;
        request
    };
    for steps in [vec![], vec![Step::Never]] {
        let mut response = json(steps);
        response.headers_mut().insert("content-length", 100.into());
        let upstream = Upstream::of([response]);
        let begun = Instant::now();
        let response = send(&collecting(), &upstream, head()).await.unwrap();
        assert_eq!((Instant::now(), gave_up(&response)), (begun, None));
        assert_eq!(response.headers()["content-length"], "100");
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_streamed_request_is_handed_on() {
    let mut request: Request<Body> = post(MESSAGES);
    *request.body_mut() = Body::stream(Body::from("{}"));
    let upstream = Upstream::of([json([data("{"), Step::Sleep(Duration::from_secs(9)), Step::Fail])]);
    let begun = Instant::now();
    let response = send(&collecting(), &upstream, request).await.unwrap();
    assert_eq!((Instant::now(), gave_up(&response)), (begun, None));
    assert!(read_all(response).await.is_broken());
}
