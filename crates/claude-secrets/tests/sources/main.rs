//! Sources of keys that need nothing but this machine: files, variables, closures.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod closures;
mod environment;
mod files;
#[cfg(unix)]
mod half_written;
#[cfg(unix)]
mod kubernetes;
#[cfg(unix)]
mod permissions;
mod support;
#[cfg(unix)]
mod what_is_no_file;
