//! The meter of `claude-wire` reads of every answer what stands on the bill.

use std::collections::BTreeMap;

use claude_sim::{NamedReply, RefusalCategory, Reply, Simulator, StopReason};
use claude_wire::meter::{Ending, Meter, Reading};
use claude_wire::usage::Usage;
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{body, full, post};

/// Input, written for five minutes, written for an hour, read, output.
type Counts = [u64; 5];

/// What is billed by the rule: all iterations at their models, or the top if there are none.
fn billed(reading: &Reading) -> BTreeMap<String, Counts> {
    let usage = reading.usage.as_ref().unwrap();
    let served = reading.model.as_deref().unwrap();
    let mut bill = BTreeMap::new();
    let mut add = |model: &str, counts: Counts| {
        let sum: &mut Counts = bill.entry(model.to_owned()).or_default();
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum += count;
        }
    };
    let Some(iterations) = &usage.iterations else {
        add(served, top(usage));
        return bill;
    };
    for run in iterations {
        let split = run.cache_creation.clone().unwrap_or_default();
        let counts = [
            run.input_tokens,
            split.ephemeral_5m_input_tokens,
            split.ephemeral_1h_input_tokens,
            run.cache_read_input_tokens,
            run.output_tokens,
        ];
        add(run.model.as_deref().unwrap_or(served), counts.map(Option::unwrap_or_default));
    }
    bill
}

fn top(usage: &Usage) -> Counts {
    let split = usage.cache_creation.clone().unwrap_or_default();
    let counts = [
        usage.input_tokens,
        split.ephemeral_5m_input_tokens,
        split.ephemeral_1h_input_tokens,
        usage.cache_read_input_tokens,
        usage.output_tokens,
    ];
    counts.map(Option::unwrap_or_default)
}

async fn read(simulator: &Simulator, kind: &NamedReply, stream: bool) -> Reading {
    simulator.script([kind.reply.clone().with_cache_read(40).with_cache_written(30, 20)]);
    let request = full(post("/v1/messages"), body(&json!({"stream": stream})).to_string());
    let response = simulator.clone().oneshot(request).await.unwrap();
    let (response, meter) = Meter::attach(response);
    response.into_body().collect().await.unwrap();
    meter.reading()
}

#[tokio::test]
async fn the_meter_reads_the_bill() {
    for kind in Reply::every_kind() {
        for stream in [false, true] {
            let simulator = Simulator::new();
            let reading = read(&simulator, &kind, stream).await;
            assert_eq!(reading.ending, Some(Ending::Complete), "{}", kind.name);
            let bill = simulator.bill();
            if matches!(kind.name, "refusal" | "refusal_unnamed") {
                assert!(bill.is_empty());
                continue;
            }
            let lines: BTreeMap<_, _> = bill
                .iter()
                .map(|line| {
                    let tokens = &line.tokens;
                    let counts = [
                        tokens.input,
                        tokens.cache_write_5m,
                        tokens.cache_write_1h,
                        tokens.cache_read,
                        tokens.output,
                    ];
                    (line.item.model.clone(), counts)
                })
                .collect();
            assert_eq!(billed(&reading), lines, "{} {stream}", kind.name);
            let searches = reading.usage.and_then(|usage| usage.server_tool_use);
            let searches = searches.and_then(|tools| tools.web_search_requests).unwrap_or(0);
            assert_eq!(bill.iter().map(|line| line.tokens.web_searches).sum::<u64>(), searches);
        }
    }
}

#[tokio::test]
async fn an_ending_is_read_too() {
    let simulator = Simulator::new();
    for (reason, name) in [
        (StopReason::PauseTurn, "pause_turn"),
        (StopReason::Refusal(Some(RefusalCategory::Cyber)), "refusal"),
        (StopReason::ModelContextWindowExceeded, "model_context_window_exceeded"),
    ] {
        let mut kind = Reply::every_kind().remove(0);
        kind.reply = kind.reply.stopping_with(reason);
        for stream in [false, true] {
            assert_eq!(read(&simulator, &kind, stream).await.stop_reason.as_deref(), Some(name));
        }
    }
}
