//! Every kind of reply, whole and as a stream.

use claude_sim::{Block, NamedReply, RefusalCategory, Reply, Simulator, StopReason, TokenCounts};
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::checker::{Event, assemble, check_usage, events};
use crate::support::{ask, body, full, message, post, send};

const MAX_TOKENS: u64 = 4_096;

fn request(kind: &NamedReply, stream: bool) -> Request<Full<bytes::Bytes>> {
    let mut fields = kind.fields.clone();
    fields["stream"] = json!(stream);
    fields["max_tokens"] = json!(MAX_TOKENS);
    let mut request = post("/v1/messages").header("x-sim-reply", kind.name);
    for beta in kind.betas {
        request = request.header("anthropic-beta", *beta);
    }
    full(request, body(&fields).to_string())
}

async fn both(kind: &NamedReply, seed: u64) -> (Value, Vec<Event>) {
    let simulator = || Simulator::builder().with_seed(seed).build();
    let whole = send(&simulator(), request(kind, false)).await;
    assert_eq!(whole.status, 200, "{}: {:?}", kind.name, whole.body);
    let stream = send(&simulator(), request(kind, true)).await;
    (whole.json(), events(&stream.body).unwrap())
}

#[tokio::test]
async fn a_stream_assembles_to_the_whole_answer_and_its_usage_is_sound() {
    for kind in Reply::every_kind() {
        for seed in 0..20 {
            let (whole, events) = both(&kind, seed).await;
            assert_eq!(assemble(&events).unwrap(), whole, "{}", kind.name);
            check_usage(&whole["usage"]).unwrap();
            assert!(whole["usage"]["output_tokens"].as_u64().unwrap() <= MAX_TOKENS);
        }
    }
}

#[tokio::test]
async fn all_that_the_types_have_is_there() {
    let mut blocks = Vec::new();
    let mut stops = Vec::new();
    let mut deltas = Vec::new();
    for kind in Reply::every_kind() {
        let (whole, events) = both(&kind, 1).await;
        blocks.extend(whole["content"].as_array().unwrap().iter().map(|block| block["type"].to_string()));
        stops.push(whole["stop_reason"].to_string());
        deltas.extend(events.iter().map(|event| event.data["delta"]["type"].to_string()));
    }
    let expect = |seen: &[String], names: &[&str]| {
        for name in names {
            assert!(seen.contains(&format!("\"{name}\"")), "{name}");
        }
    };
    expect(
        &blocks,
        &[
            "text",
            "thinking",
            "redacted_thinking",
            "tool_use",
            "server_tool_use",
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "tool_search_tool_result",
            "container_upload",
            "mcp_tool_use",
            "mcp_tool_result",
            "advisor_tool_result",
            "compaction",
            "fallback",
        ],
    );
    expect(
        &stops,
        &[
            "end_turn",
            "tool_use",
            "max_tokens",
            "stop_sequence",
            "pause_turn",
            "refusal",
            "model_context_window_exceeded",
            "compaction",
        ],
    );
    expect(
        &deltas,
        &[
            "text_delta",
            "thinking_delta",
            "signature_delta",
            "input_json_delta",
            "citations_delta",
            "compaction_delta",
        ],
    );
}

#[tokio::test]
async fn names_are_known_and_unique() {
    let mut names: Vec<_> = Reply::every_kind().iter().map(|kind| kind.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);

    let simulator = Simulator::new();
    simulator.script([Reply::text("scripted")]);
    let request = full(post("/v1/messages").header("x-sim-reply", "nobody"), body(&json!({})).to_string());
    let answer = send(&simulator, request).await;
    assert_eq!(answer.status, 400);
    let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.starts_with("x-sim-reply: ") && said.contains("web_search"), "{said}");
    let request = full(post("/v1/messages").header("x-sim-reply", "refusal"), body(&json!({})).to_string());
    assert_eq!(send(&simulator, request).await.json()["stop_reason"], "refusal");
    assert_eq!(simulator.scripted(), 1, "the header comes before the script and leaves it alone");
}

#[tokio::test]
async fn other_languages_are_told_of_them() {
    let request = full(Request::get("/_sim/replies"), "");
    let told = send(&Simulator::new(), request).await.json();
    let replies = told["replies"].as_array().unwrap();
    assert_eq!(replies.len(), Reply::every_kind().len());
    for (told, kind) in replies.iter().zip(Reply::every_kind()) {
        assert_eq!(told, &json!({"name": kind.name, "fields": kind.fields, "betas": kind.betas}));
    }
}

