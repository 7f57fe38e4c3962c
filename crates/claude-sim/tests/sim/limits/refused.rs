//! What is refused, and what a refusal says.

use std::time::Duration;

use claude_sim::{
    Burst, ClassLimits, DEFAULT_KEY, DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE, Fault, Hidden, Key, Limits,
    Reply, Simulator,
};
use serde_json::{Value, json};
use tokio::time::advance;
use tower::ServiceExt;

use super::{PLENTY, after_start, figures, requests, shown, simulator, status, tokens};
use crate::support::{ask, body, full, post, send};

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_was_hit_and_how_long_to_wait() {
    let simulator = simulator(requests(2));
    let first = send(&simulator, ask(&json!({}))).await;
    assert_eq!((first.status.as_u16(), figures(shown(&first).requests)), (200, (2, 1)));
    assert_eq!(shown(&first).requests.reset, after_start(30));
    advance(Duration::from_millis(500)).await;
    assert_eq!(status(&simulator).await, 200);

    let refused = send(&simulator, ask(&json!({"stream": true}))).await;
    assert_eq!(refused.status, 429);
    let id = refused.header("request-id");
    let expected = format!(
        r#"{{"type":"error","error":{{"type":"rate_limit_error","message":"This request would go over the rate limit of 2 requests per minute of your organization ({DEFAULT_ORGANIZATION}) for opus-5.5"}},"request_id":"{id}"}}"#
    );
    assert_eq!(refused.body, expected);
    // Half a second has come in of the thirty that a request takes.
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(figures(shown(&refused).requests), (2, 0));
    assert_eq!(shown(&refused).requests.reset, after_start(60));
    assert_eq!(refused.header("anthropic-organization-id"), DEFAULT_ORGANIZATION);
    assert_eq!(refused.header("anthropic-workspace-id"), DEFAULT_WORKSPACE);
    assert_eq!(refused.header("content-type"), "application/json");
    assert_eq!(simulator.bill()[0].requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_before_retry_after_it_fails_and_then_it_succeeds() {
    for seed in 0..60 {
        for (limits, wordy) in [(requests(7), 1), (tokens(90, PLENTY), 1), (tokens(PLENTY, 40), 13)] {
            let simulator = Simulator::builder()
                .with_seed(seed)
                .with_limits(limits)
                .with_reply(Reply::text("x".repeat(wordy * 7 / 2)))
                .build();
            advance(Duration::from_millis(seed * 77)).await;
            for _ in 0..5 {
                let mut last = send(&simulator, ask(&json!({}))).await;
                while last.status == 200 {
                    last = send(&simulator, ask(&json!({}))).await;
                }
                let wait: u64 = last.header("retry-after").parse().unwrap();
                advance(Duration::from_secs(wait - 1)).await;
                assert_eq!(status(&simulator).await, 429, "seed {seed}, {wait} s");
                advance(Duration::from_secs(1)).await;
                assert_eq!(status(&simulator).await, 200, "seed {seed}, {wait} s");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn counting_tokens_has_a_limit_of_its_own() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", DEFAULT_KEY).with_workspace("wrkspc_1"))
        .with_limits(requests(1).with_count_tokens(3))
        .with_workspace_limits("wrkspc_1", Limits::none().with_count_tokens(2))
        .with_hidden(Hidden::plain())
        .build();
    let count = || full(post("/v1/messages/count_tokens"), body(&json!({})).to_string());
    for remaining in [1, 0] {
        let answer = send(&simulator, count()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(figures(shown(&answer).requests), (2, remaining));
        assert!(shown(&answer).tokens.is_empty());
    }
    let refused = send(&simulator, count()).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "30"));
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("2 requests per minute of your workspace (wrkspc_1) for counting tokens"));
    assert_eq!(status(&simulator).await, 200, "messages are counted by themselves");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_takes_nothing() {
    let simulator = simulator(requests(3));
    let mut nobody = ask(&json!({}));
    nobody.headers_mut().insert("x-api-key", "sk-nobody".parse().unwrap());
    assert_eq!(send(&simulator, nobody).await.status, 401);
    for wrong in [
        json!({"model": "nobody"}),
        json!({"max_tokens": -1}),
        json!({"messages": []}),
        json!({"tools": [{}]}),
        json!({"max_tokens": 999_999_999}),
    ] {
        let status = send(&simulator, ask(&wrong)).await.status.as_u16();
        assert!([400, 404].contains(&status), "{wrong}");
    }
    assert_eq!(figures(shown(&send(&simulator, ask(&json!({}))).await).requests), (3, 2));
    // Nor does a refusal use what is scripted.
    for _ in 0..2 {
        assert_eq!(status(&simulator).await, 200);
    }
    simulator.script([Reply::text("kept")]);
    assert_eq!(status(&simulator).await, 429);
    assert_eq!(simulator.scripted(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clones_under_contention_take_all_or_nothing() {
    // Nothing comes in while this runs.
    let hidden = Hidden::plain().with_burst(Burst::Minute).with_grain(Duration::from_secs(60));
    let taken = {
        let simulator = Simulator::new();
        send(&simulator, ask(&json!({}))).await;
        simulator.bill()[0].tokens.input
    };
    let simulator = Simulator::builder()
        .with_limits(Limits::each(ClassLimits::per_minute(1_000, 300 * taken, PLENTY)))
        .with_hidden(hidden)
        .build();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let simulator = simulator.clone();
            tokio::spawn(async move {
                let mut admitted = 0;
                for _ in 0..80 {
                    admitted += u64::from(status(&simulator).await == 200);
                }
                admitted
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.unwrap();
    }
    assert_eq!(admitted, 300);
    let refused = send(&simulator, ask(&json!({}))).await;
    assert_eq!((refused.status.as_u16(), figures(shown(&refused).requests)), (429, (1_000, 700)));
    assert_eq!(simulator.bill()[0].requests, 300);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_refuses_the_same() {
    async fn session(seed: u64) -> Vec<(u16, String)> {
        let simulator = Simulator::builder().with_seed(seed).with_limits(tokens(3_000, 2_000)).build();
        let mut seen = Vec::new();
        for step in 0..200_u64 {
            let content = "x".repeat(usize::try_from(step * 13 % 700).unwrap());
            let fields: Value = json!({"messages": [{"role": "user", "content": content}]});
            let answer = send(&simulator, ask(&fields)).await;
            seen.push((answer.status.as_u16(), format!("{:?}", answer.headers)));
            advance(Duration::from_millis(step * 7 % 900)).await;
        }
        seen
    }
    let mut statuses = Vec::new();
    for seed in 0..5 {
        let first = session(seed).await;
        assert_eq!(first, session(seed).await);
        assert!(
            first.iter().any(|(status, _)| *status == 200) && first.iter().any(|(status, _)| *status == 429)
        );
        statuses.push(first.into_iter().map(|(status, _)| status).collect::<Vec<_>>());
    }
    statuses.dedup();
    assert_eq!(statuses.len(), 5, "what is hidden differs by seed");
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_it_is_executed_takes_nothing() {
    let simulator = simulator(requests(100));
    for (fault, remaining) in [
        (Fault::overloaded(), 99),
        (Fault::refuse(), 98),
        (Fault::stall_headers(Duration::from_secs(0)), 96),
        (Fault::reset_before_headers(), 95),
        (Fault::internal(), 94),
        // The answer is lost.
        (Fault::reset_before_headers().after_execution(), 92),
        (Fault::internal().after_execution(), 90),
    ] {
        simulator.fail_next(1, fault.clone());
        drop(simulator.clone().oneshot(ask(&json!({}))).await);
        let answer = send(&simulator, ask(&json!({}))).await;
        assert_eq!(figures(shown(&answer).requests), (100, remaining), "{fault}");
    }
}
