//! Keys of real servers on requests: a ring and its layer over `OpenBao` and over ministack, with the simulator as the API.
//!
//! `cargo xtask test` installs both servers and names them in the environment.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod ages;
mod down;
mod first;
mod log;
mod rotation;
mod slow;
mod stack;
mod store;
mod tokens;
mod wrong;

#[allow(dead_code, reason = "each folder of tests takes a part of it")]
#[path = "../vault/bao.rs"]
mod bao;
#[allow(dead_code, reason = "each folder of tests takes a part of it")]
#[path = "../aws/emulator.rs"]
mod emulator;
#[allow(dead_code, reason = "each folder of tests takes a part of it")]
#[path = "../aws/link.rs"]
mod link;
#[allow(dead_code, reason = "each folder of tests takes a part of it")]
#[path = "../vault/proxy.rs"]
mod proxy;

use std::time::Duration;

use store::config;

/// Longer than anything takes on a busy machine, so that a time-out is never what a test shows by accident.
const LONG: Duration = Duration::from_secs(60);
