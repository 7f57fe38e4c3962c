//! Every feature set a user is likely to build.

use std::path::Path;

use serde_json::Value;

use crate::run::{Result, Workspace, output, run};

/// One published crate and its features, `default` left out.
pub(crate) struct Crate {
    pub(crate) name: String,
    features: Vec<String>,
}

/// The crates under `crates/`.
pub(crate) fn crates(workspace: &Workspace) -> Result<Vec<Crate>> {
    let metadata = output(&mut workspace.cargo("metadata --no-deps --format-version 1"))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|why| format!("cargo metadata: {why}"))?;
    let home = workspace.path("crates");
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let mut found: Vec<Crate> = packages
        .iter()
        .filter(|package| {
            package["manifest_path"].as_str().is_some_and(|path| Path::new(path).starts_with(&home))
        })
        .filter_map(|package| {
            let features = package["features"].as_object()?;
            Some(Crate {
                name: package["name"].as_str()?.to_owned(),
                features: features.keys().filter(|name| *name != "default").cloned().collect(),
            })
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    if found.is_empty() { Err("no crates under crates/".to_owned()) } else { Ok(found) }
}

/// Lints one crate with no features, with its default ones, and with each one alone.
pub(crate) fn each(workspace: &Workspace, member: &Crate) -> Result {
    let name = &member.name;
    let mut sets = vec![String::new(), " --no-default-features".to_owned()];
    sets.extend(member.features.iter().map(|feature| format!(" --no-default-features --features {feature}")));
    sets.iter().try_for_each(|set| {
        run(&mut workspace.cargo(&format!("clippy --package {name}{set} -- -D warnings")))
    })
}

/// The same for all crates.
pub(crate) fn all(workspace: &Workspace) -> Result {
    crates(workspace)?.iter().try_for_each(|member| each(workspace, member))
}
