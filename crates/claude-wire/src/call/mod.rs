//! What travels with a call, in the request's extensions.
//!
//! Layers do not depend on each other; they meet here. Who calls and how urgently ([`Caller`], [`Priority`],
//! [`Deadline`]); the call and its attempts ([`Call`], [`Attempt`]); a layer's own no ([`Refusal`]); and where
//! saved and extra cost is told ([`Books`]). Beside those: what a request can be made from again ([`Template`]), and how full
//! buckets are ([`Buckets`]).
//!
//! | type | put in by | read by |
//! | --- | --- | --- |
//! | [`Caller`], [`Priority`], [`Deadline`] | the application | limits, keys, cost, retry |
//! | [`Call`] | the outermost layer that repeats or counts; of a first attempt it may be found only through that: [`Call::find`] | every layer |
//! | [`Attempt`] | the layer that makes attempts, a new one each time | written below it, read above it |
//! | [`BooksHandle`] | the layer that keeps books | layers that save or cause cost |
//!
//! `Request::clone` clones extensions, and these are handles: a cloned request shares its [`Call`], as it
//! should, and its [`Attempt`], so whoever repeats a request puts a new one in.

mod attempt;
mod books;
mod buckets;
mod caller;
mod chain;
mod deadline;
mod dispatch;
mod history;
mod refusal;
mod template;

use std::time::Instant;

pub use attempt::{Attempt, Outcome, Sent};
pub use books::{Books, BooksHandle, Entry, EntryKind};
pub use buckets::Buckets;
pub use caller::{Caller, Priority};
pub use chain::find_in_chain;
pub use deadline::Deadline;
pub use dispatch::dispatch;
pub use history::{Call, CallId, MAX_HISTORY};
pub use refusal::{Refusal, RefusalKind};
pub use template::Template;

/// Reads a monotonic clock. This crate has none of its own; a layer passes tokio's, so that paused tests hold:
/// `|| tokio::time::Instant::now().into_std()`.
pub type Clock = fn() -> Instant;
