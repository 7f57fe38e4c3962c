//! Rate limits: who shares what, what counts, and what a refusal says.

use std::time::{Duration, SystemTime};

use claude_sim::{
    Burst, ClassLimits, DEFAULT_KEY, DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE, Fault, Hidden, Key, LimitClass,
    Limits, Model, Reply, Simulator,
};
use claude_wire::headers::{Limit, RateLimitHeaders};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::advance;
use tower::ServiceExt;

use crate::support::{Answer, ask, body, full, post, send, weather};

const PLENTY: u64 = 1_000_000_000;

fn requests(limit: u64) -> Limits {
    Limits::each(ClassLimits::per_minute(limit, PLENTY, PLENTY))
}

fn tokens(input: u64, output: u64) -> Limits {
    Limits::each(ClassLimits::per_minute(PLENTY, input, output))
}

/// Enforced in the plainest way.
fn simulator(limits: Limits) -> Simulator {
    Simulator::builder().with_limits(limits).with_hidden(Hidden::plain()).build()
}

async fn status(simulator: &Simulator) -> u16 {
    send(simulator, ask(&json!({}))).await.status.as_u16()
}

async fn status_of(simulator: &Simulator, key: &str) -> u16 {
    with_key(simulator, key).await.status.as_u16()
}

async fn with_key(simulator: &Simulator, key: &str) -> Answer {
    let mut request = ask(&json!({}));
    request.headers_mut().insert("x-api-key", key.parse().unwrap());
    send(simulator, request).await
}

fn shown(answer: &Answer) -> RateLimitHeaders {
    RateLimitHeaders::read(&answer.headers)
}

fn figures(limit: Limit) -> (u64, u64) {
    (limit.limit.unwrap(), limit.remaining.unwrap())
}

fn after_start(seconds: u64) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600 + seconds))
}

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
async fn a_workspace_has_its_own_limits_and_its_organisations() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", "sk-blue").with_workspace("wrkspc_1"))
        .with_key(Key::new("cyan", "sk-cyan").with_workspace("wrkspc_1"))
        .with_key(Key::new("red", "sk-red"))
        .with_limits(Limits::each(ClassLimits::per_minute(10, 100_000, 100_000)))
        .with_workspace_limits("wrkspc_1", Limits::each(ClassLimits::per_minute(3, 50_000, 200_000)))
        .with_hidden(Hidden::plain())
        .with_reply(Reply::text("x").with_cache_written(20_000, 0))
        .build();
    let first = with_key(&simulator, "sk-blue").await;
    let limits = shown(&first);
    assert_eq!(figures(limits.requests), (3, 2), "the workspace binds");
    assert_eq!(figures(limits.input_tokens), (50_000, 30_000));
    assert_eq!(figures(limits.output_tokens), (100_000, 100_000), "here the organisation does");
    assert_eq!(figures(limits.tokens), (50_000, 30_000));
    let limits = shown(&with_key(&simulator, "sk-red").await);
    assert_eq!(figures(limits.requests), (10, 8), "the organisation's, of both");
    assert_eq!(figures(limits.input_tokens), (100_000, 60_000));
    assert_eq!(figures(limits.tokens), (200_000, 160_000), "input and output");

    assert_eq!(status_of(&simulator, "sk-cyan").await, 200);
    simulator.set_workspace_limits("wrkspc_1", requests(3));
    assert_eq!(status_of(&simulator, "sk-blue").await, 200);
    for _ in 0..20 {
        let refused = with_key(&simulator, "sk-cyan").await;
        assert_eq!(refused.status, 429);
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("3 requests per minute of your workspace (wrkspc_1)"), "{message}");
    }
    // What the workspace refused took nothing from the organisation.
    assert_eq!(figures(shown(&with_key(&simulator, "sk-red").await).requests), (10, 5));
}

