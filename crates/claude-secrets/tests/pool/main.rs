//! Which key of a pool a request gets.

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
