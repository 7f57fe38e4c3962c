//! A ring that several runtimes share, of which one ends in the middle of a fetch.
//!
//! Each is driven by hand, so that it is known how far it has come when it ends.

use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use claude_secrets::KeyRing;
use tokio::runtime::{Builder, Runtime};
use tokio_test::task;

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{A, B, Call, Claude, builder, ring, settle};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Polls it within a runtime: it waits.
fn waits(runtime: &Runtime, call: &mut Call) {
    runtime.block_on(async {
        assert!(call.poll().is_pending());
        settle().await;
        assert!(call.poll().is_pending());
    });
}

fn ends(runtime: &Runtime, call: Call) -> u16 {
    runtime.block_on(call).unwrap()
}

struct Scene {
    safe: Safe,
    api: Api,
    ring: KeyRing,
    claude: Claude,
    first: Runtime,
    second: Runtime,
}

impl Scene {
    fn new() -> Self {
        let (safe, api) = (Safe::with(A), Api::knowing([A]));
        let ring = ring(&safe);
        let claude = Claude::new(&ring, &api);
        Self { safe, api, ring, claude, first: runtime(), second: runtime() }
    }

    /// A key is there, which is revoked; the source has another.
    fn revoked() -> Self {
        let scene = Self::new();
        assert_eq!(scene.second.block_on(scene.claude.ask()).unwrap(), 200);
        scene.api.revoke(A);
        scene.api.accept(B);
        scene.safe.gives(B);
        scene
    }
}

#[test]
fn a_cold_fetch_is_taken_over() {
    let Scene { safe, claude, first, second, .. } = Scene::new();
    safe.shut();
    let (mut one, mut other, mut third) = (claude.begin(), claude.begin(), claude.begin());
    waits(&first, &mut one);
    waits(&second, &mut other);
    waits(&second, &mut third);
    assert_eq!(safe.fetches(), 1);
    drop(first);
    assert!(other.is_woken());
    safe.open();
    assert_eq!(ends(&second, other), 200);
    assert_eq!(ends(&second, third), 200);
    // Whoever was polled in the one that has ended goes on wherever he is polled next.
    assert_eq!(ends(&second, one), 200);
    assert_eq!(safe.fetches(), 2);
}

/// Its task was spawned, and has never run.
#[test]
fn a_fetch_that_never_began_is_taken_over() {
    let Scene { safe, claude, first, second, .. } = Scene::new();
    let mut one = claude.begin();
    {
        let _within = first.enter();
        assert!(one.poll().is_pending());
    }
    let mut other = claude.begin();
    waits(&second, &mut other);
    assert_eq!(safe.fetches(), 0);
    drop(first);
    assert_eq!(ends(&second, other), 200);
    assert_eq!(safe.fetches(), 1);
}

#[test]
fn the_fetch_that_a_refusal_caused_is_taken_over() {
    let Scene { safe, api, claude, first, second, .. } = Scene::revoked();
    safe.shut();
    let (mut one, mut other) = (claude.begin(), claude.begin());
    waits(&first, &mut one);
    waits(&second, &mut other);
    assert_eq!((safe.fetches(), api.seen().len()), (2, 3));
    drop(first);
    safe.open();
    assert_eq!(ends(&second, other), 200);
    assert_eq!(ends(&second, one), 200);
    assert_eq!(safe.fetches(), 3);
    assert_eq!(api.seen(), [B, B]);
}

/// They wait for a fetch that would have begun when the one that is lost had landed.
#[test]
fn the_fetch_after_one_that_is_lost_is_taken_over() {
    let Scene { safe, api, ring, claude, first, second } = Scene::revoked();
    safe.shut();
    let mut refresh = task::spawn(Box::pin(ring.refresh_now()));
    first.block_on(async {
        assert!(refresh.poll().is_pending());
        settle().await;
    });
    assert_eq!(safe.fetches(), 2);
    let (mut one, mut other) = (claude.begin(), claude.begin());
    waits(&second, &mut one);
    waits(&second, &mut other);
    assert_eq!(safe.fetches(), 2);
    drop(first);
    safe.open();
    assert_eq!(ends(&second, one), 200);
    assert_eq!(ends(&second, other), 200);
    assert_eq!(second.block_on(refresh).len(), 0);
    assert!((3..=4).contains(&safe.fetches()), "{}", safe.fetches());
    assert_eq!(api.seen(), [A, A, A, B, B]);
}

/// Behind a fetch of the other runtime, or as the one who began it.
#[test]
fn what_an_operator_has_asked_for_is_fetched_all_the_same() {
    for is_behind in [false, true] {
        let Scene { safe, api, ring, claude, first, second } = Scene::revoked();
        safe.shut();
        let mut one = claude.begin();
        if is_behind {
            waits(&first, &mut one);
        }
        let mut refresh = task::spawn(Box::pin(ring.refresh_now()));
        let within = if is_behind { &second } else { &first };
        within.block_on(async {
            assert!(refresh.poll().is_pending());
            settle().await;
        });
        assert_eq!(safe.fetches(), 2);
        drop(first);
        safe.open();
        assert_eq!(second.block_on(refresh).len(), 0);
        assert_eq!(safe.fetches(), 3);
        assert_eq!(second.block_on(claude.ask()).unwrap(), 200);
        assert_eq!(api.seen().last().unwrap(), B);
    }
}

