//! The bill: it is the sum of the usages that were sent.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use claude_sim::{
    BillLine, ClassLimits, DEFAULT_KEY, Fault, Hidden, Key, Limits, NamedReply, Pace, Reply, Simulator,
    TokenCounts,
};
use fastrand::Rng;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::{advance, timeout};
use tower::ServiceExt;

use crate::checker::{assemble, events};
use crate::support::{ask, send};

/// Input, written, read, output, searches.
type Counts = [u64; 5];

fn add(sum: &mut Counts, more: Counts) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

fn of_tokens(tokens: &TokenCounts) -> Counts {
    let written = tokens.cache_write_5m + tokens.cache_write_1h;
    [tokens.input, written, tokens.cache_read, tokens.output, tokens.web_searches]
}

/// What a message costs, by the documented rule: its iterations if there are any, else the counts at the top. With
/// each, its speed: a model that has no other ran at the standard one, whatever the top says.
fn runs_of(message: &Value) -> Vec<(String, Counts)> {
    let usage = &message["usage"];
    let count = |of: &Value, name: &str| of[name].as_u64().unwrap_or(0);
    let of = |of: &Value| {
        let names =
            ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"];
        let [input, written, read, output] = names.map(|name| count(of, name));
        let speed = if of["model"] == "claude-sonnet-5-5" { "standard" } else { text(usage, "speed") };
        (speed.to_owned(), [input, written, read, output, 0])
    };
    let mut runs = match usage["iterations"].as_array() {
        Some(iterations) => iterations.iter().map(of).collect(),
        None => vec![of(usage)],
    };
    runs[0].1[4] = count(&usage["server_tool_use"], "web_search_requests");
    runs
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap()
}

/// What a price depends on: key, speed and geo.
type Item = (String, String, String);

/// Kinds whose every token is paid for.
fn kinds() -> Vec<NamedReply> {
    let mut kinds = Reply::every_kind();
    kinds.retain(|kind| !kind.name.contains("refusal"));
    kinds
}

