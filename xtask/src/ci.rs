//! All that a change must pass, in one command.

use std::time::{Duration, Instant};

use crate::run::{Result, Workspace, run};
use crate::{features, install, smoke, test};

/// Every step runs, whatever became of those before it, so that one run names all that is wrong.
pub(crate) fn run_all(workspace: &Workspace) -> Result {
    let crates = features::crates(workspace)?;
    let mut report = Report::default();

    report.step("format", || run(&mut workspace.cargo("fmt --all --check")));
    // The only step that may reach for crates; it also fails on a lock file that is behind the manifests.
    report.step("fetch", || run(&mut workspace.cargo("fetch --locked")));
    report.step("clippy", || {
        run(&mut workspace.cargo("clippy --workspace --all-targets --all-features -- -D warnings"))
    });
    report.step("doc", || {
        run(workspace.cargo("doc --workspace --all-features --no-deps").env("RUSTDOCFLAGS", "-D warnings"))
    });
    report.step("test", || test::everything(workspace));
    for member in &crates {
        report.step(&format!("features of {}", member.name), || features::each(workspace, member));
    }
    for member in &crates {
        // Alone, a crate's features are its own, without those its neighbours switch on.
        report.step(&format!("tests of {}", member.name), || {
            run(&mut workspace.cargo(&format!("test --package {}", member.name)))
        });
    }
    report.step("licences", || licences(workspace));
    report.step("readme", || smoke::readme(workspace));
    report.close()
}

/// Licences, bans and sources. Advisories need a database from the network, see CONTRIBUTING.md.
fn licences(workspace: &Workspace) -> Result {
    let deny = install::cargo_deny(workspace)?;
    let check = "--offline check --hide-inclusion-graph licenses bans sources";
    run(workspace.command(deny).args(check.split(' ')))
}

#[derive(Default)]
struct Report {
    steps: Vec<(String, Duration, Result)>,
}

impl Report {
    fn step(&mut self, name: &str, work: impl FnOnce() -> Result) {
        println!("\n=== {name}");
        let start = Instant::now();
        let end = work();
        if let Err(why) = &end {
            println!("FAILED: {why}");
        }
        self.steps.push((name.to_owned(), start.elapsed(), end));
    }

    fn close(self) -> Result {
        println!("\n=== summary");
        for (name, took, end) in &self.steps {
            println!(
                "{:>7.1} s  {}  {name}",
                took.as_secs_f64(),
                if end.is_ok() { "ok    " } else { "FAILED" }
            );
        }
        let total: Duration = self.steps.iter().map(|(_, took, _)| *took).sum();
        println!("{:>7.1} s  in all", total.as_secs_f64());
        let failed = self.steps.iter().filter(|(_, _, end)| end.is_err()).count();
        // Alone on its line, in the words test runners close with: it is read by machines too.
        println!("\n{} passed, {failed} failed", self.steps.len() - failed);
        if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} steps failed", self.steps.len())) }
    }
}
