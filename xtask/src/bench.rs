//! The benchmarks, and the programs they are measured against and with.

use crate::install;
use crate::run::{self, Result, Workspace};

/// `cargo bench` of everything, with the caller's arguments.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result {
    install::debian(workspace, &[("nginx", "nginx"), ("wrk", "wrk"), ("valgrind", "valgrind")])?;
    run::run(workspace.cargo("bench --features tower-resilience").args(arguments))
}
