//! Every kind of reply: the SDKs parse it, accumulate it, and cannot tell the gateway.

use claude_sim::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Direct, Sdk, ThroughGateway, no_difference};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_parses_every_kind() {
    every_kind(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_parses_every_kind() {
    every_kind(Sdk::TypeScript).await;
}

/// Two requests of one seed and one place are answered with the same message, so each way to ask has its own
/// simulator.
async fn every_kind(sdk: Sdk) {
    let direct = [Direct::start().await, Direct::start().await, Direct::start().await];
    let seen = run(sdk, &direct.each_ref().map(Direct::base_url));
    for kind in Reply::every_kind() {
        let resources = if kind.betas.is_empty() { &["stable", "beta"][..] } else { &["beta"] };
        for resource in resources {
            let found = seen.iter().find(|seen| seen.name == kind.name && seen.resource == *resource);
            found.unwrap_or_else(|| panic!("{} ({resource}) is missing", kind.name)).is_whole();
        }
    }
    let gateways =
        [ThroughGateway::start().await, ThroughGateway::start().await, ThroughGateway::start().await];
    let through = run(sdk, &gateways.each_ref().map(ThroughGateway::base_url));
    assert_eq!(through.len(), seen.len());
    for (through, direct) in through.iter().zip(&seen) {
        assert_eq!(through, direct, "{} ({})", direct.name, direct.resource);
    }
    for (direct, gateway) in direct.iter().zip(&gateways) {
        no_difference(&direct.simulator, &gateway.simulator);
    }
}

fn run(sdk: Sdk, base_urls: &[String; 3]) -> Vec<Seen> {
    let [whole, bare, helped] = base_urls;
    sdk.run("kinds", &[whole, bare, helped, &kinds()])
}

/// What the scripts are told of the kinds.
pub(crate) fn kinds() -> String {
    let kinds = Reply::every_kind();
    let told = kinds.iter().map(|kind| {
        json!({"name": kind.name, "model": "claude-opus-5-5", "fields": kind.fields, "betas": kind.betas})
    });
    Value::from_iter(told).to_string()
}

/// What an SDK made of one kind.
#[derive(Debug, PartialEq, Deserialize)]
struct Seen {
    name: String,
    resource: String,
    /// The answer in one piece.
    whole: Value,
    /// What the SDK takes its blocks for, by the types of its own classes.
    blocks: Vec<String>,
    /// The stream's events.
    events: Vec<Value>,
    /// The helper's events.
    kinds: Vec<String>,
    /// What the helper has accumulated.
    r#final: Value,
    request_ids: [String; 2],
}

impl Seen {
    fn is_whole(&self) {
        let what = format!("{} ({})", self.name, self.resource);
        assert_eq!(self.r#final, self.whole, "{what}");
        assert_eq!(self.events[0]["type"], "message_start", "{what}");
        assert_eq!(self.events[self.events.len() - 1]["type"], "message_stop", "{what}");
        let types =
            self.whole["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap());
        assert_eq!(self.blocks, Vec::from_iter(types), "{what}: the SDK knows every block");
        assert_eq!(self.request_ids[0], self.request_ids[1], "{what}");
    }
}
