//! The door: who comes in, who does not, and what becomes of the token.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod admit;
mod build;
mod counted;
mod layer;
mod support;
mod tokens;
