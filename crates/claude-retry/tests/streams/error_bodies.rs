//! The bodies of error responses: read before the wait, as far as they can be, and handed on whole at the end.

use std::time::Duration;

use claude_retry::{DEFAULT_ERROR_BODY_CAP, ERROR_BODY_TIMEOUT, Reason, RetryLayer};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Layer, ServiceExt};

use crate::support::{
    Broken, ERROR, EVENTS, JSON, MESSAGES, OVERLOADED, READERS, Script, Step, Upstream, answer, call_of,
    data, gave_up, good, good_text, history, layer, millis, post, read, read_all, seconds, send, trailers,
};

fn limited(code: &str) -> String {
    format!(
        r#"{{"type":"error","error":{{"type":"rate_limit_error","message":"no","details":{{"error_code":"{code}"}}}}}}"#
    )
}

fn failed(status: u16, steps: impl IntoIterator<Item = Step>) -> Response<Script> {
    answer(status, JSON, Script::new(steps))
}

/// An answer that fails in any way that is waited for.
fn failures() -> Vec<(&'static str, Response<Script>)> {
    let wide = "x".repeat(DEFAULT_ERROR_BODY_CAP + 1);
    vec![
        ("whole", failed(529, [data(OVERLOADED)])),
        ("in pieces", failed(529, [data(&OVERLOADED[..9]), Step::Wait, data(&OVERLOADED[9..]), Step::Wait])),
        ("with trailers", failed(529, [data(OVERLOADED), Step::Wait, Step::Trailers, Step::Wait])),
        ("cut", failed(529, [data(&OVERLOADED[..9]), Step::Wait, Step::Fail])),
        ("empty", failed(529, [])),
        ("html", answer(529, "text/html", Script::new([data("<html>"), Step::Wait]))),
        ("larger", failed(529, [data(wide), Step::Never])),
        ("stalled", failed(529, [data("{"), Step::Never])),
        ("a stream", answer(200, EVENTS, Script::new([data(ERROR), Step::Never]))),
        ("a stream that is cut", answer(200, EVENTS, Script::new([Step::Wait, Step::Fail]))),
        ("an answer that is cut", answer(200, JSON, Script::new([data("{"), Step::Wait, Step::Fail]))),
    ]
}

/// The connection can be used again, the permits of the layers below are free, and the memory is.
#[tokio::test(start_paused = true)]
async fn nothing_of_a_failed_answer_is_alive_during_the_wait() {
    for (name, failure) in failures() {
        let is_left = matches!(name, "larger" | "stalled" | "a stream");
        let upstream = Upstream::of([failure, good()]);
        let retry = layer().with_collect(1_000);
        let mut call = task::spawn(retry.layer(upstream.clone()).oneshot(post(MESSAGES)));
        // It is polled whenever it asks for it; the clock stands still.
        while {
            assert_pending!(call.poll(), "{name}");
            call.is_woken()
        } {}
        if name == "stalled" {
            assert!(upstream.is_alive(0), "it is waited for");
            tokio::time::advance(ERROR_BODY_TIMEOUT).await;
            assert_pending!(call.poll());
        }
        assert!(!upstream.is_alive(0), "{name}");
        assert_eq!((upstream.was_read(0), upstream.calls()), (!is_left, 1), "{name}");
        // So it was the wait.
        tokio::time::advance(seconds(1)).await;
        let response = call.await.unwrap();
        assert_eq!((read_all(response).await.text(), upstream.calls()), (good_text(), 2), "{name}");
    }
}

