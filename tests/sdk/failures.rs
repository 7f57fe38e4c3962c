//! Failures: the SDKs raise the right class for each, and the same through the gateway as without it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::errors;
use crate::harness::{Direct, Sdk, ThroughGateway, no_difference, without_pool};
use crate::support::gateway;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_raises_the_same_errors() {
    errors_are_the_same(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_raises_the_same_errors() {
    errors_are_the_same(Sdk::TypeScript).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_sees_the_same_damage() {
    damage_is_the_same(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_sees_the_same_damage() {
    damage_is_the_same(Sdk::TypeScript).await;
}

/// Whatever is an answer of HTTP, also one with an `error` event: class, status, type, code, message, id, body and
/// headers, and how often the SDK tries.
async fn errors_are_the_same(sdk: Sdk) {
    let (calls, expected): (Vec<Call>, Vec<_>) = errors::all(sdk).into_iter().unzip();
    let direct = run_both(sdk, &calls).await;
    for (seen, expected) in direct.iter().zip(expected) {
        expected.check(seen);
    }
}

/// Whatever is wrong with the bytes of an answer and leaves the connection whole.
async fn damage_is_the_same(sdk: Sdk) {
    let calls: Vec<Call> = DAMAGE.iter().map(|damage| Call::once(damage.fault, damage.way)).collect();
    let direct = run_both(sdk, &calls).await;
    for (seen, damage) in direct.iter().zip(DAMAGE) {
        let expected = if sdk == Sdk::Python { damage.python } else { damage.typescript };
        assert_eq!(seen.class(), expected, "{} ({})", damage.fault, damage.way);
    }
}

/// Makes the same calls without the gateway and through it, and asserts that the SDK saw no difference: neither where
/// the gateway passes everything on, nor where it reads ahead as if it would repeat.
async fn run_both(sdk: Sdk, calls: &[Call]) -> Vec<Seen> {
    let server = Direct::start().await;
    let direct = run(sdk, &server.base_url(), calls);
    for reads in [false, true] {
        let command = if reads { gateway::reading_ahead } else { gateway::passing };
        let through = ThroughGateway::started(|upstream| without_pool(command(upstream))).await;
        for (gateway, direct) in run(sdk, &through.base_url(), calls).iter().zip(&direct) {
            // What is read is in no coding, where other bytes are missing.
            if !(reads && direct.call.spoils) {
                assert_eq!(gateway, direct, "{} ({})", direct.call.fault, direct.call.way);
            }
        }
        no_difference(&server.simulator, &through.simulator);
    }
    direct
}

pub(crate) fn run(sdk: Sdk, base_url: &str, calls: &[Call]) -> Vec<Seen> {
    let seen: Vec<Seen> = sdk.run("failures", &[base_url, &serde_json::to_string(calls).unwrap()]);
    let made: Vec<&Call> = seen.iter().map(|seen| &seen.call).collect();
    assert_eq!(made, Vec::from_iter(calls));
    seen
}

/// The ways to ask for a message.
pub(crate) const WAYS: [&str; 3] = ["whole", "stream", "helper"];

/// What a script is told to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) fault: String,
    pub(crate) way: String,
    pub(crate) max_retries: u32,
    /// In seconds.
    pub(crate) timeout: f64,
    /// Whether the fault leaves more in the connection than the answer.
    pub(crate) spoils: bool,
}

impl Call {
    /// Without retries: a repeated request must not hide a difference.
    pub(crate) fn once(fault: impl Into<String>, way: &str) -> Self {
        let fault = fault.into();
        let spoils = fault.contains("wrong-length=-");
        Self { fault, way: way.to_owned(), max_retries: 0, timeout: 30.0, spoils }
    }
}

/// What came of it.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Seen {
    #[serde(flatten)]
    pub(crate) call: Call,
    /// How many requests the SDK has sent.
    pub(crate) attempts: u32,
    /// What came of the stream.
    pub(crate) events: Vec<Value>,
    pub(crate) returned: Option<Value>,
    pub(crate) raised: Option<Value>,
}

impl Seen {
    /// The class of what was raised, or nothing.
    pub(crate) fn class(&self) -> &str {
        self.raised.as_ref().map_or("", |raised| raised["class"].as_str().unwrap())
    }
}

struct Damage {
    fault: &'static str,
    way: &'static str,
    /// What is raised, if anything.
    python: &'static str,
    typescript: &'static str,
}

const fn damage(
    fault: &'static str,
    way: &'static str,
    python: &'static str,
    typescript: &'static str,
) -> Damage {
    Damage { fault, way, python, typescript }
}

/// As of the SDKs' versions of 2026-11-20. Both take a stream that ends between two events for whole, except for
/// TypeScript's helper. A coded body that is too short by less than the coding's own end has all of its text.
const DAMAGE: &[Damage] = &[
    damage("truncated-json", "whole", "JSONDecodeError", "SyntaxError"),
    damage("truncated-json", "stream", "JSONDecodeError", "SyntaxError"),
    damage("truncated-json", "helper", "JSONDecodeError", "AnthropicError"),
    damage("no-message-stop", "whole", "JSONDecodeError", "SyntaxError"),
    damage("no-message-stop", "stream", "", ""),
    damage("no-message-stop", "helper", "", "AnthropicError"),
    damage("wrong-length=-5", "whole", "", ""),
    damage("wrong-length=-100", "whole", "JSONDecodeError", "SyntaxError"),
    damage("wrong-length=-100", "stream", "", ""),
    damage("wrong-length=-100", "helper", "", "AnthropicError"),
    damage("gzip-unasked", "whole", "", ""),
    damage("gzip-unasked", "stream", "", ""),
    damage("gzip-unasked", "helper", "", ""),
    damage("cut-randomly", "whole", "", ""),
    damage("cut-randomly", "stream", "", ""),
    damage("cut-randomly", "helper", "", ""),
    damage("line-ends=crlf", "stream", "", ""),
    damage("line-ends=crlf", "helper", "", ""),
    damage("line-ends=cr", "stream", "", ""),
    damage("line-ends=cr", "helper", "", ""),
    damage("noise", "stream", "", ""),
    damage("noise", "helper", "", ""),
    damage("noise, cut-randomly, line-ends=crlf", "helper", "", ""),
    damage("drip=64/1ms", "stream", "", ""),
    damage("drip=64/1ms", "whole", "", ""),
    damage("stall-headers=50ms", "whole", "", ""),
    damage("stall-first-event=50ms pings=10ms", "helper", "", ""),
    damage("stall-between-events=50ms after=3 pings=10ms", "helper", "", ""),
];

#[test]
fn no_damage_is_listed_twice() {
    let listed: BTreeSet<_> = DAMAGE.iter().map(|damage| (damage.fault, damage.way)).collect();
    assert_eq!(listed.len(), DAMAGE.len());
}
