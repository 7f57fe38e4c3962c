//! The project's chores: `cargo xtask <command>`, and `cargo xtask --help` for the list.
#![allow(
    clippy::disallowed_methods,
    reason = "the rules about clocks and sleeping protect libraries inside a runtime; this binary has none"
)]

mod bench;
mod ci;
mod features;
mod gateway;
mod install;
mod readme;
mod run;
mod smoke;
mod soak;
mod test;

use std::process::ExitCode;

use run::{Result, Workspace};

const HELP: &str = "\
The project's chores.

    cargo xtask <command> [arguments]

    test       everything that must pass; installs the official SDKs under target/xtask first
    ci         test, and formatting, lints, every feature alone, docs, licences and the README's commands
    features   lint every crate with no features, its default ones, and each one alone
    smoke      run the README's gateway command and talk to it
    soak       the property tests with very many cases, the retry's storms, and the fuzz targets, for an idle machine;
               installs cargo-fuzz under target/xtask first, and needs a nightly toolchain beside the usual one
               (PROPTEST_CASES: cases for each property, 100000; STORM_RATE: calls a second, 40; STORM_SEEDS: storms
               of each kind, 20; FUZZ_SECONDS: seconds for each target, 300)
    bench      the benchmarks, with nginx, wrk and valgrind installed first; arguments go on to `cargo bench`
    help       this text
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match dispatch(&command, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {command}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Result {
    let asks_for_help = |word: &str| matches!(word, "help" | "--help" | "-h");
    // Those of `bench` are for cargo.
    let takes_arguments = command == "bench";
    let help = asks_for_help(command) || !takes_arguments && rest.iter().any(|word| asks_for_help(word));
    if help || command.is_empty() {
        print!("{HELP}");
        return if help { Ok(()) } else { Err("name a command".to_owned()) };
    }
    if !takes_arguments && !rest.is_empty() {
        return Err(format!("takes no arguments, but got `{}`", rest.join(" ")));
    }
    let workspace = Workspace::find()?;
    match command {
        "test" => test::everything(&workspace),
        "ci" => ci::run_all(&workspace),
        "features" => features::all(&workspace),
        "smoke" => smoke::readme(&workspace),
        "soak" => soak::run(&workspace),
        "bench" => bench::run(&workspace, rest),
        _ => Err("no such command; `cargo xtask --help` lists them".to_owned()),
    }
}
