//! Storms: minutes of load on paused time against the simulator, while much of it fails. And the bill.
//!
//! The tables are printed: `cargo test -p claude-retry --test storms -- --nocapture`. `STORM_RATE` is how many calls
//! begin in a second (20 unless it is set), `STORM_SEEDS` how many times everything is drawn anew (once).

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod bill;
mod books;
mod counters;
mod crowd;
mod heavy;
mod light;
mod load;
mod outage;
mod sdk;
mod stacked;
mod support;
mod upstream;
