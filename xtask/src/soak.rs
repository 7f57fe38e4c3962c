//! What is worth running for long, by hand, on a machine with nothing else to do.

use std::env;

use crate::run::{self, Result, Workspace};

const CASES: &str = "100000";

/// The property tests of the wire, optimised, with `PROPTEST_CASES` (a hundred thousand unless it is set) each.
pub(crate) fn run(workspace: &Workspace) -> Result {
    let cases = env::var("PROPTEST_CASES").unwrap_or_else(|_| CASES.to_owned());
    println!("{cases} cases for each property");
    run::run(
        workspace
            .cargo("test --release --package claude-wire --all-features --lib --tests")
            .env("PROPTEST_CASES", cases),
    )
}
