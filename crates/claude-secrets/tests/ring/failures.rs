//! Sources that fail, and what is used meanwhile.

use std::time::Duration;

use claude_secrets::source::{Fetched, SourceErrorKind};
use claude_secrets::{SecretString, SecretsErrorKind};
use claude_wire::call::RefusalKind;
use tokio::time::Instant;

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{A, B, Claude, builder, millis, only, pass, ring, secs, settle};

/// When a source is asked that fails for so long, by requests that come ten times a second.
async fn asked_within(claude: &Claude, safe: &Safe, time: Duration) -> Vec<Duration> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        for _ in 0..3 {
            assert_eq!(claude.refusal().await.source_kind(), SourceErrorKind::Unavailable);
        }
        pass(millis(100)).await;
    }
    safe.begun()
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_left_alone_for_twice_as_long_each_time() {
    let safe = Safe::with(A);
    safe.fails();
    let claude = Claude::new(&ring(&safe), &Api::default());
    let asked = asked_within(&claude, &safe, secs(200)).await;
    assert_eq!(asked, [0, 5, 15, 35, 75, 135, 195].map(secs));
}

#[tokio::test(start_paused = true)]
async fn the_pauses_can_be_set_and_chance_shortens_them() {
    let safe = Safe::with(A);
    safe.fails();
    let ring = builder(&safe).with_jitter(0.5).with_failure_backoff(secs(2), secs(7)).build().unwrap();
    let asked = asked_within(&Claude::new(&ring, &Api::default()), &safe, secs(300)).await;
    let pauses: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let most = [2, 4].map(secs).into_iter().chain(std::iter::repeat(secs(7)));
    for (pause, most) in pauses.iter().zip(most) {
        assert!((most / 2..=most + millis(100)).contains(pause), "{pause:?}");
    }
    let (shortest, longest) = (pauses[2..].iter().min().unwrap(), pauses[2..].iter().max().unwrap());
    assert!(*longest - *shortest > millis(500), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_success_the_first_pause_is_short_again() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    safe.fails();
    let claude = Claude::new(&ring(&safe), &api);
    asked_within(&claude, &safe, secs(30)).await;
    safe.gives(A);
    pass(secs(60)).await;
    assert_eq!(claude.status().await, 200);
    let before = safe.fetches();
    safe.fails();
    pass(secs(80)).await;
    while safe.fetches() < before + 2 {
        assert_eq!(claude.status().await, 200);
        settle().await;
        pass(millis(100)).await;
    }
    let begun = safe.begun();
    assert_eq!(begun[before + 1] - begun[before], secs(5));
}

#[tokio::test(start_paused = true)]
async fn without_any_key_the_error_says_which_and_from_where() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    safe.fails_as(SourceErrorKind::Denied, "the token has expired");
    let claude = Claude::new(&ring(&safe), &api);
    let refused = claude.refusal().await;
    assert_eq!(refused.words, "key `main`: test:safe: the token has expired");
    assert_eq!(refused.source_kind(), SourceErrorKind::Denied);
    // Whoever called learns when to come again, and nothing of sources.
    assert_eq!(refused.refusal.kind(), RefusalKind::CredentialUnavailable);
    assert_eq!(refused.refusal.code(), "NO_KEY");
    let message = refused.refusal.message();
    assert!(message.starts_with("no key ") && !message.contains("main") && !message.contains("safe"));
    assert_eq!(refused.refusal.retry_after(), Some(secs(5)));
    pass(secs(2)).await;
    assert_eq!(claude.refusal().await.refusal.retry_after(), Some(secs(3)));
    assert_eq!((safe.fetches(), api.seen().len()), (1, 0));
    safe.gives(A);
    pass(secs(3)).await;
    assert_eq!(claude.status().await, 200);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_key_is_used_for_so_long_and_then_no_more() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = builder(&safe).with_max_stale(secs(1_000)).build().unwrap();
    let claude = Claude::new(&ring, &api);
    assert_eq!(claude.status().await, 200);
    safe.fails();
    for _ in 0..110 {
        pass(secs(10)).await;
        assert_eq!(claude.status().await, 200);
    }
    let status = only(&ring);
    assert!(status.is_stale);
    assert_eq!(status.fetched, Some(secs(1_100)));
    assert_eq!(status.error.unwrap().to_string(), "test:safe: the safe is closed");
    assert!(safe.fetches() < 25, "{}", safe.fetches());

    pass(millis(1)).await;
    let sent = api.seen().len();
    assert_eq!(sent, 111);
    let refused = claude.refusal().await;
    assert_eq!(refused.words, "key `main`: test:safe: the safe is closed");
    assert!(refused.refusal.retry_after().is_some_and(|time| time <= secs(60)));
    pass(secs(60)).await;
    assert_eq!(claude.refusal().await.words, "key `main`: test:safe: the safe is closed");
    assert_eq!(api.seen().len(), 0);

    safe.gives(B);
    api.accept(B);
    pass(secs(60)).await;
    assert_eq!(claude.status().await, 200);
    settle().await;
    let status = only(&ring);
    assert!(!status.is_stale && status.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_asked_for_in_days_is_fetched_and_not_refused() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    pass(secs(10 * 24 * 3_600)).await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(safe.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_has_timed_out() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    safe.hangs();
    let claude = Claude::new(&builder(&safe).with_fetch_timeout(secs(3)).build().unwrap(), &api);
    let begun = Instant::now();
    let refused = claude.refusal().await;
    assert_eq!(Instant::now() - begun, secs(3));
    assert_eq!(refused.source_kind(), SourceErrorKind::TimedOut);
    assert_eq!(refused.words, "key `main`: test:safe: did not answer within 3s");
    assert_eq!(refused.refusal.retry_after(), Some(secs(5)));
    safe.gives(A);
    pass(secs(5)).await;
    assert_eq!(claude.status().await, 200);
    // The one that hung is gone.
    assert_eq!(safe.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_takes_nothing_down() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    safe.panics();
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    let refused = claude.refusal().await;
    assert_eq!(refused.words, "key `main`: test:safe: its fetch panicked");
    assert_eq!(refused.source_kind(), SourceErrorKind::Unavailable);
    pass(secs(4)).await;
    assert_eq!(claude.refusal().await.refusal.retry_after(), Some(secs(1)));
    assert_eq!(safe.fetches(), 1);
    safe.gives(A);
    pass(secs(1)).await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(only(&ring).error, None);
    // With a key at hand it goes on with that.
    safe.panics();
    pass(secs(95)).await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(only(&ring).error.unwrap().detail(), "its fetch panicked");
    safe.gives(B);
    api.accept(B);
    pass(secs(5)).await;
    assert_eq!(claude.status().await, 200);
    settle().await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [A, A, A, B]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_key_is_a_failure() {
    let cases = [
        (" \n", SourceErrorKind::Empty),
        ("sk-ant canary", SourceErrorKind::Malformed),
        ("sk-ant\ncanary", SourceErrorKind::Malformed),
        ("sk-ant-\u{e9}-canary", SourceErrorKind::Malformed),
    ];
    for (text, kind) in cases {
        let (safe, api) = (Safe::with(text), Api::knowing([A]));
        let claude = Claude::new(&ring(&safe), &api);
        let refused = claude.refusal().await;
        assert_eq!(refused.source_kind(), kind);
        assert!(refused.words.starts_with("key `main`: test:safe: ") && !refused.words.contains("canary"));
        safe.gives(A);
        pass(secs(5)).await;
        assert_eq!(claude.status().await, 200);
        // Later it takes nothing away.
        safe.gives(text);
        pass(secs(100)).await;
        assert_eq!(claude.status().await, 200);
        assert_eq!(api.seen(), [A, A]);
        assert_eq!(safe.fetches(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_previous_key_that_can_be_none_is_left_out() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    for previous in ["", "sk ant"] {
        safe.gives_all(Fetched::new(SecretString::from(A)).with_previous(SecretString::from(previous)));
        let ring = ring(&safe);
        assert_eq!(Claude::new(&ring, &api).status().await, 200);
        assert!(only(&ring).previous.is_none() && only(&ring).error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_kind_of_a_refusal_is_that_of_the_last_failure() {
    let safe = Safe::with(A);
    let claude = Claude::new(&ring(&safe), &Api::default());
    for kind in [SourceErrorKind::NotFound, SourceErrorKind::Misconfigured, SourceErrorKind::MissingField] {
        safe.fails_as(kind, "as the test says");
        pass(secs(60)).await;
        let refused = claude.refusal().await;
        assert!(matches!(refused.kind, SecretsErrorKind::NoKey(_)));
        assert_eq!(refused.source_kind(), kind);
    }
}
