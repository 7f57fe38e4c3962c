//! A mounted secret, updated as the kubelet does it: a new directory, a link to it, renamed over the old link, and the old
//! directory taken away.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use claude_secrets::source::{FileSource, SourceErrorKind};

use crate::support::{Directory, key, refused};

const SWAPS: usize = 200;

struct Mount {
    directory: Directory,
    swaps: usize,
}

impl Mount {
    fn new() -> Self {
        let mut mount = Self { directory: Directory::new(), swaps: 0 };
        symlink("..data/key", mount.path()).unwrap();
        symlink("..data/keys.json", mount.directory.join("keys.json")).unwrap();
        mount.swap();
        mount
    }

    fn path(&self) -> PathBuf {
        self.directory.join("key")
    }

    /// Puts the next key there: of another length each time, and none a beginning of the one after it.
    fn swap(&mut self) {
        let link = self.directory.join("..data");
        let old = fs::read_link(&link).ok();
        self.swaps += 1;
        let new = format!("..2026_11_23_05_00_00.{}", self.swaps);
        let directory = self.directory.join(&new);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("key"), content(self.swaps)).unwrap();
        fs::write(directory.join("keys.json"), format!("{{\"key\": \"{}\"}}", content(self.swaps))).unwrap();
        let temporary = self.directory.join("..data_tmp");
        symlink(&new, &temporary).unwrap();
        fs::rename(temporary, link).unwrap();
        if let Some(old) = old {
            fs::remove_dir_all(self.directory.join(old)).unwrap();
        }
    }
}

fn content(number: usize) -> String {
    format!("sk-ant-{number}-{}-end", "x".repeat(number % 7))
}

fn number(key: &str) -> usize {
    let number = key.split('-').nth(2).unwrap().parse().unwrap();
    assert_eq!(key, content(number));
    number
}

#[tokio::test(start_paused = true)]
async fn a_swap_is_seen_by_the_next_fetch() {
    let mut mount = Mount::new();
    let source = FileSource::new(mount.path());
    for swap in 1..10 {
        assert_eq!(number(&key(&source).await), swap);
        mount.swap();
    }
}

/// Each swap happens while a fetch is under way, which gives the key from before it or the one after it.
#[tokio::test(start_paused = true)]
async fn a_swap_during_a_fetch_gives_the_old_key_or_the_new_one() {
    let mut mount = Mount::new();
    let source = FileSource::new(mount.path());
    let there = Arc::new(AtomicUsize::new(1));
    let (begin, begun) = mpsc::channel();
    let swapper = thread::spawn({
        let there = Arc::clone(&there);
        move || {
            for () in begun {
                mount.swap();
                there.store(mount.swaps, Ordering::SeqCst);
            }
            mount
        }
    });
    for _ in 0..SWAPS {
        let before = there.load(Ordering::SeqCst);
        begin.send(()).unwrap();
        let read = number(&key(&source).await);
        // The swap that was asked for may be done, and not counted yet.
        let after = there.load(Ordering::SeqCst) + 1;
        assert!((before..=after).contains(&read), "{before} {read} {after}");
    }
    drop(begin);
    let mount = swapper.join().unwrap();
    assert_eq!(mount.swaps, SWAPS + 1);
    assert_eq!(number(&key(&source).await), mount.swaps);
}

/// As fast as the disk allows, with several who read.
#[tokio::test(start_paused = true)]
async fn swaps_without_a_pause_are_never_an_error() {
    let mut mount = Mount::new();
    let plain = FileSource::new(mount.path());
    let json = FileSource::new(mount.directory.join("keys.json")).with_field("key");
    let there = Arc::new(AtomicUsize::new(1));
    let fetches = Arc::new(AtomicUsize::new(0));
    let end = Arc::new(AtomicBool::new(false));
    let readers = [plain.clone(), json, FileSource::new(mount.path())].map(|source| {
        let (there, fetches, end) = (Arc::clone(&there), Arc::clone(&fetches), Arc::clone(&end));
        tokio::spawn(async move {
            while !end.load(Ordering::SeqCst) {
                let before = there.load(Ordering::SeqCst);
                assert!(number(&key(&source).await) >= before);
                fetches.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    // Not a thread of the runtime, whose clock would stand as long as it runs.
    let swapper = thread::spawn(move || {
        while mount.swaps <= SWAPS || fetches.load(Ordering::SeqCst) < SWAPS {
            mount.swap();
            there.store(mount.swaps, Ordering::SeqCst);
        }
        end.store(true, Ordering::SeqCst);
        mount
    });
    for reader in readers {
        reader.await.unwrap();
    }
    let mount = swapper.join().unwrap();
    assert_eq!(number(&key(&plain).await), mount.swaps);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_leads_nowhere_is_not_found() {
    let mount = Mount::new();
    fs::remove_file(mount.directory.join("..data")).unwrap();
    assert_eq!(refused(&FileSource::new(mount.path())).await, SourceErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn links_in_a_circle_are_an_error() {
    let directory = Directory::new();
    symlink("b", directory.join("a")).unwrap();
    symlink("a", directory.join("b")).unwrap();
    assert_eq!(refused(&FileSource::new(directory.join("a"))).await, SourceErrorKind::Unavailable);
}
