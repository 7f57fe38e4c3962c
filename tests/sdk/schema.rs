//! The simulator's JSON has the fields that the SDK's models have, and no others.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::errors;
use crate::harness::{Direct, Sdk};
use crate::kinds::kinds;

/// What has to be among the documents.
const SORTS: [&str; 13] = [
    "count",
    "error",
    "event content_block_delta",
    "event content_block_start",
    "event content_block_stop",
    "event message_delta",
    "event message_start",
    "event message_stop",
    "event ping",
    "message",
    "model",
    "page",
    "typed error",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn all_json_is_of_the_sdk_s_models() {
    let direct = Direct::start().await;
    let errors = serde_json::to_string(&errors::faults_with_json()).unwrap();
    let report: Report = Sdk::Python.run("schema", &[&direct.base_url(), &kinds(), &errors]);
    assert!(
        report.problems.is_empty(),
        "{} problems:\n{}",
        report.problems.len(),
        report.problems.join("\n")
    );
    let sorts: Vec<&str> = report.checked.keys().map(String::as_str).collect();
    assert_eq!(sorts, SORTS);
    assert!(report.broken > 10_000, "the checker was shown {} broken copies", report.broken);
}

#[derive(Debug, Deserialize)]
struct Report {
    /// How many documents, by sort.
    checked: BTreeMap<String, usize>,
    /// How many copies with one thing wrong the checker has found.
    broken: usize,
    problems: Vec<String>,
}
