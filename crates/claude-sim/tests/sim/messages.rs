//! Whole messages: content, stop reasons and usage.

use claude_sim::{Reply, Simulator};
use serde_json::{Value, json};

use crate::support::{FORCED, MODEL, ask, body, full, message, post, send, weather};

fn kinds(message: &Value) -> Vec<&str> {
    message["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_echo_with_everything_around_it() {
    let answer = send(&Simulator::new(), ask(&json!({}))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("date"), "Sun, 22 Nov 2026 00:00:00 GMT");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), "1000");
    assert_eq!(answer.header("anthropic-ratelimit-tokens-remaining"), "2400000");
    assert_eq!(answer.header("anthropic-ratelimit-input-tokens-limit"), "2000000");
    assert_eq!(answer.header("anthropic-ratelimit-output-tokens-reset"), "2026-11-22T00:00:00Z");

    let message = answer.json();
    assert!(message["id"].as_str().unwrap().starts_with("msg_01"));
    for (field, value) in [
        ("type", json!("message")),
        ("role", json!("assistant")),
        ("model", json!(MODEL)),
        ("stop_reason", json!("end_turn")),
        ("stop_sequence", json!(null)),
        ("stop_details", json!(null)),
        ("container", json!(null)),
        ("diagnostics", json!(null)),
    ] {
        assert_eq!(message.get(field), Some(&value), "{field}");
    }
    let text = message["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Hello, 世界") && text.contains('à') && text.contains('🦀'), "{text}");
    let usage = &message["usage"];
    assert!(usage["input_tokens"].as_u64().unwrap() > 0);
    assert!(usage["output_tokens"].as_u64().unwrap() > 20);
    for (field, value) in [
        ("cache_creation_input_tokens", json!(0)),
        ("cache_read_input_tokens", json!(0)),
        ("cache_creation", json!({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0})),
        ("service_tier", json!("standard")),
        ("inference_geo", json!("global")),
        ("speed", json!("standard")),
    ] {
        assert_eq!(usage.get(field), Some(&value), "{field}");
    }
}

#[tokio::test]
async fn an_alias_is_answered_by_the_model_behind_it() {
    let message = message(&Simulator::new(), &json!({"model": "claude-haiku-4-5"})).await;
    assert_eq!(message["model"], "claude-haiku-4-5-20251001");
    assert_eq!(message["usage"]["inference_geo"], "not_available");
}

#[tokio::test]
async fn geography_and_speed_are_as_served() {
    let simulator = Simulator::new();
    let served = message(&simulator, &json!({"speed": "fast", "inference_geo": "us"})).await;
    assert_eq!(
        (&served["usage"]["speed"], &served["usage"]["inference_geo"]),
        (&json!("fast"), &json!("us"))
    );
    let served = message(&simulator, &json!({"speed": "fast", "model": "claude-opus-4-6"})).await;
    assert_eq!(served["usage"]["speed"], "standard");
}

#[tokio::test]
async fn lengths_are_exact_from_one_byte_to_sixteen_megabytes() {
    let simulator = Simulator::builder().with_reply(Reply::of_length(3)).build();
    simulator.script([
        Reply::text("x"),
        Reply::of_length(16 * 1024 * 1024).ignoring_max_tokens(),
        Reply::text(""),
    ]);
    assert_eq!(simulator.scripted(), 3);
    let one = message(&simulator, &json!({})).await;
    assert_eq!((&one["content"][0]["text"], &one["usage"]["output_tokens"]), (&json!("x"), &json!(1)));
    let large = message(&simulator, &json!({})).await;
    let text = large["content"][0]["text"].as_str().unwrap();
    assert_eq!((text.len(), text.is_ascii()), (16 * 1024 * 1024, false));
    assert_eq!(large["stop_reason"], "end_turn");
    let empty = message(&simulator, &json!({})).await;
    assert_eq!((&empty["content"], &empty["usage"]["output_tokens"]), (&json!([]), &json!(1)));
    let usual = message(&simulator, &json!({})).await;
    assert_eq!(usual["content"][0]["text"].as_str().unwrap().len(), 3);
}

