//! Tools that write into the file, caught in the middle.
//!
//! Time is paused, and stands while a thread is at the file: after 25 ms a fetch has looked once and waits for its second look.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use claude_secrets::source::{FileSource, SecretSource, SourceErrorKind};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Directory, KEY, fetched, key, refused};

/// Between the two looks.
const BETWEEN: Duration = Duration::from_millis(25);

/// What a fetch gives during which this is done.
async fn key_during(source: &FileSource, change: impl FnOnce()) -> String {
    let reading = tokio::spawn({
        let source = source.clone();
        async move { key(&source).await }
    });
    sleep(BETWEEN).await;
    change();
    reading.await.unwrap()
}

fn open(path: &Path) -> File {
    File::options().append(true).open(path).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_still_being_written_is_waited_for() {
    let directory = Directory::new();
    let path = directory.file("key", "");
    let source = FileSource::new(&path);
    open(&path).write_all(b"sk-ant-").unwrap();
    let read = key_during(&source, || open(&path).write_all(b"whole").unwrap()).await;
    assert_eq!(read, "sk-ant-whole");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_just_emptied_is_waited_for() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    let source = FileSource::new(&path);
    assert_eq!(key(&source).await, KEY);
    let mut writer = File::create(&path).unwrap();
    assert_eq!(key_during(&source, || writer.write_all(b"sk-ant-new").unwrap()).await, "sk-ant-new");
}

#[tokio::test(start_paused = true)]
async fn a_json_file_is_waited_for_as_well() {
    let directory = Directory::new();
    let path = directory.file("key", "{\"key\": \"sk-a");
    let source = FileSource::new(&path).with_field("key");
    let read = key_during(&source, || open(&path).write_all(b"nt-whole\"}").unwrap()).await;
    assert_eq!(read, "sk-ant-whole");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_where_times_are_too_coarse_to_show_it() {
    let directory = Directory::new();
    let path = directory.file("key", "sk-ant-old.key");
    let source = FileSource::new(&path);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let change = || {
        let mut file = File::options().write(true).open(&path).unwrap();
        file.write_all(b"sk-ant-new.key").unwrap();
        file.set_modified(time).unwrap();
    };
    assert_eq!(key_during(&source, change).await, "sk-ant-new.key");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_file_is_the_one_it_has_when_it_stays() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    let source = FileSource::new(&path);
    let later = fs::metadata(&path).unwrap().modified().unwrap() + Duration::from_secs(9);
    let touch = || File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(key_during(&source, touch).await, KEY);
    let begin = Instant::now();
    assert_eq!(fetched(&source).await.created, Some(later));
    assert_eq!(Instant::now(), begin);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_replaced_meanwhile_was_complete() {
    let directory = Directory::new();
    let path = directory.file("key", "sk-ant-old");
    let source = FileSource::new(&path);
    let new = directory.file("new", "sk-ant-new");
    assert_eq!(key_during(&source, || fs::rename(&new, &path).unwrap()).await, "sk-ant-old");
    assert_eq!(key(&source).await, "sk-ant-new");
}

#[tokio::test(start_paused = true)]
async fn only_a_file_that_changed_is_waited_for() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    let source = FileSource::new(&path);
    let begin = Instant::now();
    key(&source).await;
    let settled = Instant::now();
    assert_ne!(settled, begin);
    for _ in 0..3 {
        key(&source).await;
        assert_eq!(Instant::now(), settled);
    }
    open(&path).write_all(b"-more").unwrap();
    assert_eq!(key(&source).await, format!("{KEY}-more"));
    assert_ne!(Instant::now(), settled);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_to_all_the_time_is_unavailable() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    let source = FileSource::new(&path);
    let writer = tokio::spawn(async move {
        loop {
            open(&path).write_all(b"canary").unwrap();
            sleep(BETWEEN).await;
        }
    });
    assert_eq!(refused(&source).await, SourceErrorKind::Unavailable);
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_fetch_leaves_no_open_file() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    let source = FileSource::new(&path);

    // During the first look, which runs to its end.
    let mut fetch = tokio_test::task::spawn(source.fetch());
    assert!(fetch.poll().is_pending());
    drop(fetch);
    // Between the looks.
    timeout(BETWEEN, source.fetch()).await.unwrap_err();
    assert!(!is_open(&path));

    assert_eq!(key(&source).await, KEY);
    assert!(!is_open(&path));
}

/// Where the system tells.
fn is_open(path: &Path) -> bool {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return false };
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
}
