//! The official SDKs must not be able to tell the gateway from the API.
//!
//! Two simulators of one seed answer the same requests with the same bytes. One is called directly, the other
//! through the gateway example, by the same script over an official SDK; what the SDK saw must be equal, and so
//! must what the simulators saw.
//!
//! `cargo xtask test` installs the SDKs and names them in the environment; see the folders beside this file.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

#[path = "../support/mod.rs"]
mod support;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use claude_sim::{DEFAULT_KEY, SeenRequest, Simulator};
use serde_json::Value;

use support::gateway::{self, Gateway};

const SEED: u64 = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_cannot_tell_the_gateway() {
    let seen = compare(|base_url| {
        let mut python = Command::new(installed("CLAUDE_TOWER_TEST_PYTHON"));
        // Isolated, and without leaving compiled files beside the script.
        python.args(["-I", "-B"]).arg(script("python/scenarios.py")).args([base_url, DEFAULT_KEY]);
        python
    })
    .await;
    has_everything(&seen);
    // The accumulating helper makes its own events out of the deltas.
    assert!(seen.strings("tools_stream", "/asked/helper/kinds").contains(&"input_json".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_cannot_tell_the_gateway() {
    let seen = compare(|base_url| {
        let mut node = Command::new("node");
        node.env("CLAUDE_TOWER_TEST_NODE_MODULES", installed("CLAUDE_TOWER_TEST_NODE_MODULES"));
        node.arg(script("typescript/scenarios.mjs")).args([base_url, DEFAULT_KEY]);
        node
    })
    .await;
    has_everything(&seen);
    assert!(seen.strings("tools_stream", "/asked/helper/fired").contains(&"inputJson".to_owned()));
}

/// Runs the script against both, asserts that nobody saw a difference, and gives what the SDK saw.
async fn compare(command: impl Fn(&str) -> Command) -> Seen {
    let direct = Simulator::builder().with_seed(SEED).with_still_date().build();
    let server = direct.serve("127.0.0.1:0").await.unwrap();
    // Blocks this thread alone: the servers run on the runtime's own.
    let seen = run(&mut command(&server.base_url()));

    let behind = Simulator::builder().with_seed(SEED).with_still_date().build();
    let upstream = behind.serve("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::start(&mut gateway::before(&upstream.base_url())).await;
    let through = run(&mut command(&gateway.base_url));

    assert_eq!(through.0.len(), seen.0.len());
    for (through, direct) in through.0.iter().zip(&seen.0) {
        assert_eq!(through, direct, "{}", direct["scenario"]);
    }
    let (direct, behind) = (direct.requests(), behind.requests());
    assert_eq!(behind.len(), direct.len(), "the gateway adds no request and leaves none out");
    for (behind, direct) in behind.iter().zip(&direct) {
        assert_eq!(as_sent(behind), as_sent(direct), "{} {}", direct.method, direct.path);
        assert!(behind.body == direct.body, "the body of {} {} was changed", direct.method, direct.path);
    }
    seen
}

/// What must reach the API as the SDK sent it. The connection's own headers are each hop's affair.
fn as_sent(request: &SeenRequest) -> (String, Option<String>, Vec<(String, String)>) {
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

/// That the scenarios did what they are for: two servers that refuse everything would be equal, too.
fn has_everything(seen: &Seen) {
    for scenario in ["create", "create_with_system_and_thinking", "create_with_stop_sequence"] {
        assert_eq!(seen.at(scenario, "/status"), 200);
        assert_eq!(seen.at(scenario, "/body/type"), "message");
        assert!(!seen.text(scenario, "/body/content").is_empty());
        assert_eq!(seen.at(scenario, "/request_id"), seen.at(scenario, "/object_request_id"));
        assert_eq!(seen.at(scenario, "/request_id"), seen.at(scenario, "/headers/request-id"));
        for header in ["anthropic-organization-id", "anthropic-ratelimit-requests-remaining"] {
            assert!(seen.at(scenario, &format!("/headers/{header}")).is_string(), "{scenario}: {header}");
        }
    }
    let thought = "create_with_system_and_thinking";
    assert_eq!(seen.at(thought, "/body/content/0/type"), "thinking");
    assert!(!seen.string(thought, "/body/content/0/thinking").is_empty());
    assert!(!seen.string(thought, "/body/content/0/signature").is_empty());
    assert_eq!(seen.at("create_with_stop_sequence", "/body/stop_reason"), "max_tokens");

    seen.is_whole_stream("stream", "");
    assert_eq!(seen.at("stream", "/helper/final/stop_reason"), "end_turn");
    let text = seen.text("stream", "/helper/final/content");
    assert_eq!(seen.string("stream", "/helper/pieces/text"), text);
    assert!(!text.is_empty() && !seen.deltas("stream", "", "text").is_empty());

    seen.is_whole_stream("thinking_stream", "");
    assert_eq!(seen.at("thinking_stream", "/helper/final/content/0/type"), "thinking");
    let thinking = seen.string("thinking_stream", "/helper/final/content/0/thinking");
    assert_eq!(seen.string("thinking_stream", "/helper/pieces/thinking"), thinking);
    assert!(!thinking.is_empty() && !seen.deltas("thinking_stream", "", "thinking").is_empty());
    assert!(!seen.deltas("thinking_stream", "", "signature").is_empty());

    assert_eq!(seen.at("tools", "/asked/body/stop_reason"), "tool_use");
    assert_eq!(seen.at("tools", "/asked/body/content/0/name"), "get_weather");
    assert!(seen.at("tools", "/asked/body/content/0/input/city").is_string());
    assert_eq!(seen.at("tools", "/told/body/stop_reason"), "end_turn");

    seen.is_whole_stream("tools_stream", "/asked");
    assert_eq!(seen.at("tools_stream", "/asked/helper/final/stop_reason"), "tool_use");
    let input = seen.string("tools_stream", "/asked/helper/pieces/partial_json");
    let input: Value = serde_json::from_str(input).unwrap();
    assert_eq!(input, *seen.at("tools_stream", "/asked/helper/final/content/0/input"));
    assert!(!seen.deltas("tools_stream", "/asked", "partial_json").is_empty());
    assert!(input["city"].is_string());
    seen.is_whole_stream("tools_stream", "/told");
    assert_eq!(seen.at("tools_stream", "/told/helper/final/stop_reason"), "end_turn");

    assert!(seen.at("count_tokens", "/body/input_tokens").as_u64() > Some(0));

    let page = seen.at("models_list", "/first_page/data").as_array().unwrap();
    let all = seen.at("models_list", "/all").as_array().unwrap();
    assert!(page.len() == 2 && all.len() > 2, "several pages: {} of {}", page.len(), all.len());
    assert_eq!(seen.at("models_retrieve", "/body/id"), "claude-opus-5-5");

    for (scenario, class, status, kind) in [
        ("error_unknown_model", "NotFoundError", 404, "not_found_error"),
        ("error_unknown_model_stream", "NotFoundError", 404, "not_found_error"),
        ("error_unknown_model_retrieve", "NotFoundError", 404, "not_found_error"),
        ("error_bad_key", "AuthenticationError", 401, "authentication_error"),
        ("error_missing_field", "BadRequestError", 400, "invalid_request_error"),
    ] {
        let raised = &seen.result(scenario)["raised"];
        assert_eq!(raised["class"], class, "{scenario}: {raised}");
        assert_eq!(raised["status"], status, "{scenario}");
        assert_eq!(raised["type"], kind, "{scenario}");
        assert!(!raised["message"].as_str().unwrap().is_empty(), "{scenario}");
        assert!(raised["request_id"].as_str().unwrap().starts_with("req_"), "{scenario}");
        assert_eq!(raised["request_id"], raised["body"]["request_id"], "{scenario}");
    }
}

/// A script's output: what the SDK returned and raised.
struct Seen(Vec<Value>);

impl Seen {
    fn result(&self, scenario: &str) -> &Value {
        let found = self.0.iter().find(|one| one["scenario"] == scenario);
        &found.unwrap_or_else(|| panic!("no scenario {scenario}"))["result"]
    }

    /// Something the SDK returned.
    fn at(&self, scenario: &str, pointer: &str) -> &Value {
        let result = self.result(scenario);
        let found = result.pointer(&format!("/returned{pointer}"));
        found.unwrap_or_else(|| panic!("{scenario} has no {pointer}: {result:#}"))
    }

    fn string(&self, scenario: &str, pointer: &str) -> &str {
        self.at(scenario, pointer).as_str().unwrap()
    }

    fn strings(&self, scenario: &str, pointer: &str) -> Vec<String> {
        serde_json::from_value(self.at(scenario, pointer).clone()).unwrap()
    }

    /// The text blocks of a message's content, joined.
    fn text(&self, scenario: &str, content: &str) -> String {
        let blocks = self.at(scenario, content).as_array().unwrap();
        blocks.iter().filter_map(|block| block["text"].as_str()).collect()
    }

    /// The pieces of one kind in a stream's deltas, joined.
    fn deltas(&self, scenario: &str, stream: &str, piece: &str) -> String {
        let events = self.at(scenario, &format!("{stream}/events")).as_array().unwrap();
        events.iter().filter_map(|event| event["delta"][piece].as_str()).collect()
    }

    fn is_whole_stream(&self, scenario: &str, stream: &str) {
        let events = self.at(scenario, &format!("{stream}/events")).as_array().unwrap();
        assert_eq!(events.first().unwrap()["type"], "message_start", "{scenario}");
        assert_eq!(events.last().unwrap()["type"], "message_stop", "{scenario}");
        let request_id = self.string(scenario, &format!("{stream}/helper/request_id"));
        assert!(request_id.starts_with("req_"), "{scenario}: {request_id}");
        assert!(self.at(scenario, &format!("{stream}/headers/anthropic-ratelimit-tokens-limit")).is_string());
    }
}

/// Runs a script in an environment without anybody's keys, proxies and settings.
fn run(command: &mut Command) -> Seen {
    let ours =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned()));
    let ours: Vec<_> = ours.collect();
    command.env_clear().envs(ours).env("PATH", env::var_os("PATH").unwrap_or_default());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{shown}", output.status);
    Seen(serde_json::from_slice(&output.stdout).unwrap())
}

fn installed(variable: &str) -> PathBuf {
    let path =
        env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: use `cargo xtask test`"));
    PathBuf::from(path)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(name)
}
