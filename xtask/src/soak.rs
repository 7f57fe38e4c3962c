//! What is worth running for long, by hand, on a machine with nothing else to do.

use std::env;
use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::install;
use crate::run::{self, Result, Workspace, has, output};

const CASES: &str = "100000";
const STORMS: [(&str, &str); 2] = [("STORM_RATE", "40"), ("STORM_SEEDS", "20")];
const SECONDS: &str = "300";

/// The property tests of the wire, the storms of the retry, and then the fuzz targets.
pub(crate) fn run(workspace: &Workspace) -> Result {
    let seconds = seconds()?;
    // Said before the properties have taken their time, but no reason to leave them out.
    let nightly = nightly(workspace);
    if let Err(why) = &nightly {
        println!("no fuzzing: {why}");
    }
    let properties = properties(workspace);
    let storms = storms(workspace);
    nightly?;
    properties.and(storms).and(fuzz(workspace, seconds))
}

/// Optimised, with `PROPTEST_CASES` (a hundred thousand unless it is set) each.
fn properties(workspace: &Workspace) -> Result {
    let cases = env::var("PROPTEST_CASES").unwrap_or_else(|_| CASES.to_owned());
    println!("{cases} cases for each property");
    run::run(
        workspace
            .cargo("test --release --package claude-wire --all-features --lib --tests")
            .env("PROPTEST_CASES", cases),
    )
}

/// Optimised, with `STORM_RATE` calls a second (40 unless it is set), each drawn `STORM_SEEDS` times (20).
fn storms(workspace: &Workspace) -> Result {
    let arguments = "test --release --package claude-retry --all-features --test storms";
    let mut command = workspace.cargo(arguments);
    for (name, otherwise) in STORMS {
        command.env(name, env::var(name).unwrap_or_else(|_| otherwise.to_owned()));
    }
    run::run(command.args(["--", "--include-ignored", "--nocapture"]))
}

/// Only a nightly compiler can instrument what it builds for a fuzzer.
fn nightly(workspace: &Workspace) -> Result {
    let why = "it needs a nightly toolchain: `rustup toolchain install nightly --profile minimal`";
    if !has("rustup") {
        return Err(format!("{why}, and there is no rustup"));
    }
    let version = output(workspace.command("rustup").args(["run", "nightly", "rustc", "--version"]));
    version.map(drop).map_err(|_| why.to_owned())
}

/// `FUZZ_SECONDS`, five minutes unless it is set.
fn seconds() -> Result<NonZeroU32> {
    let seconds = env::var("FUZZ_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    // To libFuzzer no time at all means without an end.
    seconds.parse().map_err(|why| format!("FUZZ_SECONDS is `{seconds}`: {why}"))
}

/// Each target of `fuzz/`, this long.
fn fuzz(workspace: &Workspace, seconds: NonZeroU32) -> Result {
    let cargo_fuzz = install::cargo_fuzz(workspace)?;
    let home = workspace.kept("fuzz");
    let mut failed = Vec::new();
    for target in targets(workspace)? {
        println!("\n{seconds} s of {target}");
        // What is new goes to the first folder; the committed one is only read.
        let found = home.join("corpus").join(&target);
        fs::create_dir_all(&found).map_err(|why| format!("cannot make {}: {why}", found.display()))?;
        // `cargo xtask` has named its own toolchain's cargo in the environment.
        let mut fuzz = workspace.command("rustup");
        fuzz.env_remove("CARGO").args(["run", "nightly"]).arg(&cargo_fuzz).args(["fuzz", "run"]);
        fuzz.arg("--target-dir").arg(home.join("target"));
        fuzz.arg(&target).arg(found).arg(workspace.path("fuzz/corpus").join(&target));
        fuzz.args(["--", &format!("-max_total_time={seconds}"), "-timeout=10", "-print_final_stats=1"]);
        if let Err(why) = run::run(&mut fuzz) {
            println!("FAILED: {why}");
            failed.push(target);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let failed = failed.join(", ");
    Err(format!("failed: {failed}; what they failed at is in fuzz/artifacts, and `cargo test` repeats it"))
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let home = workspace.path("fuzz/fuzz_targets");
    let entries = fs::read_dir(&home).map_err(|why| format!("cannot read {}: {why}", home.display()))?;
    let name = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut targets: Vec<String> = entries.filter_map(|entry| name(entry.ok()?.path())).collect();
    targets.sort();
    Ok(targets)
}
