//! The door in front of a service: readiness, and what passes.

use std::task::Poll;

use claude_secrets::door::{Admission, CLIENT_NOT_ADMITTED, DoorLayer, NotAdmitted, NotAdmittedReason};
use claude_wire::BoxError;
use claude_wire::call::{Caller, Priority, Refusal, RefusalKind};
use http::{Request, Response};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

use crate::support::{CANARY, CHAT, Probe, REPORTS, door};

type Mock = mock::Mock<Request<String>, Response<String>>;
type Handle = mock::Handle<Request<String>, Response<String>>;

fn pair() -> (task::Spawn<Admission<Mock>>, Handle) {
    let (mock, handle) = mock::pair();
    (task::spawn(DoorLayer::new(door()).layer(mock)), handle)
}

fn post(token: &str) -> Request<String> {
    let request = Request::post("/v1/messages").header("x-api-key", token).header("anthropic-beta", "b");
    request.body("a prompt".to_owned()).unwrap()
}

#[test]
fn whoever_is_admitted_goes_on_without_the_token() {
    let (mut service, mut handle) = pair();
    handle.allow(1);
    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
    let mut request = post(CHAT);
    // A caller that somebody claims to be, and what else was there.
    request.extensions_mut().insert(Caller::new().with_line("somebody else"));
    request.extensions_mut().insert(Priority::High);
    let mut future = task::spawn(service.call(request));
    assert!(!format!("{:?} {:?}", *service, *future).contains(CANARY));
    assert_pending!(future.poll());
    let (request, send) = assert_ready!(task::spawn(handle.next_request()).poll()).unwrap();
    assert_eq!(request.extensions().get::<Caller>().unwrap().line.as_deref(), Some("chat"));
    assert_eq!(request.extensions().get::<Priority>(), Some(&Priority::High));
    assert_eq!(request.headers().len(), 1);
    assert_eq!((request.uri().path(), request.body().as_str()), ("/v1/messages", "a prompt"));
    assert!(!format!("{request:?} {:?}", request.extensions()).contains(CANARY));
    send.send_response(Response::new("in".to_owned()));
    assert!(future.is_woken());
    assert_eq!(assert_ready_ok!(future.poll()).body(), "in");
}

#[test]
fn nobody_else_reaches_the_service() {
    let (mut service, mut handle) = pair();
    handle.allow(1);
    for _ in 0..3 {
        assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
        let mut request = post("ctk_nobody-canary");
        request.extensions_mut().insert(Caller::new().with_line("chat"));
        let error: BoxError = assert_ready_err!(task::spawn(service.call(request)).poll());
        let refusal = Refusal::find(&*error).unwrap();
        assert_eq!((refusal.kind(), refusal.code()), (RefusalKind::NoCredential, CLIENT_NOT_ADMITTED));
        assert!(!format!("{error:?} {error}").contains(CANARY));
        let not_admitted = error.downcast_ref::<NotAdmitted>().unwrap();
        assert_eq!(not_admitted.reason(), NotAdmittedReason::Unknown);
    }
    assert_pending!(task::spawn(handle.next_request()).poll());
}

#[test]
fn the_service_is_waited_for() {
    let (mut service, mut handle) = pair();
    handle.allow(0);
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
    handle.send_error("closed");
    let mut other = task::spawn(service.clone());
    match other.enter(|cx, mut service| service.poll_ready(cx)) {
        Poll::Ready(Err(error)) => assert_eq!(error.to_string(), "closed"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_of_the_service_comes_back_as_it_is() {
    let (mut service, mut handle) = pair();
    handle.allow(1);
    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
    let mut future = task::spawn(service.call(post(CHAT)));
    assert_pending!(future.poll());
    let (_, send) = assert_ready!(task::spawn(handle.next_request()).poll()).unwrap();
    send.send_error("broken");
    let error = assert_ready_err!(future.poll());
    assert_eq!(error.to_string(), "broken");
    assert!(Refusal::find(&*error).is_none());
}

/// The probe panics when it is called without having been asked itself.
#[tokio::test]
async fn each_call_is_of_the_instance_that_was_asked() {
    let probe = Probe::default();
    let mut first = DoorLayer::new(door()).layer(probe.clone());
    first.ready().await.unwrap();
    let mut second = first.clone();
    for service in [&mut first, &mut second] {
        for token in [CHAT, "ctk_nobody-canary", REPORTS] {
            let answer = service.ready().await.unwrap().call(post(token)).await;
            assert_eq!(answer.is_ok(), token != "ctk_nobody-canary");
        }
    }
    let lines: Vec<_> = probe
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|request| request.extensions().get::<Caller>().unwrap().line.as_deref().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["chat", "reports", "chat", "reports"]);
}

#[test]
fn accessors() {
    let mut service = DoorLayer::new(door()).layer(7);
    assert_eq!((*service.get_ref(), *service.get_mut()), (7, 7));
    assert_eq!(service.clone().into_inner(), 7);
}
