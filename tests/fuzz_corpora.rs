//! The checks of `fuzz/`, over the files in `fuzz/corpus/` and over what a fuzzer left in `fuzz/artifacts/`.
//!
//! `cargo xtask soak` runs the same checks over bytes that are made up.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

#[allow(unreachable_pub, reason = "a library of its own where a fuzzer calls it")]
#[path = "../fuzz/src/lib.rs"]
mod checks;

type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 5] = [
    ("error_bodies", checks::error_bodies),
    ("facts", checks::facts),
    ("headers", checks::headers),
    ("meter", checks::meter),
    ("scanner", checks::scanner),
];

#[test]
fn every_target_is_here_and_has_a_corpus() {
    let here: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    assert_eq!(files("fuzz_targets").into_iter().map(stem).collect::<BTreeSet<_>>(), here);
    for name in here {
        assert!(!files(&format!("corpus/{name}")).is_empty(), "fuzz/corpus/{name} is empty");
    }
}

#[test]
fn every_file_passes() {
    let mut failed = Vec::new();
    for (name, check) in TARGETS {
        for path in [files(&format!("corpus/{name}")), files(&format!("artifacts/{name}"))].concat() {
            let bytes = fs::read(&path).unwrap();
            if panic::catch_unwind(|| check(&bytes)).is_err() {
                failed.push(path);
            }
        }
    }
    // Each has said why above.
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The files of a folder in `fuzz/`, in the order of their names; none if it is not there.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}
