//! For how long a key is used, and who waits for the next.

use std::time::Duration;

use claude_secrets::SecretString;
use claude_secrets::source::Fetched;
use tokio::time::Instant;

use crate::api::Api;
use crate::safe::{ID, Safe};
use crate::support::{A, B, Claude, all_through, all_wait, builder, millis, pass, ring, secs, settle};

/// Whether a request that comes after this time causes a fetch.
async fn is_looked_at_again(claude: &Claude, safe: &Safe) -> bool {
    let before = safe.fetches();
    assert_eq!(claude.status().await, 200);
    settle().await;
    safe.fetches() > before
}

#[tokio::test(start_paused = true)]
async fn the_shorter_of_what_is_set_and_what_the_source_says_holds() {
    let some = |seconds| Some(secs(seconds));
    // What the ring says, what the source says for all, what it says for this key; and when it is looked at again.
    let cases = [
        (None, None, None, 225),
        (some(60), None, None, 45),
        (None, some(8), None, 6),
        (some(60), some(8), None, 45),
        (some(60), None, some(20), 15),
        (some(60), None, some(600), 45),
        (None, some(600), some(60), 45),
        (None, some(8), some(600), 6),
        (None, None, some(600), 225),
        // Two minutes before the end, if a quarter is more.
        (some(4_000), None, None, 3_880),
    ];
    for (set, default, said, again) in cases {
        let safe = Safe::named(ID, A, default);
        if let Some(said) = said {
            safe.gives_all(Fetched::new(SecretString::from(A)).with_ttl(said));
        }
        let mut builder = claude_secrets::KeyRing::builder()
            .with_key(claude_secrets::Key::new("main", safe.clone()))
            .with_jitter(0.0);
        if let Some(set) = set {
            builder = builder.with_ttl(set);
        }
        let claude = Claude::new(&builder.build().unwrap(), &Api::knowing([A]));
        assert_eq!(claude.status().await, 200);
        pass(secs(again) - millis(1)).await;
        assert!(!is_looked_at_again(&claude, &safe).await, "{set:?} {default:?} {said:?}: too early");
        pass(millis(1)).await;
        assert!(is_looked_at_again(&claude, &safe).await, "{set:?} {default:?} {said:?}: too late");
    }
}

