//! Whose instance a request goes through, and that nothing is held while it waits.

use std::pin::pin;
use std::task::Poll;

use claude_secrets::{Existing, Key, SecretsErrorKind, SecretsLayer};
use claude_wire::Body;
use claude_wire::call::{Caller, dispatch};
use http::Response;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

use crate::probe::{Client, Ready, Strange, ok, refused};
use crate::safe::Safe;
use crate::support::*;

#[tokio::test]
async fn with_the_key_at_hand_the_instance_that_was_asked_is_called() {
    let client = Client::content();
    let mut service = warm(&Safe::of(ONE)).await.layer(client.clone());
    for _ in 0..3 {
        service.ready().await.unwrap().call(post()).await.unwrap();
    }
    let instances: Vec<_> = client.seen().iter().map(|seen| seen.instance).collect();
    assert_eq!(instances, [1, 1, 1]);
    assert_eq!(client.given_back(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_key_goes_through_a_clone_that_is_asked() {
    let safe = Safe::of(ONE).takes(secs(1));
    let client = Client::content();
    let mut service = ready(cold(&safe).layer(client.clone())).await;
    let future = service.call(post());
    assert_eq!(client.given_back(), 1, "it is not held while that waits");
    // The clone takes its time too.
    client.will_be([Ready::After(secs(2))]);
    let begun = tokio::time::Instant::now();
    future.await.unwrap();
    let seen = client.only();
    assert_ne!(seen.instance, 1);
    assert_eq!(seen.at - begun, secs(3));
    // The service goes on with an instance that has to be asked again.
    service.ready().await.unwrap().call(post()).await.unwrap();
    assert_eq!(client.calls(), 2);
}

#[tokio::test]
async fn it_is_ready_when_the_client_is() {
    let client = Client::content().ready_as([Ready::Broken, Ready::Never]);
    let mut service = task::spawn(warm(&Safe::of(ONE)).await.layer(client.clone()));
    let error = assert_ready_err!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert!(error.is::<Strange>(), "as it came");
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(client.calls(), 0);
}

#[tokio::test]
async fn a_clone_that_fails_says_so_to_the_caller() {
    let safe = Safe::of(ONE);
    let client = Client::content();
    let layer = cold(&safe);
    let mut service = ready(layer.layer(client.clone())).await;
    let (request, attempt) = attempted(post());
    let mut future = service.call(request);
    client.will_be([Ready::Broken]);
    assert!((&mut future).await.unwrap_err().is::<Strange>());
    assert_eq!((client.calls(), attempt.is_sent()), (0, false));
    // With that it is over, although somebody still holds the future.
    assert_eq!(in_flight(layer.ring()), 0);
    drop(future);
}

#[tokio::test]
async fn a_client_that_fails_before_the_replay_says_so_too() {
    let safe = Safe::of(ONE);
    let client = Client::new(move |_| refused());
    let layer = warm(&safe).await;
    safe.set(TWO);
    let mut service = ready(layer.layer(client.clone())).await;
    client.will_be([Ready::Broken]);
    let error = service.call(post()).await.unwrap_err();
    assert!(error.is::<Strange>());
    assert_eq!(client.calls(), 1);
}

/// The mock panics when it is called without being asked.
#[tokio::test]
async fn over_towers_own_mock() {
    let safe = Safe::of(ONE);
    for layer in [warm(&safe).await, cold(&safe)] {
        let (service, mut handle) = mock::pair::<http::Request<Body>, Response<Body>>();
        let mut service = task::spawn(layer.layer(service));
        handle.allow(0);
        assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
        handle.allow(2);
        assert!(service.is_woken());
        assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
        let answer = tokio::spawn(service.enter(|_, mut service| service.call(post())));
        let (request, respond) = handle.next_request().await.unwrap();
        assert_eq!(request.headers()["x-api-key"], ONE);
        respond.send_response(Response::new(Body::from("hello")));
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(crate::script::read(answer.into_body()).await.text(), "hello");
    }
}

#[tokio::test]
async fn towers_mock_fails_as_it_does() {
    let (service, mut handle) = mock::pair::<http::Request<Body>, Response<Body>>();
    let mut service = task::spawn(warm(&Safe::of(ONE)).await.layer(service));
    handle.send_error(Strange);
    let error = assert_ready_err!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert!(error.is::<Strange>());
}

/// One permit for all: whoever waits for a key does not hold it.
#[tokio::test(start_paused = true)]
async fn a_permit_is_given_back_while_a_key_is_fetched() {
    let (slow, quick) = (Safe::of(ONE), Safe::of(TWO));
    slow.close();
    let ring = builder()
        .with_key(Key::new("slow", slow.source()).with_line("slow"))
        .with_key(Key::new("quick", quick.source()))
        .build()
        .unwrap();
    let client = Client::content();
    let service = SecretsLayer::new(ring).layer(ConcurrencyLimitLayer::new(1).layer(client.clone()));
    let mut first = ready(service.clone()).await;
    let waits = post_of(Caller::new().with_line("slow"));
    let mut waiting = task::spawn(first.call(waits));
    assert_pending!(waiting.poll());
    // The instance that it was made of holds none either.
    finishes(service.clone().oneshot(post())).await.unwrap();
    finishes(first.ready()).await.unwrap().call(post()).await.unwrap();
    assert_eq!(client.calls(), 2);
    slow.open();
    waiting.await.unwrap();
    assert_eq!(client.keys(), [TWO, TWO, ONE]);
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_given_back_when_a_request_is_refused() {
    let client = Client::content();
    let service = cold(&Safe::of(ONE)).layer(ConcurrencyLimitLayer::new(1).layer(client.clone()));
    let mut first = ready(service.clone()).await;
    let future = first.call(post_to("https://evil.example/"));
    let other = finishes(ready(service.clone())).await;
    let error = future.await.unwrap_err();
    assert_eq!(refusal(&error).0, SecretsErrorKind::OriginNotAllowed);
    drop(other);
}

/// The replay needs a permit of its own: the first one has been given back by then.
#[tokio::test(start_paused = true)]
async fn a_replay_over_one_permit_does_not_wait_for_itself() {
    let safe = Safe::of(ONE);
    let client = Client::knowing(TWO);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let service = layer.layer(ConcurrencyLimitLayer::new(1).layer(client.clone()));
    let mut service = ready(service).await;
    let answer = finishes(service.call(post())).await.unwrap();
    assert_eq!((answer.status().as_u16(), client.keys()), (200, vec![ONE.to_owned(), TWO.to_owned()]));
}

/// While the new key is fetched, others may use the permit.
#[tokio::test(start_paused = true)]
async fn a_permit_is_not_held_while_a_key_is_renewed() {
    let safe = Safe::of(ONE);
    let client = Client::knowing(TWO);
    let layer = warm(&safe).await;
    safe.close();
    let limited = ConcurrencyLimitLayer::new(1).layer(client.clone());
    let mut renewing = task::spawn(ready(layer.layer(limited.clone())).await.call(post()));
    assert_pending!(renewing.poll());
    settled().await;
    assert_pending!(renewing.poll());
    assert_eq!((client.calls(), safe.under_way()), (1, 1));
    drop(finishes(ready(limited)).await);
    safe.set(TWO);
    safe.open();
    assert_eq!(renewing.await.unwrap().status(), 200);
}

/// Above a layer that sheds, which says no instead of waiting.
#[tokio::test]
async fn what_is_shed_is_the_callers_error() {
    let client = Client::content().ready_as([Ready::Never]);
    let service = warm(&Safe::of(ONE)).await.layer(LoadShedLayer::new().layer(client.clone()));
    let error = ready(service).await.call(post()).await.unwrap_err();
    assert!(error.is::<tower::load_shed::error::Overloaded>());
    assert_eq!(client.calls(), 0);
}

/// A layer of ours above marks what it sends, unless somebody below does: a refused request has never been sent.
#[tokio::test]
async fn what_is_refused_or_waits_is_not_marked_as_sent_by_a_layer_above() {
    let safe = Safe::of(ONE);
    safe.close();
    let carrying = || {
        let mut request = post();
        request.headers_mut().insert("x-api-key", "own".parse().unwrap());
        request
    };
    for (what, layer, request) in [
        ("an origin that is not allowed", cold(&safe), post_to("https://evil.example/")),
        ("a credential that is there", cold(&safe).with_existing(Existing::Refuse), carrying()),
        ("a key that is waited for", cold(&safe), post()),
    ] {
        let (request, attempt) = attempted(request);
        let mut service = ready(layer.layer(Client::content())).await;
        let mut future = pin!(dispatch(&mut service, request));
        assert!(!matches!(polled(future.as_mut()).await, Poll::Ready(Ok(_))));
        assert!(!attempt.is_sent(), "{what}");
    }
}

#[tokio::test]
async fn what_goes_on_is_marked_as_sent_when_it_does() {
    let safe = Safe::of(ONE).takes(secs(1));
    safe.close();
    let (request, attempt) = attempted(post());
    let layer = cold(&safe);
    let mut service = ready(layer.layer(Client::doing([ok()]))).await;
    let mut future = pin!(dispatch(&mut service, request));
    assert!(polled(future.as_mut()).await.is_pending());
    assert!(!attempt.is_sent(), "it waits for its key");
    safe.open();
    tokio::time::pause();
    future.await.unwrap();
    assert!(attempt.is_sent());
}
