//! How far a stream is held, and which are not held at all.

use std::time::Duration;

use claude_retry::{Hold, MaybeExecuted, Quota, Reason, RetryLayer};
use claude_wire::Body;
use http::{Method, Request, Response};
use tokio::time::Instant;

use crate::support::{
    BLOCK, DELTA, ERROR, EVENTS, JSON, MESSAGES, PING, START, STOP, Script, Step, Upstream, answer, data,
    gave_up, good, good_text, layer, millis, post, read_all, seconds, send, stream,
};

async fn when_it_comes(layer: &RetryLayer, upstream: &Upstream, request: Request<Body>) -> Duration {
    let begun = Instant::now();
    let response = send(layer, upstream, request).await.unwrap();
    assert_eq!(gave_up(&response), None);
    Instant::now().saturating_duration_since(begun)
}

#[tokio::test(start_paused = true)]
async fn after_five_seconds_the_head_is_handed_on_and_nothing_is_repeated_any_more() {
    let pings = || (0..60).flat_map(|_| [data(PING), Step::Sleep(millis(900))]);
    for tail in [vec![data(ERROR)], vec![], vec![Step::Fail]] {
        for begin in [vec![], vec![data(START)], vec![data(START), data(BLOCK)], pings().collect()] {
            let steps: Vec<_> =
                begin.into_iter().chain([Step::Sleep(seconds(6))]).chain(tail.iter().cloned()).collect();
            let upstream = Upstream::of([stream(steps.clone())]);
            let begun = Instant::now();
            let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
            assert_eq!(Instant::now().saturating_duration_since(begun), seconds(5));
            assert_eq!(gave_up(&response), None);
            let (got, plain) = (read_all(response).await, read_all(stream(steps)).await);
            assert_eq!(got.frames, plain.frames);
            assert_eq!(got.is_broken(), plain.is_broken());
        }
    }
    // To the moment.
    let steps = |wait| [data(START), Step::Sleep(wait), data(ERROR)];
    let upstream = Upstream::of([stream(steps(millis(4_999))), good()]);
    assert_eq!(when_it_comes(&layer(), &upstream, post(MESSAGES)).await, millis(5_999));
    let upstream = Upstream::of([stream(steps(millis(5_001)))]);
    assert_eq!(when_it_comes(&layer(), &upstream, post(MESSAGES)).await, seconds(5));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_held_by_a_clock_of_its_own() {
    let slow = || stream([data(START), Step::Sleep(seconds(4)), data(ERROR)]);
    let last = stream([data(START), Step::Sleep(seconds(60)), data(DELTA), data(STOP)]);
    let upstream = Upstream::of([slow(), slow(), last]);
    // Twice 4 s and the wait, and then 5 s.
    assert_eq!(when_it_comes(&layer(), &upstream, post(MESSAGES)).await, seconds(4 + 1 + 4 + 1 + 5));
}

#[tokio::test(start_paused = true)]
async fn a_hold_of_ones_own() {
    let upstream = Upstream::of([stream([data(START), Step::Never])]);
    let hold = Hold::default().with_time(millis(30));
    assert_eq!(when_it_comes(&layer().with_hold(hold), &upstream, post(MESSAGES)).await, millis(30));
}

/// Held and repeated, or handed on at once as it is.
async fn is_held(hold: Hold, steps: Vec<Step>) -> bool {
    let upstream = Upstream::of([stream(steps.clone()), good()]);
    let begun = Instant::now();
    let response = send(&layer().with_hold(hold), &upstream, post(MESSAGES)).await.unwrap();
    let got = read_all(response).await;
    let is_held = upstream.calls() == 2;
    if is_held {
        assert_eq!(got.text(), good_text());
    } else {
        assert_eq!(Instant::now(), begun, "at once");
        assert_eq!(got.full_frames(), read_all(stream(steps)).await.full_frames());
    }
    is_held
}

#[tokio::test(start_paused = true)]
async fn sixty_four_kibibytes_are_held_and_no_more() {
    // A comment of so many bytes.
    let comment = |length: usize| format!(":{}\n\n", "x".repeat(length - 3));
    for cap in [64 * 1024, 1_000] {
        let hold = if cap == 1_000 { Hold::default().with_bytes(cap) } else { Hold::default() };
        let rest = cap - START.len() - ERROR.len();
        let steps = |more: usize| vec![data(START), data(comment(rest + more)), Step::Wait, data(ERROR)];
        assert!(is_held(hold, steps(0)).await);
        assert!(!is_held(hold, steps(1)).await);
        // In one frame, which is there and known, and past the bound all the same.
        let frame = |more: usize| vec![data([START, &comment(rest + more), ERROR].concat())];
        assert!(is_held(hold, frame(0)).await);
        assert!(!is_held(hold, frame(1)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_events_are_held_and_no_more() {
    for (hold, events) in [(Hold::default(), 200), (Hold::default().with_events(7), 7)] {
        let steps = |pings: usize| {
            let pings = std::iter::repeat_n(data(PING), pings);
            [data(START)].into_iter().chain(pings).chain([data(ERROR)]).collect::<Vec<_>>()
        };
        assert!(is_held(hold, steps(events - 2)).await);
        assert!(!is_held(hold, steps(events - 1)).await);
        // However they come.
        let frame = |pings: usize| vec![data([START, &PING.repeat(pings), ERROR].concat())];
        assert!(is_held(hold, frame(events - 2)).await);
        assert!(!is_held(hold, frame(events - 1)).await);
    }
}

/// Each frame weighs, however small it is.
#[tokio::test(start_paused = true)]
async fn a_thousand_and_twenty_four_frames_are_held_and_no_more() {
    let steps = |frames: usize| {
        let small = std::iter::repeat_n(data(":"), frames - 1);
        small.chain([data(format!("\n{ERROR}"))]).collect::<Vec<_>>()
    };
    assert!(is_held(Hold::default(), steps(1_024)).await);
    assert!(!is_held(Hold::default(), steps(1_025)).await);
    // Empty ones do not.
    let empty = std::iter::repeat_n(data(""), 5_000);
    assert!(is_held(Hold::default(), empty.chain([data(ERROR)]).collect()).await);
}

/// One that is always ready, and never has anything, keeps no other task out, the clock among them.
#[test]
fn frames_of_nothing_without_end_are_held_no_longer_than_others() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let upstream = Upstream::of([stream([data(START), Step::EmptyForever])]);
        let layer = layer().with_hold(Hold::default().with_time(millis(1)));
        assert_eq!(send(&layer, &upstream, post(MESSAGES)).await.unwrap().status(), 200);
    });
}

/// Handed on at once, and as it is.
async fn passes(
    layer: &RetryLayer,
    response: fn(Script) -> Response<Script>,
    request: fn() -> Request<Body>,
) {
    let upstream = Upstream::of([response(Script::new([Step::Never]))]);
    assert_eq!(when_it_comes(layer, &upstream, request()).await, Duration::ZERO);
    for steps in [vec![], vec![data(START), data(ERROR)], vec![data(""), data(START), Step::Fail]] {
        let upstream = Upstream::of([response(Script::new(steps.clone()))]);
        let got = read_all(send(layer, &upstream, request()).await.unwrap()).await;
        let plain = read_all(response(Script::new(steps))).await;
        // Not even empty frames are lost.
        assert_eq!((&got.frames, got.is_broken()), (&plain.frames, plain.is_broken()));
    }
}

fn events(body: Script) -> Response<Script> {
    answer(200, EVENTS, body)
}

fn message() -> Request<Body> {
    post(MESSAGES)
}

#[tokio::test(start_paused = true)]
async fn no_stream_is_held_where_the_hold_is_off() {
    for hold in [
        Hold::off(),
        Hold::default().with_time(Duration::ZERO),
        Hold::default().with_bytes(0),
        Hold::default().with_events(0),
    ] {
        assert!(!hold.is_on());
        passes(&layer().with_hold(hold), events, message).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_coded_is_not_held() {
    for coded in [
        (|body| {
            let mut response = events(body);
            response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            response
        }) as fn(Script) -> Response<Script>,
        |body| {
            let mut response = events(body);
            response.headers_mut().insert("content-encoding", "identity, br".parse().unwrap());
            response
        },
    ] {
        passes(&layer(), coded, message).await;
    }
    // That it is not coded may be said too.
    let mut identity = stream([data(START), data(ERROR)]);
    identity.headers_mut().insert("content-encoding", "identity".parse().unwrap());
    let upstream = Upstream::of([identity, good()]);
    assert_eq!(read_all(send(&layer(), &upstream, message()).await.unwrap()).await.text(), good_text());
}

#[tokio::test(start_paused = true)]
async fn only_messages_are_held() {
    let others: [fn() -> Request<Body>; 6] = [
        || post("/v1/complete"),
        || post("/v1/models"),
        || post("/v1/messages/batches"),
        || post("/elsewhere"),
        || {
            let mut request = post(MESSAGES);
            *request.method_mut() = Method::GET;
            request
        },
        || {
            let mut request = post(MESSAGES);
            *request.method_mut() = Method::HEAD;
            request
        },
    ];
    for request in others {
        passes(&layer(), events, request).await;
    }
    // With a query it is one still.
    let upstream = Upstream::of([stream([data(START), data(ERROR)]), good()]);
    let response = send(&layer(), &upstream, post("/v1/messages?beta=true")).await.unwrap();
    assert_eq!(read_all(response).await.text(), good_text());
}

#[tokio::test(start_paused = true)]
async fn only_event_streams_are_held() {
    let others: [fn(Script) -> Response<Script>; 4] = [
        |body| answer(200, JSON, body),
        |body| answer(200, "text/plain", body),
        |body| answer(200, "application/x-jsonl", body),
        Response::new,
    ];
    for response in others {
        passes(&layer(), response, message).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_repeated_is_not_held() {
    passes(&layer(), events, || {
        let mut request = post(MESSAGES);
        *request.body_mut() = Body::stream(Body::from("{}"));
        request
    })
    .await;
}

/// A message with more members than it needs.
fn saying(members: &str) -> Request<Body> {
    let mut request = message();
    let text = format!(r#"{{"model":"claude-opus-5-5","stream":true,{members},"messages":[]}}"#);
    *request.body_mut() = Body::from(text);
    request
}

/// Goes on from a state of the API's.
fn stateful() -> Request<Body> {
    saying(r#""container":"container_1""#)
}

/// Names servers that do who knows what.
fn with_servers() -> Request<Body> {
    saying(r#""mcp_servers":[{"type":"url","name":"calendar","url":"https://mcp.example"}]"#)
}

fn searching() -> Request<Body> {
    saying(r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#)
}

/// Is itself the retry of a client.
fn again() -> Request<Body> {
    let mut request = message();
    request.headers_mut().insert("x-stainless-retry-count", 1.into());
    request
}

fn broke() -> RetryLayer {
    layer().with_quota(Quota::new(0.0, 0).unwrap())
}

/// Who could not repeat it does not keep its reader waiting either.
#[tokio::test(start_paused = true)]
async fn what_would_not_be_repeated_is_not_held() {
    let requests: [fn() -> Request<Body>; 5] = [message, stateful, with_servers, searching, again];
    for request in requests {
        passes(&layer().with_max_retries(0), events, request).await;
        passes(&layer().with_maybe_executed(MaybeExecuted::Leave), events, request).await;
    }
    passes(&layer(), events, stateful).await;
    passes(&layer(), events, with_servers).await;
    passes(&broke(), events, again).await;
}

/// All others are: with the last bit of a chance, it is taken.
#[tokio::test(start_paused = true)]
async fn what_would_be_repeated_is_held() {
    let slow = || stream([data(START), Step::Sleep(seconds(2)), data(DELTA), data(STOP)]);
    let all = || layer().with_maybe_executed(MaybeExecuted::RepeatAll);
    for (layer, request) in [
        (layer(), message()),
        (layer(), searching()),
        (layer().with_max_retries(1), message()),
        (layer(), again()),
        (all(), stateful()),
        (all(), with_servers()),
        // There may be some by then.
        (broke(), message()),
        (all(), again()),
    ] {
        let upstream = Upstream::of([slow()]);
        assert_eq!(when_it_comes(&layer, &upstream, request).await, seconds(2), "{layer:?}");
    }
}

/// What fails there is given up with a word, and nobody has seen half of it.
#[tokio::test(start_paused = true)]
async fn the_last_attempt_is_held_too() {
    let bad = || stream([data(START), data(ERROR)]);
    let slow = stream([data(START), Step::Sleep(seconds(2)), data(DELTA), data(STOP)]);
    let upstream = Upstream::of([bad(), slow]);
    assert_eq!(when_it_comes(&layer().with_max_retries(1), &upstream, message()).await, seconds(1 + 2));
    let slow = stream([data(START), Step::Sleep(seconds(2)), data(ERROR)]);
    let upstream = Upstream::of([bad(), slow]);
    let begun = Instant::now();
    let response = send(&layer().with_max_retries(1), &upstream, message()).await.unwrap();
    assert_eq!(Instant::now().saturating_duration_since(begun), seconds(1 + 2));
    assert_eq!(gave_up(&response), Some((Reason::Attempts, 2)));
}
