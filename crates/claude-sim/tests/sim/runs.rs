//! The runs of one message by several models: each is served, and billed, as its own model can.

use claude_sim::{Block, Model, RefusalCategory, Reply, Simulator};
use http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, ask, body, full, post, send};

const FALLBACK_BETA: &str = "server-side-fallback-2026-07-01";

async fn in_beta(simulator: &Simulator, fields: &Value) -> Answer {
    let request = post("/v1/messages").header("anthropic-beta", FALLBACK_BETA);
    send(simulator, full(request, body(fields).to_string())).await
}

/// Model, speed and geo of all lines.
fn lines(simulator: &Simulator) -> Vec<String> {
    let bill = simulator.take_bill();
    bill.into_iter()
        .map(|line| format!("{} {} {}", line.item.model, line.item.speed, line.item.inference_geo))
        .collect()
}

#[tokio::test]
async fn a_fallback_is_as_fast_as_it_can_and_where_it_can() {
    let simulator = Simulator::new();
    for (fallback, expected) in [
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001 standard not_available"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5 standard us"),
        ("claude-opus-4-6", "claude-opus-4-6 standard us"),
        ("claude-opus-5", "claude-opus-5 fast us"),
    ] {
        for stream in [false, true] {
            simulator.script([Reply::refusal(Some(RefusalCategory::Cyber))]);
            let fallbacks = json!([{"model": fallback}]);
            let fields =
                json!({"speed": "fast", "inference_geo": "us", "fallbacks": fallbacks, "stream": stream});
            assert_eq!(in_beta(&simulator, &fields).await.status, 200);
            let mut expected = [expected, "claude-opus-5-5 fast us"];
            expected.sort_unstable();
            assert_eq!(lines(&simulator), expected);
        }
    }
    // A wish that the model that was asked leaves aside is the other's to fulfil.
    simulator.script([Reply::refusal(Some(RefusalCategory::Cyber))]);
    let fallbacks = json!([{"model": "claude-opus-5-5"}]);
    in_beta(&simulator, &json!({"model": "claude-opus-4-6", "speed": "fast", "fallbacks": fallbacks})).await;
    assert_eq!(lines(&simulator), ["claude-opus-4-6 standard global", "claude-opus-5-5 fast global"]);
}

