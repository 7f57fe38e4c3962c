//! What is counted and measured: every name, label and value.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use claude_secrets::source::Fetched;
use claude_secrets::{Key, KeyRing, SecretString, SlowStart, metrics as names};
use http::Request;

use crate::api::Api;
use crate::book::Book;
use crate::log::Log;
use crate::safe::Safe;
use crate::support::{A, B, Claude, all_through, builder, message, millis, pass, ring, secs, settle};

fn today() -> SystemTime {
    SystemTime::UNIX_EPOCH + secs(20_000 * 86_400)
}

fn written<const N: usize>(lines: [(&str, &str, &[f64]); N]) -> BTreeMap<String, Vec<f64>> {
    lines.into_iter().map(|(name, labels, values)| (format!("{name} {labels}"), values.to_vec())).collect()
}

#[tokio::test(start_paused = true)]
async fn fetches_with_how_they_ended_and_how_long_they_took() {
    let book = Book::default();
    let _guard = metrics::set_default_local_recorder(&book);
    let safe = Safe::with(A);
    safe.gives_all(Fetched::new(SecretString::from(A)).with_created(today() - secs(500)));
    let ring = builder(&safe).with_wall_clock(today).build().unwrap();
    safe.shut();
    let mut start = tokio_test::task::spawn(Box::pin(ring.start()));
    assert!(start.poll().is_pending());
    pass(millis(1_500)).await;
    safe.open();
    settle().await;
    assert!(start.poll().is_ready());
    let expected = written([
        (names::FETCHES_TOTAL, "key=main result=ok", &[1.0]),
        (names::FETCH_SECONDS, "key=main", &[1.5]),
        (names::KEY_AGE_SECONDS, "key=main", &[500.0]),
        (names::KEY_STALE_SECONDS, "key=main", &[0.0]),
    ]);
    assert_eq!(book.take(), expected);

    safe.fails();
    pass(secs(20)).await;
    ring.refresh_now().await;
    let expected = written([
        (names::FETCHES_TOTAL, "key=main result=unavailable", &[1.0]),
        (names::FETCH_SECONDS, "key=main", &[0.0]),
        (names::KEY_STALE_SECONDS, "key=main", &[20.0]),
    ]);
    assert_eq!(book.take(), expected);

    safe.hangs();
    ring.refresh_now().await;
    let expected = written([
        (names::FETCHES_TOTAL, "key=main result=timed_out", &[1.0]),
        (names::FETCH_SECONDS, "key=main", &[10.0]),
        (names::KEY_STALE_SECONDS, "key=main", &[30.0]),
    ]);
    assert_eq!(book.take(), expected);

    // Of this one nobody knows when it was made.
    safe.gives(B);
    ring.refresh_now().await;
    let expected = written([
        (names::FETCHES_TOTAL, "key=main result=ok", &[1.0]),
        (names::FETCH_SECONDS, "key=main", &[0.0]),
        (names::KEY_STALE_SECONDS, "key=main", &[0.0]),
        (names::ROTATIONS_TOTAL, "key=main", &[1.0]),
    ]);
    assert_eq!(book.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_only_a_refusal_showed() {
    let book = Book::default();
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    let _guard = metrics::set_default_local_recorder(&book);
    api.revoke(A);
    api.accept(B);
    safe.gives(B);
    let mut calls = claude.waiting(4).await;
    settle().await;
    assert_eq!(all_through(&mut calls).await, [200; 4]);
    let expected = written([
        (names::FETCHES_TOTAL, "key=main result=ok", &[1.0]),
        (names::FETCH_SECONDS, "key=main", &[0.0]),
        (names::KEY_STALE_SECONDS, "key=main", &[0.0]),
        (names::ROTATIONS_TOTAL, "key=main", &[1.0]),
        (names::REPLAYS_TOTAL, "outcome=ok", &[1.0; 4]),
    ]);
    assert_eq!(book.take(), expected);
}

/// That it is refused is what was meant to become of it.
#[tokio::test(start_paused = true)]
async fn a_key_that_has_a_successor_is_not_counted_as_dead() {
    let (book, (log, _log)) = (Book::default(), Log::begin());
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    api.revoke(A);
    api.accept(B);
    safe.gives(B);
    api.shut();
    let late = claude.waiting(1).await.remove(0);
    ring.refresh_now().await;
    api.open();
    let _guard = metrics::set_default_local_recorder(&book);
    log.lines();
    assert_eq!(late.await.unwrap(), 200);
    assert_eq!(book.take(), written([(names::REPLAYS_TOTAL, "outcome=ok", &[1.0])]));
    assert!(log.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn dead_keys_and_what_was_not_sent_for_them() {
    let book = Book::default();
    let (log, _log) = Log::begin();
    let (safe, api) = (Safe::with(B), Api::default());
    safe.gives_all(Fetched::new(SecretString::from(B)).with_previous(SecretString::from(A)));
    let claude = Claude::new(&ring(&safe), &api);
    let _guard = metrics::set_default_local_recorder(&book);
    assert_eq!(claude.status().await, 401);
    let expected = written([
        (names::FETCHES_TOTAL, "key=main result=ok", &[1.0, 1.0]),
        (names::FETCH_SECONDS, "key=main", &[0.0, 0.0]),
        (names::KEY_STALE_SECONDS, "key=main", &[0.0, 0.0]),
        // It and its stand-in. It is given another try when that is refused.
        (names::DEAD_TOTAL, "key=main", &[1.0, 1.0]),
        (names::REPLAYS_TOTAL, "outcome=refused", &[1.0]),
    ]);
    assert_eq!(book.take(), expected);
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        assert!(line.starts_with("WARN claude_secrets: the API refuses this key"), "{line}");
        assert!(line.contains("key=\"main\" fingerprint=\"key-"), "{line}");
    }
    assert_eq!(claude.status().await, 401);
    assert_eq!(log.lines().len(), 1);
    book.take();
    for _ in 0..3 {
        drop(claude.refusal().await);
    }
    assert_eq!(book.take(), written([(names::REFUSED_TOTAL, "code=NO_KEY", &[1.0; 3])]));
    assert!(log.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refusals_by_their_code() {
    let book = Book::default();
    let safe = Safe::with(A);
    safe.fails();
    let ring = builder(&safe).with_environment("prod").build().unwrap();
    let claude = Claude::new(&ring, &Api::default());
    drop(claude.refusal().await);
    let _guard = metrics::set_default_local_recorder(&book);
    drop(claude.refusal().await);
    let elsewhere = Request::post("https://example.com/v1/messages").body("{}".into()).unwrap();
    assert!(claude.send(elsewhere).await.is_err());
    let mut other = message();
    other.extensions_mut().insert(claude_wire::call::Caller::new().with_environment("dev"));
    assert!(claude.send(other).await.is_err());
    let expected = written([
        (names::REFUSED_TOTAL, "code=NO_KEY", &[1.0]),
        (names::REFUSED_TOTAL, "code=ORIGIN_NOT_ALLOWED", &[1.0]),
        (names::REFUSED_TOTAL, "code=WRONG_ENVIRONMENT", &[1.0]),
    ]);
    assert_eq!(book.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn limits_that_were_met_and_who_took_what_went_elsewhere() {
    let book = Book::default();
    let key = |name: &str, key| Key::new(name, Safe::with(key)).with_limit_group(name);
    let ring = KeyRing::builder()
        .with_key(key("one", A))
        .with_key(key("two", B))
        .with_slow_start(SlowStart::off())
        .build()
        .unwrap();
    let api = Api::knowing([A, B]);
    let claude = Claude::new(&ring, &api);
    ring.start().await.unwrap();
    assert_eq!(claude.status().await, 200);
    let first = api.seen().remove(0);
    let (own, other) = if first == A { ("one", "two") } else { ("two", "one") };
    let _guard = metrics::set_default_local_recorder(&book);
    api.limit(&first);
    assert_eq!(claude.status().await, 429);
    assert_eq!(book.take(), written([(names::COOLED_TOTAL, &format!("key={own}"), &[1.0])]));
    for _ in 0..2 {
        assert_eq!(claude.status().await, 200);
    }
    assert_eq!(book.take(), written([(names::DIVERTED_TOTAL, &format!("key={other}"), &[1.0, 1.0])]));
    pass(Duration::from_secs(5)).await;
    assert_eq!(claude.status().await, 429);
    assert_eq!(book.take(), written([(names::COOLED_TOTAL, &format!("key={own}"), &[1.0])]));
}
