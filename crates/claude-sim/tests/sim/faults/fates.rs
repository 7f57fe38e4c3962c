//! What is decided beforehand comes true.

use claude_sim::{Fault, FaultMix, MAX_FATES, Simulator};
use fastrand::Rng;
use serde_json::json;
use std::time::Duration;

use super::{joined, stream, watch, with_header};
use crate::support::{ask, send};

fn mix() -> FaultMix {
    FaultMix::new()
        .with(Fault::overloaded(), 0.2)
        .and_then(|mix| mix.with(Fault::rate_limited(1), 0.2))
        .and_then(|mix| mix.with(Fault::reset_mid_event(3), 0.1))
        .and_then(|mix| mix.with(Fault::cut_randomly(), 0.1))
        .and_then(|mix| mix.with(Fault::stall_headers(Duration::from_secs(3)), 0.1))
        .unwrap()
}

fn simulator(seed: u64) -> Simulator {
    Simulator::builder().with_seed(seed).with_fates(mix()).build()
}

/// Whether an attempt got a whole answer.
async fn succeeds(simulator: &Simulator, fate: u64) -> bool {
    let seen = watch(simulator, with_header(stream(), "x-sim-fate", &fate.to_string())).await;
    let (bytes, error) = joined(&seen);
    error.is_none() && bytes.ends_with(b"\n\n") && bytes.windows(12).any(|window| window == b"message_stop")
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_in_any_order() {
    let simulator = simulator(9);
    let could: Vec<_> = (0..1_000).map(|fate| simulator.first_success(fate, 3)).collect();
    for shuffle in 0..2 {
        let simulator = self::simulator(9);
        let mut order: Vec<u64> = (0..1_000).collect();
        Rng::with_seed(shuffle).shuffle(&mut order);
        let mut calls = tokio::task::JoinSet::new();
        for fate in order {
            let simulator = simulator.clone();
            calls.spawn(async move {
                tokio::time::sleep(Duration::from_millis((fate * 7919 + shuffle) % 997)).await;
                for attempt in 1..=3 {
                    let expected = simulator.fate(fate, attempt).is_none_or(|fault| !fault.is_fatal());
                    let succeeded = succeeds(&simulator, fate).await;
                    assert_eq!(succeeded, expected, "call {fate}, attempt {attempt}");
                    if succeeded {
                        return (fate, Some(attempt));
                    }
                }
                (fate, None)
            });
        }
        while let Some(call) = calls.join_next().await {
            let (fate, succeeded) = call.unwrap();
            assert_eq!(succeeded, could[usize::try_from(fate).unwrap()]);
        }
        assert_eq!(simulator.in_flight(), 0);
    }
    let count = |expected| could.iter().filter(|it| **it == expected).count();
    assert!(count(Some(1)) > 400 && count(Some(2)) > 150 && count(Some(3)) > 70 && count(None) > 70);
}

#[test]
fn fates_are_of_the_seed_and_independent_of_each_other() {
    let fates = |simulator: &Simulator| -> Vec<_> {
        (0..200)
            .flat_map(|fate| (1..4).map(move |attempt| (fate, attempt)))
            .map(|(fate, attempt)| simulator.fate(fate, attempt))
            .collect()
    };
    let first = fates(&simulator(1));
    assert_eq!(first, fates(&simulator(1)));
    assert_ne!(first, fates(&simulator(2)));
    // A failed attempt makes the next one no likelier to fail.
    let simulator = simulator(3);
    let fails = |fate, attempt| simulator.fate(fate, attempt).is_some_and(|fault| fault.is_fatal());
    let after_failure: Vec<bool> =
        (0..4_000).filter(|&fate| fails(fate, 1)).map(|fate| fails(fate, 2)).collect();
    let share = after_failure.iter().filter(|failed| **failed).count() * 100 / after_failure.len();
    assert!((45..55).contains(&share), "{share}");
    assert_eq!(Simulator::new().fate(5, 1), None);
    assert_eq!((Simulator::new().first_success(5, 3), Simulator::new().first_success(5, 0)), (Some(1), None));
}

#[tokio::test]
async fn attempts_are_counted_also_if_something_else_decides() {
    let simulator = simulator(1);
    let fate = (0..).find(|&fate| {
        simulator.fate(fate, 1).is_none() && simulator.fate(fate, 2) == Some(Fault::overloaded())
    });
    let fate = fate.unwrap().to_string();
    simulator.fail_next(1, Fault::internal());
    let ask = || with_header(ask(&json!({})), "x-sim-fate", &fate);
    assert_eq!(send(&simulator, ask()).await.status, 500);
    assert_eq!(send(&simulator, ask()).await.status, 529);
}

#[tokio::test]
async fn attempts_are_bounded() {
    let simulator = Simulator::builder().with_seed(1).with_fates(mix()).with_log(0, 0).build();
    let fate = (0..).find(|&fate| {
        let (first, second) = (simulator.fate(fate, 1), simulator.fate(fate, 2));
        first == Some(Fault::overloaded()) && second == Some(Fault::rate_limited(1))
    });
    let fate = fate.unwrap();
    let attempt = async |fate: u64| {
        let request = crate::support::full(crate::support::get("/"), "");
        send(&simulator, with_header(request, "x-sim-fate", &fate.to_string())).await.status.as_u16()
    };
    assert_eq!(attempt(fate).await, 529);
    // The requests break off early: a refused connection is the cheapest.
    for other in 0..MAX_FATES as u64 - 1 {
        let request = crate::support::full(crate::support::get("/"), "");
        let request = with_header(request, "x-sim-fate", &(1_000_000 + other).to_string());
        let request = with_header(request, "x-sim-fault", "refuse");
        watch(&simulator, request).await;
    }
    assert_eq!(attempt(fate).await, 429, "it is still known");
    let request = crate::support::full(crate::support::get("/"), "");
    watch(&simulator, with_header(request, "x-sim-fate", "999999")).await;
    assert_eq!(attempt(fate).await, 529, "it has been forgotten");
}