#[tokio::test]
async fn the_input_grows_with_a_result() {
    let search = Reply::every_kind().into_iter().find(|kind| kind.name == "web_search").unwrap();
    let (_, events) = both(&search, 3).await;
    let start = &events[0].data["message"]["usage"];
    assert!(start.get("server_tool_use").is_none());
    let delta = &events[events.len() - 2].data["usage"];
    assert!(delta["input_tokens"].as_u64() > start["input_tokens"].as_u64().map(|input| 3 * input));
    assert_eq!(delta["server_tool_use"], json!({"web_fetch_requests": 0, "web_search_requests": 1}));

    let told = Reply::every_kind().into_iter().find(|kind| kind.name == "several_message_deltas").unwrap();
    let (_, events) = both(&told, 3).await;
    let inputs: Vec<_> = events
        .iter()
        .filter(|event| event.name == "message_delta")
        .map(|event| event.data["usage"]["input_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(inputs.len(), 3);
    assert!(inputs[0] < inputs[1] && inputs[1] == inputs[2], "{inputs:?}");
}

#[tokio::test]
async fn compaction_lowers_what_was_read_and_keeps_it_on_the_bill() {
    let simulator = Simulator::new();
    simulator.script([Reply::of([Block::compaction("short"), Block::text("on")]).with_cache_read(55_096)]);
    let usage = message(&simulator, &json!({})).await["usage"].clone();
    assert_eq!(usage["cache_read_input_tokens"], 0);
    let kinds: Vec<_> = usage["iterations"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["compaction", "message"]);
    assert_eq!(usage["iterations"][0]["cache_read_input_tokens"], 55_096);
    let bill = simulator.bill();
    assert_eq!((bill.len(), bill[0].tokens.cache_read), (1, 55_096));
    let outputs: u64 =
        (0..2).map(|index| usage["iterations"][index]["output_tokens"].as_u64().unwrap()).sum();
    assert_eq!(bill[0].tokens.output, outputs);
}

#[tokio::test]
async fn advice_is_billed_at_the_advisors_name() {
    let simulator = Simulator::new();
    simulator.script([Reply::of([Block::advice("claude-fable-5-2", "Mind the gap."), Block::text("on")])]);
    let usage = message(&simulator, &json!({})).await["usage"].clone();
    let advisor = &usage["iterations"][1];
    assert_eq!(
        (&advisor["type"], &advisor["model"]),
        (&json!("advisor_message"), &json!("claude-fable-5-2"))
    );
    let bill = simulator.bill();
    assert_eq!(bill.len(), 2);
    for line in &bill {
        let expected = if line.item.model == "claude-fable-5-2" { advisor } else { &usage };
        assert_eq!(
            json!([line.tokens.input, line.tokens.output]),
            json!([expected["input_tokens"], expected["output_tokens"]])
        );
    }
}

#[tokio::test]
async fn a_fallback_serves_and_both_attempts_are_billed() {
    let simulator = Simulator::new();
    let fallback = Block::fallback("claude-sonnet-5-5", None);
    simulator.script([Reply::of([Block::text("I"), fallback, Block::text("on")]).with_cache_written(70, 30)]);
    let whole = message(&simulator, &json!({})).await;
    assert_eq!(whole["model"], "claude-sonnet-5-5");
    assert_eq!(whole["content"][1]["from"]["model"], "claude-opus-5-5");
    check_usage(&whole["usage"]).unwrap();
    let models: Vec<_> = simulator.bill().into_iter().map(|line| line.item.model).collect();
    assert_eq!(models, ["claude-opus-5-5", "claude-sonnet-5-5"]);
}

#[tokio::test]
async fn a_named_fallback_answers_in_place_of_a_refusal() {
    let simulator = Simulator::new();
    let refusals = || Reply::refusal(Some(RefusalCategory::Cyber));
    simulator.script([refusals(), refusals().stopping_with(StopReason::Refusal(None)), refusals()]);
    let asked = |fallbacks: Value, beta: &'static str| {
        let request = post("/v1/messages").header("anthropic-beta", beta);
        full(request, body(&json!({"fallbacks": fallbacks})).to_string())
    };
    let list = json!([{"model": "claude-haiku-4-5"}, {"model": "claude-opus-5"}]);
    let beta = "compact-2026-01-12, server-side-fallback-2026-07-01";
    let served = send(&simulator, asked(list.clone(), beta)).await.json();
    assert_eq!(
        (&served["model"], &served["stop_reason"]),
        (&json!("claude-haiku-4-5-20251001"), &json!("end_turn"))
    );
    assert_eq!(served["content"][0]["trigger"], json!({"type": "refusal", "category": "cyber"}));
    assert_eq!(served["content"][1]["type"], "text");
    check_usage(&served["usage"]).unwrap();
    // Without the beta, or without a name, the refusal stays.
    for (fallbacks, beta) in [(list.clone(), "compact-2026-01-12"), (json!("default"), beta)] {
        assert_eq!(send(&simulator, asked(fallbacks, beta)).await.json()["stop_reason"], "refusal");
    }
    for (fallbacks, status) in [
        (json!([{"model": "nobody"}]), 404),
        (json!([{}]), 400),
        (json!([{"model": "claude-opus-5"}, {}, {}, {}]), 400),
        (json!(7), 400),
    ] {
        assert_eq!(send(&simulator, asked(fallbacks, beta)).await.status, status);
    }
}

#[tokio::test]
async fn refusals_before_output_are_free_but_for_some_categories() {
    for (reply, billed) in [
        (Reply::refusal(None), false),
        (Reply::refusal(Some(RefusalCategory::Cyber)), false),
        (Reply::refusal(Some(RefusalCategory::GeneralHarms)), false),
        (Reply::refusal(Some(RefusalCategory::Bio)), true),
        (Reply::refusal(Some(RefusalCategory::FrontierLlm)), true),
        (Reply::refusal(Some(RefusalCategory::ReasoningExtraction)), true),
        (Reply::text("I").stopping_with(StopReason::Refusal(Some(RefusalCategory::Cyber))), true),
    ] {
        for stream in [false, true] {
            let simulator = Simulator::new();
            simulator.script([reply.clone()]);
            let answer = send(&simulator, ask(&json!({"stream": stream}))).await;
            assert_eq!(answer.status, 200);
            assert_eq!(!simulator.bill().is_empty(), billed, "{reply:?}");
        }
    }
    let simulator = Simulator::new();
    simulator.script([Reply::refusal(Some(RefusalCategory::Bio)), Reply::refusal(None)]);
    let refused = message(&simulator, &json!({})).await;
    assert_eq!((&refused["content"], &refused["stop_details"]["category"]), (&json!([]), &json!("bio")));
    assert!(refused["usage"]["input_tokens"].as_u64().unwrap() > 0);
    let refused = message(&simulator, &json!({})).await;
    assert_eq!(refused["stop_details"], json!({"type": "refusal", "category": null, "explanation": null}));
}

#[tokio::test]
async fn what_a_broken_off_stream_used_grows_event_by_event() {
    for kind in Reply::every_kind() {
        let (whole, events) = both(&kind, 5).await;
        let mut used = vec![(0, 0)];
        for length in 1..=events.len() {
            let simulator = Simulator::builder().with_seed(5).build();
            let mut body = simulator.clone().oneshot(request(&kind, true)).await.unwrap().into_body();
            for _ in 0..length {
                body.frame().await.unwrap().unwrap();
            }
            drop(body);
            let bill = simulator.bill();
            let sum =
                |count: fn(&TokenCounts) -> u64| -> u64 { bill.iter().map(|line| count(&line.tokens)).sum() };
            used.push((sum(|tokens| tokens.input + tokens.cache_read), sum(|tokens| tokens.output)));
        }
        assert!(used.is_sorted_by_key(|used| used.0) && used.is_sorted_by_key(|used| used.1), "{used:?}");
        let end = used[events.len()];
        if !matches!(kind.name, "refusal" | "refusal_unnamed") {
            assert!(end.0 > 0 && end.1 > 0, "{}", kind.name);
        }
        if whole["usage"]["iterations"].is_null() && end.0 > 0 {
            assert_eq!(json!(end.1), whole["usage"]["output_tokens"], "{}", kind.name);
        }
        // All of it is known when the last block has ended.
        if let Some(stop) = events.iter().rposition(|event| event.name == "content_block_stop") {
            assert_eq!(used[stop + 1], end, "{}", kind.name);
        }
    }
}