#[test]
fn a_start_does_not_succeed_without_a_key() {
    let Scene { safe, ring, claude, first, second, .. } = Scene::new();
    safe.shut();
    let mut one = claude.begin();
    waits(&first, &mut one);
    let mut start = task::spawn(Box::pin(ring.start()));
    second.block_on(async { assert!(start.poll().is_pending()) });
    drop(first);
    second.block_on(async {
        assert!(start.poll().is_pending(), "there is no key");
        settle().await;
    });
    safe.open();
    second.block_on(start).unwrap();
    assert_eq!(safe.fetches(), 2);
    assert!(ring.status()[0].fingerprint.is_some());
}

/// With threads of their own: what ends, ends while the other sleeps.
#[test]
fn a_runtime_that_sleeps_is_woken_to_take_over() {
    let Scene { safe, claude, first, second, .. } = Scene::new();
    safe.shut();
    let mut one = claude.begin();
    waits(&first, &mut one);
    let (says, hears) = mpsc::channel();
    let waiter = thread::spawn(move || {
        second.block_on(async {
            let mut other = claude.begin();
            assert!(other.poll().is_pending());
            says.send(()).unwrap();
            other.await.unwrap()
        })
    });
    hears.recv().unwrap();
    safe.open();
    drop(first);
    assert_eq!(waiter.join().unwrap(), 200);
}

/// What hangs would hang for good: a deadlock shows as a test that fails, and not as one that never ends.
fn within_a_minute<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (says, hears) = mpsc::channel();
    let thread = thread::spawn(move || says.send(what()).unwrap());
    let said = hears.recv_timeout(Duration::from_secs(60)).expect("it hangs, or has panicked");
    thread.join().unwrap();
    said
}

#[test]
fn a_runtime_that_takes_no_more_tasks_is_an_error_and_no_deadlock() {
    within_a_minute(|| {
        let Scene { safe, ring, claude, first, second, .. } = Scene::new();
        let handle = first.handle().clone();
        drop(first);
        {
            let _within = handle.enter();
            let mut call = claude.begin();
            let Poll::Ready(answer) = call.poll() else { panic!("it waits") };
            let refused = answer.unwrap_err();
            assert!(refused.words.starts_with("key `main`: test:safe: "), "{}", refused.words);
            let mut refresh = task::spawn(ring.refresh_now());
            let Poll::Ready(failed) = refresh.poll() else { panic!("it waits") };
            assert_eq!(failed.len(), 1);
            let mut start = task::spawn(ring.start());
            let Poll::Ready(started) = start.poll() else { panic!("it waits") };
            assert_eq!(started.unwrap_err().failed.len(), 1);
        }
        assert_eq!(safe.fetches(), 0);
        // Another is not held up by that.
        assert_eq!(second.block_on(claude.ask()).unwrap(), 200);
    });
}

#[test]
fn a_refusal_in_a_runtime_that_takes_no_more_tasks_goes_to_the_caller() {
    within_a_minute(|| {
        let Scene { claude, first, second, .. } = Scene::revoked();
        let handle = first.handle().clone();
        drop(first);
        {
            let _within = handle.enter();
            let mut call = claude.begin();
            let Poll::Ready(answer) = call.poll() else { panic!("it waits") };
            assert_eq!(answer.unwrap(), 401);
        }
        assert_eq!(second.block_on(claude.ask()).unwrap(), 200);
    });
}

/// A program that panics while a fetch is under way and another is to follow comes to its end.
#[test]
fn a_runtime_that_ends_by_a_panic_ends() {
    within_a_minute(|| {
        let Scene { safe, ring, claude, first, second, .. } = Scene::revoked();
        safe.shut();
        let mut refresh = task::spawn(Box::pin(ring.refresh_now()));
        let mut call = claude.begin();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let first = first;
            first.block_on(async {
                assert!(refresh.poll().is_pending());
                settle().await;
                assert!(call.poll().is_pending());
                panic!("as the test says");
            })
        }));
        assert!(panicked.is_err());
        safe.open();
        assert_eq!(second.block_on(call).unwrap(), 200);
    });
}

/// Wherever its tasks are when it ends: whatever they have begun is landed or taken over, and nothing stays locked.
#[test]
fn runtimes_that_end_under_load_leave_nothing_locked() {
    within_a_minute(|| {
        let (safe, api) = (Safe::with(A), Api::knowing([A]));
        let ring = builder(&safe).with_ttl(Duration::from_millis(1)).build().unwrap();
        let claude = Claude::new(&ring, &api);
        for _ in 0..50 {
            let before = safe.fetches();
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
            for _ in 0..8 {
                let (claude, ring) = (claude.clone(), ring.clone());
                runtime.spawn(async move {
                    loop {
                        drop(claude.ask().await);
                        ring.refresh_now().await;
                    }
                });
            }
            runtime.block_on(async {
                while safe.fetches() < before + 20 {
                    tokio::task::yield_now().await;
                }
            });
        }
        assert_eq!(runtime().block_on(claude.ask()).unwrap(), 200);
    });
}
