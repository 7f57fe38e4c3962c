//! Behind the door: an SDK that is given a token as its key cannot tell the gateway from the API, to which the gateway's own key
//! goes in the token's place.

use std::process::Command;

use claude_sim::DEFAULT_KEY;
use claude_tower::secrets::SecretString;
use claude_tower::secrets::door::TokenHash;
use serde_json::Value;

use crate::harness::{Direct, Sdk, ThroughGateway, as_sent};
use crate::support::gateway;

/// The scenario with a key that nobody has.
const STRANGER: &str = "error_bad_key";
const TOKEN: &str = "ctk_an-sdk-takes-it-for-a-key";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_takes_a_token_for_a_key() {
    compare(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_takes_a_token_for_a_key() {
    compare(Sdk::TypeScript).await;
}

/// There the gateway refuses what a page in a browser may have sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_is_no_page_where_there_is_no_door() {
    compare_without_a_door(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_is_no_page_where_there_is_no_door() {
    compare_without_a_door(Sdk::TypeScript).await;
}

async fn compare_without_a_door(sdk: Sdk) {
    let direct = Direct::start().await;
    let seen: Vec<Value> = sdk.run("scenarios", &[&direct.base_url()]);
    let gateway = ThroughGateway::started(with_a_key).await;
    let through: Vec<Value> = sdk.run_with("scenarios", &[&gateway.base_url()], "any");

    assert_eq!(through.len(), seen.len());
    for (through, direct) in through.iter().zip(&seen) {
        // Whatever key a caller has, the gateway's own takes its place.
        if direct["scenario"] != STRANGER {
            assert_eq!(without_ids(through), without_ids(direct), "{}", direct["scenario"]);
        }
    }
    assert!(gateway.simulator.requests().iter().all(|request| request.key.is_some()));
}

async fn compare(sdk: Sdk) {
    let direct = Direct::start().await;
    let seen: Vec<Value> = sdk.run("scenarios", &[&direct.base_url()]);
    let gateway = ThroughGateway::started(guarded).await;
    let through: Vec<Value> = sdk.run_with("scenarios", &[&gateway.base_url()], TOKEN);

    assert_eq!(through.len(), seen.len());
    for (through, direct) in through.iter().zip(&seen) {
        if direct["scenario"] == STRANGER {
            // Both refuse it, each in its own words.
            let words = through.to_string();
            assert!(
                words.contains("AuthenticationError") && words.contains("client_not_admitted"),
                "{words}"
            );
        } else {
            assert_eq!(without_ids(through), without_ids(direct), "{}", direct["scenario"]);
        }
    }
    // The stranger is the only one that the API does not hear of; of all others it sees its own key.
    let (direct, behind) = (direct.simulator.requests(), gateway.simulator.requests());
    let direct: Vec<_> = direct.iter().filter(|request| request.key.is_some()).map(as_sent).collect();
    assert!(!direct.is_empty());
    assert_eq!(behind.iter().map(as_sent).collect::<Vec<_>>(), direct);
}

/// Without the ids of requests, which the simulator numbers: behind the door it has one less to number.
fn without_ids(result: &Value) -> String {
    let text = result.to_string();
    let mut parts = text.split("req_");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()))
}

fn guarded(upstream: &str) -> Command {
    let hash = TokenHash::of(&SecretString::from(TOKEN)).to_text();
    let mut command = with_a_key(upstream);
    command.env("CLAUDE_TOWER__GATEWAY__CLIENTS", format!("[{{ name = 'sdk', token_sha256 = '{hash}' }}]"));
    command
}

/// With the simulator's key as the gateway's own.
fn with_a_key(upstream: &str) -> Command {
    let mut command = gateway::before(upstream);
    command
        .env(
            "CLAUDE_TOWER__SECRETS__KEYS",
            format!("[{{ name = 'sim', env = 'SIMULATOR_KEY', origins = ['{upstream}'] }}]"),
        )
        .env("SIMULATOR_KEY", DEFAULT_KEY);
    command
}
