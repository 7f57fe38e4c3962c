//! What the chores need beyond the toolchain. Everything but Debian packages goes under `target/xtask`.
//!
//! Each step leaves a stamp holding the very pins it installed, and does nothing while they are unchanged.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Result, Workspace, has, output, run};

const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";

/// A Python with the official SDK, as pinned in `tests/sdk/python/requirements.txt`.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    python_with(workspace, "python", "tests/sdk/python/requirements.txt").map(|bin| bin.join("python"))
}

/// kent, a receiver of Sentry's envelopes, as pinned in `tests/kent/requirements.txt`.
pub(crate) fn kent(workspace: &Workspace) -> Result<PathBuf> {
    python_with(workspace, "kent", "tests/kent/requirements.txt").map(|bin| bin.join("kent-server"))
}

/// OpenBao, a server of Vault's API, as pinned in `tests/openbao/requirements.txt`.
pub(crate) fn openbao(workspace: &Workspace) -> Result<PathBuf> {
    python_with(workspace, "openbao", "tests/openbao/requirements.txt").map(|bin| bin.join("bao"))
}

/// The emulators of AWS, as pinned in `tests/aws/requirements.txt`.
pub(crate) struct Aws {
    pub(crate) ministack: PathBuf,
    pub(crate) moto: PathBuf,
}

/// Installs them into one virtual environment.
pub(crate) fn aws(workspace: &Workspace) -> Result<Aws> {
    let bin = python_with(workspace, "aws", "tests/aws/requirements.txt")?;
    Ok(Aws { ministack: bin.join("ministack"), moto: bin.join("moto_server") })
}

/// The programs of a virtual environment that has what these requirements pin.
fn python_with(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    let pins = workspace.read(requirements)?;
    let home = workspace.kept(name);
    let bin = home.join("bin");
    // A virtual environment points at the interpreter that made it, so that is part of what is pinned.
    let version = output(workspace.command("python3").arg("--version"))
        .map_err(|why| format!("{requirements} needs Python 3.10 or newer: {why}"))?;
    once(&home, &(version + &pins), || {
        run(workspace.command("python3").args(["-m", "venv", "--clear"]).arg(&home)).map_err(|why| {
            format!("no virtual environment (on Debian: apt-get install python3-venv): {why}")
        })?;
        run(workspace
            .command(bin.join("python"))
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(workspace.path(requirements)))
        .map_err(|why| format!("{requirements} could not be installed: {why}"))
    })?;
    Ok(bin)
}

/// A `node_modules` with the official SDK, as pinned in `tests/sdk/typescript/package-lock.json`.
pub(crate) fn node_modules(workspace: &Workspace) -> Result<PathBuf> {
    let package = workspace.read("tests/sdk/typescript/package.json")?;
    let lock = workspace.read("tests/sdk/typescript/package-lock.json")?;
    let home = workspace.kept("node");
    if !has("node") || !has("npm") {
        return Err("the TypeScript SDK's tests need Node 20 or newer with npm".to_owned());
    }
    once(&home, &lock, || {
        write(&home.join("package.json"), &package)?;
        write(&home.join("package-lock.json"), &lock)?;
        run(workspace.command("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&home))
            .map_err(|why| format!("the TypeScript SDK could not be installed: {why}"))
    })?;
    Ok(home.join("node_modules"))
}

/// The tool that checks licences, bans and sources. A build of about three minutes.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    cargo_tool(workspace, "cargo-deny", CARGO_DENY)
}

/// The tool that builds and runs the fuzz targets. A build of about a minute.
pub(crate) fn cargo_fuzz(workspace: &Workspace) -> Result<PathBuf> {
    cargo_tool(workspace, "cargo-fuzz", CARGO_FUZZ)
}

fn cargo_tool(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let home = workspace.kept(name);
    once(&home, version, || {
        let mut install = workspace.cargo("install --locked --quiet --force");
        run(install.args([name, "--version", version, "--root"]).arg(&home))
            .map_err(|why| format!("{name} could not be installed: {why}"))
    })?;
    Ok(home.join("bin").join(name))
}

/// Debian packages, for those of the programs that are not on the path: `(program, package)`.
pub(crate) fn debian(workspace: &Workspace, wanted: &[(&str, &str)]) -> Result {
    let missing: Vec<&str> =
        wanted.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let mut command = workspace.command("apt-get");
        // The run level of a machine under repair: no package starts its service by being installed.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").args(arguments);
        run(&mut command)
    };
    apt(&["update", "-qq"])
        .and_then(|()| apt(&[&["install", "-y", "-qq", "--no-install-recommends"], &*missing].concat()))
        .map_err(|why| format!("install {} yourself: {why}", missing.join(" and ")))
}

/// Runs `install` unless the stamp in `home` says that exactly these pins are there already.
fn once(home: &Path, pins: &str, install: impl FnOnce() -> Result) -> Result {
    let stamp = home.join("pins");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == pins) {
        return Ok(());
    }
    // Gone before the work begins, so that a step that was interrupted does not look finished.
    drop(fs::remove_file(&stamp));
    fs::create_dir_all(home).map_err(|why| format!("cannot make {}: {why}", home.display()))?;
    install()?;
    write(&stamp, pins)
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).map_err(|why| format!("cannot write {}: {why}", path.display()))
}
