//! The benchmarks, and the two programs they are measured against and with.

use crate::install;
use crate::run::{self, Result, Workspace};

/// `cargo bench`, with the caller's arguments.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result {
    install::debian(workspace, &[("nginx", "nginx"), ("wrk", "wrk")])?;
    run::run(workspace.cargo("bench").args(arguments))
}
