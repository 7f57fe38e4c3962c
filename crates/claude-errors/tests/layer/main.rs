//! The layer in both modes: what it makes of answers and failures, however they end, and what it leaves alone.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod answers;
mod attempts;
mod both_modes;
mod dropped;
mod error_bodies;
mod observed;
mod random;
mod services;
mod support;
