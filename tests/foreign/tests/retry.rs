//! The retry in Tower stacks that know nothing of it, over clients and inside servers that are not ours.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

#[path = "../../../crates/claude-tower/tests/client/loopback.rs"]
mod loopback;
#[path = "retry/clients.rs"]
mod over_clients;
#[path = "retry/server.rs"]
mod under_a_server;

use std::time::Duration;

use bytes::Bytes;
use claude_sim::{DEFAULT_KEY, Fault, Simulator};
use claude_tower::retry::{GaveUp, MaybeExecuted, Reason, RetryLayer};
use claude_wire::call::{Call, CallId};
use claude_wire::{Body, BoxError};
use http::{Request, Response, StatusCode, request};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt};

const MESSAGE: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}"#;

fn post(uri: &str) -> request::Builder {
    Request::post(uri).header("x-api-key", DEFAULT_KEY).header("anthropic-version", "2026-10-21")
}

fn new_call() -> Call {
    Call::new(CallId(7), || Instant::now().into_std())
}

/// A request, and the call in which its attempts can be read afterwards.
fn message() -> (Request<Body>, Call) {
    let call = new_call();
    (post("/v1/messages").extension(call.clone()).body(Body::from(MESSAGE)).unwrap(), call)
}

/// How its attempts ended.
fn kinds(call: &Call) -> Vec<&'static str> {
    call.attempts().iter().map(|attempt| attempt.outcome().unwrap().kind).collect()
}

/// Calls, and reads the answer to its end.
async fn ask<S, B>(stack: &S, request: Request<Body>) -> Result<StatusCode, BoxError>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let response = stack.clone().oneshot(request).await?;
    let status = response.status();
    response.into_body().collect().await.map_err(Into::into)?;
    Ok(status)
}

/// How long a call takes that succeeds.
async fn time_of<S, B>(stack: &S, request: Request<Body>) -> Duration
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let begun = Instant::now();
    assert_eq!(ask(stack, request).await.unwrap(), 200);
    Instant::now() - begun
}

/// The first attempt of the next call fails, and its second one does not.
fn failing_once() -> Simulator {
    let simulator = Simulator::new();
    simulator.fail_next(1, Fault::overloaded());
    simulator
}

/// A call that nothing fails of, and that takes ten seconds.
fn slow_message() -> Request<Body> {
    post("/v1/messages").header("x-sim-fault", "stall-headers=10s").body(Body::from(MESSAGE)).unwrap()
}

