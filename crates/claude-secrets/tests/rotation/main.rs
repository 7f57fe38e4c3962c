//! Keys that rotate under requests, over the simulator.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod early;
mod once;
mod retried;
mod source_down;
mod support;
mod under_load;
