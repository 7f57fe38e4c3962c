//! The retries of all callers are paid from one quota, their own retries too.

use super::{As, Path};

const SMALL: [(&str, &str); 2] = [("QUOTA_RATIO", "0"), ("QUOTA_BURST", "2")];

/// What a 529 costs is what the quota holds, unless somebody has drawn on it.
#[tokio::test]
async fn a_callers_own_retry_draws_on_the_quota() {
    for (count, attempts, status) in [("0", 2, 200), ("1", 1, 529), ("2", 1, 529)] {
        let path = Path::start(&SMALL).await;
        let answer = path.ask(As::Whole, &format!("x-stainless-retry-count: {count}\r\n")).await;
        assert_eq!((answer.head.status(), path.take_requests().len()), (200, 1));

        path.simulator.fail_next(1, "overloaded".parse().unwrap());
        let answer = path.ask(As::Whole, "").await;
        assert_eq!((answer.head.status(), path.take_requests().len()), (status, attempts), "after {count}");
    }
}

/// Without quota for it, it goes once.
#[tokio::test]
async fn a_callers_own_retry_is_never_refused() {
    let path = Path::start(&SMALL).await;
    for _ in 0..4 {
        let answer = path.ask(As::Whole, "x-stainless-retry-count: 1\r\n").await;
        assert_eq!((answer.head.status(), path.take_requests().len()), (200, 1));
    }
    let answer = path.ask(As::Whole, "x-stainless-retry-count: 1\r\nx-sim-fault: internal\r\n").await;
    assert_eq!((answer.head.status(), path.take_requests().len()), (500, 1));
}

/// When everything fails, the upstream gets little more than without retries.
#[tokio::test]
async fn an_outage_is_not_made_a_storm() {
    const CALLS: usize = 100;
    let path = Path::start(&[("QUOTA_RATIO", "0.2"), ("QUOTA_BURST", "10")]).await;
    path.simulator.fail_next(u64::MAX, "overloaded".parse().unwrap());
    for _ in 0..CALLS {
        let answer = path.ask(As::Stream, "").await;
        assert_eq!((answer.head.status(), answer.should_retry()), (529, Some("false")));
    }
    let extra = path.take_requests().len() - CALLS;
    assert!((1..=10 + CALLS / 5).contains(&extra), "{extra}");
}
