//! Readiness, calls and clones, of both modes alike.

use std::task::Poll;

use claude_errors::{Error, ErrorKind, ErrorLayer, Messages};
use claude_wire::call::{Attempt, Call, Refusal, RefusalKind};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

use crate::support::{
    Answer, Ear, JSON, MESSAGE, MESSAGES, Probe, Reader, Script, answer, data, error, post, read,
};

type Mock = mock::Mock<Request<Body>, Response<Script>>;

fn pair() -> (Mock, mock::Handle<Request<Body>, Response<Script>>) {
    mock::pair()
}

fn message() -> Response<Script> {
    answer(200, JSON, Script::new([data(MESSAGE)]))
}

/// The layers, each as a function of a service: the tests of this file are the same for both.
macro_rules! both {
    ($name:ident, |$layer:ident| $test:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn typed() {
                let $layer = ErrorLayer::typed();
                $test
            }

            #[test]
            fn observed() {
                let $layer = ErrorLayer::observe();
                $test
            }
        }
    };
}

both!(waits_for_the_service_and_passes_calls, |layer| {
    let (mock, mut handle) = pair();
    let mut service = task::spawn(layer.layer(mock));
    handle.allow(0);
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    handle.allow(2);
    for path in ["/first", "/second"] {
        assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
        let mut future = task::spawn(service.call(post(path)));
        assert_pending!(future.poll());
        let (request, send) = assert_ready!(task::spawn(handle.next_request()).poll()).unwrap();
        assert_eq!(request.uri(), path);
        // A call and an attempt, for whoever is below.
        assert!(request.extensions().get::<Call>().is_some());
        assert_eq!(Attempt::find(request.extensions()).unwrap().number(), 0);
        send.send_response(message());
        assert!(future.is_woken());
        assert_eq!(assert_ready_ok!(future.poll()).status(), 200);
    }
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
});

both!(a_clone_has_its_own_readiness, |layer| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let probe = Probe::new(|_: Request<Body>| -> Answer { Ok(message()) });
    let mut first = layer.layer(probe);
    runtime.block_on(async {
        first.ready().await.unwrap();
        let mut second = first.clone();
        // The one that was asked is ready still, and the clone when it is asked.
        for service in [&mut first, &mut second] {
            for _ in 0..2 {
                let response = service.ready().await.unwrap().call(post(MESSAGES)).await.unwrap();
                assert_eq!(read(response.into_body(), Reader::Thorough).await.text(), MESSAGE);
            }
        }
    });
});

both!(a_call_and_an_attempt_that_are_there_stay, |layer| {
    let (mock, mut handle) = pair();
    handle.allow(1);
    let mut service = task::spawn(layer.layer(mock));
    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
    let clock = || tokio::time::Instant::now().into_std();
    let call = Call::new(claude_wire::call::CallId(7), clock);
    let mut request = post(MESSAGES);
    request.extensions_mut().insert(call.clone());
    drop(call.begin_attempt());
    call.begin_attempt().put_into(&mut request);
    let mut future = task::spawn(service.call(request));
    assert_pending!(future.poll());
    let (request, _) = assert_ready!(task::spawn(handle.next_request()).poll()).unwrap();
    assert_eq!(request.extensions().get::<Call>().unwrap().id(), call.id());
    assert_eq!(Attempt::find(request.extensions()).unwrap().number(), 1);
});

both!(accessors, |layer| {
    let mut service = layer.layer(7);
    assert_eq!((*service.get_ref(), *service.get_mut()), (7, 7));
    assert!(format!("{service:?}").contains("inner: 7"));
    assert_eq!(service.clone().into_inner(), 7);
    let shown = format!("{:?}", layer.with_reporter(Ear::default()));
    assert!(shown.contains("reporters: 1"), "{shown}");
});

