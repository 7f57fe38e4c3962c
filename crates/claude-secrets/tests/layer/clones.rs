//! Many at once, on several threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use claude_secrets::{Key, SecretsLayer};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt};

use crate::probe::{Client, ok, refused};
use crate::safe::Safe;
use crate::support::*;

const TASKS: usize = 32;
const CALLS: usize = 50;

/// Another thread may be about to.
async fn come_true(is_true: impl Fn() -> bool) {
    while !is_true() {
        tokio::task::yield_now().await;
    }
}

/// The key changes all the time, and the API knows the present one only. Nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_that_change_under_many_clones() {
    let safe = Safe::of("sk-ant-0-canary");
    let present = Arc::new(AtomicUsize::new(0));
    let client = Client::new({
        let present = Arc::clone(&present);
        move |seen| {
            let number: usize = seen.key().split('-').nth(2).unwrap().parse().unwrap();
            if number == present.load(Ordering::SeqCst) { ok() } else { refused() }
        }
    });
    let layer = warm(&safe).await;
    let service = layer.layer(ConcurrencyLimitLayer::new(TASKS / 2).layer(client.clone()));
    // A rotation while some are on their way, ten times.
    for number in 1..=10 {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let mut service = service.clone();
                tokio::spawn(async move {
                    let mut codes = Vec::new();
                    for _ in 0..CALLS / 10 {
                        let answer = service.ready().await.unwrap().call(post()).await.unwrap();
                        codes.push(answer.status().as_u16());
                    }
                    codes
                })
            })
            .collect();
        safe.set(&format!("sk-ant-{number}-canary"));
        present.store(number, Ordering::SeqCst);
        for task in tasks {
            assert!(task.await.unwrap().iter().all(|code| *code == 200));
        }
        // If they were so quick that none has noticed, this one does.
        assert_eq!(service.clone().oneshot(post()).await.unwrap().status(), 200);
    }
    let replays = client.calls() - 10 * (TASKS * CALLS / 10 + 1);
    assert!(replays <= 10 * (TASKS + 1), "one for each that was on its way: {replays}");
    assert_eq!(safe.fetches(), 11, "at the start, and once for each change");
    drop(service);
    assert_eq!(client.alive(), (0, 0, 0));
    come_true(|| in_flight(layer.ring()) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cold_start_of_many_is_one_fetch() {
    let safes: Vec<_> = (0..4).map(|at| Safe::of(&format!("sk-ant-{at}-canary"))).collect();
    let mut builder = builder();
    for (at, safe) in safes.iter().enumerate() {
        builder = builder.with_key(Key::new(format!("key {at}"), safe.source()));
    }
    let layer = SecretsLayer::new(builder.with_affinity(claude_secrets::Affinity::None).build().unwrap());
    let client = Client::content();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let service = layer.layer(client.clone());
            tokio::spawn(async move { service.oneshot(post()).await.unwrap().status() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert!(safes.iter().all(|safe| safe.fetches() == 1));
    assert_eq!(client.calls(), 200);
    come_true(|| in_flight(layer.ring()) == 0).await;
}

/// Half of them are dropped wherever they are, while all of them find their key refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn half_of_many_are_dropped() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::knowing(TWO);
    let call = || {
        let service = layer.layer(client.clone());
        tokio::spawn(async move { service.oneshot(post()).await.unwrap().status() })
    };
    let tasks: Vec<_> = (0..200).map(|_| call()).collect();
    for task in tasks.iter().step_by(2) {
        task.abort();
    }
    for (at, task) in tasks.into_iter().enumerate() {
        match task.await {
            Ok(code) => assert_eq!(code, 200),
            Err(error) => assert!(error.is_cancelled() && at % 2 == 0, "{error}"),
        }
    }
    assert_eq!(safe.fetches(), 2);
    assert_eq!(client.alive(), (0, 0, 0));
    come_true(|| in_flight(layer.ring()) == 0).await;
}
