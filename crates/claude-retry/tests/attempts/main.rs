//! Attempts, the waits between them, and what becomes of calls: everything but bodies and storms.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod against_tower;
mod answers;
mod counted;
mod deadline;
mod dropped;
mod errors;
mod jitter;
mod maybe_executed;
mod model;
mod quota;
mod readiness;
mod requests;
mod support;
mod told;
mod waits;
mod words;
