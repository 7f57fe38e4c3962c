//! The official SDKs must not be able to tell the gateway from the API, nor the simulator either.
//!
//! Two simulators of one seed answer the same requests with the same bytes. One is called directly, the other
//! through the gateway example, by the same script over an official SDK; what the SDK saw must be equal, and so
//! must what the simulators saw. Only where the gateway repeats what has failed, the SDK sees less of it.
//!
//! `cargo xtask test` installs the SDKs and names them in the environment; see the folders beside this file.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod admitted;
mod broken;
mod errors;
mod everyday;
mod failures;
mod harness;
mod kinds;
mod retried;
mod schema;
#[path = "../support/mod.rs"]
mod support;
