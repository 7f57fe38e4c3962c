//! What stays together, and in which shares.

use std::collections::{BTreeMap, BTreeSet};

use claude_secrets::{Affinity, SlowStart};
use claude_wire::call::Caller;

use crate::support::{Api, SONNET, key, pool, post, sent, start, talk, turn};

#[tokio::test(start_paused = true)]
async fn all_turns_of_a_conversation_go_to_one_key() {
    let api = Api::new();
    let (claude, _) = start(pool(&["a", "b", "c"]), &api).await;
    let mut used = BTreeSet::new();
    for conversation in 0..60 {
        let first = sent(&claude, &api, talk(conversation)).await;
        for later in 1..5 {
            assert_eq!(sent(&claude, &api, turn(conversation, later, SONNET)).await, first);
        }
        used.insert(first);
    }
    assert_eq!(used.len(), 3);
}

fn of(user: u32, conversation: u32) -> http::Request<claude_wire::Body> {
    let mut request = talk(conversation);
    request.extensions_mut().insert(Caller::new().with_line("search").with_user(user.to_string()));
    request
}

#[tokio::test(start_paused = true)]
async fn all_conversations_of_a_caller_go_to_one_key() {
    let api = Api::new();
    let (claude, _) = start(pool(&["a", "b", "c"]).with_affinity(Affinity::Caller), &api).await;
    let mut used = BTreeSet::new();
    for user in 0..60 {
        let first = sent(&claude, &api, of(user, 0)).await;
        for conversation in 1..5 {
            assert_eq!(sent(&claude, &api, of(user, conversation)).await, first);
        }
        used.insert(first);
    }
    assert_eq!(used.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_conversation_stays_with_its_caller() {
    let api = Api::new();
    let (claude, _) = start(pool(&["a", "b", "c"]), &api).await;
    for user in 0..20 {
        let batch = || {
            let mut request = post("/v1/messages/batches", r#"{"requests":[]}"#.to_owned(), 0);
            request.extensions_mut().insert(Caller::new().with_user(user.to_string()));
            request
        };
        let first = sent(&claude, &api, batch()).await;
        for _ in 0..5 {
            assert_eq!(sent(&claude, &api, batch()).await, first);
        }
    }
}

/// How many of so many requests went to each key.
async fn shares(
    claude: &crate::support::Claude,
    api: &Api,
    requests: impl Iterator<Item = http::Request<claude_wire::Body>>,
) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for request in requests {
        *shares.entry(sent(claude, api, request).await).or_default() += 1;
    }
    shares
}

#[tokio::test(start_paused = true)]
async fn without_affinity_each_request_is_drawn_anew() {
    fastrand::seed(7);
    let api = Api::new();
    let (claude, _) = start(pool(&["a", "b"]).with_affinity(Affinity::None), &api).await;
    let shares = shares(&claude, &api, (0..2_000).map(|_| talk(0))).await;
    // Four standard deviations.
    assert!(shares["a"].abs_diff(1_000) < 90, "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn shares_are_in_proportion_to_the_weights() {
    let api = Api::new();
    let ring = claude_secrets::KeyRing::builder()
        .with_key(key("a").with_weight(6.0))
        .with_key(key("b").with_weight(3.0))
        .with_key(key("c"));
    let (claude, _) = start(ring, &api).await;
    let shares = shares(&claude, &api, (0..8_000).map(talk)).await;
    // Four standard deviations: 8000 p (1 - p) is 1920, 1680 and 720.
    for (name, expected, within) in [("a", 4_800, 176), ("b", 2_400, 164), ("c", 800, 108)] {
        assert!(shares[name].abs_diff(expected) < within, "{shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drained_key_gives_away_its_own_share_and_has_it_again_when_restored() {
    let api = Api::new();
    let (claude, ring) = start(pool(&["a", "b", "c"]).with_slow_start(SlowStart::off()), &api).await;
    let mut before = Vec::new();
    for conversation in 0..300 {
        before.push(sent(&claude, &api, talk(conversation)).await);
    }
    ring.drain("b").unwrap();
    let mut taken_over = BTreeSet::new();
    for (conversation, before) in (0..).zip(&before) {
        let now = sent(&claude, &api, talk(conversation)).await;
        if before == "b" {
            assert_ne!(now, "b");
            taken_over.insert(now);
        } else {
            assert_eq!(now, *before);
        }
    }
    assert_eq!(taken_over.len(), 2, "both take some of it");
    ring.restore("b").unwrap();
    for (conversation, before) in (0..).zip(&before) {
        assert_eq!(sent(&claude, &api, talk(conversation)).await, *before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_added_takes_from_all_and_moves_nothing_else() {
    let api = Api::new();
    let (three, _) = start(pool(&["a", "b", "c"]), &api).await;
    // The order of declaration does not matter.
    let (four, _) = start(pool(&["d", "c", "b", "a"]), &api).await;
    let mut given = BTreeMap::<String, usize>::new();
    for conversation in 0..600 {
        let before = sent(&three, &api, talk(conversation)).await;
        let after = sent(&four, &api, talk(conversation)).await;
        if after == "d" {
            *given.entry(before).or_default() += 1;
        } else {
            assert_eq!(after, before);
        }
    }
    let all: usize = given.values().sum();
    assert!(all.abs_diff(150) < 43 && given.len() == 3, "{given:?}");
}
