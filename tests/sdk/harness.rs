//! What the tests share: the SDKs as processes, and the simulator with and without the gateway before it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use claude_sim::{DEFAULT_KEY, SeenRequest, Server, Simulator};
use serde::de::DeserializeOwned;

use crate::support::gateway::{self, Gateway};

const SEED: u64 = 7;

/// An official SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    Python,
    TypeScript,
}

impl Sdk {
    /// Runs a script over this SDK and reads the JSON it prints. The key is its last argument.
    ///
    /// This blocks the test's own thread alone: the servers run on the runtime's.
    pub(crate) fn run<T: DeserializeOwned>(self, script: &str, arguments: &[&str]) -> T {
        self.run_with(script, arguments, DEFAULT_KEY)
    }

    /// The same with another key.
    pub(crate) fn run_with<T: DeserializeOwned>(self, script: &str, arguments: &[&str], key: &str) -> T {
        let mut command = match self {
            Self::Python => {
                let mut python = Command::new(installed("CLAUDE_TOWER_TEST_PYTHON"));
                // Without the user's own packages, and without leaving compiled files beside the script.
                python.args(["-s", "-B"]).arg(path(&format!("python/{script}.py")));
                python
            }
            Self::TypeScript => {
                let mut node = Command::new("node");
                node.env("CLAUDE_TOWER_TEST_NODE_MODULES", installed("CLAUDE_TOWER_TEST_NODE_MODULES"));
                node.arg(path(&format!("typescript/{script}.mjs")));
                node
            }
        };
        run(command.args(arguments).arg(key))
    }
}

/// A simulator that is called directly.
pub(crate) struct Direct {
    pub(crate) simulator: Simulator,
    server: Server,
}

impl Direct {
    pub(crate) async fn start() -> Self {
        let simulator = Simulator::builder().with_seed(SEED).with_still_date().build();
        let server = simulator.serve("127.0.0.1:0").await.unwrap();
        Self { simulator, server }
    }

    pub(crate) fn base_url(&self) -> String {
        self.server.base_url()
    }
}

/// A simulator of the same seed behind the gateway.
pub(crate) struct ThroughGateway {
    pub(crate) simulator: Simulator,
    gateway: Gateway,
    _upstream: Direct,
}

impl ThroughGateway {
    /// With the gateway as it is if nothing is said.
    pub(crate) async fn start() -> Self {
        Self::started(gateway::before).await
    }

    pub(crate) async fn started(command: impl FnOnce(&str) -> Command) -> Self {
        let upstream = Direct::start().await;
        let gateway = Gateway::start(&mut command(&upstream.base_url())).await;
        Self { simulator: upstream.simulator.clone(), gateway, _upstream: upstream }
    }

    pub(crate) fn base_url(&self) -> String {
        self.gateway.base_url.clone()
    }
}

/// With a connection for each call: one that was spoilt may still look good to the next for a moment.
pub(crate) fn without_pool(mut command: Command) -> Command {
    command.env("CLAUDE_TOWER__CLIENT__POOL_MAX_IDLE_PER_HOST", "0");
    command
}

/// Asserts that the gateway has added no request, left none out, and changed none.
pub(crate) fn no_difference(direct: &Simulator, behind: &Simulator) {
    let (direct, behind) = (direct.requests(), behind.requests());
    assert_eq!(behind.len(), direct.len(), "the gateway adds no request and leaves none out");
    for (behind, direct) in behind.iter().zip(&direct) {
        assert_eq!(as_sent(behind), as_sent(direct), "{} {}", direct.method, direct.path);
        assert!(behind.body == direct.body, "the body of {} {} was changed", direct.method, direct.path);
    }
}

/// What must reach the API as the SDK sent it. The connection's own headers are each hop's affair.
pub(crate) fn as_sent(request: &SeenRequest) -> (String, Option<String>, Vec<(String, String)>) {
    let mut headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .filter(|(name, _)| {
            name.starts_with("anthropic-")
                || name.starts_with("x-stainless-")
                || matches!(name.as_str(), "content-type" | "content-length" | "accept" | "user-agent")
        })
        .collect();
    headers.sort();
    (format!("{} {}", request.method, request.path), request.key.clone(), headers)
}

/// Runs a script in an environment without anybody's keys, proxies and settings.
fn run<T: DeserializeOwned>(command: &mut Command) -> T {
    let ours =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned()));
    let ours: Vec<_> = ours.collect();
    command.env_clear().envs(ours).env("PATH", env::var_os("PATH").unwrap_or_default());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{shown}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn installed(variable: &str) -> PathBuf {
    let path =
        env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: use `cargo xtask test`"));
    PathBuf::from(path)
}

fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(script)
}