#[tokio::test]
async fn so_is_an_advisor_and_who_is_in_no_catalogue() {
    let simulator = Simulator::new();
    let fast = json!({"speed": "fast", "inference_geo": "us"});
    let advice = |model: &str| Reply::of([Block::advice(model, "Mind the gap."), Block::text("on")]);
    for (advisor, expected) in [
        ("claude-fable-5-2", "claude-fable-5-2 fast us"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001 standard not_available"),
        ("mine", "mine standard us"),
    ] {
        simulator.script([advice(advisor)]);
        send(&simulator, ask(&fast)).await;
        let mut expected = [expected, "claude-opus-5-5 fast us"];
        expected.sort_unstable();
        assert_eq!(lines(&simulator), expected);
    }
}

#[tokio::test]
async fn an_advisor_has_to_be_known() {
    let simulator = Simulator::new();
    let advised_by = |model: Value| {
        ask(&json!({"tools": [{"type": "advisor_20260301", "name": "advisor", "model": model}]}))
    };
    let known = send(&simulator, advised_by(json!("claude-haiku-4-5"))).await.json();
    assert_eq!(known["usage"]["iterations"][1]["model"], "claude-haiku-4-5-20251001");
    simulator.take_bill();
    for name in ["made-up", "claude-opus-4-0"] {
        let unknown = send(&simulator, advised_by(json!(name))).await;
        assert_eq!(unknown.status, 404);
        assert_eq!(unknown.json()["error"]["message"], format!("model: {name}"));
    }
    assert_eq!(send(&simulator, advised_by(json!(7))).await.status, 400);
    assert!(simulator.bill().is_empty());
}

#[tokio::test]
async fn fallbacks_are_not_for_every_model() {
    let simulator = Simulator::new();
    for fallbacks in [json!([{"model": "claude-opus-5-5"}]), json!("default")] {
        let refused =
            in_beta(&simulator, &json!({"model": "claude-haiku-5-5", "fallbacks": fallbacks})).await;
        assert_eq!(refused.status, 400);
        let complaint = "fallbacks: not supported by this model";
        assert_eq!(refused.json()["error"]["message"], complaint);
        let older = in_beta(&simulator, &json!({"model": "claude-haiku-4-5", "fallbacks": fallbacks})).await;
        assert_eq!(older.status, 200);
    }
}

/// Whether it is long, and the requests, of all lines.
fn lengths(simulator: &Simulator) -> Vec<(bool, u64)> {
    simulator.take_bill().iter().map(|line| (line.item.long_context, line.requests)).collect()
}

#[tokio::test]
async fn a_long_prompt_is_told_apart_where_it_has_another_price() {
    let models = Model::catalogue().into_iter().chain([Model::new("mine").with_long_context(300)]);
    let simulator = Simulator::builder().with_models(models).with_reply(Reply::text("x")).build();
    for (model, most, is_long) in [
        ("claude-haiku-5-5", 100_000, true),
        ("mine", 300, true),
        ("claude-haiku-4-5", 100_000, false),
        ("claude-opus-5-5", 100_000, false),
    ] {
        send(&simulator, ask(&json!({"model": model}))).await;
        let input = simulator.take_bill()[0].tokens.input;
        for more in [0, 1] {
            simulator.script([Reply::text("x").with_cache_read(most - input + more)]);
            send(&simulator, ask(&json!({"model": model}))).await;
            assert_eq!(lengths(&simulator), [(is_long && more == 1, 1)], "{model} {more}");
        }
        // What came from no cache counts as well.
        let long = json!([{"role": "user", "content": "x".repeat(400_000)}]);
        send(&simulator, ask(&json!({"model": model, "messages": long}))).await;
        assert_eq!(lengths(&simulator), [(is_long, 1)], "{model}");
    }
}

#[tokio::test]
async fn the_cache_is_part_of_a_long_prompt() {
    let simulator = Simulator::new();
    let said = |read, short, long| Reply::text("x").with_cache_read(read).with_cache_written(short, long);
    for (reply, is_long) in [
        (said(99_000, 0, 0), false),
        (said(100_000, 0, 0), true),
        (said(40_000, 30_000, 30_000), true),
        (said(0, 100_000, 0), true),
        (said(0, 0, 100_000), true),
    ] {
        for stream in [false, true] {
            simulator.script([reply.clone()]);
            send(&simulator, ask(&json!({"model": "claude-haiku-5-5", "stream": stream}))).await;
            assert_eq!(lengths(&simulator), [(is_long, 1)]);
        }
    }
    // Other models know no such thing.
    simulator.script([said(500_000, 0, 0)]);
    send(&simulator, ask(&json!({}))).await;
    assert_eq!(lengths(&simulator), [(false, 1)]);
}

#[tokio::test]
async fn each_run_is_long_by_itself() {
    let simulator = Simulator::new();
    // The search makes a second run, which reads its results too: the first stays below.
    simulator.script([Reply::of([Block::web_search("x", 9), Block::text("on")]).with_cache_read(99_900)]);
    let usage = send(&simulator, ask(&json!({"model": "claude-haiku-5-5"}))).await.json()["usage"].clone();
    let bill = simulator.bill();
    let [short, long] = bill.as_slice() else { panic!("{bill:?}") };
    assert_eq!((short.item.long_context, long.item.long_context), (false, true));
    assert_eq!((short.tokens.cache_read, long.tokens.cache_read), (99_900, 99_900));
    assert_eq!(short.tokens.input + long.tokens.input, usage["input_tokens"].as_u64().unwrap());
    assert!(short.tokens.input + short.tokens.cache_read <= 100_000);
    assert!(long.tokens.input + long.tokens.cache_read > 100_000);
    let told = send(&simulator, full(Request::get("/_sim/bill"), "")).await.json();
    let told: Vec<_> = told["lines"].as_array().unwrap().iter().map(|line| &line["long_context"]).collect();
    assert_eq!(told, [&json!(false), &json!(true)]);
}