/// A service that is broken says so when it is asked, in the words of an error of a call.
#[test]
fn a_service_that_fails_when_it_is_asked() {
    let ear = Ear::default();
    let messages = Messages::new().with("UNKNOWN_ERROR", "Es geht nicht.");
    let (mock, mut handle) = pair();
    let layer = ErrorLayer::typed().with_messages(messages).with_reporter(ear.clone());
    let mut service = task::spawn(layer.layer(mock));
    handle.send_error(std::io::Error::other("closed"));
    let error: Error = assert_ready_err!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!((error.kind(), error.maybe_executed()), (ErrorKind::Unknown, false));
    assert_eq!(error.to_string(), "Es geht nicht.");

    let (mock, mut handle) = pair();
    let mut service = task::spawn(ErrorLayer::observe().with_reporter(ear.clone()).layer(mock));
    handle.send_error(std::io::Error::other("closed"));
    let error: BoxError = assert_ready_err!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(error.to_string(), "closed");
    // There is no request yet that could be reported.
    assert!(ear.heard().is_empty());
}

/// An error of a call, in both modes: its kind, its words, its source and its report.
#[tokio::test]
async fn errors_of_calls() {
    let fails = |error: fn() -> BoxError| Probe::new(move |_: Request<Body>| -> Answer { Err(error()) });
    let refused: fn() -> BoxError =
        || Refusal::new(RefusalKind::BudgetExceeded, "BUDGET_EXCEEDED", "no money left").into();
    let reset: fn() -> BoxError = || std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
    for (make, kind, code, words, maybe_executed) in [
        (refused, ErrorKind::Refused(RefusalKind::BudgetExceeded), "BUDGET_EXCEEDED", "no money left", false),
        // Nobody below claimed the mark, so that it was set at the call.
        (reset, ErrorKind::ConnectionLost, "CONNECTION_LOST", "the connection broke before the answer", true),
    ] {
        let ear = Ear::default();
        let typed = ErrorLayer::typed().with_reporter(ear.clone()).layer(fails(make));
        let error = error(typed.oneshot(post(MESSAGES)).await);
        assert_eq!((error.kind(), error.code(), &*error.to_string()), (kind, code, words));
        assert_eq!(error.maybe_executed(), maybe_executed);
        assert!(!error.is_mid_stream() && error.response().is_none() && error.status().is_none());
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), make().to_string());

        let observed = ErrorLayer::observe().with_reporter(ear.clone()).layer(fails(make));
        let error = observed.oneshot(post(MESSAGES)).await.unwrap_err();
        assert_eq!(error.to_string(), make().to_string(), "as it was");

        let heard = ear.heard();
        assert_eq!(heard.len(), 2);
        for heard in heard {
            assert_eq!((heard.judged.kind, heard.code), (kind, code));
            assert_eq!((heard.judged.maybe_executed, heard.mid_stream), (maybe_executed, false));
            assert_eq!((heard.model.as_deref(), heard.attempts), (Some("claude-opus-5-5"), 1));
        }
    }
}

/// A layer over another of its kind finds the error that is there.
#[tokio::test]
async fn typed_over_typed() {
    let ear = Ear::default();
    let german = ErrorLayer::typed().with_messages(Messages::new().with("NOT_FOUND", "Gibt es nicht."));
    let layer = (ErrorLayer::typed().with_reporter(ear.clone()), german);
    let probe = Probe::new(|_: Request<Body>| -> Answer { Ok(answer(404, JSON, Script::new([]))) });
    let error = error(layer.layer(probe).oneshot(post(MESSAGES)).await);
    assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::NotFound, "Gibt es nicht."));
    assert_eq!(error.response().unwrap().status(), 404);
    assert_eq!(ear.codes(), ["NOT_FOUND"]);
}

#[test]
fn futures_say_what_they_are() {
    let (mock, mut handle) = pair();
    handle.allow(2);
    let mut typed = task::spawn(ErrorLayer::typed().layer(mock.clone()));
    assert!(matches!(typed.enter(|cx, mut service| service.poll_ready(cx)), Poll::Ready(Ok(()))));
    assert_eq!(format!("{:?}", typed.call(post(MESSAGES))), "ResponseFuture");
    let mut observed = task::spawn(ErrorLayer::observe().layer(mock));
    assert!(matches!(observed.enter(|cx, mut service| service.poll_ready(cx)), Poll::Ready(Ok(()))));
    assert_eq!(format!("{:?}", observed.call(post(MESSAGES))), "ResponseFuture");
}