/// What a final answer says, in all its parts.
async fn arrives(layer: &RetryLayer, status: u16, kind: &str, steps: &[Step], reason: Option<Reason>) {
    let response = || {
        let mut response = answer(status, kind, Script::new(steps.iter().cloned()));
        let headers = response.headers_mut();
        headers.append("x-two", "one".parse().unwrap());
        headers.append("x-two", "two".parse().unwrap());
        response.extensions_mut().insert(Broken);
        response
    };
    for reader in READERS {
        let upstream = Upstream::of((0..4).map(|_| response()));
        let sent = send(layer, &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!(gave_up(&sent).map(|(reason, _)| reason), reason, "{steps:?}");
        assert_eq!(sent.status().as_u16(), status);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        headers.insert("request-id", "req_1".parse().unwrap());
        headers.append("x-two", "one".parse().unwrap());
        headers.append("x-two", "two".parse().unwrap());
        assert_eq!(sent.headers(), &headers);
        assert_eq!(sent.extensions().get(), Some(&Broken));
        let got = read(sent.into_body(), reader).await;
        let plain = read_all(answer(status, kind, Script::new(steps.iter().cloned()))).await;
        assert_eq!((got.bytes(), &got.trailers), (plain.bytes(), &plain.trailers), "{steps:?}");
        assert_eq!(got.is_broken(), plain.is_broken());
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_arrives_byte_for_byte() {
    let wide = "x".repeat(DEFAULT_ERROR_BODY_CAP + 1);
    for steps in [
        vec![],
        vec![data(OVERLOADED)],
        vec![data(&OVERLOADED[..9]), Step::Wait, data(""), data(&OVERLOADED[9..])],
        vec![data(OVERLOADED), Step::Trailers],
        vec![data(&OVERLOADED[..9]), Step::Fail],
        vec![Step::Fail],
        vec![data([0, 159, 146, 150]), data("\r\n\r")],
        vec![data(&wide), data("more"), Step::Trailers],
        vec![data(&wide), Step::Fail],
        vec![data(&OVERLOADED[..9]), Step::Sleep(seconds(60)), data(&OVERLOADED[9..])],
        vec![Step::Sleep(seconds(60)), data(OVERLOADED), Step::Fail],
    ] {
        let gave_up = Some(Reason::Attempts);
        for kind in [JSON, "text/html", EVENTS] {
            arrives(&layer().with_max_retries(1), 529, kind, &steps, gave_up).await;
            arrives(&layer().with_max_retries(0), 503, kind, &steps, gave_up).await;
            arrives(&layer(), 404, kind, &steps, None).await;
        }
    }
}

/// The body decides where the head leaves it open, whatever its type.
#[tokio::test(start_paused = true)]
async fn a_spend_limit_is_no_rate_limit() {
    for kind in [JSON, "text/plain", "application/octet-stream"] {
        for code in ["enforced_spend_limit_reached", "contract_spend_limit_reached"] {
            let text = limited(code);
            let (left, right) = text.split_at(30);
            for steps in [vec![data(&text)], vec![data(left), Step::Sleep(seconds(4)), data(right)]] {
                let upstream = Upstream::of([answer(429, kind, Script::new(steps))]);
                let request = post(MESSAGES);
                let call = call_of(&request);
                let response = send(&layer(), &upstream, request).await.unwrap();
                assert_eq!((gave_up(&response), read_all(response).await.text()), (None, text.clone()));
                assert_eq!(history(&call), [("SPEND_LIMIT", false, None)]);
            }
        }
    }
    let upstream = Upstream::of([failed(429, [data(limited("something_else"))]), good()]);
    let request = post(MESSAGES);
    let call = call_of(&request);
    assert_eq!(read_all(send(&layer(), &upstream, request).await.unwrap()).await.text(), good_text());
    assert_eq!(history(&call)[0], ("RATE_LIMIT", false, Some(millis(500))));
}

/// An overloaded 500 is none that may have been executed.
#[tokio::test(start_paused = true)]
async fn what_the_body_says_decides_the_wait() {
    for (status, text, outcome) in [
        (500, OVERLOADED, ("OVERLOADED", false, Some(seconds(1)))),
        (500, "{}", ("SERVER_ERROR", true, Some(millis(500)))),
        (503, "<html>", ("SERVER_ERROR", true, Some(millis(500)))),
    ] {
        let upstream = Upstream::of([failed(status, [data(text)]), good()]);
        let request = post(MESSAGES);
        let call = call_of(&request);
        send(&layer(), &upstream, request).await.unwrap();
        assert_eq!(history(&call)[0], outcome, "{text}");
    }
}

/// Judged by its head: of all that it would have said, nothing counts.
async fn judged_by_head(response: Response<Script>, after: Duration) {
    let upstream = Upstream::of([response, good()]);
    let request = post(MESSAGES);
    let call = call_of(&request);
    let response = send(&layer(), &upstream, request).await.unwrap();
    assert_eq!(read_all(response).await.text(), good_text());
    assert_eq!(history(&call)[0], ("RATE_LIMIT", false, Some(millis(500))));
    assert_eq!(upstream.times()[1], after + millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let spent = limited("enforced_spend_limit_reached");
    let (left, right) = spent.split_at(20);
    let drip = || spent.as_bytes().chunks(10).flat_map(|piece| [data(piece), Step::Sleep(seconds(1))]);
    for steps in [
        vec![Step::Never],
        vec![data(left), Step::Never],
        vec![data(left), Step::Sleep(millis(5_001)), data(right)],
        drip().collect(),
    ] {
        judged_by_head(failed(429, steps), ERROR_BODY_TIMEOUT).await;
    }
    // By a hair it is.
    let in_time = [data(left), Step::Sleep(millis(4_999)), data(right)];
    let upstream = Upstream::of([failed(429, in_time)]);
    assert_eq!(send(&layer(), &upstream, post(MESSAGES)).await.unwrap().status(), 429);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_or_broken_or_coded_is_not_believed() {
    let spent = limited("enforced_spend_limit_reached");
    let padded = format!("{spent}{}", " ".repeat(DEFAULT_ERROR_BODY_CAP - spent.len() + 1));
    judged_by_head(failed(429, [data(&padded)]), Duration::ZERO).await;
    judged_by_head(failed(429, [data(&spent), data(&padded), Step::Never]), Duration::ZERO).await;
    judged_by_head(failed(429, [data(&spent[..40]), Step::Fail]), Duration::ZERO).await;
    judged_by_head(failed(429, [data(&spent[..40])]), Duration::ZERO).await;
    // Not even if nothing but the last byte is missing.
    judged_by_head(failed(429, [data(&spent[..spent.len() - 1])]), Duration::ZERO).await;
    judged_by_head(failed(429, [data(&spent[..spent.len() - 1]), Step::Fail]), Duration::ZERO).await;
    let mut coded = failed(429, [data(&spent)]);
    coded.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    judged_by_head(coded, Duration::ZERO).await;
    // At the cap it is.
    let upstream = Upstream::of([failed(429, [data(&padded[..DEFAULT_ERROR_BODY_CAP])])]);
    assert_eq!(send(&layer(), &upstream, post(MESSAGES)).await.unwrap().status(), 429);
}

/// An answer that can be given again and again, and what it is.
type Named = (&'static str, fn() -> Response<Script>);

/// A 429 of which nothing but the head is known, by what is wrong with its body.
fn unreadable() -> Vec<Named> {
    fn coded(kind: &str) -> Response<Script> {
        let mut response = answer(429, kind, Script::new([data("\u{1f}")]));
        response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        response
    }
    fn spent() -> String {
        limited("enforced_spend_limit_reached")
    }
    fn wide() -> String {
        format!("{}{}", spent(), " ".repeat(DEFAULT_ERROR_BODY_CAP))
    }
    vec![
        ("coded", || coded(JSON)),
        ("coded text", || coded("text/html")),
        ("stalled", || failed(429, [Step::Never])),
        ("stalled within", || failed(429, [data(&spent()[..30]), Step::Never])),
        ("too slow", || failed(429, [data(&spent()[..30]), Step::Sleep(seconds(6)), data(&spent()[30..])])),
        ("cut", || failed(429, [data(&spent()[..30])])),
        ("broken", || failed(429, [data(&spent()[..30]), Step::Fail])),
        ("broken at once", || failed(429, [Step::Fail])),
        ("too long", || failed(429, [data(wide())])),
        ("too long and endless", || failed(429, [data(wide()), Step::Never])),
        ("declared too long", || answer(429, JSON, Script::new([Step::Wait, data(wide())]).knowing())),
    ]
}

/// A 429 that was read whole, and is not the API's.
fn of_others() -> Vec<Named> {
    fn page(kind: &str) -> Response<Script> {
        answer(429, kind, Script::new([data("<html>"), Step::Wait, data("slow down"), Step::Trailers]))
    }
    vec![
        ("html", || page("text/html")),
        ("html in JSON's name", || page(JSON)),
        ("without a type", || {
            let mut response = page("");
            response.headers_mut().remove("content-type");
            response
        }),
        ("nothing", || failed(429, [])),
        ("other JSON", || failed(429, [data(r#"{"message":"Too Many Requests"}"#)])),
    ]
}

/// How often a call is made whose every answer is this, with this header, and whether it is said that it was given up.
async fn made(answer: fn() -> Response<Script>, header: Option<(&'static str, &str)>) -> (usize, bool) {
    let header = header.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let header: Option<(HeaderName, HeaderValue)> = header;
    let upstream = Upstream::new(move |_| {
        let mut response = answer();
        response.headers_mut().extend(header.clone());
        Ok(response)
    });
    let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
    let calls = upstream.calls();
    let said = gave_up(&response);
    assert!(said.is_none_or(|said| said == (Reason::Attempts, u32::try_from(calls).unwrap())), "{said:?}");
    (calls, said.is_some())
}

/// What its body would have said may be that no waiting helps: such a limit is not run against for as long as it takes.
#[tokio::test(start_paused = true)]
async fn a_429_that_cannot_be_read_is_repeated_once() {
    for (name, response) in unreadable() {
        assert_eq!(made(response, None).await, (2, true), "{name}");
        // Whoever says when, or whether at all, knows what it is.
        for header in [("x-should-retry", "true"), ("retry-after", "1"), ("retry-after-ms", "1")] {
            assert_eq!(made(response, Some(header)).await, (4, true), "{name} {header:?}");
        }
        assert_eq!(made(response, Some(("x-should-retry", "false"))).await, (1, false), "{name}");
        assert_eq!(made(response, Some(("x-should-retry", "perhaps"))).await, (2, true), "{name}");
    }
    for (name, response) in of_others() {
        assert_eq!(made(response, None).await, (4, true), "{name}");
    }
    // The once is the call's, whatever comes between.
    for (name, response) in unreadable() {
        let upstream =
            Upstream::new(move |number| Ok(if number == 1 { failed(529, []) } else { response() }));
        let sent = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!((sent.status().as_u16(), gave_up(&sent)), (429, Some((Reason::Attempts, 3))), "{name}");
    }
}

/// Of other failures the body says nothing that would make them last.
#[tokio::test(start_paused = true)]
async fn what_else_cannot_be_read_is_repeated_as_ever() {
    for status in [409, 500, 529] {
        for steps in [vec![Step::Never], vec![data("{"), Step::Fail], vec![data("{")]] {
            let upstream = Upstream::new(move |_| Ok(failed(status, steps.clone())));
            let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
            assert_eq!(gave_up(&response), Some((Reason::Attempts, 4)), "{status}");
        }
    }
}

/// What broke off behind the whole of it has said all.
#[tokio::test(start_paused = true)]
async fn a_body_that_fails_behind_its_last_byte_is_believed() {
    let spent = limited("enforced_spend_limit_reached");
    let upstream = Upstream::of([failed(429, [data(&spent), Step::Wait, Step::Fail])]);
    let got = read_all(send(&layer(), &upstream, post(MESSAGES)).await.unwrap()).await;
    assert_eq!((got.text(), got.is_broken()), (spent, true));
}

/// No more of an endless one is read than it takes to see that it is too long.
#[tokio::test(start_paused = true)]
async fn an_endless_body_is_given_up() {
    for cap in [100, 0] {
        let endless = || {
            let steps = std::iter::repeat_n(data("0123456789"), 10_000);
            answer(529, JSON, Script::new(steps).knowing())
        };
        let upstream = Upstream::of([endless(), endless()]);
        let layer = layer().with_error_body_cap(cap).with_max_retries(1);
        let response = send(&layer, &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!(upstream.times(), [Duration::ZERO, seconds(1)]);
        assert!(!upstream.was_read(0) && !upstream.is_alive(0));
        assert_eq!(gave_up(&response), Some((Reason::Attempts, 2)));
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(100_000));
        let got = read_all(response).await;
        assert_eq!(got.text(), "0123456789".repeat(10_000));
        // Of those that were not read ahead each is still one.
        assert!(got.frames.len() > 9_980, "{}", got.frames.len());
    }
}

/// What says of itself that it is too long is not begun, and where nothing may be read nothing is waited for.
#[tokio::test(start_paused = true)]
async fn a_body_that_will_be_too_long_is_not_waited_for() {
    let slow = |length: usize| [Step::Sleep(seconds(4)), data("x".repeat(length))];
    let of = |length: usize| answer(529, JSON, Script::new(slow(length)).knowing());
    let stalled = || failed(529, [Step::Never]);
    let cap = DEFAULT_ERROR_BODY_CAP;
    for (layer, response, expected) in [
        (layer(), of(cap + 1), 1),
        (layer(), of(cap), 5),
        (layer().with_error_body_cap(10), of(11), 1),
        (layer().with_error_body_cap(10), of(10), 5),
        (layer().with_error_body_cap(usize::MAX), of(cap + 1), 5),
        // It may be anything.
        (layer(), failed(529, slow(cap + 1)), 5),
        (layer(), stalled(), 6),
        (layer().with_error_body_cap(0), stalled(), 1),
        (layer().with_error_body_cap(0), failed(529, slow(1)), 1),
        (layer().with_error_body_cap(0), answer(529, "text/html", Script::new(slow(1)).knowing()), 1),
    ] {
        let shown = format!("{response:?}").chars().take(300).collect::<String>();
        let upstream = Upstream::of([response, good()]);
        send(&layer, &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!(upstream.times(), [0, expected].map(seconds), "{expected} {shown}");
    }
    // Nothing of it is believed then, and nothing of it is lost.
    let spent = limited("enforced_spend_limit_reached");
    let upstream = Upstream::of([failed(429, [data(&spent)]), failed(429, [data(&spent)])]);
    let response = send(&layer().with_error_body_cap(0), &upstream, post(MESSAGES)).await.unwrap();
    assert_eq!(gave_up(&response), Some((Reason::Attempts, 2)));
    assert_eq!(read_all(response).await.text(), spent);
}

#[test]
fn empty_frames_without_end_keep_no_other_task_out() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let upstream = Upstream::of([failed(500, [Step::EmptyForever])]);
        let retry = layer().with_timeout(millis(1));
        let response = send(&retry, &upstream, post(MESSAGES)).await.unwrap();
        assert_eq!(gave_up(&response), Some((Reason::Deadline, 1)));
    });
}

/// A stalled body takes its time out of the call's, and no more.
#[tokio::test(start_paused = true)]
async fn each_body_is_waited_for_by_a_clock_of_its_own() {
    let stalled = || failed(529, [Step::Sleep(seconds(4)), data(OVERLOADED)]);
    let upstream = Upstream::of([stalled(), stalled(), failed(529, [Step::Never]), good()]);
    send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
    assert_eq!(upstream.times(), [0, 5, 10, 17].map(seconds));
}

/// Errors of requests that could not be repeated are read all the same, and found to be what they are.
#[tokio::test(start_paused = true)]
async fn the_error_of_a_streamed_request_arrives_whole() {
    let mut request = post(MESSAGES);
    *request.body_mut() = claude_wire::Body::stream(claude_wire::Body::from("{}"));
    let upstream = Upstream::of([failed(529, [data(OVERLOADED), Step::Wait, Step::Trailers])]);
    let response = send(&layer(), &upstream, request).await.unwrap();
    assert_eq!(gave_up(&response), Some((Reason::StreamedRequest, 1)));
    let got = read_all(response).await;
    assert_eq!((got.text(), got.trailers), (OVERLOADED.to_owned(), Some(trailers())));
}

/// The wait begins when the body has been read, and is as long as it is without one.
#[tokio::test(start_paused = true)]
async fn a_wait_that_is_asked_for_counts_from_the_end_of_the_body() {
    let mut response = failed(529, [Step::Sleep(seconds(2)), data(OVERLOADED)]);
    response.headers_mut().insert("retry-after", 7.into());
    let upstream = Upstream::of([response, good()]);
    let begun = Instant::now();
    send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
    assert_eq!(Instant::now().saturating_duration_since(begun), seconds(9));
}