#[tokio::test]
async fn the_bill_is_the_sum_of_the_usages_that_were_sent() {
    let keys = [("blue", DEFAULT_KEY), ("green", "sk-green"), ("red", "sk-red")];
    let kinds = kinds();
    for seed in 0..12 {
        let mut rng = Rng::with_seed(seed);
        let simulator = Simulator::builder().with_seed(seed);
        let simulator =
            keys.iter().fold(simulator, |it, (name, key)| it.with_key(Key::new(*name, *key))).build();
        let mut expected: BTreeMap<Item, Counts> = BTreeMap::new();
        for _ in 0..60 {
            let kind = &kinds[rng.usize(..kinds.len())];
            let (name, key) = keys[rng.usize(..3)];
            let mut fields = kind.fields.clone();
            fields["stream"] = json!(rng.bool());
            fields["max_tokens"] = json!(8_000);
            if rng.bool() {
                fields["speed"] = json!("fast");
            }
            if rng.bool() {
                fields["inference_geo"] = json!("us");
            }
            let mut request = ask(&fields);
            request.headers_mut().insert("x-api-key", key.parse().unwrap());
            for beta in kind.betas {
                request.headers_mut().append("anthropic-beta", beta.parse().unwrap());
            }
            simulator.script([kind.reply.clone()]);
            let answer = send(&simulator, request).await;
            assert_eq!(answer.status, 200, "{}: {:?}", kind.name, answer.body);
            let message = match fields["stream"] {
                Value::Bool(true) => assemble(&events(&answer.body).unwrap()).unwrap(),
                _ => answer.json(),
            };
            let geo = text(&message["usage"], "inference_geo");
            let mut counts = Counts::default();
            for (speed, run) in runs_of(&message) {
                add(&mut counts, run);
                add(expected.entry((name.to_owned(), speed, geo.to_owned())).or_default(), run);
            }
            let seen = simulator.requests().pop().unwrap();
            assert_eq!(of_tokens(&seen.billed), counts, "seed {seed}, {}", kind.name);
        }
        let mut billed: BTreeMap<Item, Counts> = BTreeMap::new();
        for BillLine { item, tokens, .. } in simulator.bill() {
            let key = (item.key, item.speed.to_owned(), item.inference_geo.to_owned());
            add(billed.entry(key).or_default(), of_tokens(&tokens));
            assert_eq!(item.service_tier, "standard");
        }
        assert_eq!(billed, expected, "seed {seed}");
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_billed_for_what_it_carried() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let simulator = Simulator::builder().with_seed(seed).build();
        let reply = Reply::of_length(rng.usize(..3_000)).with_cache_read(700).with_cache_written(50, 60);
        simulator.script([reply]);
        let response = simulator.clone().oneshot(ask(&json!({"stream": true}))).await.unwrap();
        assert!(simulator.bill().is_empty(), "nothing is settled yet");
        let mut body = response.into_body();
        let mut carried = Vec::new();
        for _ in 0..rng.usize(..60) {
            let Some(frame) = body.frame().await else { break };
            carried.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        drop(body);
        let tokens = simulator.bill()[0].tokens;
        let (mut text, mut told) = (0, 0);
        for event in events(&carried).unwrap() {
            text += event.data["delta"]["text"].as_str().map_or(0, str::len);
            let usage = if event.name == "message_start" { &event.data["message"] } else { &event.data };
            told = usage["usage"]["output_tokens"].as_u64().unwrap_or(told);
        }
        let written = u64::try_from((text * 2).div_ceil(7)).unwrap();
        assert!(tokens.output >= told.max(1), "seed {seed}");
        assert!(tokens.output.abs_diff(written.max(1)) <= 1, "seed {seed}: {tokens:?} of {text} bytes");
        assert_eq!((tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h), (700, 50, 60));
        assert_eq!(simulator.requests()[0].billed, tokens);
    }
}

/// What is billed of 3,000 bytes of text, written at ten tokens a second after the first two seconds, if the caller
/// leaves after so many milliseconds; and how the next request is answered, where 100 tokens may be written in a
/// minute.
async fn left_after(millis: u64, seed: u64, fields: &Value, fault: Fault) -> (TokenCounts, u16) {
    let pace = Pace::instant()
        .with_first_token(Duration::from_secs(2))
        .with_tokens_per_second(NonZeroU32::new(10).unwrap());
    let simulator = Simulator::builder()
        .with_seed(seed)
        .with_pace(pace)
        .with_limits(Limits::each(ClassLimits::per_minute(1_000, 100_000, 100)))
        .with_hidden(Hidden::plain())
        .with_reply(Reply::text("x"))
        .build();
    simulator.script([Reply::of_length(3_000)]);
    simulator.fail_next(1, fault);
    let call = async {
        let answer = simulator.clone().oneshot(ask(fields)).await.unwrap();
        answer.into_body().collect().await.unwrap();
    };
    assert!(timeout(Duration::from_millis(millis), call).await.is_err(), "it takes longer");
    let tokens = simulator.bill()[0].tokens;
    assert_eq!((simulator.requests()[0].billed, simulator.in_flight()), (tokens, 0));
    (tokens, send(&simulator, ask(&json!({}))).await.status.as_u16())
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_whole_message_pays_what_was_written_as_of_a_stream() {
    for (seed, millis) in [(0, 1), (1, 1_999), (2, 3_000), (3, 20_020), (4, 50_000), (5, 80_000)] {
        let [whole, stream] = [false, true].map(|stream| json!({"stream": stream, "max_tokens": 4_096}));
        let of_stream = left_after(millis, seed, &stream, Fault::none()).await;
        let of_whole = left_after(millis, seed, &whole, Fault::none()).await;
        assert_eq!(of_whole, of_stream, "{millis} ms");
        assert_eq!(of_whole.1, if millis < 20_000 { 200 } else { 429 }, "{millis} ms: {of_whole:?}");
        let written = millis.saturating_sub(2_000) / 100;
        let delta = 2 * 14;
        assert!(of_whole.0.output.abs_diff(written.max(1)) <= delta, "{millis} ms: {of_whole:?}");
        // Nor is a difference whether there would have been an answer.
        for fields in [&stream, &whole] {
            let lost = left_after(millis, seed, fields, Fault::internal().after_execution()).await;
            assert_eq!(lost, of_stream, "{millis} ms, {fields}");
        }
    }
}

#[tokio::test]
async fn who_never_reads_pays_too_and_who_never_asks_does_not() {
    let simulator = Simulator::new();
    drop(simulator.clone().oneshot(ask(&json!({}))));
    assert!(simulator.bill().is_empty());
    drop(simulator.clone().oneshot(ask(&json!({}))).await.unwrap());
    drop(simulator.clone().oneshot(ask(&json!({"stream": true}))).await.unwrap());
    let [line] = simulator.take_bill().try_into().unwrap();
    assert_eq!((line.requests, simulator.in_flight()), (2, 0));
    // Errors and counts are free.
    send(&simulator, ask(&json!({"model": "nobody"}))).await;
    assert!(simulator.bill().is_empty());
}

#[tokio::test]
async fn lines_tell_apart_what_prices_may_depend_on() {
    let simulator = Simulator::builder().with_key(Key::new("blue", DEFAULT_KEY)).build();
    for fields in [
        json!({}),
        json!({"stream": true}),
        json!({"speed": "fast"}),
        json!({"inference_geo": "us"}),
        json!({"model": "claude-haiku-4-5"}),
    ] {
        send(&simulator, ask(&fields)).await;
    }
    let lines: Vec<String> = simulator
        .bill_of("blue")
        .into_iter()
        .map(|BillLine { item, requests, .. }| {
            format!("{} {} {} {} {requests}", item.model, item.service_tier, item.speed, item.inference_geo)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "claude-haiku-4-5-20251001 standard standard not_available 1",
            "claude-opus-5-5 standard fast global 1",
            "claude-opus-5-5 standard standard global 2",
            "claude-opus-5-5 standard standard us 1",
        ]
    );
    assert!(simulator.bill_of("green").is_empty());
}

#[tokio::test(start_paused = true)]
async fn requests_show_their_times_and_company() {
    let simulator = Simulator::new();
    let pause = || advance(Duration::from_secs(1));
    let open = async || simulator.clone().oneshot(ask(&json!({"stream": true}))).await.unwrap().into_body();
    pause().await;
    let first = open().await;
    pause().await;
    let second = open().await;
    pause().await;
    second.collect().await.unwrap();
    pause().await;
    drop(first);
    let third = open().await;
    let seen = simulator.requests();
    let seconds = |index: usize| {
        let seen = &seen[index];
        (seen.arrived_at.as_secs(), seen.ended_at.map(|at| at.as_secs()), seen.ended_as, seen.in_flight)
    };
    assert_eq!(seconds(0), (1, Some(4), Some(1), 0));
    assert_eq!(seconds(1), (2, Some(3), Some(0), 1));
    assert_eq!(seconds(2), (4, None, None, 0));
    assert_eq!(seen[2].billed.output, 0, "nothing until the end");
    drop(third);
    assert!(simulator.requests()[2].billed.output > 0);
}
