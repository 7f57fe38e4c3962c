//! Everything that must pass.

use crate::install;
use crate::run::{Result, Workspace, run};

/// All tests of the workspace, documentation's included, and those marked `ignored`: they need what is installed here.
pub(crate) fn everything(workspace: &Workspace) -> Result {
    let python = install::python(workspace)?;
    let node_modules = install::node_modules(workspace)?;
    let kent = install::kent(workspace)?;
    let openbao = install::openbao(workspace)?;
    let aws = install::aws(workspace)?;
    run(workspace
        .cargo("test --workspace --all-features -- --include-ignored")
        .env("CLAUDE_TOWER_TEST_PYTHON", python)
        .env("CLAUDE_TOWER_TEST_NODE_MODULES", node_modules)
        .env("CLAUDE_TOWER_TEST_KENT", kent)
        .env("CLAUDE_TOWER_TEST_BAO", openbao)
        .env("CLAUDE_TOWER_TEST_MINISTACK", aws.ministack)
        .env("CLAUDE_TOWER_TEST_MOTO", aws.moto))
}
