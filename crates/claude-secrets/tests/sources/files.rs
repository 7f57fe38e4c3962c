//! What a file may hold, and how it comes and goes.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use claude_secrets::KeyRing;
use claude_secrets::source::{FileSource, SecretSource, SourceErrorKind};

use crate::support::{Directory, KEY, assert_no_canary, fetched, key, refused};

#[tokio::test(start_paused = true)]
async fn a_file_holds_a_key() {
    let directory = Directory::new();
    let source = FileSource::new(directory.file("key", KEY));
    assert_eq!(key(&source).await, KEY);
    assert_eq!(source.default_ttl(), Some(Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn what_an_editor_leaves_around_a_key_is_no_error() {
    let directory = Directory::new();
    for around in ["{}\n", "{}\r\n", "\u{feff}{}", "  {}", "{}\n\n"] {
        let source = FileSource::new(directory.file("key", around.replace("{}", KEY)));
        assert_eq!(key(&source).await.trim_matches(['\u{feff}', ' ', '\r', '\n']), KEY, "{around:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn json_holds_a_key_in_a_field() {
    let directory = Directory::new();
    let path =
        directory.file("keys.json", format!("\u{feff}{{\"claude\": {{\"key\": \"{KEY}\"}}, \"n\": 1}}\r\n"));
    assert_eq!(key(&FileSource::new(&path).with_field("claude.key")).await, KEY);
    assert_eq!(refused(&FileSource::new(&path).with_field("claude")).await, SourceErrorKind::Malformed);
    assert_eq!(refused(&FileSource::new(&path).with_field("n")).await, SourceErrorKind::Malformed);
    assert_eq!(refused(&FileSource::new(&path).with_field("key")).await, SourceErrorKind::MissingField);
}

/// It is not sent, and it is said before anything is.
#[tokio::test]
async fn json_of_which_no_field_was_named_is_no_key() {
    let directory = Directory::new();
    for (text, words) in [
        (format!("{{\n  \"key\": \"{KEY}\"\n}}\n"), "is JSON: name the field that holds the key"),
        (format!("{{\"key\":\"{KEY}\"}}"), "is JSON: name the field that holds the key"),
        (format!("'{KEY}'\n"), "has quotes around it, which are no part of a key"),
    ] {
        let ring = KeyRing::single(FileSource::new(directory.file("key", text)));
        let error = ring.start().await.unwrap_err();
        let (_, why) = &error.failed[0];
        assert_eq!((why.kind(), why.detail()), (SourceErrorKind::Malformed, words));
        assert_no_canary(&format!("{error} {error:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_holds_nothing_is_empty() {
    let directory = Directory::new();
    for nothing in ["", "\n", " \r\n\t", "\u{feff}"] {
        let path = directory.file("key", nothing);
        let error = FileSource::new(&path).fetch().await.unwrap_err();
        assert_eq!(error.to_string(), format!("file:{}: the file is empty", path.display()), "{nothing:?}");
        assert_eq!(refused(&FileSource::new(&path)).await, SourceErrorKind::Empty);
        assert_eq!(refused(&FileSource::new(&path).with_field("key")).await, SourceErrorKind::Empty);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_utf_8_is_malformed() {
    let directory = Directory::new();
    let path = directory.file("key", b"sk-ant-\xff-canary");
    assert_eq!(refused(&FileSource::new(&path)).await, SourceErrorKind::Malformed);
    assert_eq!(refused(&FileSource::new(&path).with_field("key")).await, SourceErrorKind::Malformed);

    // What a shell of Windows writes.
    let utf16 = "\u{feff}sk-ant-canary".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let path = directory.file("key", utf16);
    assert_eq!(FileSource::new(&path).fetch().await.unwrap_err().detail(), "is UTF-16, not UTF-8");
}

#[tokio::test(start_paused = true)]
async fn a_cut_json_file_is_malformed_and_not_quoted() {
    let directory = Directory::new();
    let path = directory.file("keys.json", format!("{{\"key\": \"{KEY}"));
    assert_eq!(refused(&FileSource::new(path).with_field("key")).await, SourceErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_file_has_at_most_64_kib() {
    let directory = Directory::new();
    let most = 64 * 1024;
    let path = directory.file("key", "x".repeat(most));
    assert_eq!(key(&FileSource::new(path)).await.len(), most);
    let path = directory.file("key", "canary".repeat(most));
    assert_eq!(refused(&FileSource::new(path)).await, SourceErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_is_not_found_until_it_is() {
    let directory = Directory::new();
    let source = FileSource::new(directory.join("key"));
    assert_eq!(refused(&source).await, SourceErrorKind::NotFound);
    directory.file("key", KEY);
    assert_eq!(key(&source).await, KEY);
    fs::remove_file(directory.join("key")).unwrap();
    assert_eq!(refused(&source).await, SourceErrorKind::NotFound);
    directory.file("key", "sk-ant-another");
    assert_eq!(key(&source).await, "sk-ant-another");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_or_replaced_is_read_anew() {
    let directory = Directory::new();
    let source = FileSource::new(directory.file("key", KEY));
    assert_eq!(key(&source).await, KEY);
    directory.file("key", "sk-ant-written");
    assert_eq!(key(&source).await, "sk-ant-written");
    fs::rename(directory.file("new", "sk-ant-replaced"), directory.join("key")).unwrap();
    assert_eq!(key(&source).await, "sk-ant-replaced");
}

#[tokio::test(start_paused = true)]
async fn a_version_names_a_file_and_its_time() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    let at = SystemTime::UNIX_EPOCH + Duration::new(1_795_410_000, 5);
    let age = |path| File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    age(&path);
    let source = FileSource::new(&path);
    let first = fetched(&source).await;
    let version = first.version.unwrap();
    assert_no_canary(&version);
    if cfg!(unix) {
        assert_eq!(first.created, Some(at));
        assert!(version.starts_with("1795410000.000000005-"), "{version}");
    }

    // The same, whoever asks.
    assert_eq!(fetched(&source).await.version.as_ref(), Some(&version));
    assert_eq!(fetched(&FileSource::new(&path)).await.version.as_ref(), Some(&version));

    let later = at + Duration::from_secs(1);
    File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let touched = fetched(&source).await;
    assert_eq!(touched.created, Some(later));
    assert_ne!(touched.version.as_ref(), Some(&version));

    if cfg!(unix) {
        // Another file of the same time, as tools leave it that give all files one.
        let new = directory.file("new", "sk-ant-api03-canarz");
        age(&new);
        fs::rename(new, &path).unwrap();
        let replaced = fetched(&source).await;
        assert_eq!(replaced.created, Some(at));
        assert_ne!(replaced.version, Some(version));
    }
}

#[tokio::test(start_paused = true)]
async fn many_may_fetch_at_once() {
    let directory = Directory::new();
    let source = FileSource::new(directory.file("key", KEY));
    let fetches = (0..20).map(|_| {
        let source = source.clone();
        tokio::spawn(async move { key(&source).await })
    });
    for fetch in fetches.collect::<Vec<_>>() {
        assert_eq!(fetch.await.unwrap(), KEY);
    }
}

#[tokio::test]
async fn a_key_in_place_of_a_path_is_not_shown() {
    let source = FileSource::new(KEY).with_field(KEY);
    assert_eq!(refused(&source).await, SourceErrorKind::NotFound);
    assert_no_canary(&format!("{source:?} {source:#?}"));
}

#[tokio::test]
async fn a_path_that_can_be_none_is_misconfigured() {
    let directory = Directory::new();
    let below = directory.file("file", KEY).join("key");
    assert_eq!(refused(&FileSource::new("a\0b")).await, SourceErrorKind::Misconfigured);
    if cfg!(unix) {
        assert_eq!(refused(&FileSource::new(below)).await, SourceErrorKind::Misconfigured);
    }
}
