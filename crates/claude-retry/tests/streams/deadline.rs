//! The deadline over bodies: until the first content of a stream, over all of a JSON answer, and over nothing else.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use claude_errors::{Classification, ErrorKind};
use claude_retry::{GaveUp, Hold, Reason, ResponseBody, RetryError, RetryLayer};
use claude_wire::call::Deadline;
use claude_wire::{Body, BoxError};
use http::{Method, Request, Response};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::support::{
    BLOCK, DELTA, ERROR, EVENTS, JSON, MESSAGE, MESSAGES, OVERLOADED, PING, REDACTED, START, STOP, Script,
    Step, Upstream, answer, call_of, data, gave_up, good, good_text, history, layer, millis, post, read_all,
    seconds, send, stream, trailers,
};

/// Ten seconds in all.
fn limited() -> RetryLayer {
    layer().with_timeout(seconds(10))
}

/// A body that its deadline cuts: all that came until then, one error at that moment, and no more.
async fn is_cut(response: Response<ResponseBody<Script>>, text: &str, begun: Instant) {
    let mut body = response.into_body();
    let mut came = Vec::new();
    let error = loop {
        match body.frame().await.expect("it does not end like that") {
            Ok(frame) => came.push(frame.into_data().unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(came.concat(), text.as_bytes());
    assert_eq!(Instant::now().saturating_duration_since(begun), seconds(10));
    is_late(&*error, 1);
    // The body has ended.
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none() && body.frame().await.is_none());
}

fn is_late(error: &(dyn Error + 'static), attempts: u32) {
    let error = error.downcast_ref::<RetryError>().unwrap();
    assert_eq!((error.gave_up().reason, error.gave_up().attempts), (Reason::Deadline, attempts));
    assert_eq!(GaveUp::find(error), Some(error.gave_up()));
    let cause = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::TimedOut);
    assert_eq!(Classification::of_error(error, Some(true)).kind, ErrorKind::Timeout);
}

fn long() -> Step {
    Step::Sleep(seconds(3600))
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_the_first_content_of_a_stream() {
    let content = [DELTA, REDACTED, STOP];
    for content in content {
        // At once, while it is held, and after it was held for as long as it may be.
        for until in [0, 3, 7] {
            let steps = [
                data(START),
                Step::Sleep(seconds(until)),
                data(content),
                long(),
                data(PING),
                long(),
                Step::Trailers,
            ];
            let upstream = Upstream::of([stream(steps)]);
            let got = read_all(send(&limited(), &upstream, post(MESSAGES)).await.unwrap()).await;
            assert_eq!(got.text(), [START, content, PING].concat(), "{until}");
            assert_eq!((got.trailers, got.error.is_none()), (Some(trailers()), true));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_held_no_longer_is_cut_before_its_first_content() {
    let text = [START, BLOCK].concat();
    let quiet = || [data(START), data(BLOCK), Step::Sleep(seconds(11)), data(DELTA)];
    for hold in [
        // It ends before the deadline does, by time, bytes, events or frames.
        Hold::default(),
        Hold::default().with_bytes(10),
        Hold::default().with_events(1),
        Hold::off(),
    ] {
        let begun = Instant::now();
        let upstream = Upstream::of([stream(quiet())]);
        let response = send(&limited().with_hold(hold), &upstream, post(MESSAGES)).await.unwrap();
        is_cut(response, &text, begun).await;
        assert!(!upstream.is_alive(0));
    }
    // Pings do not help.
    let pings = (0..20).flat_map(|_| [data(PING), Step::Sleep(millis(600))]);
    let begun = Instant::now();
    let upstream = Upstream::of([stream(pings.chain([data(DELTA)]))]);
    let response = send(&limited(), &upstream, post(MESSAGES)).await.unwrap();
    is_cut(response, &PING.repeat(17), begun).await;
}

/// A request that can be sent only once is not repeated, but it has its deadline.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_streamed_request_has_its_deadline_too() {
    let streamed = || {
        let mut request = post(MESSAGES);
        *request.body_mut() = Body::stream(Body::from("{}"));
        request
    };
    let begun = Instant::now();
    let upstream = Upstream::of([stream([data(START), long(), data(DELTA)])]);
    let response = send(&limited(), &upstream, streamed()).await.unwrap();
    is_cut(response, START, begun).await;
    let upstream = Upstream::of([stream([data(START), data(DELTA), long(), data(STOP)])]);
    let got = read_all(send(&limited(), &upstream, streamed()).await.unwrap()).await;
    assert_eq!((got.text(), got.error.is_none()), ([START, DELTA, STOP].concat(), true));
}

#[tokio::test(start_paused = true)]
async fn while_a_head_is_held_the_call_itself_fails() {
    let upstream = Upstream::of([stream([data(START), long(), data(DELTA)])]);
    let request = post(MESSAGES);
    let call = call_of(&request);
    let hold = Hold::default().with_time(seconds(60));
    let begun = Instant::now();
    let error = send(&limited().with_hold(hold), &upstream, request).await.unwrap_err();
    assert_eq!(Instant::now().saturating_duration_since(begun), seconds(10));
    is_late(&*error, 1);
    assert_eq!(history(&call), [("TIMEOUT", true, None)]);
    assert!(!upstream.is_alive(0));
}

#[tokio::test(start_paused = true)]
async fn it_covers_a_json_answer_to_its_last_byte() {
    let (left, right) = MESSAGE.split_at(30);
    let steps = |pause| [data(left), Step::Sleep(pause), data(right)];
    for request in [
        || post(MESSAGES),
        || post("/v1/complete"),
        || {
            let mut request = post("/v1/models");
            *request.method_mut() = Method::GET;
            request
        },
    ] {
        let upstream = Upstream::of([answer(200, JSON, Script::new(steps(millis(9_999))))]);
        let got = read_all(send(&limited(), &upstream, request()).await.unwrap()).await;
        assert_eq!((got.text(), got.error.is_none()), (MESSAGE.to_owned(), true));

        let begun = Instant::now();
        let upstream = Upstream::of([answer(200, JSON, Script::new(steps(millis(10_001))))]);
        let request = request();
        let call = call_of(&request);
        let response = send(&limited(), &upstream, request).await.unwrap();
        assert_eq!(history(&call), [("ok", false, None)]);
        is_cut(response, left, begun).await;
        // It was paid for, and nothing came of it.
        assert_eq!(history(&call), [("TIMEOUT", true, None)]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_collected_is_the_calls_own_time() {
    let (left, right) = MESSAGE.split_at(30);
    let slow = || answer(200, JSON, Script::new([data(left), Step::Sleep(seconds(11)), data(right)]));
    let upstream = Upstream::of([slow()]);
    let request = post(MESSAGES);
    let call = call_of(&request);
    let error = send(&limited().with_collect(10_000), &upstream, request).await.unwrap_err();
    is_late(&*error, 1);
    assert_eq!(history(&call), [("TIMEOUT", true, None)]);
    assert!(!upstream.is_alive(0));
    // Past the cap it is the body's.
    let begun = Instant::now();
    let upstream = Upstream::of([slow()]);
    let response = send(&limited().with_collect(10), &upstream, post(MESSAGES)).await.unwrap();
    is_cut(response, left, begun).await;
}

/// What was a success until then is none, and it may have been paid for. Of a failure that is known already.
#[tokio::test(start_paused = true)]
async fn what_is_cut_is_written_down() {
    let quiet = || stream([data(START), Step::Never]);
    let ok = ("ok", false, None);
    for (layer, response, before, after) in [
        (limited().with_hold(Hold::off()), quiet(), ok, ("TIMEOUT", true, None)),
        (limited(), quiet(), ok, ("TIMEOUT", true, None)),
        (limited(), answer(200, JSON, Script::new([Step::Never])), ok, ("TIMEOUT", true, None)),
        (
            limited().with_collect(3),
            answer(200, JSON, Script::new([data("long"), Step::Never])),
            ok,
            ("TIMEOUT", true, None),
        ),
        (
            limited(),
            answer(404, JSON, Script::new([data("{"), Step::Never])),
            ("NOT_FOUND", false, None),
            ("NOT_FOUND", false, None),
        ),
    ] {
        let request = post(MESSAGES);
        let call = call_of(&request);
        let upstream = Upstream::of([answer(529, JSON, Script::new([])), response]);
        let begun = Instant::now();
        let response = send(&layer, &upstream, request).await.unwrap();
        let first = ("OVERLOADED", false, Some(seconds(1)));
        assert_eq!(history(&call), [first, before]);
        let got = read_all(response).await;
        is_late(&*got.error.unwrap(), 2);
        assert_eq!(history(&call), [first, after]);
        // With the time that it took.
        if before == ok {
            let second = call.attempts()[1].outcome().unwrap();
            assert_eq!(second.duration, seconds(9));
            assert_eq!(Instant::now().saturating_duration_since(begun), seconds(10));
        }
    }
    // Whoever leaves before has had an answer.
    let request = post(MESSAGES);
    let call = call_of(&request);
    let upstream = Upstream::of([quiet()]);
    drop(send(&limited(), &upstream, request).await.unwrap());
    tokio::time::advance(seconds(60)).await;
    assert_eq!(history(&call), [ok]);
}

/// How long those take is not ours to say: a file, a page, the results of a batch, and streams that may have had content.
#[tokio::test(start_paused = true)]
async fn other_bodies_take_as_long_as_they_like() {
    let coded = || {
        let mut response = stream([data("\u{1f}"), long(), data("gzip"), long(), Step::Trailers]);
        response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        response
    };
    let slow =
        |kind| answer(200, kind, Script::new([data("\u{1f}"), long(), data("gzip"), long(), Step::Trailers]));
    for (response, path) in [
        (slow("application/octet-stream"), "/v1/files"),
        (slow("text/html"), MESSAGES),
        (slow("application/x-jsonl"), "/v1/messages/batches"),
        (slow(EVENTS), "/v1/complete"),
        (slow(EVENTS), "/elsewhere"),
        (coded(), MESSAGES),
        (coded(), "/v1/complete"),
    ] {
        let shown = format!("{path} {:?}", response.headers());
        let upstream = Upstream::of([response]);
        let got = read_all(send(&limited(), &upstream, post(path)).await.unwrap()).await;
        assert_eq!((got.text(), got.trailers), ("\u{1f}gzip".to_owned(), Some(trailers())), "{shown}");
        assert!(got.error.is_none(), "{shown} {:?}", got.error);
    }
}

/// Who comes late to read finds what had come in time, and what has come since.
#[tokio::test(start_paused = true)]
async fn nothing_that_is_ready_is_cut() {
    let (left, right) = MESSAGE.split_at(30);
    let bodies = [
        (
            stream([data(START), Step::Sleep(seconds(6)), data(BLOCK), data(DELTA), long(), data(STOP)]),
            [START, BLOCK, DELTA, STOP],
        ),
        (
            answer(200, JSON, Script::new([data(left), data(right), data(" "), data("\n")])),
            [left, right, " ", "\n"],
        ),
    ];
    for (response, frames) in bodies {
        let upstream = Upstream::of([response]);
        let response = send(&limited(), &upstream, post(MESSAGES)).await.unwrap();
        // The sleep of the script begins with the first poll, and so does not end meanwhile.
        tokio::time::advance(seconds(4)).await;
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, frames[0]);
        let is_stream = first == START;
        if !is_stream {
            tokio::time::advance(seconds(60)).await;
        }
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(rest, frames[1..].concat());
    }
}

/// At the very moment of the deadline what is there comes first.
#[tokio::test(start_paused = true)]
async fn what_comes_at_the_deadline_is_in_time() {
    for kind in [JSON, EVENTS] {
        let steps = [Step::Sleep(seconds(10)), data([START, DELTA].concat()), data("{}")];
        let upstream = Upstream::of([answer(200, kind, Script::new(steps))]);
        let got = read_all(send(&limited(), &upstream, post(MESSAGES)).await.unwrap()).await;
        assert_eq!((got.bytes().len(), got.error.is_none()), (START.len() + DELTA.len() + 2, true), "{kind}");
    }
}

/// A reader who comes back long after the deadline finds the end of the answer, or its error.
#[tokio::test(start_paused = true)]
async fn after_it_a_body_ends_in_its_own_way_if_it_can() {
    for end in [None, Some(Step::Fail), Some(Step::Trailers)] {
        let steps = [data("{")].into_iter().chain(end.clone());
        let upstream = Upstream::of([answer(200, JSON, Script::new(steps))]);
        let response = send(&limited(), &upstream, post("/v1/models")).await.unwrap();
        tokio::time::advance(seconds(60)).await;
        let got = read_all(response).await;
        let is_cut = matches!(end, Some(Step::Fail));
        assert_eq!((got.text().as_str(), got.is_broken()), ("{", is_cut));
        assert_eq!(got.error.is_some(), is_cut);
    }
}

/// It has failed already, as its head says, and its body is still its reader's.
#[tokio::test(start_paused = true)]
async fn an_error_whose_body_is_late_is_judged_by_its_head() {
    for (steps, text) in [
        (vec![Step::Sleep(seconds(4)), data(OVERLOADED)], OVERLOADED),
        (vec![data(&OVERLOADED[..9]), Step::Sleep(seconds(4)), data(&OVERLOADED[9..])], OVERLOADED),
    ] {
        let upstream = Upstream::of([answer(529, JSON, Script::new(steps))]);
        let request = post(MESSAGES);
        let call = call_of(&request);
        let begun = Instant::now();
        let response = send(&layer().with_timeout(seconds(2)), &upstream, request).await.unwrap();
        assert_eq!(Instant::now().saturating_duration_since(begun), seconds(2));
        assert_eq!((response.status().as_u16(), gave_up(&response)), (529, Some((Reason::Deadline, 1))));
        assert_eq!(read_all(response).await.text(), text);
        assert_eq!(history(&call), [("OVERLOADED", false, None)]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_failure_does_not_go_on_for_ever() {
    for response in [
        answer(400, JSON, Script::new([data("x".repeat(70_000)), long(), data("y")])),
        answer(529, JSON, Script::new([data("x".repeat(70_000)), long(), data("y")])),
        stream([data(ERROR), long(), data("y")]),
    ] {
        let upstream = Upstream::of([response]);
        let response = send(&limited().with_max_retries(0), &upstream, post(MESSAGES)).await.unwrap();
        let got = read_all(response).await;
        assert!(got.error.is_some_and(|error| error.is::<RetryError>()));
    }
}

/// The request's own deadline and the layer's: the earlier one.
#[tokio::test(start_paused = true)]
async fn the_earlier_deadline_counts() {
    for (own, configured) in [(10, None), (10, Some(60)), (60, Some(10))] {
        let layer = configured.map_or(layer(), |configured| layer().with_timeout(seconds(configured)));
        let mut request: Request<Body> = post(MESSAGES);
        let begun = Instant::now();
        request.extensions_mut().insert(Deadline::after(begun.into_std(), seconds(own)).unwrap());
        let upstream = Upstream::of([answer(200, JSON, Script::new([data("{"), Step::Never]))]);
        is_cut(send(&layer, &upstream, request).await.unwrap(), "{", begun).await;
    }
}

/// It is of the call, not of the attempt.
#[tokio::test(start_paused = true)]
async fn attempts_and_waits_before_count() {
    let failed = || answer(529, JSON, Script::new([Step::Sleep(seconds(2)), data(OVERLOADED)]));
    let upstream = Upstream::of([failed(), failed(), stream([data(START), Step::Never])]);
    let begun = Instant::now();
    let hold = Hold::default().with_time(seconds(1));
    let response = send(&limited().with_hold(hold), &upstream, post(MESSAGES)).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    is_late(&*error, 3);
    assert_eq!(Instant::now().saturating_duration_since(begun), seconds(10));
    // In time, nothing is cut.
    let upstream = Upstream::of([failed(), failed(), good()]);
    let got = read_all(send(&limited(), &upstream, post(MESSAGES)).await.unwrap()).await;
    assert_eq!(got.text(), good_text());
}

/// Without one, nothing is ever cut.
#[tokio::test(start_paused = true)]
async fn without_a_deadline_a_body_takes_as_long_as_it_likes() {
    for (kind, text) in [(JSON, "{"), (EVENTS, START)] {
        let steps = [data(text), Step::Sleep(Duration::from_secs(86_400)), data("more")];
        let upstream = Upstream::of([answer(200, kind, Script::new(steps))]);
        let body = send(&layer(), &upstream, post(MESSAGES)).await.unwrap().into_body();
        let collected: Result<Bytes, BoxError> =
            body.collect().await.map(http_body_util::Collected::to_bytes);
        assert_eq!(collected.unwrap(), [text, "more"].concat());
    }
}
