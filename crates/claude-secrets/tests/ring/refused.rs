//! Keys that the API refuses.

use claude_secrets::{KeyState, SecretsErrorKind};
use claude_wire::Body;
use claude_wire::call::RefusalKind;
use http_body_util::Full;
use tokio::time::Instant;

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{
    A, B, C, Claude, all_through, all_wait, message, millis, only, pass, ring, secs, settle,
};

#[tokio::test(start_paused = true)]
async fn a_hundred_that_are_refused_at_once_cause_one_fetch() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    api.revoke(A);
    api.accept(B);
    safe.gives(B);
    safe.shut();
    let mut calls = claude.waiting(100).await;
    settle().await;
    all_wait(&mut calls).await;
    safe.open();
    settle().await;
    assert_eq!(all_through(&mut calls).await, [200; 100]);
    assert_eq!(safe.fetches(), 2);
    let seen = api.seen();
    assert_eq!(
        (seen[..101].to_vec(), seen[101..].to_vec()),
        (vec![A.to_owned(); 101], vec![B.to_owned(); 100])
    );
}

/// What it brings may have been read before the key was changed.
#[tokio::test(start_paused = true)]
async fn a_fetch_that_began_before_the_refusal_does_not_count() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    safe.shut();
    // Begins in the background.
    pass(secs(80)).await;
    assert_eq!(claude.status().await, 200);
    settle().await;
    assert_eq!(safe.fetches(), 2);
    api.revoke(A);
    api.accept(B);
    safe.gives(B);
    let mut calls = claude.waiting(50).await;
    assert_eq!(safe.fetches(), 2);
    safe.open();
    settle().await;
    assert_eq!(all_through(&mut calls).await, [200; 50]);
    settle().await;
    assert_eq!(safe.fetches(), 3);
    assert_eq!(only(&ring).state, KeyState::Live);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_refused_late_finds_the_new_key_there() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    api.revoke(A);
    api.accept(B);
    safe.gives(B);
    // Refused with the old key, and told so when the new one is there.
    api.shut();
    let mut late = claude.waiting(1).await;
    ring.refresh_now().await;
    api.open();
    assert_eq!(all_through(&mut late).await, [200]);
    assert_eq!(safe.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_its_source_still_has_is_dead_and_requests_are_not_sent() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    api.revoke(A);
    // Who was refused gets the API's own words.
    assert_eq!(claude.status().await, 401);
    assert_eq!(only(&ring).state, KeyState::Dead);
    assert_eq!(only(&ring).error, None);
    assert_eq!((safe.fetches(), api.seen().len()), (2, 2));

    let refused = claude.refusal().await;
    assert_eq!(refused.kind, SecretsErrorKind::AllDead);
    assert_eq!(refused.words, "key `main`: the API refuses it, and test:safe has no other");
    assert_eq!(refused.refusal.kind(), RefusalKind::CredentialUnavailable);
    assert_eq!(refused.refusal.code(), "NO_KEY");
    assert_eq!(refused.refusal.retry_after(), Some(secs(5)));
    assert_eq!((safe.fetches(), api.seen().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn the_source_of_a_dead_key_is_asked_again_after_pauses_that_grow_and_one_request_tries_it() {
    let (safe, api) = (Safe::with(A), Api::default());
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 401);
    let end = Instant::now() + secs(300);
    while Instant::now() < end {
        pass(millis(100)).await;
        match claude.ask().await {
            Ok(status) => assert_eq!(status, 401),
            Err(refused) => assert_eq!(refused.kind, SecretsErrorKind::AllDead),
        }
    }
    // The first two at once: the cold one, and the one that the refusal caused.
    assert_eq!(safe.begun(), [0, 0, 5, 15, 35, 75, 135, 195, 255].map(secs));
    assert_eq!(api.seen(), [A; 8]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_key_that_the_api_takes_again_is_alive_again() {
    let (safe, api) = (Safe::with(A), Api::default());
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 401);
    api.accept(A);
    assert_eq!(claude.refusal().await.kind, SecretsErrorKind::AllDead);
    pass(secs(5)).await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(only(&ring).state, KeyState::Live);
    assert_eq!(claude.status().await, 200);
    assert_eq!(safe.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dead_key_is_replaced_as_soon_as_the_source_has_another() {
    let (safe, api) = (Safe::with(A), Api::default());
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 401);
    safe.gives(B);
    api.accept(B);
    pass(secs(4)).await;
    assert_eq!(claude.refusal().await.kind, SecretsErrorKind::AllDead);
    pass(secs(1)).await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(only(&ring).state, KeyState::Live);
    assert_eq!(api.seen(), [A, B]);
    assert_eq!(safe.fetches(), 3);
}

/// Whoever only looks leaves the trial to a request.
#[tokio::test(start_paused = true)]
async fn a_start_does_not_use_up_the_trial_of_a_dead_key() {
    let (safe, api) = (Safe::with(A), Api::default());
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 401);
    api.accept(A);
    pass(secs(5)).await;
    ring.start().await.unwrap();
    assert_eq!(claude.status().await, 200);
    assert_eq!(safe.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_can_be_taken_back() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    for (from, to) in [(A, B), (B, A), (A, B), (B, C), (C, A)] {
        api.revoke(from);
        api.accept(to);
        safe.gives(to);
        assert_eq!(claude.status().await, 200, "from {} to {}", &from[13..14], &to[13..14]);
        assert_eq!(claude.status().await, 200);
        assert_eq!(only(&ring).state, KeyState::Live);
    }
    assert_eq!(safe.fetches(), 6);
    // Each change cost one refused request.
    assert_eq!(api.seen().len(), 1 + 5 * 3);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_while_its_key_is_refused() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    api.revoke(A);
    safe.fails();
    assert_eq!(claude.status().await, 401);
    let status = only(&ring);
    assert_eq!(status.state, KeyState::Dead);
    assert_eq!(status.error.unwrap().detail(), "the safe is closed");
    for _ in 0..10 {
        let refused = claude.refusal().await;
        assert_eq!(refused.words, "key `main`: test:safe: the safe is closed");
        assert_eq!(refused.refusal.retry_after(), Some(secs(5)));
    }
    assert_eq!((safe.fetches(), api.seen().len()), (2, 2));
    safe.gives(B);
    api.accept(B);
    pass(secs(5)).await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(only(&ring).state, KeyState::Live);
}

/// A refusal is worth a fetch even while the source is left alone: once.
#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_wait_for_the_end_of_a_pause() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    safe.fails();
    pass(secs(95)).await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(safe.fetches(), 2);
    safe.gives(B);
    api.revoke(A);
    api.accept(B);
    assert_eq!(claude.status().await, 200);
    assert_eq!(safe.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_operator_can_have_a_dead_key_tried_again() {
    let (safe, api) = (Safe::with(A), Api::default());
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 401);
    assert_eq!(claude.refusal().await.kind, SecretsErrorKind::AllDead);
    api.accept(A);
    assert!(ring.refresh_now().await.is_empty());
    assert_eq!(only(&ring).state, KeyState::Live);
    assert_eq!(claude.status().await, 200);
    // If it is refused again, it is dead again.
    api.revoke(A);
    assert_eq!(claude.status().await, 401);
    assert_eq!(only(&ring).state, KeyState::Dead);
    assert_eq!(safe.fetches(), 4);
}

/// The waiters of a refusal, and an operator who asks for the same at that time.
#[tokio::test(start_paused = true)]
async fn an_operator_who_comes_while_a_refusal_is_looked_into_does_not_hide_the_new_key() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    api.revoke(A);
    safe.shut();
    let mut calls = claude.waiting(3).await;
    settle().await;
    safe.gives(B);
    api.accept(B);
    let mut asked = tokio_test::task::spawn(ring.refresh_now());
    assert!(asked.poll().is_pending());
    safe.open();
    settle().await;
    assert!(asked.poll().is_ready());
    // The first was read before the change and says that the key is dead; the second brings the new one.
    let statuses = all_through(&mut calls).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(claude.status().await, 200);
    assert_eq!(safe.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_again_still_has_the_key_looked_after() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    api.revoke(A);
    api.accept(B);
    safe.gives(B);
    let streamed = message().map(|_| Body::stream(Full::new(bytes::Bytes::from_static(b"{}"))));
    assert_eq!(claude.send(streamed).await.unwrap(), 401);
    settle().await;
    assert_eq!(safe.fetches(), 2);
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [A, A, B]);
}
