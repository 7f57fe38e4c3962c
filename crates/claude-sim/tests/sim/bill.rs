//! The bill.

use claude_sim::{Key, Reply, Simulator};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{ask, send};

#[tokio::test]
async fn requests_show_what_they_put_on_the_bill() {
    let simulator = Simulator::builder().with_key(Key::new("blue", claude_sim::DEFAULT_KEY)).build();
    simulator.script([Reply::text("seven b").with_cache_read(9).with_cache_written(4, 3)]);
    let answer = send(&simulator, ask(&json!({}))).await;
    let usage = &answer.json()["usage"];
    let line = &simulator.bill()[0];
    let seen = &simulator.requests()[0];
    assert_eq!(seen.billed, line.tokens);
    assert_eq!(line.tokens.input, usage["input_tokens"].as_u64().unwrap());
    assert_eq!((line.tokens.cache_read, line.tokens.cache_write_5m, line.tokens.cache_write_1h), (9, 4, 3));
    assert_eq!((line.tokens.output, line.requests), (2, 1));
    assert_eq!(line.item.key, "blue");
}

#[tokio::test(start_paused = true)]
async fn requests_show_their_times_and_company() {
    let simulator = Simulator::new();
    let pause = || tokio::time::sleep(std::time::Duration::from_secs(1));
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
