//! Nothing works for a minute.

use std::ops::Range;
use std::time::Duration;

use claude_retry::RetryLayer;
use claude_sim::{Fault, FaultMix};

use crate::load::{AFTERMATH, Storm, load, print};
use crate::sdk::Sdk;
use crate::support::{all, light, seeds, through};
use crate::upstream::{Bound, Upstream};

/// Every cause with what an extra attempt after it costs.
fn causes() -> [(Fault, f64); 4] {
    [
        (Fault::overloaded(), 2.0),
        (Fault::internal().without_json(), 2.0),
        (Fault::reset_before_headers(), 2.0),
        (Fault::refuse(), 1.0),
    ]
}

/// The bound holds from the outage's begin on, and once the burst is spent the load is 1 + ratio / cost.
#[tokio::test(start_paused = true)]
async fn the_load_is_bounded_by_ratio_and_cost() {
    const LENGTH: Duration = Duration::from_secs(80);
    const OUT: Range<Duration> = Duration::from_secs(10)..Duration::from_secs(70);

    for seed in seeds() {
        for (fault, cost) in causes() {
            let bound = Bound { burst: 100.0 / cost, ratio: 0.2 / cost, from: OUT.start };
            let upstream = Upstream::new(seed, FaultMix::new(), all(fault.clone()), OUT).bounded(bound);
            let retry = RetryLayer::new().with_seed(seed);
            let ended = load(LENGTH, &through(&retry, upstream.clone())).await;
            let row = Storm { length: LENGTH, foul: OUT }.row("", &ended, &upstream);
            assert_eq!((row.before, row.aftermath), (1.0, 1.0), "{fault} of seed {seed}");
            let late = upstream.arrived(OUT.start + AFTERMATH..OUT.end).load();
            // Those that arrive are not all of the first tries that paid for them.
            assert!(late <= 1.0 + 0.2 / cost + 0.02, "{late} after {fault} of seed {seed}");
        }
    }
}

/// The weather around it is as bad as on other days, so that the empty bucket must fill in time.
#[tokio::test(start_paused = true)]
async fn all_is_well_soon_after() {
    const LENGTH: Duration = Duration::from_secs(300);
    const OUT: Range<Duration> = Duration::from_secs(100)..Duration::from_secs(160);
    const STORM: Storm = Storm { length: LENGTH, foul: OUT };

    let mut rows = Vec::new();
    for seed in seeds() {
        let upstream = Upstream::new(seed, light(), all(Fault::overloaded()), OUT);
        let retry = RetryLayer::new().with_seed(seed).with_collect(1 << 20);
        let ended = load(LENGTH, &through(&retry, upstream.clone())).await;
        let row = STORM.row("this layer", &ended, &upstream);
        assert!(row.after >= 0.999, "{} of seed {seed}", row.after);
        assert!(row.load < 1.2, "{} of seed {seed}", row.load);
        rows.push(row);
    }
    rows.truncate(1);
    let upstream = Upstream::new(0, light(), all(Fault::overloaded()), OUT);
    let ended = load(LENGTH, &Sdk::PYTHON.over(upstream.clone())).await;
    rows.push(STORM.row("as the SDK for Python", &ended, &upstream));
    print("nothing but 529 from 100 s to 160 s, light weather else", &rows);
    assert!(rows[1].load > 2.9);
}
