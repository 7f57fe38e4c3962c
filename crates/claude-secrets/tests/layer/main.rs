//! The layer: what it puts on which request, what it makes of a refused key, and what it leaves alone.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod bodies;
mod clones;
mod dropped;
mod its_own_fault;
mod late;
mod lines;
mod not_the_api;
mod origins;
mod probe;
mod put_on;
mod readiness;
mod redirects;
mod refused;
mod safe;
mod script;
mod settings;
mod shown;
mod support;
