//! Streams that fail, or end, before their first content are repeated; behind it nothing is.

use std::time::Duration;

use claude_retry::{MaybeExecuted, Reason};
use tokio::time::Instant;

use crate::support::{
    BLOCK, DELTA, ERROR, EVENTS, Got, MESSAGE_DELTA, MESSAGES, PING, READERS, REDACTED, START, STOP, Script,
    Step, TOOL_RESULT, Upstream, answer, call_of, data, gave_up, good, good_text, history, layer, millis,
    post, read, read_all, seconds, send, stream, trailers,
};

const WORD: http::HeaderName = http::HeaderName::from_static("x-should-retry");

fn error(kind: &str) -> String {
    ERROR.replace("overloaded_error", kind)
}

/// Streams without content that end badly, with what that is and how long it is waited then.
fn without_content() -> Vec<(Vec<Step>, &'static str, Duration)> {
    let overloaded = |steps| (steps, "OVERLOADED", seconds(1));
    let cut = |steps| (steps, "INCOMPLETE_RESPONSE", millis(500));
    vec![
        overloaded(vec![data(ERROR)]),
        overloaded(vec![data(START), data(ERROR)]),
        overloaded(vec![data(START), Step::Wait, data(BLOCK), data(PING), Step::Wait, data(ERROR)]),
        overloaded(vec![data([START, PING, ERROR].concat())]),
        overloaded(vec![data(START), data(&ERROR[..30]), Step::Wait, data(&ERROR[30..])]),
        // The error has the last word, whatever comes behind it, and how the body ends.
        overloaded(vec![data([START, ERROR, DELTA].concat())]),
        overloaded(vec![data(START), data(ERROR), data(DELTA), data(STOP)]),
        overloaded(vec![data(START), data(ERROR), Step::Never]),
        overloaded(vec![data(START), data(ERROR), Step::Fail]),
        overloaded(vec![data(START), data(ERROR), Step::Trailers]),
        (vec![data(START), data(error("rate_limit_error"))], "RATE_LIMIT", millis(500)),
        (vec![data(START), data(error("api_error"))], "SERVER_ERROR", millis(500)),
        (vec![data(START), data(error("timeout_error"))], "TIMEOUT", millis(500)),
        (vec![data(START), data(error("never_heard_of"))], "SERVER_ERROR", millis(500)),
        (vec![data("event: error\ndata: not JSON\n\n")], "SERVER_ERROR", millis(500)),
        cut(vec![]),
        cut(vec![data("")]),
        cut(vec![Step::Wait]),
        cut(vec![Step::Trailers]),
        cut(vec![Step::Fail]),
        cut(vec![data(START)]),
        cut(vec![data(START), data(BLOCK), data(PING)]),
        cut(vec![data(START), Step::Wait, Step::Trailers]),
        cut(vec![data(START), Step::Wait, Step::Fail]),
        cut(vec![data(&START[..40])]),
        cut(vec![data(START), data(&DELTA[..DELTA.len() - 1])]),
        cut(vec![data(START), data(&ERROR[..ERROR.len() - 1])]),
        cut(vec![data(PING), data(PING), data(PING)]),
        cut(vec![data(": nothing\n\n"), data(PING), data("event: new\ndata: {}\n\n")]),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_before_its_first_content_is_repeated() {
    for knows in [false, true] {
        for (steps, code, wait) in without_content() {
            let shown = format!("{steps:?} {knows}");
            let bad = answer(200, EVENTS, Script::new(steps).knowing_if(knows));
            let upstream = Upstream::of([bad, good()]);
            let request = post(MESSAGES);
            let call = call_of(&request);
            let response = send(&layer(), &upstream, request).await.unwrap();
            assert_eq!(gave_up(&response), None, "{shown}");
            assert_eq!(read_all(response).await.text(), good_text(), "{shown}");
            assert_eq!(upstream.times(), [Duration::ZERO, wait], "{shown}");
            // It was executed, in part at least.
            assert_eq!(history(&call), [(code, true, Some(wait)), ("ok", false, None)], "{shown}");
        }
    }
}

/// A stream as it was sent, to compare with what comes out.
async fn plain(steps: &[Step]) -> Got {
    read_all(stream(steps.iter().cloned())).await
}

fn same(got: &Got, plain: &Got, shown: &str) {
    assert_eq!(got.full_frames(), plain.full_frames(), "{shown}");
    assert_eq!(got.trailers, plain.trailers, "{shown}");
    assert_eq!(got.is_broken(), plain.is_broken(), "{shown}");
    assert_eq!(got.error.is_some(), plain.error.is_some(), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_handed_on_as_it_came() {
    for (steps, code, _) in without_content() {
        if matches!(steps.last(), Some(Step::Never)) {
            continue;
        }
        let shown = format!("{steps:?}");
        for reader in READERS {
            let again = steps.clone();
            let upstream = Upstream::new(move |_| Ok(stream(again.clone())));
            let request = post(MESSAGES);
            let call = call_of(&request);
            let response = send(&layer(), &upstream, request).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(gave_up(&response), Some((Reason::Attempts, 4)), "{shown}");
            assert!(!response.headers().contains_key("x-should-retry"));
            let got = read(response.into_body(), reader).await;
            same(&got, &plain(&steps).await, &shown);
            assert_eq!(history(&call)[3], (code, true, None), "{shown}");
        }
    }
}

/// Its status is a good one, and still it has failed: that it is the end of it is said, if it is asked for.
#[tokio::test(start_paused = true)]
async fn the_last_failure_has_the_final_word_in_its_head() {
    let silent = |failure: &Step| matches!(failure, Step::Never);
    let hopeless = (vec![data(START), data(error("invalid_request_error"))], "BAD_REQUEST", Duration::ZERO);
    for (steps, code, _) in without_content().into_iter().chain([hopeless]) {
        if steps.last().is_some_and(silent) {
            continue;
        }
        for (says, asked) in [(Some("true"), true), (None, true), (None, false)] {
            let shown = format!("{steps:?} {says:?} {asked}");
            let again = steps.clone();
            let upstream = Upstream::new(move |_| {
                let mut response = stream(again.clone());
                let says = says.map(http::HeaderValue::from_static);
                response.headers_mut().extend(says.map(|says| (WORD, says)));
                Ok(response)
            });
            let request = post(MESSAGES);
            let call = call_of(&request);
            let response = send(&layer().with_final_word(asked), &upstream, request).await.unwrap();
            assert_eq!(
                (response.status().as_u16(), history(&call).last().unwrap().0),
                (200, code),
                "{shown}"
            );
            let words: Vec<_> = response.headers().get_all(WORD).iter().cloned().collect();
            let expected: &[_] = if asked { &["false"] } else { &[] };
            assert_eq!(words, expected, "{shown}");
            same(&read_all(response).await, &plain(&steps).await, &shown);
        }
    }
    // Of one that goes well nothing is said.
    let upstream = Upstream::of([stream([data(START), data(ERROR)]), good()]);
    let response = send(&layer().with_final_word(true), &upstream, post(MESSAGES)).await.unwrap();
    assert!(!response.headers().contains_key(WORD));
}

#[tokio::test(start_paused = true)]
async fn an_error_event_that_no_repeat_helps_against_is_handed_on() {
    for kind in ["invalid_request_error", "authentication_error", "permission_error", "billing_error"] {
        let steps = [data(START), data(error(kind))];
        let upstream = Upstream::of([stream(steps.clone())]);
        let request = post(MESSAGES);
        let call = call_of(&request);
        let response = send(&layer(), &upstream, request).await.unwrap();
        assert_eq!(gave_up(&response), None, "no further attempt would have helped");
        same(&read_all(response).await, &plain(&steps).await, kind);
        assert_eq!(history(&call).len(), 1);
        assert!(history(&call)[0].1);
    }
}

/// Half a stream may have been billed.
#[tokio::test(start_paused = true)]
async fn a_stream_that_may_have_been_executed_can_be_left_alone() {
    for (steps, ..) in without_content() {
        let layer = layer().with_maybe_executed(MaybeExecuted::Leave);
        let upstream = Upstream::of([stream(steps)]);
        let request = post(MESSAGES);
        let call = call_of(&request);
        let response = send(&layer, &upstream, request).await.unwrap();
        // So there is no use in holding it.
        assert_eq!((gave_up(&response), upstream.calls()), (None, 1));
        assert_eq!(history(&call), [("ok", false, None)]);
    }
}

/// In whose terms nobody here knows, nobody can say what is missing.
#[tokio::test(start_paused = true)]
async fn a_stream_that_speaks_of_something_else_is_not_judged() {
    for steps in [
        vec![data("data: {\"choices\":[]}\n\n"), data("data: [DONE]\n\n")],
        vec![data("event: new\ndata: {}\n\n")],
    ] {
        let upstream = Upstream::of([stream(steps.clone())]);
        let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!(gave_up(&response), None);
        same(&read_all(response).await, &plain(&steps).await, "foreign");
        // One that breaks off is cut all the same.
        let broken = stream(steps.into_iter().chain([Step::Fail]));
        let upstream = Upstream::of([broken, good()]);
        let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!(read_all(response).await.text(), good_text());
    }
}

/// The head may say that a failure behind it is not to be repeated.
#[tokio::test(start_paused = true)]
async fn the_servers_own_word_stands_in_the_head() {
    for steps in [vec![data(START), data(ERROR)], vec![data(START)], vec![]] {
        let mut last = stream(steps);
        last.headers_mut().insert("x-should-retry", http::HeaderValue::from_static("false"));
        let upstream = Upstream::of([last]);
        let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!(gave_up(&response), None);
        assert_eq!(upstream.calls(), 1);
    }
}

const CONTENT: [&str; 5] = [DELTA, REDACTED, TOOL_RESULT, MESSAGE_DELTA, STOP];

#[tokio::test(start_paused = true)]
async fn after_the_first_content_nothing_is_repeated() {
    let tails = [
        vec![],
        vec![data(ERROR)],
        vec![data(ERROR), Step::Fail],
        vec![Step::Fail],
        vec![Step::Wait, Step::Fail],
        vec![Step::Sleep(seconds(600)), Step::Fail],
        vec![Step::Trailers],
        vec![data(&DELTA[..50])],
        vec![data(STOP)],
    ];
    for content in CONTENT {
        for tail in &tails {
            for knows in [false, true] {
                let begin = [data(START), Step::Wait, data(content)];
                let steps: Vec<_> = begin.into_iter().chain(tail.iter().cloned()).collect();
                let shown = format!("{steps:?} {knows}");
                let upstream =
                    Upstream::of([answer(200, EVENTS, Script::new(steps.clone()).knowing_if(knows))]);
                let request = post(MESSAGES);
                let call = call_of(&request);
                let response = send(&layer(), &upstream, request).await.unwrap();
                assert_eq!(gave_up(&response), None, "{shown}");
                same(&read_all(response).await, &plain(&steps).await, &shown);
                assert_eq!(history(&call), [("ok", false, None)], "{shown}");
            }
        }
    }
}

/// Content and failure may share a frame.
#[tokio::test(start_paused = true)]
async fn an_error_behind_content_in_the_same_frame_is_its_readers() {
    for content in CONTENT {
        let frame = [START, content, ERROR].concat();
        let upstream = Upstream::of([stream([data(&frame), Step::Fail])]);
        let got = read_all(send(&layer(), &upstream, post(MESSAGES)).await.unwrap()).await;
        assert_eq!((got.text(), got.is_broken()), (frame, true));
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_comes_with_the_first_content() {
    for content in CONTENT {
        let second = || Step::Sleep(seconds(1));
        let steps = [
            second(),
            data(START),
            second(),
            data(BLOCK),
            data(PING),
            second(),
            data(&content[..20]),
            second(),
            data(&content[20..]),
            Step::Sleep(seconds(3600)),
            data(STOP),
            Step::Trailers,
        ];
        let upstream = Upstream::of([stream(steps)]);
        let begun = Instant::now();
        let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
        let since = |begun: Instant| Instant::now().saturating_duration_since(begun);
        assert_eq!(since(begun), seconds(4), "{content}");
        assert_eq!(response.headers()["content-type"], EVENTS);
        assert_eq!(response.headers()["request-id"], "req_1");
        let got = read_all(response).await;
        assert_eq!(since(begun), seconds(3604));
        assert_eq!(got.text(), [START, BLOCK, PING, content, STOP].concat());
        assert_eq!(got.trailers, Some(trailers()));
    }
}

/// Blocks that grow are empty when they start.
#[tokio::test(start_paused = true)]
async fn the_start_of_a_block_that_grows_is_no_content() {
    for kind in ["text", "thinking", "tool_use", "server_tool_use", "mcp_tool_use", "compaction"] {
        let block = BLOCK.replace(r#""type":"text""#, &format!(r#""type":"{kind}""#));
        assert!(block.contains(kind));
        let upstream = Upstream::of([stream([data(START), data(&block), data(ERROR)]), good()]);
        let got = read_all(send(&layer(), &upstream, post(MESSAGES)).await.unwrap()).await;
        assert_eq!((got.text(), upstream.calls()), (good_text(), 2), "{kind}");
    }
}
