//! The key before, which stands in while the present one is refused.

use claude_secrets::source::Fetched;
use claude_secrets::{KeyState, SecretString, SecretsErrorKind};

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{A, B, C, Claude, builder, millis, only, pass, ring, secs, settle};

fn both(current: &str, previous: &str) -> Fetched {
    Fetched::new(SecretString::from(current)).with_previous(SecretString::from(previous))
}

#[tokio::test(start_paused = true)]
async fn what_the_source_keeps_stands_in() {
    let (safe, api) = (Safe::with(B), Api::knowing([A]));
    safe.gives_all(both(B, A));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [B, A]);
    let status = only(&ring);
    assert_eq!(status.state, KeyState::Dead);
    let (previous, carried) = status.previous.unwrap();
    assert!(previous.starts_with("key-") && Some(previous) != status.fingerprint);
    assert_eq!(carried, 0);
    // The dead one is not tried again, and looked after in pauses; nobody waits for that.
    safe.shut();
    for _ in 0..60 {
        pass(millis(100)).await;
        assert_eq!(claude.status().await, 200);
    }
    assert_eq!(api.seen(), [A; 60]);
    assert_eq!(safe.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_one_before_a_rotation_stands_in() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    // Written down, and not known to the API yet.
    safe.gives(B);
    assert!(ring.refresh_now().await.is_empty());
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [A, B, A]);
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [A]);
    // Known at last: the operator says so.
    api.accept(B);
    ring.refresh_now().await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [B]);
    assert_eq!(only(&ring).state, KeyState::Live);
}

#[tokio::test(start_paused = true)]
async fn it_gives_way_to_a_new_key() {
    let (safe, api) = (Safe::with(B), Api::knowing([A, C]));
    safe.gives_all(both(B, A));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    safe.gives(C);
    pass(secs(5)).await;
    // This one begins the fetch, and does not wait for it.
    assert_eq!(claude.status().await, 200);
    settle().await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [B, A, A, C]);
}

/// By itself, or because the source names it again and again.
#[tokio::test(start_paused = true)]
async fn it_stands_in_until_the_overlap_ends() {
    for is_named in [false, true] {
        let (safe, api) = (Safe::with(A), Api::knowing([A]));
        let ring = builder(&safe).with_overlap(secs(1_000)).build().unwrap();
        let claude = Claude::new(&ring, &api);
        assert_eq!(claude.status().await, 200);
        if is_named {
            safe.gives_all(both(B, A));
        } else {
            safe.gives(B);
        }
        ring.refresh_now().await;
        for _ in 0..100 {
            assert_eq!(claude.status().await, 200);
            pass(millis(9_999)).await;
        }
        assert!(only(&ring).previous.is_some());
        api.seen();
        for _ in 0..20 {
            pass(secs(10)).await;
            assert_ne!(claude.ask().await.ok(), Some(200));
        }
        assert!(only(&ring).previous.is_none());
        // At times the new one is tried, and never again the one before.
        let seen = api.seen();
        assert!((1..=5).contains(&seen.len()) && seen.iter().all(|key| key == B), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_overlap_nothing_stands_in() {
    let (safe, api) = (Safe::with(B), Api::knowing([A]));
    safe.gives_all(both(B, A));
    let ring = builder(&safe).with_overlap(secs(0)).build().unwrap();
    assert_eq!(Claude::new(&ring, &api).status().await, 401);
    assert_eq!(api.seen(), [B]);
}

#[tokio::test(start_paused = true)]
async fn when_both_are_refused_the_new_one_is_tried_once_more_and_then_nothing_is_sent() {
    let (safe, api) = (Safe::with(B), Api::default());
    safe.gives_all(both(B, A));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 401);
    assert_eq!(api.seen(), [B, A]);
    assert_eq!(claude.status().await, 401);
    assert_eq!(api.seen(), [B]);
    assert_eq!(claude.refusal().await.kind, SecretsErrorKind::AllDead);
    // What the source says again and again does not bring the one before back.
    for _ in 0..10 {
        pass(secs(60)).await;
        assert_eq!(claude.status().await, 401);
        assert_eq!(claude.refusal().await.kind, SecretsErrorKind::AllDead);
    }
    assert_eq!(api.seen(), [B; 10]);
    // An operator does, both of them.
    api.accept(A);
    ring.refresh_now().await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [B, A]);
}

#[tokio::test(start_paused = true)]
async fn a_stand_in_that_is_refused_makes_room_for_what_the_source_has_by_then() {
    for late in [1, 5] {
        let (safe, api) = (Safe::with(B), Api::knowing([A]));
        safe.gives_all(both(B, A));
        let claude = Claude::new(&ring(&safe), &api);
        assert_eq!(claude.status().await, 200);
        api.revoke(A);
        api.accept(C);
        safe.gives(C);
        // In a pause of its source, and after it.
        pass(secs(late)).await;
        assert_eq!(claude.status().await, 200);
        assert_eq!(api.seen(), [B, A, A, C]);
    }
}

/// It was refused before it was replaced: what the API said of it then still holds.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_revoked_does_not_stand_in_for_its_successor() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    api.revoke(A);
    api.accept(B);
    safe.gives(B);
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [A, A, B]);
    api.revoke(B);
    assert_eq!(claude.status().await, 401);
    assert_eq!(claude.refusal().await.kind, SecretsErrorKind::AllDead);
    assert_eq!(api.seen(), [B]);
}
