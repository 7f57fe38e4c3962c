//! The simulator through its public API: in process and on loopback.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy.toml allows it")]

mod admin;
mod auth;
mod bill;
mod cache;
mod checker;
mod checks;
mod determinism;
mod encoding;
mod errors;
mod faults;
mod fuzz;
mod kinds;
mod limits;
mod log;
mod messages;
mod meter;
mod models;
mod replay;
mod runs;
mod server;
mod stream;
mod support;
mod traits;
