//! Which key of a pool a request gets.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod any_state;
mod cooling;
mod groups;
mod retried;
mod sceptic;
mod slow;
mod spend;
mod sticky;
mod support;
mod three;
