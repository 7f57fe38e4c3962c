//! Requests that are dropped, at every point of their way: nothing stays, and nobody else is hurt.

use std::task::Poll;

use claude_secrets::{Affinity, Key, KeyRing, SecretsLayer, SlowStart};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt};

use crate::probe::{Client, Ready, never, ok, refused, status};
use crate::safe::Safe;
use crate::script::{Step, data};
use crate::support::*;

/// Nothing of any request is left.
fn nothing_is_left(client: &Client, ring: &KeyRing) {
    assert_eq!(client.alive(), (0, 0, 0), "futures, bodies, instances");
    assert_eq!(in_flight(ring), 0);
}

#[tokio::test]
async fn before_its_first_poll() {
    let safe = Safe::of(ONE);
    for layer in [warm(&safe).await, cold(&safe)] {
        let client = Client::content();
        let mut service = layer.layer(client.clone());
        for _ in 0..2 {
            drop(service.ready().await.unwrap().call(post()));
        }
        drop(service);
        assert_eq!(client.calls(), 0);
        nothing_is_left(&client, layer.ring());
        send(&layer, &client, post()).await.unwrap();
    }
}

#[tokio::test]
async fn while_its_key_is_fetched() {
    let safe = Safe::of(ONE);
    safe.close();
    let layer = cold(&safe);
    let client = Client::content();
    let mut waiting: Vec<_> = (0..10).map(|_| task::spawn(Box::pin(send(&layer, &client, post())))).collect();
    for task in &mut waiting {
        assert_pending!(task.poll());
    }
    settled().await;
    // The one that began the fetch among them.
    let last = waiting.pop().unwrap();
    drop(waiting);
    assert_eq!(safe.under_way(), 1, "the fetch goes on for the others");
    safe.open();
    last.await.unwrap();
    assert_eq!((client.calls(), safe.fetches()), (1, 1));
    nothing_is_left(&client, layer.ring());
}

/// Nobody waits any more: what is fetched is there for the next.
#[tokio::test]
async fn all_while_their_key_is_fetched() {
    let safe = Safe::of(ONE);
    safe.close();
    let layer = cold(&safe);
    let client = Client::content();
    let mut waiting = task::spawn(Box::pin(send(&layer, &client, post())));
    assert_pending!(waiting.poll());
    settled().await;
    drop(waiting);
    nothing_is_left(&client, layer.ring());
    safe.open();
    settled().await;
    assert_eq!((safe.under_way(), safe.fetches()), (0, 1));
    send(&layer, &client, post()).await.unwrap();
    assert_eq!(safe.fetches(), 1);
}

#[tokio::test]
async fn while_the_instance_is_not_ready() {
    let safe = Safe::of(ONE);
    safe.close();
    let layer = cold(&safe);
    let client = Client::content();
    let mut service = ready(layer.layer(client.clone())).await;
    let mut waiting = task::spawn(service.call(post()));
    assert_pending!(waiting.poll());
    safe.open();
    client.will_be([Ready::Never]);
    settled().await;
    assert_pending!(waiting.poll());
    assert_eq!(in_flight(layer.ring()), 1, "it has its key by then");
    drop((waiting, service));
    assert_eq!(client.calls(), 0);
    nothing_is_left(&client, layer.ring());
}

#[tokio::test]
async fn while_the_client_works() {
    let layer = warm(&Safe::of(ONE)).await;
    let client = Client::doing([never()]);
    let mut waiting = task::spawn(Box::pin(send(&layer, &client, post())));
    assert_pending!(waiting.poll());
    assert_eq!((client.alive().0, in_flight(layer.ring())), (1, 1));
    drop(waiting);
    nothing_is_left(&client, layer.ring());
}

/// Until it is dropped, a body is the caller's; the key is not on its way any more.
#[tokio::test]
async fn an_answer_that_is_not_read() {
    let layer = warm(&Safe::of(ONE)).await;
    let client = Client::content();
    let answer = send(&layer, &client, post()).await.unwrap();
    assert_eq!((client.alive(), in_flight(layer.ring())), ((0, 1, 0), 0));
    drop(answer);
    nothing_is_left(&client, layer.ring());
}

#[tokio::test]
async fn while_a_refusal_is_read() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::doing([status(401).streaming([data("{"), Step::Never]), ok()]);
    let mut waiting = task::spawn(Box::pin(send(&layer, &client, post())));
    assert_pending!(waiting.poll());
    assert_eq!((client.alive().0, client.alive().1), (0, 1));
    drop(waiting);
    nothing_is_left(&client, layer.ring());
    settled().await;
    assert_eq!(safe.fetches(), 1, "it has said nothing yet");
}

#[tokio::test]
async fn while_its_key_is_renewed() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    let client = Client::knowing(TWO);
    safe.close();
    let mut waiting: Vec<_> = (0..5).map(|_| task::spawn(Box::pin(send(&layer, &client, post())))).collect();
    for task in &mut waiting {
        assert_pending!(task.poll());
    }
    settled().await;
    let last = waiting.pop().unwrap();
    drop(waiting);
    assert_eq!((safe.under_way(), client.alive().1), (1, 1), "one that waits, and its answer");
    safe.set(TWO);
    safe.open();
    assert_eq!(last.await.unwrap().status(), 200);
    assert_eq!((client.calls(), safe.fetches()), (6, 2));
    nothing_is_left(&client, layer.ring());
}

