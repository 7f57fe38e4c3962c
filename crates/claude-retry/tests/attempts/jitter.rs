//! Chance in the waits: how much of it, and that no two calls share it.

use std::collections::BTreeSet;
use std::time::Duration;

use claude_retry::{Backoff, Quota, RetryLayer};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::support::{Client, Deed, millis, post, post_of_call, secs, send, status};

fn jittered() -> RetryLayer {
    RetryLayer::new().with_quota(Quota::unlimited())
}

/// The waits of one call, in full, before the timer rounds them.
async fn waits(layer: &RetryLayer, deed: Deed) -> Vec<Duration> {
    let (request, call) = post_of_call();
    drop(send(layer, &Client::new([deed]), request).await);
    call.attempts().iter().filter_map(|attempt| attempt.outcome().unwrap().wait).collect()
}

/// Shortest and longest of a few hundred calls' waits, by the number of the retry.
async fn ranges(layer: &RetryLayer, deed: Deed) -> Vec<(Duration, Duration)> {
    let mut all = Vec::new();
    for _ in 0..300 {
        all.push(waits(layer, deed.clone()).await);
    }
    (0..all[0].len())
        .map(|retry| {
            let waits = || all.iter().map(|waits| waits[retry]);
            (waits().min().unwrap(), waits().max().unwrap())
        })
        .collect()
}

/// Within these bounds, and most of the way from one to the other.
fn fill(found: &[(Duration, Duration)], expected: &[(u64, u64)]) {
    assert_eq!(found.len(), expected.len());
    for (&(least, most), &(from, to)) in found.iter().zip(expected) {
        let (from, to) = (millis(from), millis(to));
        assert!(from <= least && most <= to, "{found:?}");
        assert!(most - least >= (to - from) * 9 / 10, "{found:?}");
    }
}

/// The ranges of the official SDKs, with a floor of ours under 529.
#[tokio::test(start_paused = true)]
async fn the_range_of_each_retry() {
    let layer = jittered().with_max_retries(6).with_seed(1);
    let expected = [(375, 500), (750, 1_000), (1_500, 2_000), (3_000, 4_000), (6_000, 8_000), (6_000, 8_000)];
    fill(&ranges(&layer, status(500)).await, &expected);
    let overloaded =
        [(1_000, 1_125), (1_000, 1_250), (1_500, 2_000), (3_000, 4_000), (6_000, 8_000), (6_000, 8_000)];
    fill(&ranges(&layer, status(529)).await, &overloaded);
    let full = Backoff::default().with_jitter(1.0).unwrap();
    let layer = jittered().with_backoff(full).with_seed(1);
    fill(&ranges(&layer, status(500)).await, &[(0, 500), (0, 1_000), (0, 2_000)]);
}

/// Never below what the server asked for; above it up to a step of the backoff, and never twice as long.
#[tokio::test(start_paused = true)]
async fn above_what_is_asked_for() {
    let layer = jittered().with_seed(1);
    for (asked, expected) in [
        ("20", [(20_000, 20_500), (20_000, 21_000), (20_000, 22_000)]),
        ("0.1", [(100, 200), (100, 200), (100, 200)]),
        ("0.75", [(750, 1_250), (750, 1_500), (750, 1_500)]),
    ] {
        for code in [429, 529] {
            fill(&ranges(&layer, status(code).header("retry-after", asked)).await, &expected);
        }
    }
    let without = Backoff::default().with_jitter(0.0).unwrap();
    let exact = waits(&jittered().with_backoff(without), status(429).header("retry-after", "20")).await;
    assert_eq!(exact, [secs(20); 3]);
}

/// Whether a wait is too long is not left to chance: what fits without jitter on top is waited for, and no longer than is
/// allowed.
#[tokio::test(start_paused = true)]
async fn up_to_the_longest_wait() {
    for (deed, longest) in [
        (status(429).header("retry-after", "20"), secs(20)),
        (status(429).header("retry-after", "19.8"), secs(20)),
        (status(529), secs(1)),
    ] {
        let layer = jittered().with_max_retries(2).with_seed(1).with_max_wait(longest);
        for _ in 0..20 {
            let waits = waits(&layer, deed.clone()).await;
            assert_eq!(waits.len(), 2);
            assert!(waits.iter().all(|wait| *wait <= longest), "{waits:?}");
        }
    }
}

/// Nor whether it ends before the deadline: what can is begun, and leaves time for the attempt.
#[tokio::test(start_paused = true)]
async fn before_the_deadline() {
    for (deed, shortest, time) in [
        (status(429).header("retry-after", "10"), secs(10), secs(10) + millis(200)),
        (status(500), millis(375), millis(450)),
        (status(529), secs(1), secs(1) + millis(10)),
    ] {
        for seed in 0..50 {
            let layer = jittered().with_max_retries(1).with_seed(seed);
            let waits = waits(&layer.clone().with_timeout(time), deed.clone()).await;
            assert_eq!(waits.len(), 1, "{time:?}");
            assert!(waits[0] >= shortest && waits[0] < time, "{waits:?}");
            assert!(self::waits(&layer.with_timeout(shortest), deed.clone()).await.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_makes_it_the_same_again() {
    let of = async |seed| {
        let layer = jittered().with_seed(seed);
        let mut all = waits(&layer, status(500)).await;
        all.extend(waits(&layer, status(500)).await);
        all
    };
    let first = of(1).await;
    assert_eq!(of(1).await, first);
    assert_ne!(of(2).await, first);
    assert_ne!(first[..3], first[3..], "the calls of one layer differ all the same");
}

/// tower's `ExponentialBackoff` is cloned with its generator, so that clones, and with them all calls of one service, wait
/// the same. Here nobody does: not the calls of one service, not its clones, not those of one layer.
#[tokio::test(start_paused = true)]
async fn nobody_shares_it() {
    for layer in [jittered(), jittered().with_seed(1)] {
        let client = Client::new([status(500)]);
        let service = layer.layer(client.clone());
        let clones =
            [service.clone(), service.clone(), layer.layer(client.clone()), layer.clone().layer(client)];
        let mut waits = BTreeSet::new();
        for clone in clones.iter().cycle().take(40) {
            let (request, call) = post_of_call();
            drop(clone.clone().oneshot(request).await);
            waits.insert(call.attempts()[0].outcome().unwrap().wait.unwrap());
        }
        assert_eq!(waits.len(), 40);
    }
}

/// They all hear the same wait, and spread over the half second behind it.
#[tokio::test(start_paused = true)]
async fn a_thousand_calls_that_fail_together_do_not_come_back_together() {
    let client = Client::new([status(429).header("retry-after", "10")]);
    let layer = jittered().with_max_retries(1).with_seed(1);
    let begun = Instant::now();
    let service = layer.layer(client.clone());
    let calls = (0..1_000).map(|_| service.clone().oneshot(post()));
    drop(futures_util::future::join_all(calls).await);
    let mut parts = [0; 10];
    for seen in client.seen().iter().skip(1_000) {
        let late = seen.at - begun - secs(10);
        parts[usize::try_from(late.as_millis() / 50).unwrap().min(9)] += 1;
    }
    assert_eq!(parts.iter().sum::<usize>(), 1_000);
    assert!(parts.iter().all(|&calls| (50..160).contains(&calls)), "{parts:?}");
}
