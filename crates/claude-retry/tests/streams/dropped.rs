//! Callers that leave: whatever is there then goes at once.

use std::task::Poll;

use claude_retry::{Hold, Quota, RetryLayer};
use http::Response;
use http_body_util::BodyExt;
use tokio_test::{assert_pending, task};
use tower::{Layer, ServiceExt};

use crate::support::{
    DELTA, EVENTS, JSON, MESSAGE, MESSAGES, OVERLOADED, PING, START, STOP, Script, Step, Upstream, answer,
    call_of, data, layer, post, seconds, send, stream,
};

/// Sends, polls until nothing moves any more, and drops.
async fn leave(layer: RetryLayer, first: Response<Script>, wait: u64) -> Upstream {
    let upstream = Upstream::of([first]);
    let mut call = task::spawn(layer.layer(upstream.clone()).oneshot(post(MESSAGES)));
    loop {
        assert_pending!(call.poll());
        if !call.is_woken() {
            break;
        }
    }
    tokio::time::advance(seconds(wait)).await;
    assert_pending!(call.poll());
    assert!(upstream.is_alive(0));
    drop(call);
    assert!(!upstream.is_alive(0));
    tokio::time::advance(seconds(60)).await;
    assert_eq!(upstream.calls(), 1);
    upstream
}

#[tokio::test(start_paused = true)]
async fn while_a_head_is_held() {
    for steps in [vec![Step::Never], vec![data(START), Step::Wait, data(PING), Step::Never]] {
        leave(layer(), stream(steps.clone()), 4).await;
        leave(layer().with_timeout(seconds(60)), stream(steps), 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_an_answer_is_collected() {
    let half = answer(200, JSON, Script::new([data(&MESSAGE[..30]), Step::Wait, Step::Never]));
    leave(layer().with_collect(10_000), half, 600).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_body_of_an_error_is_read() {
    leave(layer(), answer(529, JSON, Script::new([data(&OVERLOADED[..30]), Step::Never])), 4).await;
}

/// What was paid for a retry that is under way is spent; the history tells how far it came.
#[tokio::test(start_paused = true)]
async fn while_the_head_of_a_retry_is_held() {
    let quota = Quota::new(0.0, 10).unwrap();
    let layer = layer().with_quota(quota.clone());
    let bad = answer(529, JSON, Script::new([data(OVERLOADED)]));
    let upstream = Upstream::of([bad, stream([data(START), Step::Never])]);
    let request = post(MESSAGES);
    let history = call_of(&request);
    let mut call = task::spawn(layer.layer(upstream.clone()).oneshot(request));
    assert_pending!(call.poll());
    tokio::time::advance(seconds(1)).await;
    assert_pending!(call.poll());
    assert_eq!(upstream.calls(), 2);
    assert!(upstream.is_alive(1));
    drop(call);
    assert!(!upstream.is_alive(1));
    assert_eq!(quota.available(), 8.0);
    let ends: Vec<_> = history.attempts().iter().map(|attempt| attempt.outcome().is_some()).collect();
    assert_eq!(ends, [true, false]);
}

/// The body of every kind of answer, in the middle of it: what is held, what is still to come, and the clock.
#[tokio::test(start_paused = true)]
async fn in_the_middle_of_a_body() {
    let answers: [fn() -> Response<Script>; 5] = [
        || stream([data(START), data(PING), data(DELTA), Step::Never]),
        || stream([data(START), data(DELTA), data(STOP), Step::Never]),
        || answer(200, JSON, Script::new([data(&MESSAGE[..30]), data(&MESSAGE[30..]), Step::Never])),
        || answer(200, "text/plain", Script::new([data("x"), data("y"), Step::Never])),
        || answer(400, JSON, Script::new([data("x".repeat(70_000)), data("y"), Step::Never])),
    ];
    for layer in [layer(), layer().with_timeout(seconds(60)), layer().with_hold(Hold::off())] {
        for answer in answers {
            for frames in 0..4 {
                let upstream = Upstream::of([answer()]);
                let mut body = send(&layer, &upstream, post(MESSAGES)).await.unwrap().into_body();
                let mut came = 0;
                while came < frames {
                    match task::spawn(body.frame()).poll() {
                        Poll::Ready(frame) => drop(frame.unwrap().unwrap()),
                        Poll::Pending => break,
                    }
                    came += 1;
                }
                assert!(upstream.is_alive(0));
                drop(body);
                assert!(!upstream.is_alive(0));
            }
        }
    }
}

/// A response that is never looked at.
#[tokio::test(start_paused = true)]
async fn before_the_body() {
    let upstream = Upstream::of([answer(200, EVENTS, Script::new([data(DELTA), Step::Never]))]);
    drop(send(&layer(), &upstream, post(MESSAGES)).await.unwrap());
    assert!(!upstream.is_alive(0));
}