#[tokio::test]
async fn a_small_max_tokens_cuts_between_characters() {
    let simulator = Simulator::builder().with_reply(Reply::text("🦀".repeat(100))).build();
    for max_tokens in 0..60_u64 {
        let message = message(&simulator, &json!({"max_tokens": max_tokens})).await;
        let text = message["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.len() as u64 <= max_tokens * 7 / 2 && "🦀".repeat(100).starts_with(text));
        assert_eq!(message["stop_reason"], "max_tokens");
        assert_eq!(message["usage"]["output_tokens"], max_tokens);
    }
    assert_eq!(message(&simulator, &json!({"max_tokens": 400})).await["stop_reason"], "end_turn");
}

#[tokio::test]
async fn the_first_stop_sequence_ends_the_text() {
    let simulator = Simulator::builder().with_reply(Reply::text("eins zwei drei")).build();
    let asked = json!({"stop_sequences": ["drei", "zwei", "vier"]});
    let message = message(&simulator, &asked).await;
    assert_eq!(message["content"][0]["text"], "eins ");
    assert_eq!(
        (&message["stop_reason"], &message["stop_sequence"]),
        (&json!("stop_sequence"), &json!("zwei"))
    );
}

#[tokio::test]
async fn thinking_comes_first_and_is_counted() {
    let simulator = Simulator::new();
    let asked = json!({"model": "claude-opus-4-5", "max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 2048}});
    let shown = message(&simulator, &asked).await;
    assert_eq!(kinds(&shown), ["thinking", "text"]);
    let thinking = shown["usage"]["output_tokens_details"]["thinking_tokens"].as_u64().unwrap();
    assert!(0 < thinking && thinking < shown["usage"]["output_tokens"].as_u64().unwrap());
    assert!(!shown["content"][0]["thinking"].as_str().unwrap().is_empty());

    let omitted = message(&simulator, &json!({"thinking": {"type": "adaptive", "display": "omitted"}})).await;
    assert_eq!(omitted["content"][0]["thinking"], "");
    assert!(omitted["content"][0]["signature"].as_str().unwrap().len() > 100);

    for off in [json!({"type": "disabled"}), json!({"type": "between_tools"}), json!(null)] {
        let message = message(&simulator, &json!({"thinking": off})).await;
        assert_eq!(kinds(&message), ["text"]);
        assert!(message["usage"].get("output_tokens_details").is_none());
    }
    let cut = message(&simulator, &json!({"max_tokens": 2, "thinking": {"type": "adaptive"}})).await;
    assert_eq!((kinds(&cut), &cut["stop_reason"]), (vec!["thinking"], &json!("max_tokens")));
}

#[tokio::test]
async fn tools_are_called_as_the_choice_allows() {
    let simulator = Simulator::new();
    let ask = async |choice: Value| {
        message(&simulator, &json!({"model": FORCED, "tools": weather(), "tool_choice": choice})).await
    };
    for (choice, expected, reason) in [
        (json!(null), &["text", "tool_use"][..], "tool_use"),
        (json!({"type": "auto"}), &["text", "tool_use"], "tool_use"),
        (json!({"type": "any"}), &["tool_use"], "tool_use"),
        (json!({"type": "tool", "name": "get_weather"}), &["tool_use"], "tool_use"),
        (json!({"type": "none"}), &["text"], "end_turn"),
    ] {
        let message = ask(choice.clone()).await;
        assert_eq!(
            (kinds(&message).as_slice(), &message["stop_reason"]),
            (expected, &json!(reason)),
            "{choice}"
        );
    }
    let called = ask(json!({"type": "any"})).await;
    let call = &called["content"][0];
    assert!(call["id"].as_str().unwrap().starts_with("toolu_01"));
    assert_eq!((&call["name"], &call["caller"]), (&json!("get_weather"), &json!({"type": "direct"})));
    assert_eq!(call["input"].as_object().unwrap().keys().collect::<Vec<_>>(), ["city"]);
}

#[tokio::test]
async fn after_results_a_tool_is_called_only_by_force() {
    let simulator = Simulator::new();
    let results = json!([
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}]},
    ]);
    let after = message(&simulator, &json!({"tools": weather(), "messages": results})).await;
    assert_eq!(kinds(&after), ["text"]);
    let forced =
        json!({"model": FORCED, "tools": weather(), "messages": results, "tool_choice": {"type": "any"}});
    assert_eq!(kinds(&message(&simulator, &forced).await), ["tool_use"]);
    // A given text is an answer without tools.
    simulator.script([Reply::text("no")]);
    assert_eq!(kinds(&message(&simulator, &json!({"tools": weather()})).await), ["text"]);
    // Tools that the server runs are used first, and once; those that it only defines are the client's to run.
    let server = json!([
        {"type": "web_search_20260209", "name": "web_search"},
        {"type": "bash_20250124", "name": "bash"},
    ]);
    let used = message(&simulator, &json!({"tools": server})).await;
    assert_eq!(kinds(&used), ["server_tool_use", "web_search_tool_result", "text"]);
    assert_eq!(used["content"][1]["tool_use_id"], used["content"][0]["id"]);
    let results = json!({"tools": server, "messages": results});
    assert_eq!(kinds(&message(&simulator, &results).await), ["text"]);
    let none = json!({"tools": server, "tool_choice": {"type": "none"}});
    assert_eq!(kinds(&message(&simulator, &none).await), ["text"]);
    // A call that does not fit is left out.
    let small = json!({"model": FORCED, "tools": weather(), "max_tokens": 3, "tool_choice": {"type": "any"}});
    let cut = message(&simulator, &small).await;
    assert_eq!((kinds(&cut), &cut["stop_reason"]), (vec![], &json!("max_tokens")));
}

#[tokio::test]
async fn cache_counts_are_what_the_reply_says() {
    let simulator = Simulator::new();
    simulator.script([Reply::echo().with_cache_read(4000).with_cache_written(30, 12)]);
    let usage = message(&simulator, &json!({})).await["usage"].clone();
    assert_eq!(
        (&usage["cache_read_input_tokens"], &usage["cache_creation_input_tokens"]),
        (&json!(4000), &json!(42))
    );
    let split = json!({"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 12});
    assert_eq!(usage["cache_creation"], split);
}

#[tokio::test]
async fn counting_says_what_usage_says() {
    let simulator = Simulator::new();
    let asked = json!({"system": "Be brief.", "tools": weather()});
    let usage = message(&simulator, &asked).await["usage"]["input_tokens"].clone();
    let mut counted = body(&asked);
    counted.as_object_mut().unwrap().remove("max_tokens");
    let answer =
        send(&simulator, full(post("/v1/messages/count_tokens?beta=true"), counted.to_string())).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"input_tokens": usage})));
    assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), "2000");
    assert_eq!(answer.header("anthropic-ratelimit-input-tokens-limit"), "");
}

#[tokio::test(start_paused = true)]
async fn no_time_passes() {
    let start = tokio::time::Instant::now();
    message(&Simulator::new(), &json!({})).await;
    assert_eq!(tokio::time::Instant::now(), start);
}
