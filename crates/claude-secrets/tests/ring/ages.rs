//! How old keys are, and who is told.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use claude_secrets::source::Fetched;
use claude_secrets::{Key, KeyRing, SecretString};

use crate::log::Log;
use crate::safe::Safe;
use crate::support::{A, B, builder, only, pass, secs};

const DAY: Duration = Duration::from_secs(24 * 3_600);

thread_local! {
    static DAYS: Cell<u32> = const { Cell::new(0) };
}

/// A wall clock that stands still until a test says otherwise.
fn clock() -> SystemTime {
    day(DAYS.get())
}

fn day(number: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * (20_000 + number)
}

fn made(key: &str, at: SystemTime) -> Fetched {
    Fetched::new(SecretString::from(key)).with_created(at)
}

/// The warnings in the log.
fn warnings(log: &Log) -> Vec<String> {
    log.lines().into_iter().filter(|line| line.starts_with("WARN")).collect()
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_due_are_listed_oldest_first() {
    let ring = [("a", 5), ("b", 50), ("c", 3), ("d", 9)]
        .into_iter()
        .fold(KeyRing::builder(), |builder, (name, number)| {
            let safe = Safe::named(&format!("test:{name}"), &format!("sk-ant-{name}-canary"), None);
            safe.gives_all(made(&format!("sk-ant-{name}-canary"), day(number)));
            builder.with_key(Key::new(name, safe))
        })
        .with_key(Key::new("unknown", Safe::with(A)))
        .with_wall_clock(clock)
        .build()
        .unwrap();
    DAYS.set(100);
    assert!(ring.rotation_due().is_empty(), "of none it is known yet");
    ring.start().await.unwrap();
    let due = ring.rotation_due();
    let listed: Vec<_> = due.iter().map(|due| (&*due.name, &*due.source, due.age / 86_400)).collect();
    assert_eq!(listed, [("c", "test:c", secs(97)), ("a", "test:a", secs(95)), ("d", "test:d", secs(91))]);
    assert_eq!(due[0].created, day(3));
    assert_eq!(Some(&due[0].fingerprint), ring.status()[2].fingerprint.as_ref());
    assert!(!format!("{due:?}").contains("sk-ant"));
    assert_eq!(ring.status()[4].age, None);
    // One is due when it is older than it may be, and not before.
    DAYS.set(140);
    assert_eq!(ring.rotation_due().len(), 3);
    DAYS.set(141);
    assert_eq!(ring.rotation_due().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_tomorrow_is_new() {
    let safe = Safe::with(A);
    safe.gives_all(made(A, day(2)));
    let ring = builder(&safe).with_wall_clock(clock).with_max_age(Duration::ZERO).build().unwrap();
    ring.start().await.unwrap();
    assert_eq!(only(&ring).age, Some(Duration::ZERO));
    assert!(ring.rotation_due().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_old_key_is_warned_of_once_a_day_and_once_for_each_version() {
    let (log, _guard) = Log::begin();
    let safe = Safe::with(A);
    safe.gives_all(made(A, day(0)));
    let ring = builder(&safe).with_wall_clock(clock).with_max_age(DAY * 30).build().unwrap();
    DAYS.set(30);
    ring.start().await.unwrap();
    assert!(warnings(&log).is_empty());
    DAYS.set(31);
    for day in 0..3 {
        for hour in 0..24 {
            ring.refresh_now().await;
            let warned = warnings(&log);
            assert_eq!(warned.len(), usize::from(hour == 0), "hour {hour} of day {day}: {warned:?}");
            for line in warned {
                assert!(
                    line.contains("a key is due for rotation") && line.contains("key=\"main\""),
                    "{line}"
                );
                assert!(line.contains("age_days=31"), "{line}");
            }
            pass(secs(3_600)).await;
        }
    }
    // Another version that is as old: once, and at once.
    ring.refresh_now().await;
    warnings(&log);
    safe.gives_all(made(B, day(0)));
    for count in [1, 0, 0] {
        ring.refresh_now().await;
        assert_eq!(warnings(&log).len(), count);
    }
    // And a new one is not warned of.
    safe.gives_all(made(A, day(31)));
    ring.refresh_now().await;
    pass(DAY * 2).await;
    ring.refresh_now().await;
    assert!(warnings(&log).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_told_once_with_names_that_show_nothing() {
    let (log, _guard) = Log::begin();
    let safe = Safe::with(A);
    let ring = builder(&safe).build().unwrap();
    ring.start().await.unwrap();
    let before = only(&ring).fingerprint.unwrap();
    assert!(log.lines().is_empty(), "a start is no news");
    safe.gives_all(Fetched::new(SecretString::from(B)).with_version("v2"));
    ring.refresh_now().await;
    ring.refresh_now().await;
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let after = only(&ring).fingerprint.unwrap();
    for part in
        ["INFO claude_secrets: a key was rotated", "key=\"main\"", "version=\"v2\"", &*before, &*after]
    {
        assert!(lines[0].contains(part), "{lines:?}");
    }
}
