//! Requests that are refused for themselves, whatever the key is.

use std::time::Duration;

use claude_secrets::KeyState;

use crate::probe::{Client, ok, refused};
use crate::safe::Safe;
use crate::support::*;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whatever names this is refused; all else is well.
fn client() -> Client {
    Client::new(|seen| if seen.header("x-wrong").is_some() { refused().after(secs(1)) } else { ok() })
}

#[tokio::test(start_paused = true)]
async fn they_do_not_kill_a_key_that_later_requests_are_taken_with() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    let client = client();
    for round in 1..=20 {
        let mut wrong = post();
        wrong.headers_mut().insert("x-wrong", "1".parse().unwrap());
        let wrong = send(&layer, &client, wrong);
        let good = async {
            tokio::time::sleep(millis(500)).await;
            send(&layer, &client, post()).await.unwrap().status()
        };
        let (wrong, good) = tokio::join!(wrong, good);
        // Once: there is no other key to send it with.
        assert_eq!((wrong.unwrap().status().as_u16(), good.as_u16()), (401, 200), "{round}");
    }
    assert_eq!(layer.ring().status()[0].state, KeyState::Live);
    assert_eq!(client.calls(), 40);
}

#[tokio::test(start_paused = true)]
async fn they_do_not_have_the_source_asked_at_their_rate() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    let client = client();
    let wrong = |at: u64| {
        let (layer, client) = (layer.clone(), client.clone());
        tokio::spawn(async move {
            tokio::time::sleep(millis(at)).await;
            let mut wrong = post();
            wrong.headers_mut().insert("x-wrong", "1".parse().unwrap());
            send(&layer, &client, wrong).await.unwrap().status().as_u16()
        })
    };
    let all: Vec<_> = (0..5_000).step_by(10).map(wrong).collect();
    for _ in 0..650 {
        tokio::time::sleep(millis(10)).await;
        assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
    }
    for wrong in all {
        assert_eq!(wrong.await.unwrap(), 401);
    }
    // Five seconds, and the first.
    assert!(safe.fetches() <= 8, "{}", safe.fetches());
    assert_eq!(layer.ring().status()[0].state, KeyState::Live);
}

/// While a revocation spreads, some are refused and some are not: those that are get the new key.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_here_and_taken_there_is_replaced_all_the_same() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::new(|seen| match (seen.key(), seen.header("x-wrong")) {
        (TWO, _) | (_, None) => ok(),
        _ => refused().after(secs(1)),
    });
    let mut there = post();
    there.headers_mut().insert("x-wrong", "1".parse().unwrap());
    let there = send(&layer, &client, there);
    let here = async {
        tokio::time::sleep(millis(500)).await;
        send(&layer, &client, post()).await.unwrap().status()
    };
    let (there, here) = tokio::join!(there, here);
    assert_eq!((there.unwrap().status().as_u16(), here.as_u16()), (200, 200));
    assert_eq!(client.keys(), [ONE, ONE, TWO]);
}