/// The one that was refused is gone, but what it said of the key is not.
#[tokio::test]
async fn all_while_their_key_is_renewed() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    let client = Client::knowing(TWO);
    safe.close();
    let mut waiting = task::spawn(Box::pin(send(&layer, &client, post())));
    assert_pending!(waiting.poll());
    settled().await;
    drop(waiting);
    nothing_is_left(&client, layer.ring());
    safe.set(TWO);
    safe.open();
    settled().await;
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
    assert_eq!((client.keys(), safe.fetches()), (vec![ONE.to_owned(), TWO.to_owned()], 2));
}

#[tokio::test]
async fn while_the_replay_is_readied() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::knowing(TWO);
    let mut service = ready(layer.layer(client.clone())).await;
    client.will_be([Ready::Never]);
    let mut waiting = task::spawn(service.call(post()));
    assert_pending!(waiting.poll());
    settled().await;
    assert_pending!(waiting.poll());
    assert_eq!((client.calls(), client.alive().1), (1, 0), "the first answer is gone by then");
    assert_eq!(in_flight(layer.ring()), 1);
    drop((waiting, service));
    nothing_is_left(&client, layer.ring());
}

#[tokio::test]
async fn while_the_replay_is_answered() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::doing([refused(), never()]);
    let mut waiting = task::spawn(Box::pin(send(&layer, &client, post())));
    assert_pending!(waiting.poll());
    settled().await;
    assert_pending!(waiting.poll());
    assert_eq!((client.calls(), in_flight(layer.ring())), (2, 1));
    drop(waiting);
    nothing_is_left(&client, layer.ring());
}

/// Of two keys one is used up, and the other takes over slowly: one request at once, and then one every ten seconds or so.
async fn taking_over(client: &Client) -> SecretsLayer {
    let ring = builder()
        .with_key(Key::new("one", Safe::of(ONE).source()))
        .with_key(Key::new("two", Safe::of(TWO).source()))
        .with_affinity(Affinity::Conversation)
        .with_slow_start(SlowStart::new(0.1, secs(3_000)).unwrap())
        .build()
        .unwrap();
    ring.start().await.unwrap();
    let layer = SecretsLayer::new(ring);
    assert_eq!(send(&layer, client, post()).await.unwrap().status(), 429);
    // The first that moves has its turn at once.
    assert_eq!(send(&layer, client, post()).await.unwrap().status(), 200);
    layer
}

fn limited_once() -> Client {
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
    Client::doing([status(429).header("retry-after", "2000").saying(body), ok()])
}

/// When the next two that move have their turns, with what `between` does.
async fn turns(between: impl Fn(&SecretsLayer, &Client)) -> Vec<u64> {
    let client = limited_once();
    let layer = taking_over(&client).await;
    let begun = Instant::now();
    between(&layer, &client);
    let two = [send(&layer, &client, post()), send(&layer, &client, post())];
    for answer in futures_util::future::join_all(two).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    nothing_is_left(&client, layer.ring());
    client.seen()[2..].iter().map(|seen| (seen.at - begun).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn while_it_waits_for_its_turn() {
    let undisturbed = turns(|_, _| {}).await;
    assert!(undisturbed[0] > 0 && undisturbed[1] > undisturbed[0], "{undisturbed:?}");
    let disturbed = turns(|layer, client| {
        let mut waiting: Vec<_> =
            (0..20).map(|_| task::spawn(Box::pin(send(layer, client, post())))).collect();
        for task in &mut waiting {
            assert_pending!(task.poll());
        }
        drop(waiting);
    })
    .await;
    assert_eq!(disturbed, undisturbed, "a place that was left is free again");
}

/// It has its turn, and is dropped before its key is on: not even polled for it.
#[tokio::test(start_paused = true)]
async fn when_its_turn_has_come() {
    let client = limited_once();
    let layer = taking_over(&client).await;
    let mut service = ready(layer.layer(client.clone())).await;
    let mut waiting = task::spawn(service.call(post()));
    assert_pending!(waiting.poll());
    tokio::time::advance(secs(100)).await;
    assert!(waiting.is_woken());
    drop((waiting, service));
    nothing_is_left(&client, layer.ring());
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
}

/// With every number of polls: whatever was reached by then, nothing is left.
#[tokio::test(start_paused = true)]
async fn after_any_number_of_polls() {
    for polls in 0..100 {
        let safe = Safe::of(ONE).takes(secs(1));
        let layer = cold(&safe);
        let client = Client::new({
            let safe = safe.clone();
            move |seen| {
                safe.set(TWO);
                if seen.key() == TWO { ok().after(secs(1)) } else { refused().after(secs(1)) }
            }
        });
        let mut waiting = task::spawn(Box::pin(send(&layer, &client, post())));
        let mut has_ended = false;
        for _ in 0..polls {
            if let Poll::Ready(answer) = waiting.poll() {
                assert_eq!(answer.unwrap().status(), 200);
                has_ended = true;
                break;
            }
            tokio::time::advance(std::time::Duration::from_millis(100)).await;
            settled().await;
        }
        drop(waiting);
        nothing_is_left(&client, layer.ring());
        if has_ended {
            assert_eq!(client.keys(), [ONE, TWO]);
            return;
        }
        // Whoever comes next is served all the same.
        assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
    }
    panic!("it never came to an end");
}

#[tokio::test]
async fn a_future_that_is_done_says_so() {
    let layer = warm(&Safe::of(ONE)).await;
    let mut service = ready(layer.layer(Client::content())).await;
    let mut future = task::spawn(service.call(post()));
    assert_ready!(future.poll()).unwrap();
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(future.poll())));
    let panic = again.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>().copied(), Some("polled after it was ready"));
}
