//! Rate limits: what is allowed in a minute, the buckets that enforce it, and the headers that show them.
//!
//! A message draws on the buckets of its model's class, of its organisation and of its workspace if that has
//! limits: requests, tokens of input, tokens of output. They are token buckets, refilled all the time and never
//! by a window's end.

mod admission;
mod bucket;
mod buckets;
mod class;
mod figures;
mod headers;
mod hidden;
mod pieces;
mod refused;
mod snapshot;

pub(crate) use admission::{Admission, admit_count};
pub(crate) use buckets::Buckets;
pub use class::LimitClass;
pub use figures::{ClassLimits, Limits};
pub use hidden::{Burst, Hidden};
