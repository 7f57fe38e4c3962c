//! Responses whose bodies matter: what is read ahead, what that decides, and that it comes out as it went in.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod bounds;
mod collected;
mod composed;
mod deadline;
mod dropped;
mod ends;
mod error_bodies;
mod hold;
mod meter;
mod simulator;
mod support;
mod unchanged;
