//! What must hold for any bytes at all, one function for each target: it panics if something does not.
//!
//! Nothing here knows who calls: `fuzz_targets/` does with bytes that libFuzzer makes up, and the workspace's own
//! `tests/fuzz_corpora.rs` with the files in `corpus/`.

mod error_bodies;
mod facts;
mod headers;
mod input;
mod meter;
mod scanner;

pub use error_bodies::error_bodies;
pub use facts::facts;
pub use headers::headers;
pub use meter::meter;
pub use scanner::scanner;