#[tokio::test(start_paused = true)]
async fn chance_shortens_the_time_by_no_more_than_its_part() {
    let mut looks = Vec::new();
    for _ in 0..200 {
        let safe = Safe::with(A);
        let ring = builder(&safe).with_jitter(0.2).build().unwrap();
        let claude = Claude::new(&ring, &Api::knowing([A]));
        assert_eq!(claude.status().await, 200);
        looks.push((claude, safe));
    }
    // Of 80 to 100 seconds a quarter less.
    pass(secs(60) - millis(1)).await;
    for (claude, safe) in &looks {
        assert!(!is_looked_at_again(claude, safe).await);
    }
    pass(secs(7)).await;
    let mut early = 0;
    for (claude, safe) in &looks {
        early += usize::from(is_looked_at_again(claude, safe).await);
    }
    assert!((1..200).contains(&early), "{early} of 200");
    pass(secs(8)).await;
    for (claude, safe) in &looks {
        assert_eq!(claude.status().await, 200);
        settle().await;
        assert!(safe.fetches() >= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_look_is_in_the_background_and_nobody_waits_for_it() {
    let (safe, api) = (Safe::with(A), Api::knowing([A, B]));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    safe.gives(B);
    safe.shut();
    pass(secs(75)).await;
    for _ in 0..100 {
        assert_eq!(claude.status().await, 200);
        settle().await;
    }
    assert_eq!(safe.fetches(), 2);
    assert_eq!(api.seen(), [A; 101]);
    safe.open();
    settle().await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(api.seen(), [B]);
    assert_eq!(safe.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn shortly_before_the_end_requests_wait() {
    // Before the end, and long after it.
    for late in [90, 99, 100, 5_000] {
        let (safe, api) = (Safe::with(A), Api::knowing([A, B]));
        let claude = Claude::new(&ring(&safe), &api);
        assert_eq!(claude.status().await, 200);
        safe.gives(B);
        safe.shut();
        pass(secs(late)).await;
        let mut calls = claude.waiting(100).await;
        settle().await;
        all_wait(&mut calls).await;
        assert_eq!(safe.fetches(), 2);
        safe.open();
        settle().await;
        assert_eq!(all_through(&mut calls).await, [200; 100]);
        assert_eq!(api.seen()[1..], [B; 100]);
        assert_eq!(safe.fetches(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_in_the_background_that_takes_long_is_the_one_that_is_waited_for() {
    let (safe, api) = (Safe::with(A), Api::knowing([A, B]));
    let claude = Claude::new(&builder(&safe).with_fetch_timeout(secs(60)).build().unwrap(), &api);
    assert_eq!(claude.status().await, 200);
    safe.gives(B);
    safe.shut();
    pass(secs(89)).await;
    assert_eq!(claude.status().await, 200);
    pass(secs(1)).await;
    let mut calls = claude.waiting(10).await;
    safe.open();
    settle().await;
    assert_eq!(all_through(&mut calls).await, [200; 10]);
    assert_eq!(safe.fetches(), 2);
    assert_eq!(api.seen()[2..], [B; 10]);
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_in_vain_uses_the_last_good_key() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    safe.fails();
    safe.shut();
    pass(secs(95)).await;
    let mut calls = claude.waiting(100).await;
    settle().await;
    safe.open();
    settle().await;
    assert_eq!(all_through(&mut calls).await, [200; 100]);
    // The source is left alone now, and nobody waits.
    for _ in 0..100 {
        assert_eq!(claude.begin().poll().map(Result::unwrap), std::task::Poll::Ready(200));
    }
    assert_eq!(safe.fetches(), 2);
    assert_eq!(api.seen(), [A; 201]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_holds_requests_up_once() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    assert_eq!(claude.status().await, 200);
    safe.hangs();
    pass(secs(95)).await;
    let begun = Instant::now();
    assert_eq!(claude.status().await, 200);
    assert_eq!(Instant::now() - begun, secs(10));
    // From then on nobody waits for it while there is a key.
    for _ in 0..100 {
        assert_eq!(claude.status().await, 200);
        pass(secs(10)).await;
    }
    assert_eq!(Instant::now() - begun, secs(1_010));
    assert!(safe.fetches() > 10);
}

#[tokio::test(start_paused = true)]
async fn the_windows_can_be_set() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&builder(&safe).with_refresh_before(secs(10), secs(2)).build().unwrap(), &api);
    assert_eq!(claude.status().await, 200);
    pass(secs(90) - millis(1)).await;
    assert!(!is_looked_at_again(&claude, &safe).await);
    safe.shut();
    pass(millis(1)).await;
    assert!(is_looked_at_again(&claude, &safe).await);
    pass(secs(8)).await;
    drop(claude.waiting(1).await);
}

/// The shortest time that can be set, and none at all, which a source may say.
#[tokio::test(start_paused = true)]
async fn with_hardly_any_time_each_request_is_served_and_none_fetches_twice() {
    for said in [Duration::ZERO, Duration::from_nanos(1), millis(1)] {
        let (safe, api) = (Safe::with(A), Api::knowing([A]));
        safe.gives_all(Fetched::new(SecretString::from(A)).with_ttl(said));
        let ring = builder(&safe).with_ttl(millis(1)).with_max_stale(Duration::ZERO).build().unwrap();
        let claude = Claude::new(&ring, &api);
        for step in 0..1_000 {
            pass(millis(step % 3)).await;
            assert_eq!(claude.status().await, 200);
        }
        settle().await;
        assert!(safe.fetches() <= 1_001, "{}", safe.fetches());
    }
}

/// Who is slow to look at what was fetched does not wait for the next one, and for the next one again.
#[tokio::test(start_paused = true)]
async fn a_key_that_ran_out_while_its_waiter_slept_serves_that_waiter() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = builder(&safe).with_ttl(millis(1)).with_max_stale(Duration::ZERO).build().unwrap();
    let claude = Claude::new(&ring, &api);
    let mut calls = claude.waiting(10).await;
    settle().await;
    pass(secs(1)).await;
    assert_eq!(all_through(&mut calls).await, [200; 10]);
    settle().await;
    assert_eq!(safe.fetches(), 1);
}