/// A buffer panics when it is called without having been asked, and loses its place when it is cloned.
#[tokio::test(start_paused = true)]
async fn a_buffer_below_is_asked_before_each_attempt() {
    let simulator = Simulator::new();
    simulator.fail_next(8, Fault::overloaded());
    let stack =
        ServiceBuilder::new().layer(RetryLayer::new()).buffer::<Request<Body>>(1).service(simulator.clone());
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (stack, (request, call)) = (stack.clone(), message());
            tokio::spawn(async move { (ask(&stack, request).await.unwrap(), kinds(&call)) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), (StatusCode::OK, vec!["OVERLOADED", "ok"]));
    }
    assert_eq!(simulator.arrived(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_buffer_above_goes_on_while_a_call_waits() {
    let stack =
        ServiceBuilder::new().buffer::<Request<Body>>(1).layer(RetryLayer::new()).service(failing_once());
    let ((first, first_call), (second, second_call)) = (message(), message());
    let (first, second) = tokio::join!(time_of(&stack, first), time_of(&stack, second));
    assert_eq!((kinds(&first_call), kinds(&second_call)), (vec!["OVERLOADED", "ok"], vec!["ok"]));
    assert!(second.is_zero() && first >= Duration::from_secs(1), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn no_permit_below_is_held_while_a_call_waits() {
    let stack = ServiceBuilder::new().layer(RetryLayer::new()).concurrency_limit(1).service(failing_once());
    let ((first, first_call), (second, second_call)) = (message(), message());
    let (first, second) = tokio::join!(time_of(&stack, first), time_of(&stack, second));
    assert_eq!((kinds(&first_call), kinds(&second_call)), (vec!["OVERLOADED", "ok"], vec!["ok"]));
    assert!(second.is_zero() && first >= Duration::from_secs(1), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn each_attempt_waits_for_a_permit_of_its_own() {
    let simulator = failing_once();
    let stack =
        ServiceBuilder::new().layer(RetryLayer::new()).concurrency_limit(1).service(simulator.clone());
    let (request, call) = message();
    let slow = async {
        sleep(Duration::from_millis(500)).await;
        assert_eq!(ask(&stack, slow_message()).await.unwrap(), 200);
    };
    let (status, ()) = tokio::join!(ask(&stack, request), slow);
    assert_eq!((status.unwrap(), kinds(&call)), (StatusCode::OK, vec!["OVERLOADED", "ok"]));
    // The wait was over after a second, but the permit was the slow one's.
    let arrived: Vec<_> = simulator.requests().iter().map(|seen| seen.arrived_at.as_millis()).collect();
    assert_eq!(arrived, [0, 500, 10_500]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_must_not_queue_does_not_wait_for_a_permit() {
    let simulator = failing_once();
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new().with_only_if_ready(true))
        .concurrency_limit(1)
        .service(simulator.clone());
    let (request, call) = message();
    let slow = async {
        sleep(Duration::from_millis(500)).await;
        ask(&stack, slow_message()).await.unwrap()
    };
    let (result, slow) = tokio::join!(ask(&stack, request), slow);
    let gave_up = GaveUp::find(&*result.unwrap_err()).unwrap();
    assert_eq!((gave_up.reason, gave_up.attempts), (Reason::NotReady, 1));
    assert_eq!((kinds(&call), slow), (vec!["OVERLOADED"], StatusCode::OK));
    assert_eq!(simulator.arrived(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_below_is_that_of_one_attempt() {
    let simulator = Simulator::new();
    let seconds = Duration::from_secs;
    simulator.fail_next(2, Fault::stall_headers(seconds(60)));
    let retry = RetryLayer::new();
    let stack = ServiceBuilder::new().layer(&retry).timeout(seconds(2)).service(simulator.clone());
    let (request, call) = message();
    assert_eq!(ask(&stack, request).await.unwrap(), 200);
    assert_eq!(kinds(&call), ["TIMEOUT", "TIMEOUT", "ok"]);
    let outcomes: Vec<_> = call.attempts().iter().map(|attempt| attempt.outcome().unwrap()).collect();
    assert_eq!((outcomes[0].duration, outcomes[1].duration), (seconds(2), seconds(2)));
    assert!(outcomes[0].maybe_executed && outcomes[1].maybe_executed);

    // It was sent, so it may have been executed.
    simulator.fail_next(1, Fault::stall_headers(seconds(60)));
    let careful = retry.with_maybe_executed(MaybeExecuted::Leave);
    let stack = ServiceBuilder::new().layer(careful).timeout(seconds(2)).service(simulator);
    let error = ask(&stack, message().0).await.unwrap_err();
    assert_eq!(GaveUp::find(&*error).unwrap().reason, Reason::MaybeExecuted);
    assert!(loopback::chain(&*error).any(<dyn std::error::Error>::is::<tower::timeout::error::Elapsed>));
}

#[tokio::test(start_paused = true)]
async fn a_clock_above_ends_the_wait_and_nothing_is_paid_for_it() {
    let simulator = failing_once();
    let retry = RetryLayer::new();
    let stack = ServiceBuilder::new()
        .timeout(Duration::from_millis(900))
        .layer(&retry)
        .concurrency_limit(1)
        .service(simulator.clone());
    let (request, call) = message();
    let error = ask(&stack, request).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>());
    assert_eq!((kinds(&call), simulator.arrived()), (vec!["OVERLOADED"], 1));
    assert_eq!(retry.quota().available(), retry.quota().capacity());
    assert_eq!(ask(&stack, message().0).await.unwrap(), 200, "nothing of it is in anybody's way");
}

/// Who sheds load is not helped by the same load again.
#[tokio::test(start_paused = true)]
async fn what_is_shed_below_is_not_repeated() {
    let simulator = failing_once();
    let retry = RetryLayer::new();
    let stack =
        ServiceBuilder::new().layer(&retry).load_shed().concurrency_limit(1).service(simulator.clone());
    let ((failed_once, first_call), (refused, second_call)) = (message(), message());
    let slow = async {
        sleep(Duration::from_millis(500)).await;
        ask(&stack, slow_message()).await.unwrap()
    };
    let later = async {
        sleep(Duration::from_millis(600)).await;
        ask(&stack, refused).await.unwrap_err()
    };
    let (first, slow, second) = tokio::join!(ask(&stack, failed_once), slow, later);
    assert_eq!(slow, 200);
    for error in [first.unwrap_err(), second] {
        assert!(error.is::<tower::load_shed::error::Overloaded>(), "as it came: {error:?}");
    }
    assert_eq!(kinds(&first_call), ["OVERLOADED", "OVERLOADED_LOCALLY"]);
    assert_eq!(kinds(&second_call), ["OVERLOADED_LOCALLY"]);
    assert_eq!(simulator.arrived(), 2);
}

/// In a box, over a box, and in somebody's task.
#[tokio::test(start_paused = true)]
async fn boxes_above_and_below() {
    let below =
        BoxCloneSyncService::new(ServiceBuilder::new().map_err(BoxError::from).service(failing_once()));
    let above: BoxCloneSyncService<Request<Body>, Response<Body>, BoxError> = BoxCloneSyncService::new(
        ServiceBuilder::new()
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(RetryLayer::new())
            .service(below),
    );
    let (request, call) = message();
    let status = tokio::spawn(async move { ask(&above, request).await.unwrap() }).await.unwrap();
    assert_eq!((status, kinds(&call)), (StatusCode::OK, vec!["OVERLOADED", "ok"]));
}
