//! A bad hour in short: the light weather of every day, and for a hundred seconds in the middle of it nearly every second
//! attempt fails.

use std::ops::Range;
use std::time::Duration;

use claude_retry::{Quota, RetryLayer};

use crate::load::{Storm, load, print};
use crate::sdk::Sdk;
use crate::support::{heavy, light, seeds, through};
use crate::upstream::{Bound, Upstream};

const LENGTH: Duration = Duration::from_secs(300);
const FOUL: Range<Duration> = Duration::from_secs(100)..Duration::from_secs(200);
const STORM: Storm = Storm { length: LENGTH, foul: FOUL };
const TITLE: &str =
    "30 % of 529, 10 % resets, 5 % errors in streams, from 100 s to 200 s; a sixth of that else";

fn upstream(seed: u64) -> Upstream {
    Upstream::new(seed, light(), heavy(), FOUL)
}

#[tokio::test(start_paused = true)]
async fn extra_work_stays_within_the_quota_and_all_is_well_soon_after() {
    let mut rows = Vec::new();
    for seed in seeds() {
        // A few are paid for and on their way when the storm begins.
        let bound = Bound { burst: 110.0, ratio: 0.2, from: FOUL.start };
        let upstream = upstream(seed).bounded(bound);
        let retry = RetryLayer::new().with_seed(seed).with_collect(1 << 20);
        let ended = load(LENGTH, &through(&retry, upstream.clone())).await;
        assert_eq!(upstream.most_tries(), 4);
        let row = STORM.row("this layer", &ended, &upstream);
        assert!(row.before >= 0.999 && row.after >= 0.999, "{} {} of seed {seed}", row.before, row.after);
        rows.push(row);
    }
    rows.truncate(1);
    let unlimited = RetryLayer::new().with_seed(0).with_collect(1 << 20).with_quota(Quota::unlimited());
    let upstream_of_it = upstream(0);
    let ended = load(LENGTH, &through(&unlimited, upstream_of_it.clone())).await;
    rows.push(STORM.row("no quota", &ended, &upstream_of_it));
    for (name, sdk) in Sdk::OFFICIAL {
        let upstream = upstream(0);
        let ended = load(LENGTH, &sdk.over(upstream.clone())).await;
        rows.push(STORM.row(name, &ended, &upstream));
    }
    print(TITLE, &rows);
}

#[tokio::test(start_paused = true)]
#[ignore = "only prints what other quotas would do; `cargo xtask soak` runs it"]
async fn other_quotas() {
    let quota = |ratio| Quota::new(ratio, 100).unwrap();
    let mut rows = Vec::new();
    for (name, quota) in [
        ("no retries", quota(0.0).with_cost(|_| u32::MAX)),
        ("ratio 0.2", quota(0.2)),
        ("ratio 0.2, every cost 1", quota(0.2).with_cost(|_| 1)),
        ("ratio 0.5", quota(0.5)),
        ("ratio 0.5, every cost 1", quota(0.5).with_cost(|_| 1)),
        ("ratio 1", quota(1.0)),
        ("no quota", Quota::unlimited()),
    ] {
        let upstream = upstream(0);
        let retry = RetryLayer::new().with_seed(0).with_collect(1 << 20).with_quota(quota);
        let ended = load(LENGTH, &through(&retry, upstream.clone())).await;
        rows.push(STORM.row(name, &ended, &upstream));
    }
    print(TITLE, &rows);
}
