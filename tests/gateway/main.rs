//! The gateway as a process: what goes in is what comes out.
//!
//! Both sides are sockets that the tests write and read by hand. Whether `TCP_NODELAY` is set cannot be seen from outside a
//! process; the benchmark of the gateway shows it.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

#[cfg(feature = "vault")]
#[allow(dead_code, reason = "written for the tests of the source")]
#[path = "../../crates/claude-secrets/tests/vault/bao.rs"]
mod bao;
mod door;
mod keys;
mod log;
mod ministack;
mod requests;
mod responses;
mod retry;
mod shutdown;
mod start;
mod stores;
mod streams;
#[path = "../support/mod.rs"]
mod support;
