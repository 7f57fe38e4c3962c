//! Keys that share their limits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_secrets::source::{SourceError, SourceErrorKind, source_fn};
use claude_secrets::{Key, KeyRing, KeyRingBuilder, SlowStart};
use claude_wire::call::Buckets;
use tokio::time::{Instant, sleep};

use crate::support::{
    Api, SECOND, answer, attempted, key, limited, millis, of_key, pool, refused, send, sent, since, start,
    talk,
};

/// Two keys of one group, and one of another.
fn declared() -> KeyRingBuilder {
    KeyRing::builder()
        .with_key(key("a").with_limit_group("one"))
        .with_key(key("b").with_limit_group("one"))
        .with_key(key("c").with_limit_group("two"))
        .with_slow_start(SlowStart::off())
}

#[tokio::test(start_paused = true)]
async fn a_limited_group_is_left_as_a_whole() {
    let api = Api::new();
    let (claude, _) = start(declared(), &api).await;
    let conversations = of_key(&["a", "b", "c"], "a", 30).await;
    api.says("a", limited(60));
    let (attempt, request) = attempted(talk(conversations[0]));
    assert_eq!(sent(&claude, &api, request).await, "a");
    assert!(attempt.alternative_left());
    assert_eq!(attempt.limit_group().as_deref(), Some("one"));
    for conversation in conversations {
        assert_eq!(sent(&claude, &api, talk(conversation)).await, "c");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_one_group_alone_are_not_rotated_pointlessly() {
    let api = Api::new();
    let ring = KeyRing::builder()
        .with_key(key("a").with_limit_group("one"))
        .with_key(key("b").with_limit_group("one"));
    let (claude, _) = start(ring, &api).await;
    let conversations = of_key(&["a", "b"], "a", 20).await;
    api.says("a", limited(60));
    api.says("b", limited(60));
    for conversation in conversations {
        let (attempt, request) = attempted(talk(conversation));
        // Its own key is as good as the other, and has its cache.
        assert_eq!(sent(&claude, &api, request).await, "a");
        assert!(!attempt.alternative_left());
    }
}

#[tokio::test(start_paused = true)]
async fn groups_are_learnt_from_the_first_answers() {
    let api = Api::new();
    for (name, organization) in [("a", "org-1"), ("b", "org-1"), ("c", "org-2")] {
        api.belongs(name, organization);
    }
    let (claude, ring) = start(pool(&["a", "b", "c"]).with_slow_start(SlowStart::off()), &api).await;
    let groups =
        |ring: &KeyRing| -> Vec<_> { ring.status().iter().map(|key| key.limit_group.to_string()).collect() };
    assert_eq!(groups(&ring), ["key:a", "key:b", "key:c"]);
    let mut of = Vec::new();
    for name in ["a", "b", "c"] {
        of.push(of_key(&["a", "b", "c"], name, 20).await);
        send(&claude, talk(of.last().unwrap()[0])).await.unwrap();
    }
    assert_eq!(groups(&ring), ["org:org-1", "org:org-1", "org:org-2"]);

    api.says("a", limited(60));
    let (attempt, request) = attempted(talk(of[0][0]));
    assert_eq!(sent(&claude, &api, request).await, "a");
    assert!(attempt.alternative_left());
    for conversation in of.iter().flatten() {
        assert_eq!(sent(&claude, &api, talk(*conversation)).await, "c");
    }
    // And when the other organisation is at its end, too, there is nothing left.
    api.says("c", limited(30));
    let (attempt, request) = attempted(talk(of[2][0]));
    assert_eq!(sent(&claude, &api, request).await, "c");
    assert!(!attempt.alternative_left());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_tells_both_the_group_and_the_limit_counts_for_the_group() {
    let api = Api::new();
    api.belongs("a", "org-1");
    api.belongs("b", "org-1");
    let (claude, _) = start(pool(&["a", "b"]).with_slow_start(SlowStart::off()), &api).await;
    let conversation = of_key(&["a", "b"], "b", 1).await[0];
    send(&claude, talk(conversation)).await.unwrap();
    let of_a = of_key(&["a", "b"], "a", 1).await[0];
    // The first answer of this key ever.
    api.says("a", limited(60));
    let (attempt, request) = attempted(talk(of_a));
    assert_eq!(sent(&claude, &api, request).await, "a");
    assert!(!attempt.alternative_left());
}

#[tokio::test(start_paused = true)]
async fn what_is_dead_drained_or_not_for_this_origin_is_no_alternative() {
    for case in ["dead", "drained", "origin", "none"] {
        let api = Api::new();
        let other = if case == "origin" {
            key("b").with_origin("https://elsewhere.example").unwrap()
        } else {
            key("b")
        };
        let ring = KeyRing::builder().with_key(key("a")).with_key(other).with_slow_start(SlowStart::off());
        let (claude, ring) = start(ring, &api).await;
        if case == "dead" {
            api.says("b", refused());
            send(&claude, talk(of_key(&["a", "b"], "b", 1).await[0])).await.unwrap();
        }
        if case == "drained" {
            ring.drain("b").unwrap();
        }
        api.says("a", limited(60));
        let (attempt, request) = attempted(talk(of_key(&["a", "b"], "a", 1).await[0]));
        assert_eq!(sent(&claude, &api, request).await, "a", "{case}");
        assert_eq!(attempt.alternative_left(), case == "none", "{case}");
    }
}

/// What somebody knows of the buckets.
#[derive(Default)]
struct Known(Mutex<Vec<(String, f64)>>);

impl Buckets for Known {
    fn fullness(&self, limit_group: &str, class: &str) -> Option<f64> {
        assert_eq!(class, "sonnet-5.5");
        let known = self.0.lock().unwrap();
        known.iter().find(|(group, _)| group == limit_group).map(|(_, fullness)| *fullness)
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_nearly_empty_is_passed_over_while_there_is_another() {
    let api = Api::new();
    let known = Arc::new(Known::default());
    let buckets: Arc<dyn Buckets> = Arc::clone(&known) as Arc<dyn Buckets>;
    let (claude, _) = start(declared().with_buckets(buckets), &api).await;
    let conversation = of_key(&["a", "b", "c"], "a", 1).await[0];
    let set = |fullness: &[(&str, f64)]| {
        *known.0.lock().unwrap() =
            fullness.iter().map(|(group, fullness)| ((*group).to_owned(), *fullness)).collect();
    };
    for (fullness, expected) in [
        (&[][..], "a"),
        (&[("one", 0.05), ("two", 1.0)], "a"),
        (&[("one", 0.049), ("two", 1.0)], "c"),
        (&[("one", 0.0)], "c"),
        (&[("one", 0.0), ("two", 0.01)], "a"),
        (&[("one", f64::NAN), ("two", 1.0)], "a"),
    ] {
        set(fullness);
        assert_eq!(sent(&claude, &api, talk(conversation)).await, expected, "{fullness:?}");
    }
    // One that is nearly empty is still better than one that is limited.
    set(&[("one", 0.0), ("two", 1.0)]);
    api.says("c", limited(60));
    let of_c = of_key(&["a", "b", "c"], "c", 1).await[0];
    assert_eq!(sent(&claude, &api, talk(of_c)).await, "c");
    assert_eq!(sent(&claude, &api, talk(conversation)).await, "a");
}

#[tokio::test(start_paused = true)]
async fn what_seems_empty_is_used_rather_than_waited_for_another() {
    let api = Api::new();
    let known = Arc::new(Known::default());
    known.0.lock().unwrap().push(("one".to_owned(), 0.0));
    let slow = SlowStart::new(0.1, 60 * SECOND).unwrap();
    let (claude, _) = start(declared().with_slow_start(slow).with_buckets(known), &api).await;
    let begun = Instant::now();
    for conversation in of_key(&["a", "b", "c"], "a", 10).await {
        send(&claude, talk(conversation)).await.unwrap();
    }
    assert_eq!(since(begun), Duration::ZERO);
    let keys = api.take();
    assert_eq!((keys[0].as_str(), keys.iter().filter(|key| *key == "a").count()), ("c", 9));
}

/// A key that dies leaves its limits to the other keys of its group: nothing moves that could be a growth.
#[tokio::test(start_paused = true)]
async fn traffic_that_stays_in_its_group_needs_no_slow_start() {
    let api = Api::new();
    let slow = SlowStart::new(1.0, 60 * SECOND).unwrap();
    let ring = KeyRing::builder()
        .with_key(key("a").with_limit_group("one"))
        .with_key(key("b").with_limit_group("one"))
        .with_slow_start(slow);
    let (claude, _) = start(ring, &api).await;
    api.says("a", refused());
    let begun = Instant::now();
    for conversation in of_key(&["a", "b"], "a", 30).await {
        assert_eq!(send(&claude, talk(conversation)).await.unwrap(), 200);
        sleep(millis(1)).await;
    }
    assert!(since(begun) < millis(100), "{:?}", since(begun));
    api.says("a", answer(200));
}

/// Whoever repeats would go at once, and wait for what nobody knows.
#[tokio::test(start_paused = true)]
async fn a_key_whose_source_hangs_after_it_failed_is_no_alternative() {
    let calls = Arc::new(AtomicUsize::new(0));
    let source = source_fn("test:hangs", move || {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if !is_first {
                std::future::pending::<()>().await;
            }
            Err(SourceError::new("test:hangs", SourceErrorKind::Unavailable, "is down"))
        }
    });
    let api = Api::new();
    let ring = KeyRing::builder().with_key(key("a")).with_key(Key::new("b", source));
    let (claude, _) = start(ring, &api).await;
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    api.says("a", limited(60));
    // Its source is asked again by then.
    sleep(6 * SECOND).await;
    let (attempt, request) = attempted(talk(conversation));
    assert_eq!(send(&claude, request).await.unwrap(), 429);
    assert!(!attempt.alternative_left());
}
