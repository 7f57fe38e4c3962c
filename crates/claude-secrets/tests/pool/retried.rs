//! The retry above a pool.

use std::time::Duration;

use claude_retry::{Backoff, Quota, RetryLayer};
use claude_secrets::{KeyRing, SecretsLayer};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::support::{Api, SECOND, error, key, limited, millis, of_key, pool, since, talk};

fn retry() -> RetryLayer {
    let backoff = Backoff::new(SECOND, SECOND).unwrap().with_jitter(0.0).unwrap();
    RetryLayer::new().with_quota(Quota::unlimited()).with_backoff(backoff)
}

/// The status in the end, how long it took, and the keys that were used.
async fn run(
    ring: claude_secrets::KeyRingBuilder,
    api: &Api,
    conversation: u32,
) -> (u16, Duration, Vec<String>) {
    let ring = ring.build().unwrap();
    ring.start().await.unwrap();
    let claude = retry().layer(SecretsLayer::new(ring).layer(api.clone()));
    let begun = Instant::now();
    let response = claude.oneshot(talk(conversation)).await.unwrap();
    let status = response.status().as_u16();
    response.into_body().collect().await.unwrap();
    (status, since(begun), api.take())
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_goes_to_another_group_at_once() {
    let api = Api::new();
    api.says("a", limited(60));
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    let end = run(pool(&["a", "b"]), &api, conversation).await;
    assert_eq!(end, (200, Duration::ZERO, vec!["a".to_owned(), "b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn one_group_after_the_other_and_then_the_shortest_wait() {
    let api = Api::new();
    for (name, time) in [("a", 60), ("b", 20), ("c", 7)] {
        api.says(name, limited(time));
    }
    let conversation = of_key(&["a", "b", "c"], "a", 1).await[0];
    let (status, took, keys) = run(pool(&["a", "b", "c"]), &api, conversation).await;
    // The third failure has no alternative: its own wait is waited, and the fourth attempt is the last.
    assert_eq!(status, 429);
    assert_eq!(keys.len(), 4);
    assert_eq!(keys[3], "c");
    let waits = if keys[2] == "c" { 7 } else { 20 };
    assert_eq!(took, waits * SECOND);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_other_group_the_api_is_waited_for() {
    let api = Api::new();
    let ring = KeyRing::builder()
        .with_key(key("a").with_limit_group("one"))
        .with_key(key("b").with_limit_group("one"));
    api.says("a", limited(7));
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    let change = tokio::spawn({
        let api = api.clone();
        async move {
            tokio::time::sleep(millis(6_900)).await;
            api.says("a", crate::support::answer(200));
        }
    });
    let end = run(ring, &api, conversation).await;
    change.await.unwrap();
    assert_eq!(end, (200, 7 * SECOND, vec!["a".to_owned(), "a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_no_reason_to_go_elsewhere() {
    let api = Api::new();
    api.says("a", error(529, "overloaded_error", "Overloaded"));
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    let (status, took, keys) = run(pool(&["a", "b"]), &api, conversation).await;
    assert_eq!((status, keys), (529, vec!["a".to_owned(); 4]));
    assert_eq!(took, 3 * SECOND);
}
