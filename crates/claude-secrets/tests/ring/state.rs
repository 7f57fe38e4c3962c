//! What a ring says of its keys.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use claude_secrets::source::Fetched;
use claude_secrets::{Key, KeyRing, KeyState, SecretString};

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{A, B, Claude, builder, millis, only, pass, ring, secs, settle};

const TODAY: Duration = Duration::from_secs(20_000 * 24 * 3_600);

fn today() -> SystemTime {
    SystemTime::UNIX_EPOCH + TODAY
}

#[tokio::test(start_paused = true)]
async fn nothing_is_known_of_a_key_that_has_not_been_fetched() {
    let safe = Safe::with(A);
    let key = Key::new("main", safe.clone()).with_line("search").with_environment("prod");
    let ring = KeyRing::builder().with_key(key).build().unwrap();
    let status = only(&ring);
    assert_eq!((&*status.name, &*status.source), ("main", "test:safe"));
    assert_eq!(status.lines, ["search".into()]);
    assert_eq!(status.environment.as_deref(), Some("prod"));
    assert_eq!(status.state, KeyState::Missing);
    assert_eq!((status.fingerprint, status.version, status.age), (None, None, None));
    assert_eq!((status.fetched, status.is_stale, status.in_flight), (None, false, 0));
    assert!(status.previous.is_none() && status.error.is_none() && status.cooling.is_empty());
    assert_eq!(&*status.limit_group, "key:main");
    assert!(ring.rotation_due().is_empty());
    assert_eq!(safe.fetches(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_a_key_in_use_it_is_known_how_old_it_is_and_who_carries_it() {
    let (safe, api) = (Safe::with(A), Api::knowing([A, B]));
    let made = today() - secs(3_600);
    safe.gives_all(Fetched::new(SecretString::from(A)).with_version("7").with_created(made));
    let ring = builder(&safe).with_wall_clock(today).build().unwrap();
    let claude = Claude::new(&ring, &api);
    ring.start().await.unwrap();
    pass(secs(10)).await;
    let status = only(&ring);
    assert_eq!(status.state, KeyState::Live);
    assert_eq!(status.version.as_deref(), Some("7"));
    assert_eq!(status.age, Some(secs(3_600)));
    assert_eq!((status.fetched, status.is_stale, status.in_flight), (Some(secs(10)), false, 0));
    let first = status.fingerprint.unwrap();

    api.shut();
    let mut calls = claude.waiting(3).await;
    assert_eq!(only(&ring).in_flight, 3);
    safe.gives_all(Fetched::new(SecretString::from(B)).with_version("8"));
    ring.refresh_now().await;
    let more = claude.waiting(2).await;
    let status = only(&ring);
    assert_eq!((status.version.as_deref(), status.age), (Some("8"), None));
    assert_ne!(status.fingerprint.as_ref(), Some(&first));
    assert_eq!((status.in_flight, status.previous), (2, Some((Arc::clone(&first), 3))));
    drop(more);
    calls.pop();
    let status = only(&ring);
    assert_eq!((status.in_flight, status.previous), (0, Some((Arc::clone(&first), 2))));
    api.open();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(only(&ring).previous, Some((first, 0)));
}

/// Nobody has asked for it, so that nobody has looked again: that is not the source's doing.
#[tokio::test(start_paused = true)]
async fn a_key_that_rests_is_not_stale_and_one_whose_source_is_down_is() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    ring.start().await.unwrap();
    pass(secs(1_000)).await;
    assert!(!only(&ring).is_stale);
    safe.fails();
    assert_eq!(claude.status().await, 200);
    let status = only(&ring);
    assert!(status.is_stale && status.error.is_some());
    assert_eq!(status.state, KeyState::Live);
    safe.gives(A);
    pass(secs(5)).await;
    assert_eq!(claude.status().await, 200);
    settle().await;
    let status = only(&ring);
    assert!(!status.is_stale && status.error.is_none());
    assert_eq!(status.fetched, Some(Duration::ZERO));
}

/// A failure before its time is over makes no key stale.
#[tokio::test(start_paused = true)]
async fn a_key_is_stale_from_the_end_of_its_time() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    ring.start().await.unwrap();
    safe.fails();
    pass(secs(95)).await;
    assert_eq!(claude.status().await, 200);
    assert!(only(&ring).error.is_some() && !only(&ring).is_stale);
    pass(secs(5) - millis(1)).await;
    assert!(!only(&ring).is_stale);
    pass(millis(1)).await;
    assert!(only(&ring).is_stale);
}

/// The requests that wait for its successor are not on their way any more.
#[tokio::test(start_paused = true)]
async fn a_key_under_suspicion_is_live_until_the_source_has_spoken() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    ring.start().await.unwrap();
    api.revoke(A);
    safe.shut();
    let calls = claude.waiting(1).await;
    assert_eq!(only(&ring).state, KeyState::Live);
    safe.open();
    settle().await;
    assert_eq!(only(&ring).state, KeyState::Dead);
    drop(calls);
    assert_eq!(only(&ring).in_flight, 0);
    // Taken out of use is said first: it is what an operator has done.
    ring.drain("main").unwrap();
    assert_eq!(only(&ring).state, KeyState::Draining);
    ring.restore("main").unwrap();
    assert_eq!(only(&ring).state, KeyState::Dead);
}
