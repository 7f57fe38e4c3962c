//! The keys of a ring: how they are cached, renewed, refused and had again.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod ages;
mod api;
mod book;
mod counted;
mod failures;
mod handle;
mod log;
mod model;
mod outside;
mod refused;
mod runtimes;
mod safe;
mod stand_in;
mod state;
mod support;
mod times;
mod waiters;
