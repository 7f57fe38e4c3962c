//! Ten thousand calls at once.

use std::ops::Range;
use std::time::Duration;

use claude_retry::RetryLayer;
use claude_sim::{Fault, FaultMix};
use tokio::time::{Instant, sleep_until};

use crate::support::{Client, all, through};
use crate::upstream::{Bound, Upstream};

const CALLS: u32 = 10_000;
const OUT: Duration = Duration::from_secs(60);

async fn at_once(calls: Range<u32>, client: &Client) -> usize {
    let running: Vec<_> = calls.map(|call| tokio::spawn(client(call.into()))).collect();
    let mut ok = 0;
    for running in running {
        ok += usize::from(running.await.unwrap());
    }
    ok
}

/// So many calls meet this, again and again. How many extra attempts were made of it.
async fn extra_attempts(fault: Fault, cost: f64) -> f64 {
    let started = Instant::now();
    let upstream = Upstream::new(0, FaultMix::new(), all(fault), Duration::ZERO..OUT);
    let bound = Bound { burst: 100.0 / cost, ratio: 0.2 / cost, from: Duration::ZERO };
    let upstream = upstream.bounded(bound);
    let client = through(&RetryLayer::new().with_seed(0), upstream.clone());
    assert_eq!(at_once(0..CALLS, &client).await, 0);
    assert!(Instant::now() < started + OUT);
    let arrived = upstream.arrived(Duration::ZERO..Duration::MAX);
    assert_eq!(arrived.first, CALLS);

    sleep_until(started + OUT).await;
    assert_eq!(
        at_once(CALLS..CALLS + 1_000, &client).await,
        1_000,
        "the empty bucket stands in nobody's way"
    );
    f64::from(arrived.extra)
}

/// Failures come while others begin, who pay in.
#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_make_no_more_attempts_than_they_and_the_burst_pay_for() {
    for (fault, cost) in [(Fault::overloaded(), 2.0), (Fault::refuse(), 1.0)] {
        let extra = extra_attempts(fault, cost).await;
        let paid = (100.0 + 0.2 * f64::from(CALLS)) / cost;
        assert!(extra <= paid && extra > paid - 2.0, "{extra} of {paid}");
    }
}

/// All have begun before the first fails. What they pay in finds the bucket full.
#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_that_fail_at_once_make_no_more_attempts_than_the_burst_pays_for() {
    let slowly = Fault::stall_headers(Duration::from_secs(1));
    for (fault, cost) in [(Fault::overloaded(), 2.0), (Fault::rate_limited(1), 1.0)] {
        assert_eq!(extra_attempts(fault.and(slowly.clone()), cost).await, 100.0 / cost);
    }
}
