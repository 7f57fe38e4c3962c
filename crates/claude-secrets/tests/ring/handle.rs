//! What an application does with a ring: start it, renew it, take keys out of use.

use claude_secrets::source::SourceErrorKind;
use claude_secrets::{Key, KeyRing, KeyState, SecretsErrorKind};
use claude_wire::call::Caller;
use tokio_test::task;

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{A, B, C, Claude, all_through, all_wait, message, once, only, pass, ring, secs, settle};

/// Two keys for searching and one for all others.
struct Three {
    one: Safe,
    two: Safe,
    others: Safe,
    ring: KeyRing,
}

impl Three {
    fn new() -> Self {
        let (one, two) = (Safe::named("test:one", A, None), Safe::named("test:two", B, None));
        let others = Safe::named("test:others", C, None);
        let ring = KeyRing::builder()
            .with_key(Key::new("search-1", one.clone()).with_line("search"))
            .with_key(Key::new("search-2", two.clone()).with_line("search"))
            .with_key(Key::new("others", others.clone()))
            .build()
            .unwrap();
        Self { one, two, others, ring }
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_fetches_every_key_once() {
    let Three { one, two, others, ring } = Three::new();
    assert!(ring.status().iter().all(|key| key.state == KeyState::Missing));
    ring.start().await.unwrap();
    ring.clone().start().await.unwrap();
    assert!(ring.status().iter().all(|key| key.state == KeyState::Live));
    assert_eq!([one, two, others].map(|safe| safe.fetches()), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_missing_is_no_failure_while_its_line_has_another() {
    let Three { one, two, ring, .. } = Three::new();
    one.fails();
    ring.start().await.unwrap();
    let states: Vec<_> = ring.status().iter().map(|key| key.state).collect();
    assert_eq!(states, [KeyState::Missing, KeyState::Live, KeyState::Live]);
    assert_eq!(ring.status()[0].error.as_ref().unwrap().id(), "test:one");
    assert_eq!((one.fetches(), two.fetches()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_line_without_any_key_is_named_with_all_that_failed() {
    let Three { one, two, ring, .. } = Three::new();
    one.fails();
    two.fails_as(SourceErrorKind::Denied, "the token has expired");
    let error = ring.start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no key to start with: key `search-1`: test:one: the safe is closed; \
         key `search-2`: test:two: the token has expired"
    );
    let failed: Vec<_> = error.failed.iter().map(|(name, error)| (&**name, error.kind())).collect();
    assert_eq!(failed, [("search-1", SourceErrorKind::Unavailable), ("search-2", SourceErrorKind::Denied)]);
    // The others are there all the same, and one that comes back is found after its pause.
    assert_eq!(ring.status()[2].state, KeyState::Live);
    one.gives(A);
    pass(secs(5)).await;
    ring.start().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_several_lines_miss_is_named_once() {
    let safe = Safe::with(A);
    safe.fails();
    let ring =
        KeyRing::builder().with_key(Key::new("main", safe).with_line("a").with_line("b")).build().unwrap();
    assert_eq!(ring.start().await.unwrap_err().failed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_and_requests_at_once_share_the_fetch() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    safe.shut();
    let mut early = claude.waiting(10).await;
    let mut start = task::spawn(Box::pin(ring.start()));
    assert!(once(&mut start).await.is_pending());
    let mut late = claude.waiting(10).await;
    settle().await;
    all_wait(&mut early).await;
    safe.open();
    settle().await;
    assert!(once(&mut start).await.is_ready());
    assert_eq!(all_through(&mut early).await, [200; 10]);
    assert_eq!(all_through(&mut late).await, [200; 10]);
    assert_eq!(safe.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_dropped_leaves_its_fetches() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let mut start = task::spawn(Box::pin(ring.start()));
    assert!(once(&mut start).await.is_pending());
    drop(start);
    settle().await;
    assert_eq!(only(&ring).state, KeyState::Live);
    assert_eq!(Claude::new(&ring, &api).status().await, 200);
    assert_eq!(safe.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_fetches_every_key_and_says_which_failed() {
    let Three { one, two, others, ring } = Three::new();
    ring.start().await.unwrap();
    assert!(ring.refresh_now().await.is_empty());
    assert_eq!([&one, &two, &others].map(Safe::fetches), [2, 2, 2]);
    two.fails();
    let failed = ring.refresh_now().await;
    assert_eq!(failed.len(), 1);
    assert_eq!((&*failed[0].0, failed[0].1.id()), ("search-2", "test:two"));
    // A pause does not hold it up.
    two.gives(B);
    assert!(ring.refresh_now().await.is_empty());
    assert_eq!([&one, &two, &others].map(Safe::fetches), [4, 4, 4]);
}

/// The one that is under way may have read before the operator spoke; those who come after him share the next.
#[tokio::test(start_paused = true)]
async fn refreshes_at_once_share_a_fetch_that_begins_after_they_were_asked_for() {
    let (safe, api) = (Safe::with(A), Api::knowing([A, B]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    safe.shut();
    let mut waiting = claude.waiting(5).await;
    settle().await;
    safe.gives(B);
    let mut refreshes: Vec<_> = (0..10).map(|_| task::spawn(Box::pin(ring.refresh_now()))).collect();
    for refresh in &mut refreshes {
        assert!(once(refresh).await.is_pending());
    }
    assert_eq!(safe.fetches(), 1);
    safe.open();
    settle().await;
    for refresh in &mut refreshes {
        assert!(once(refresh).await.is_ready());
    }
    assert_eq!(all_through(&mut waiting).await, [200; 5]);
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen().last().unwrap(), B);
    assert_eq!(safe.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_do_not_wait_for_a_refresh_while_they_have_a_key() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    ring.start().await.unwrap();
    safe.shut();
    let mut refresh = task::spawn(Box::pin(ring.refresh_now()));
    assert!(once(&mut refresh).await.is_pending());
    assert_eq!(claude.status().await, 200);
    assert!(once(&mut refresh).await.is_pending());
    safe.open();
    settle().await;
    assert!(once(&mut refresh).await.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_taken_out_of_use_gets_no_request_until_it_is_put_back() {
    let Three { ring, .. } = Three::new();
    let api = Api::knowing([A, B, C]);
    let claude = Claude::new(&ring, &api);
    let search = || {
        let mut request = message();
        request.extensions_mut().insert(Caller::new().with_line("search"));
        request
    };
    ring.start().await.unwrap();
    ring.drain("search-1").unwrap();
    assert_eq!(ring.status()[0].state, KeyState::Draining);
    for _ in 0..20 {
        assert_eq!(claude.send(search()).await.unwrap(), 200);
    }
    assert_eq!(api.seen(), [B; 20]);
    ring.drain("search-2").unwrap();
    let refused = claude.send(search()).await.unwrap_err();
    assert_eq!(refused.kind, SecretsErrorKind::AllDead);
    assert_eq!(refused.words, "every key for this request has been taken out of use");
    assert_eq!(claude.status().await, 200);
    ring.restore("search-1").unwrap();
    assert_eq!(claude.send(search()).await.unwrap(), 200);
    assert_eq!(api.seen(), [C, A]);
    let error = ring.drain("search-3").unwrap_err();
    assert_eq!(error.to_string(), "there is no key `search-3`");
    assert!(ring.restore("").is_err());
}
