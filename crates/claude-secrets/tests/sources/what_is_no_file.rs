//! Paths that lead to something else. None of it is opened, since that might never end.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use claude_secrets::source::{FileSource, SecretSource, SourceErrorKind};

use crate::support::{Directory, KEY, refused, text};

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_directory_is_none() {
    let directory = Directory::new();
    assert_eq!(refused(&FileSource::new(&*directory)).await, SourceErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_pipe_is_none_and_nobody_waits_for_its_writer() {
    let directory = Directory::new();
    let path = directory.join("pipe");
    pipe(&path);
    assert_eq!(refused(&FileSource::new(path)).await, SourceErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_socket_is_none() {
    let directory = Directory::new();
    let path = directory.join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    assert_eq!(refused(&FileSource::new(path)).await, SourceErrorKind::Misconfigured);
    drop(socket);
}

#[tokio::test]
async fn a_device_is_none() {
    for device in ["/dev/zero", "/dev/null"] {
        assert_eq!(refused(&FileSource::new(device)).await, SourceErrorKind::Misconfigured, "{device}");
    }
}

/// Between the look at what it is and the opening, a file can become a pipe.
#[tokio::test(start_paused = true)]
async fn a_file_that_becomes_a_pipe_is_not_waited_for() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    let source = FileSource::new(&path);
    let end = Arc::new(AtomicBool::new(false));
    let swapper = thread::spawn({
        let end = Arc::clone(&end);
        move || {
            pipe(&directory.join("pipe"));
            while !end.load(Ordering::SeqCst) {
                fs::hard_link(directory.join("pipe"), directory.join("new")).unwrap();
                fs::rename(directory.join("new"), &path).unwrap();
                directory.file("new", KEY);
                fs::rename(directory.join("new"), &path).unwrap();
            }
        }
    });
    for _ in 0..2000 {
        match source.fetch().await {
            Ok(fetched) => assert_eq!(text(&fetched.secret), KEY),
            Err(error) => assert_eq!(error.kind(), SourceErrorKind::Misconfigured),
        }
    }
    end.store(true, Ordering::SeqCst);
    swapper.join().unwrap();
}
