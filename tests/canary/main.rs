//! A key is seen by the API it is for, and by nobody else.
//!
//! Keys that can be recognised in every form are led through whatever can happen to a call: through a stack of everything we have, over
//! sockets whose bytes are kept and over the simulator in memory. All that can be heard is kept beside: logs and spans of all targets at the level
//! trace, metrics with their labels, every error with its causes in every form of `Display` and `Debug`, what a panic
//! says, `Debug` of every handle, what callers get, and what the process writes. None of it may hold a key, or eight
//! characters in a row of one; and of what is sent, only the one header of requests to the key's own origin may.
//!
//! It runs in a process of its own, which has a key in its environment from the start and whose output can be read. With one
//! `#[derive(Debug)]` too many on what holds a key as plain text, or the name of a place that may be a key by mistake, it fails;
//! what holds one as a `SecretString` cannot leak by that.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod canary;
mod ear;
mod errors;
mod recorder;
mod scenarios;
mod stage;
mod subscriber;
mod tap;

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use ear::EAR;

/// Says that this is the process of its own.
const INSIDE: &str = "CANARY_INSIDE";

#[test]
fn a_key_is_seen_by_its_own_origin_and_by_nobody_else() {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "a_key_is_seen_by_its_own_origin_and_by_nobody_else", "--nocapture"])
        .env(INSIDE, "1")
        .env("RUST_BACKTRACE", "1")
        .env(scenarios::sources::VARIABLE, canary::key("environment"))
        .env(scenarios::config::VARIABLE, canary::key("configured"));
    let output = command.output().unwrap();
    let written = [output.stdout, output.stderr].concat();
    // First: what is printed below must not show it either.
    if let Some(found) = canary::find(&written) {
        panic!("the process has written a key: {found}");
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&written));
}

fn inside() {
    ear::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (name, scenario) in scenarios::all() {
        EAR.begins(name);
        runtime.block_on(scenario);
    }
    drop(runtime);
    let heard = EAR.heard();
    for place in ["log", "span", "metric", "error", "panic", "debug", "answer"] {
        let count = heard.iter().filter(|heard| heard.place == place).count();
        println!("{place}: {count}");
        assert!(count > 0, "nothing was heard of {place}");
    }
    // Each text once and all together, which is soon done; where it was is looked for only if there is something.
    let different: BTreeSet<&str> = heard.iter().map(|heard| &*heard.text).collect();
    let all = different.into_iter().collect::<Vec<_>>().join("\n");
    println!("{} KiB in all", all.len() / 1024);
    if canary::find(all.as_bytes()).is_none() {
        return;
    }
    let found: Vec<String> = heard
        .iter()
        .filter_map(|heard| {
            let found = canary::find(heard.text.as_bytes())?;
            Some(format!("{}, {}: {found}", heard.scenario, heard.place))
        })
        .collect();
    panic!("keys were seen:\n{}", found.join("\n"));
}
