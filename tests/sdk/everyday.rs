//! Everyday calls.

use serde_json::Value;

use crate::harness::{Direct, Sdk, ThroughGateway, no_difference};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_cannot_tell_the_gateway() {
    let seen = compare(Sdk::Python).await;
    has_everything(&seen);
    // The accumulating helper makes its own events out of the deltas.
    assert!(seen.strings("tools_stream", "/asked/helper/kinds").contains(&"input_json".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_cannot_tell_the_gateway() {
    let seen = compare(Sdk::TypeScript).await;
    has_everything(&seen);
    assert!(seen.strings("tools_stream", "/asked/helper/fired").contains(&"inputJson".to_owned()));
}

/// Runs the script against both, asserts that nobody saw a difference, and gives what the SDK saw.
async fn compare(sdk: Sdk) -> Seen {
    let direct = Direct::start().await;
    let seen = Seen(sdk.run("scenarios", &[&direct.base_url()]));
    let gateway = ThroughGateway::start().await;
    let through = Seen(sdk.run("scenarios", &[&gateway.base_url()]));

    assert_eq!(through.0.len(), seen.0.len());
    for (through, direct) in through.0.iter().zip(&seen.0) {
        assert_eq!(through, direct, "{}", direct["scenario"]);
    }
    no_difference(&direct.simulator, &gateway.simulator);
    seen
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
