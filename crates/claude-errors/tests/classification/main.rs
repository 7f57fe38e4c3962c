//! The classification table, row by row: responses, events, refusals, and the errors of services, made up and real.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod chains;
#[cfg(feature = "hyper")]
mod clients;
mod events;
#[cfg(feature = "hyper")]
mod http2;
mod refusals;
mod responses;
#[cfg(feature = "hyper")]
mod servers;
#[cfg(feature = "hyper")]
mod sockets;
mod support;
mod waits;