#[tokio::test(start_paused = true)]
async fn the_organisation_binds_where_the_workspace_does_not() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", "sk-blue").with_workspace("wrkspc_1"))
        .with_limits(requests(2))
        .with_workspace_limits("wrkspc_1", requests(5))
        .with_hidden(Hidden::plain())
        .build();
    for expected in [200, 200, 429, 429] {
        assert_eq!(status_of(&simulator, "sk-blue").await, expected);
    }
    // Nothing was taken from the workspace by what the organisation refused.
    simulator.set_limits(Limits::none());
    let answer = with_key(&simulator, "sk-blue").await;
    assert_eq!(figures(shown(&answer).requests), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn the_default_workspace_takes_no_limits() {
    let simulator = Simulator::builder().with_workspace_limits(DEFAULT_WORKSPACE, requests(1)).build();
    for _ in 0..3 {
        assert_eq!(status(&simulator).await, 200);
        simulator.set_workspace_limits(DEFAULT_WORKSPACE, requests(1));
    }
}

#[tokio::test(start_paused = true)]
async fn organisations_and_classes_share_nothing() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", DEFAULT_KEY))
        .with_key(Key::new("red", "sk-red").with_organization("org-2"))
        .with_limits(requests(2))
        .with_organization_limits("org-2", requests(3))
        .with_models(
            Model::catalogue()
                .into_iter()
                .chain([Model::new("mine"), Model::new("ours").with_limit_class(LimitClass::new("mine"))]),
        )
        .with_hidden(Hidden::plain())
        .build();
    let status_of_model = async |model: &str| send(&simulator, ask(&json!({"model": model}))).await.status;
    // 4.8 and 4.6 share; an alias is its model; custom models are by themselves or where they are put.
    for [one, other] in [
        ["claude-opus-4-8", "claude-opus-4-6"],
        ["claude-opus-4-5", "claude-opus-4-7"],
        ["claude-fable-5-1", "claude-fable-5"],
        ["claude-opus-5-5", "claude-opus-5-5"],
        ["claude-opus-5", "claude-opus-5"],
        ["mine", "ours"],
    ] {
        let expected = if one == "claude-opus-4-5" { [429, 429, 429] } else { [200, 200, 429] };
        for (model, expected) in [one, other, one].into_iter().zip(expected) {
            assert_eq!(status_of_model(model).await, expected, "{model}");
        }
    }
    for expected in [200, 200, 200, 429] {
        assert_eq!(status_of(&simulator, "sk-red").await, expected);
    }
}

#[tokio::test]
async fn the_tables_of_the_tiers() {
    let most = ["1000 2000000 400000", "5000 5000000 1000000", "10000 10000000 2000000"];
    let large = ["1000 500000 100000", "2000 1500000 300000", "4000 4000000 800000"];
    let old = ["1000 100000 20000", "2000 200000 40000", "4000 400000 80000"];
    let models = Model::catalogue()
        .into_iter()
        .chain([Model::new("mine"), Model::new("old").with_limit_class(LimitClass::HAIKU_3_5)]);
    let models: Vec<Model> = models.collect();
    for (index, limits) in [Limits::start(), Limits::build(), Limits::scale()].into_iter().enumerate() {
        let simulator =
            Simulator::builder().with_models(models.clone()).with_limits(limits).with_seed(3).build();
        for (model, expected) in [
            ("claude-fable-5-2", large),
            ("claude-fable-5", large),
            ("claude-mythos-5-1", large),
            ("claude-opus-5-5", most),
            ("claude-opus-5", most),
            ("claude-opus-4-8", most),
            ("claude-sonnet-5-5", most),
            ("claude-sonnet-5", most),
            ("claude-sonnet-4-6", most),
            ("claude-haiku-5-5", most),
            ("claude-haiku-4-5", most),
            ("mine", most),
            ("old", old),
        ] {
            let answer = send(&simulator, ask(&json!({"model": model}))).await;
            let limits = ["requests", "input-tokens", "output-tokens"]
                .map(|bucket| answer.header(&format!("anthropic-ratelimit-{bucket}-limit")).to_owned());
            assert_eq!(limits.join(" "), expected[index], "{model}");
        }
        let count =
            send(&simulator, full(post("/v1/messages/count_tokens"), body(&json!({})).to_string())).await;
        assert_eq!(count.header("anthropic-ratelimit-requests-limit"), ["2000", "4000", "8000"][index]);
    }
}

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
