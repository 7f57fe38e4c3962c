//! Many that wait for a key that has not been fetched.

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{A, Claude, all_through, all_wait, ring, settle};

const MANY: usize = 10_000;

#[tokio::test(start_paused = true)]
async fn ten_thousand_cause_one_fetch() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    safe.shut();
    let mut calls = claude.waiting(MANY).await;
    settle().await;
    all_wait(&mut calls).await;
    assert_eq!((safe.fetches(), api.seen().len()), (1, 0));
    safe.open();
    settle().await;
    assert_eq!(all_through(&mut calls).await, [200; MANY]);
    assert_eq!((safe.fetches(), api.seen().len()), (1, MANY));
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_take_nothing_from_those_who_stay() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    safe.shut();
    let mut calls = claude.waiting(MANY).await;
    settle().await;
    let mut stays = false;
    calls.retain(|_| {
        stays = !stays;
        stays
    });
    settle().await;
    all_wait(&mut calls).await;
    safe.open();
    settle().await;
    assert_eq!(all_through(&mut calls).await, [200; MANY / 2]);
    assert_eq!((safe.fetches(), api.seen().len()), (1, MANY / 2));
}

/// Before its task has begun, and after.
#[tokio::test(start_paused = true)]
async fn a_fetch_goes_on_when_the_one_that_began_it_leaves() {
    for has_begun in [false, true] {
        let (safe, api) = (Safe::with(A), Api::knowing([A]));
        let claude = Claude::new(&ring(&safe), &api);
        safe.shut();
        let mut calls = claude.waiting(100).await;
        if has_begun {
            settle().await;
        }
        drop(calls.remove(0));
        settle().await;
        all_wait(&mut calls).await;
        safe.open();
        settle().await;
        assert_eq!(all_through(&mut calls).await, [200; 99]);
        assert_eq!(safe.fetches(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_everybody_has_left_is_there_for_the_next() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    safe.shut();
    drop(claude.waiting(100).await);
    settle().await;
    safe.open();
    settle().await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(safe.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_come_between_landing_and_leaving_need_no_other() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let claude = Claude::new(&ring(&safe), &api);
    safe.shut();
    let mut early = claude.waiting(10).await;
    settle().await;
    safe.open();
    settle().await;
    assert_eq!(claude.status().await, 200);
    assert_eq!(all_through(&mut early).await, [200; 10]);
    assert_eq!(safe.fetches(), 1);
}
