//! Closures and keys that are there already; what is shown of what they give.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use claude_secrets::SecretString;
use claude_secrets::source::{Fetched, SecretSource, SourceError, SourceErrorKind, StaticSource, source_fn};

use crate::support::{KEY, assert_no_canary, fetched, key, refused, text};

#[tokio::test]
async fn a_closure_is_asked_each_time() {
    let asked = Arc::new(AtomicU32::new(0));
    let source = source_fn("own:key", {
        let asked = Arc::clone(&asked);
        move || {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Fetched::new(SecretString::from(format!("sk-ant-{number}")))) }
        }
    });
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(key(&source).await, "sk-ant-0");
    assert_eq!(key(&source).await, "sk-ant-1");
    assert_no_canary(&format!("{source:?}"));
    assert!(format!("{source:?}").contains("own:key"));
}

#[tokio::test]
async fn the_error_of_a_closure_is_its_own() {
    let source = source_fn("own:key", || async {
        Err(SourceError::new("own:key", SourceErrorKind::Unavailable, "the safe is closed"))
    });
    assert_eq!(refused(&source).await, SourceErrorKind::Unavailable);
}

#[tokio::test]
async fn a_key_that_is_there_is_given_each_time() {
    let source = StaticSource::new(KEY);
    assert_eq!(key(&source).await, KEY);
    assert_eq!(key(&Arc::new(source.clone())).await, KEY);
    assert_eq!(source.id(), "static");
    assert_eq!(source.default_ttl(), None);
    assert_no_canary(&format!("{source:?} {source:#?}"));
}

#[tokio::test]
async fn an_arc_of_a_source_is_that_source() {
    let source: Arc<dyn SecretSource> = Arc::new(claude_secrets::source::FileSource::new("key"));
    assert_eq!(source.id(), "file:key");
    assert_eq!(source.default_ttl(), Some(Duration::from_secs(5)));
    assert_eq!(refused(&source).await, SourceErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_known_of_a_key_is_shown_and_the_key_is_not() {
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let source = source_fn("own:key", move || async move {
        Ok(Fetched::new(SecretString::from(KEY))
            .with_previous(SecretString::from("sk-ant-previous-canary"))
            .with_version("v7")
            .with_created(created)
            .with_ttl(Duration::from_secs(60)))
    });
    let fetched = fetched(&source).await;
    assert_eq!(text(&fetched.secret), KEY);
    assert_eq!(fetched.previous.as_ref().map(text), Some("sk-ant-previous-canary"));
    assert_eq!(fetched.version.as_deref(), Some("v7"));
    assert_eq!(fetched.created, Some(created));
    assert_eq!(fetched.ttl, Some(Duration::from_secs(60)));
    assert!(format!("{fetched:?}").contains("v7"));
}

#[test]
fn kinds_have_names_for_metrics() {
    let kinds = [
        (SourceErrorKind::NotFound, "not_found"),
        (SourceErrorKind::Denied, "denied"),
        (SourceErrorKind::Unavailable, "unavailable"),
        (SourceErrorKind::TimedOut, "timed_out"),
        (SourceErrorKind::Malformed, "malformed"),
        (SourceErrorKind::MissingField, "missing_field"),
        (SourceErrorKind::Empty, "empty"),
        (SourceErrorKind::Misconfigured, "misconfigured"),
    ];
    for (kind, name) in kinds {
        assert_eq!(kind.as_str(), name);
    }
}
