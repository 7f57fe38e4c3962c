//! What is drawn out of the buckets, and when.

use std::time::Duration;

use claude_sim::{ClassLimits, DEFAULT_ORGANIZATION, Hidden, LimitClass, Limits, Model, Reply, Simulator};
use claude_wire::headers::RateLimitHeaders;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::time::advance;
use tower::ServiceExt;

use super::{PLENTY, after_start, figures, requests, shown, simulator, status, tokens};
use crate::support::{ask, send, weather};

#[tokio::test(start_paused = true)]
async fn without_limits_headers_show_full_buckets() {
    let simulator = Simulator::new();
    for _ in 0..1_500 {
        let answer = send(&simulator, ask(&json!({}))).await;
        assert_eq!(answer.status, 200);
        let limits = shown(&answer);
        assert_eq!(figures(limits.requests), (1_000, 1_000));
        assert_eq!(figures(limits.tokens), (2_400_000, 2_400_000));
        assert_eq!(limits.tokens.reset, after_start(0));
        assert!(limits.fast_input_tokens.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_from_the_cache_is_free() {
    let reply = || Reply::text("x").with_cache_read(900_000).with_cache_written(10_000, 20_000);
    let simulator = simulator(tokens(100_000, PLENTY));
    simulator.script((0..3).map(|_| reply()));
    for remaining in [70_000, 40_000, 10_000] {
        let answer = send(&simulator, ask(&json!({}))).await;
        assert_eq!(answer.json()["usage"]["cache_read_input_tokens"], 900_000);
        assert_eq!(figures(shown(&answer).input_tokens), (100_000, remaining));
    }

    let old = Model::new("old").with_limit_class(LimitClass::HAIKU_3_5);
    let simulator = Simulator::builder()
        .with_models([old])
        .with_hidden(Hidden::plain())
        .with_limits(tokens(1_000_000, PLENTY))
        .with_reply(reply())
        .build();
    let answer = send(&simulator, ask(&json!({"model": "old"}))).await;
    assert_eq!(figures(shown(&answer).input_tokens), (1_000_000, 70_000), "there it counts");
}

#[tokio::test(start_paused = true)]
async fn output_may_become_a_debt() {
    let simulator = simulator(tokens(PLENTY, 6_000));
    simulator.script([Reply::of_length(35_000).ignoring_max_tokens()]);
    let answer = send(&simulator, ask(&json!({"max_tokens": 1}))).await;
    assert_eq!(answer.json()["usage"]["output_tokens"], 10_000);
    assert_eq!(figures(shown(&answer).output_tokens), (6_000, 0));
    // Full again when the debt of 4,000 is paid and 6,000 are there.
    assert_eq!(shown(&answer).output_tokens.reset, after_start(100));
    let refused = send(&simulator, ask(&json!({}))).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "41"));
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("6000 output tokens per minute"));
    advance(Duration::from_secs(40)).await;
    assert_eq!(status(&simulator).await, 429, "nothing is not enough");
    advance(Duration::from_millis(1)).await;
    assert_eq!(status(&simulator).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_stream_takes_its_output_as_it_is_written() {
    let simulator = simulator(tokens(PLENTY, 100_000));
    simulator.script([Reply::of_length(280_000).ignoring_max_tokens(), Reply::text("")]);
    let level = {
        let simulator = simulator.clone();
        async move || {
            simulator.script([Reply::text("")]);
            let answer = send(&simulator, ask(&json!({"max_tokens": 0}))).await;
            figures(shown(&answer).output_tokens).1
        }
    };
    let response = simulator.clone().oneshot(ask(&json!({"stream": true}))).await.unwrap();
    let (head, mut body) = response.into_parts();
    assert_eq!(figures(RateLimitHeaders::read(&head.headers).output_tokens), (100_000, 100_000));
    let mut levels = vec![level().await];
    for _ in 0..3 {
        for _ in 0..3_000 {
            body.frame().await.unwrap().unwrap();
        }
        levels.push(level().await);
    }
    assert_eq!(levels[0], 100_000);
    assert!(levels.windows(2).all(|pair| pair[0] > pair[1] + 15_000), "{levels:?}");
    // What is not written is not taken.
    drop(body);
    assert_eq!(level().await, levels[3]);
    let written: u64 = simulator.bill().iter().map(|line| line.tokens.output).sum();
    assert!((100_000 - written).abs_diff(levels[3]) <= 500, "{written} and {levels:?}");
}

#[tokio::test(start_paused = true)]
async fn the_estimate_of_the_input_is_corrected_when_the_message_starts() {
    let long = json!({"stream": true, "messages": [{"role": "user", "content": "x".repeat(350_000)}]});
    let mut errors = Vec::new();
    for seed in 0..20 {
        let simulator = Simulator::builder()
            .with_seed(seed)
            .with_limits(tokens(1_000_000, PLENTY))
            .with_hidden(Hidden::plain().with_estimate_error(20))
            .build();
        let response = simulator.clone().oneshot(ask(&long)).await.unwrap();
        let estimated = 1_000_000 - figures(RateLimitHeaders::read(response.headers()).input_tokens).1;
        assert!((80_000..=121_000).contains(&estimated), "{estimated}");
        errors.push(estimated / 5_000);
        let mut body = response.into_body();
        if seed % 2 == 0 {
            body.frame().await.unwrap().unwrap();
        }
        // Also by who goes before anything is written: the bill has it too.
        drop(body);
        let later = send(&simulator, ask(&json!({}))).await;
        assert_eq!(figures(shown(&later).input_tokens).1, 900_000);
        assert!(simulator.bill()[0].tokens.input.abs_diff(100_000) < 200);
    }
    errors.sort_unstable();
    errors.dedup();
    assert!(errors.len() > 4, "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn limits_change_at_run_time() {
    let simulator = simulator(requests(10));
    for _ in 0..4 {
        assert_eq!(status(&simulator).await, 200);
    }
    // Lower: what is left stays, as far as it fits.
    simulator.set_limits(requests(3));
    let answer = send(&simulator, ask(&json!({}))).await;
    assert_eq!(figures(shown(&answer).requests), (3, 2));
    assert_eq!(shown(&answer).requests.reset, after_start(20));
    // Higher: nothing is given, but it comes in faster.
    simulator.set_organization_limits(DEFAULT_ORGANIZATION, requests(60));
    for expected in [200, 200, 429] {
        assert_eq!(status(&simulator).await, expected);
    }
    advance(Duration::from_secs(5)).await;
    let answer = send(&simulator, ask(&json!({}))).await;
    assert_eq!(figures(shown(&answer).requests), (60, 4));
    simulator.set_organization_limits(DEFAULT_ORGANIZATION, Limits::none());
    for _ in 0..10 {
        assert_eq!(status(&simulator).await, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn fast_mode_has_token_buckets_of_its_own() {
    let limits = ClassLimits::per_minute(10, 80_000, 40_000).with_fast(20_000, 10_000);
    let simulator = simulator(Limits::none().with_class(LimitClass::OPUS_5_5, limits));
    simulator
        .script((0..4).map(|_| Reply::of_length(17_500).with_cache_written(11_000, 0).ignoring_max_tokens()));
    let slow = shown(&send(&simulator, ask(&json!({}))).await);
    assert!(slow.fast_input_tokens.is_empty() && slow.fast_output_tokens.is_empty());
    assert_eq!(
        (figures(slow.input_tokens), figures(slow.output_tokens)),
        ((80_000, 69_000), (40_000, 35_000))
    );

    let fast = send(&simulator, ask(&json!({"speed": "fast"}))).await;
    assert_eq!(fast.json()["usage"]["speed"], "fast");
    let fast = shown(&fast);
    assert_eq!(
        (figures(fast.fast_input_tokens), figures(fast.fast_output_tokens)),
        ((20_000, 9_000), (10_000, 5_000))
    );
    assert_eq!(
        (figures(fast.input_tokens), figures(fast.output_tokens)),
        ((80_000, 69_000), (40_000, 35_000))
    );
    assert_eq!(figures(fast.requests), (10, 8), "requests are of the class");
    assert_eq!(send(&simulator, ask(&json!({"speed": "fast"}))).await.status, 200);
    let refused = send(&simulator, ask(&json!({"speed": "fast"}))).await;
    assert_eq!(refused.status, 429);
    assert_eq!(figures(shown(&refused).fast_output_tokens), (10_000, 0));
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("20000 fast mode input tokens per minute"), "{message}");
    assert_eq!(status(&simulator).await, 200);
}

#[tokio::test(start_paused = true)]
async fn headers_may_be_old() {
    let simulator = Simulator::builder()
        .with_limits(requests(600))
        .with_hidden(Hidden::plain().with_header_age(Duration::from_secs(2)))
        .build();
    let remaining =
        async || figures(shown(&send(&simulator, ask(&json!({"tools": weather()}))).await).requests).1;
    for _ in 0..50 {
        assert_eq!(remaining().await, 599);
    }
    advance(Duration::from_millis(1_999)).await;
    assert_eq!(remaining().await, 599);
    advance(Duration::from_millis(1)).await;
    // 52 were taken and 20 came in.
    assert_eq!(remaining().await, 568);
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_rounded_up_to_whole_seconds() {
    let simulator = simulator(requests(8));
    let answer = send(&simulator, ask(&json!({}))).await;
    // Full in seven seconds and a half.
    assert_eq!(shown(&answer).requests.reset, after_start(8));
    let still =
        Simulator::builder().with_still_date().with_limits(requests(8)).with_hidden(Hidden::plain()).build();
    advance(Duration::from_secs(100)).await;
    let answer = send(&still, ask(&json!({}))).await;
    assert_eq!(shown(&answer).requests.reset, after_start(8), "from a date that stands still");
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_in_the_cache_is_let_in_again_and_again() {
    let simulator = simulator(tokens(30_000, PLENTY));
    let long = "x".repeat(87_500);
    let prompt = json!({"type": "text", "text": long, "cache_control": {"type": "ephemeral"}});
    let cached = json!({"messages": [{"role": "user", "content": [prompt]}]});
    for turn in 0..5 {
        let answer = send(&simulator, ask(&cached)).await;
        assert_eq!(answer.status, 200, "turn {turn}");
        assert_eq!(answer.json()["usage"]["cache_read_input_tokens"].as_u64() > Some(20_000), turn > 0);
        assert_eq!(figures(shown(&answer).input_tokens), (30_000, 5_000), "turn {turn}");
    }
    // The same that was never cached is too much.
    let other = json!({"messages": [{"role": "user", "content": long}]});
    assert_eq!(send(&simulator, ask(&other)).await.status, 429);
}
