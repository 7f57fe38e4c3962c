//! Callers that leave, at any point: nothing is left, and nothing is said but of an error whose head had come.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use claude_errors::ErrorLayer;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

use crate::support::{
    Answer, EVENTS, Ear, JSON, MESSAGE, MESSAGES, Probe, START, STOP, Script, Step, answer, data, finish,
    post,
};

fn answers(response: Response<Script>) -> Probe<impl FnMut(Request<Body>) -> Answer> {
    let mut response = Some(response);
    Probe::new(move |_: Request<Body>| -> Answer { Ok(response.take().unwrap()) })
}

/// A body with a handle that tells whether it is there.
fn tracked(script: Script) -> (Script, Weak<()>) {
    let alive = Arc::downgrade(&script.alive());
    (script, alive)
}

#[tokio::test]
async fn before_the_first_poll_and_while_calling() {
    for polled in [false, true] {
        let ear = Ear::default();
        let (mock, mut handle) = mock::pair::<Request<Body>, Response<Script>>();
        let mut typed = ErrorLayer::typed().with_reporter(ear.clone()).layer(mock.clone());
        let mut future = task::spawn(typed.ready().await.unwrap().call(post(MESSAGES)));
        if polled {
            assert_pending!(future.poll());
        }
        let (_, send) = handle.next_request().await.unwrap();
        drop(future);
        send.send_error("nobody listens");
        let mut observed = ErrorLayer::observe().with_reporter(ear.clone()).layer(mock);
        let mut future = task::spawn(observed.ready().await.unwrap().call(post(MESSAGES)));
        if polled {
            assert_pending!(future.poll());
        }
        let (_, send) = handle.next_request().await.unwrap();
        drop(future);
        send.send_error("nobody listens");
        assert!(ear.heard().is_empty());
    }
}

/// The head of an error has come, and is what is known of it.
#[tokio::test]
async fn while_an_error_body_is_read() {
    let script = || Script::new([data("{"), Step::Never]);
    let (body, alive) = tracked(script());
    let ear = Ear::default();
    let typed = ErrorLayer::typed().with_reporter(ear.clone()).layer(answers(answer(500, JSON, body)));
    let mut future = task::spawn(typed.oneshot(post(MESSAGES)));
    for _ in 0..5 {
        assert_pending!(future.poll());
    }
    assert!(alive.upgrade().is_some());
    drop(future);
    assert!(alive.upgrade().is_none());
    assert_eq!(ear.codes(), ["SERVER_ERROR"]);

    let ear = Ear::default();
    let (body, alive) = tracked(script());
    let observed = ErrorLayer::observe().with_reporter(ear.clone()).layer(answers(answer(500, JSON, body)));
    let response = observed.oneshot(post(MESSAGES)).await.unwrap();
    assert!(ear.heard().is_empty(), "it may still say more");
    drop(response);
    assert!(alive.upgrade().is_none());
    assert_eq!(ear.codes(), ["SERVER_ERROR"]);
}

#[tokio::test]
async fn in_the_body_of_a_good_answer() {
    for (kind, steps) in [
        (EVENTS, vec![data(START), Step::Never]),
        (EVENTS, vec![Step::Never]),
        (JSON, vec![data(&MESSAGE[..9]), Step::Never]),
        (JSON, vec![data(&MESSAGE[..9])]),
        (EVENTS, vec![data(START), Step::Fail]),
        (EVENTS, vec![data(START), data(STOP), Step::Never]),
    ] {
        for frames in 0..steps.len().min(2) {
            let ear = Ear::default();
            let (body, alive) = tracked(Script::new(steps.clone()));
            let typed = ErrorLayer::typed().with_reporter(ear.clone());
            let response =
                typed.layer(answers(answer(200, kind, body))).oneshot(post(MESSAGES)).await.unwrap();
            leave(response.into_body(), frames);
            assert!(alive.upgrade().is_none());

            let (body, alive) = tracked(Script::new(steps.clone()));
            let observed = ErrorLayer::observe().with_reporter(ear.clone());
            let response =
                observed.layer(answers(answer(200, kind, body))).oneshot(post(MESSAGES)).await.unwrap();
            leave(response.into_body(), frames);
            assert!(alive.upgrade().is_none());
            assert!(ear.heard().is_empty(), "{kind} {steps:?} {frames}");
        }
    }
}

/// Reads so many frames, as far as they are there, and leaves.
fn leave(body: impl HttpBody<Data = Bytes>, frames: usize) {
    let mut body = task::spawn(Box::pin(body));
    for _ in 0..frames {
        let frame = body.enter(|cx, mut body| body.as_mut().as_mut().poll_frame(cx));
        assert!(matches!(frame, std::task::Poll::Pending | std::task::Poll::Ready(Some(Ok(_)))));
    }
}

/// The rest of an error's body that was left to the caller: it was reported, and is not again.
#[tokio::test(start_paused = true)]
async fn in_the_rest_of_an_error_body() {
    let ear = Ear::default();
    let (body, alive) = tracked(Script::new([data("{"), Step::Never]));
    let typed = ErrorLayer::typed().with_reporter(ear.clone());
    let response = typed.layer(answers(answer(500, JSON, body))).oneshot(post(MESSAGES)).await.unwrap();
    assert_eq!(ear.codes(), ["SERVER_ERROR"]);
    leave(response.into_body(), 1);
    assert!(alive.upgrade().is_none());
    assert_eq!(ear.codes(), ["SERVER_ERROR"]);
}

/// What is behind an error need not be polled for the error to have been heard of.
#[test]
fn before_the_error_is_taken() {
    let ear = Ear::default();
    let service = service_fn(|_: Request<Body>| async {
        Ok::<_, BoxError>(answer(200, EVENTS, Script::new([data(START)]).knowing()))
    });
    let typed = ErrorLayer::typed().with_reporter(ear.clone()).layer(service);
    let mut body = task::spawn(Box::pin(finish(typed.oneshot(post(MESSAGES))).unwrap().into_body()));
    assert!(assert_ready!(body.enter(|cx, mut body| body.as_mut().as_mut().poll_frame(cx))).unwrap().is_ok());
    drop(body);
    assert_eq!(ear.codes(), ["INCOMPLETE_RESPONSE"]);
}
