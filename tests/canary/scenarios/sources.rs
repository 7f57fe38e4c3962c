//! Where keys are kept, and what stands there in their place.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use claude_tower::secrets::source::{
    EnvironmentSource, Fetched, FileSource, SecretSource, SourceError, SourceErrorKind, StaticSource,
    source_fn,
};
use claude_tower::secrets::{Key, KeyRing, SecretString, SecretsLayer};

use crate::canary;
use crate::ear::EAR;
use crate::errors;
use crate::stage::{Api, End, OK, Place, call, hear_ring};

/// Holds a key from the begin of this process on.
pub(crate) const VARIABLE: &str = "CANARY_IN_THE_ENVIRONMENT";

/// A file that goes with its handle.
struct File(PathBuf);

impl File {
    fn with(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("claude-tower-canary-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// Replaced while it is in use, by what holds a key in a field.
pub(super) async fn a_file(place: Place) {
    let (old, new) = (canary::key("file-old"), canary::key("file-new"));
    let api = Api::with(place, &[&old, &new]).await;
    let json =
        |key: &str| format!(r#"{{"claude": {{"api_key": "{key}"}}, "other": "{}"}}"#, canary::key("other"));
    let file = File::with("json", json(&old).as_bytes());
    let source = FileSource::new(&file.0).with_field("claude.api_key");
    EAR.debug(&source);
    let ring = api.ring(source);
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    assert_eq!(call(stack.clone(), api.message()).await, OK);
    fs::write(&file.0, json(&new)).unwrap();
    api.simulator.revoke_key(&old);
    assert_eq!(call(stack, api.message()).await, OK);
    hear_ring(&ring);
    api.has_seen(&[(&old, 2), (&new, 1)]);
}

pub(super) async fn the_environment(place: Place) {
    let key = std::env::var(VARIABLE).unwrap();
    let api = Api::with(place, &[&key]).await;
    let source = EnvironmentSource::new(VARIABLE);
    EAR.debug(&source);
    let ring = api.ring(source);
    assert_eq!(call(api.stack(SecretsLayer::new(ring.clone())), api.message()).await, OK);
    hear_ring(&ring);
    api.has_seen(&[(&key, 1)]);
}

/// The last key is used, and what is wrong is said again and again.
pub(super) async fn a_source_that_fails_later(place: Place) {
    let key = canary::key("stale");
    let api = Api::with(place, &[&key]).await;
    let (fails, given) = (Arc::new(AtomicBool::new(false)), key.clone());
    let failing = Arc::clone(&fails);
    let source = source_fn("own:failing", move || {
        let text = if failing.load(Ordering::SeqCst) { format!("{given}\r\n{given}") } else { given.clone() };
        let secret = SecretString::from(text);
        std::future::ready(Ok(Fetched::new(secret)))
    });
    let one = Key::new("one", source).with_origin(&api.origin()).unwrap();
    let ring = KeyRing::builder()
        .with_key(one)
        .with_ttl(Duration::from_millis(1_000))
        .with_refresh_before(Duration::from_millis(1), Duration::ZERO)
        .build()
        .unwrap();
    ring.start().await.unwrap();
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    assert_eq!(call(stack.clone(), api.message()).await, OK);
    fails.store(true, Ordering::SeqCst);
    let failed = ring.refresh_now().await;
    assert_eq!(failed[0].1.kind(), SourceErrorKind::Malformed);
    EAR.debug(&failed);
    EAR.hear("error", errors::shown(&failed[0].1));
    assert_eq!(call(stack, api.message()).await, OK);
    hear_ring(&ring);
    api.has_seen(&[(&key, 2)]);
}

/// A key, in what is not one.
pub(super) async fn what_is_no_key() {
    let key = canary::key("garbage");
    let utf16: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: [(&str, Vec<u8>, Option<&str>); 9] = [
        ("no-json", format!("{{\"api_key\": \"{key}\"").into(), Some("api_key")),
        ("no-json-at-all", key.clone().into(), Some("api_key")),
        ("other-field", format!("{{\"{key}\": \"{key}\", \"key\": \"{key}\"}}").into(), Some("api_key")),
        ("no-text", format!("{{\"api_key\": [\"{key}\"]}}").into(), Some("api_key")),
        ("empty-field", format!("{{\"api_key\": \"\", \"key\": \"{key}\"}}").into(), Some("api_key")),
        ("twice", format!("{{\"api_key\": \"{key}\", \"api_key\": \"{key}\"}}").into(), Some("api_key")),
        ("line-break", format!("{key}\n{key}").into(), None),
        ("no-utf8", [key.as_bytes(), b"\xff"].concat(), None),
        ("utf16", [b"\xff\xfe", &*utf16].concat(), None),
    ];
    for (name, content, field) in files {
        let file = File::with(name, &content);
        let source = FileSource::new(&file.0);
        no_key(field.into_iter().fold(source, FileSource::with_field)).await;
    }
    no_key(FileSource::new(std::env::temp_dir().join(&key))).await;
    no_key(EnvironmentSource::new(VARIABLE).with_field("api_key")).await;
    for text in ["", " \n", &format!("{key}\r\nx-other: {key}"), &format!("{key}\0"), &key.repeat(1_000)] {
        no_key(StaticSource::new(text.to_owned())).await;
    }
    no_key(source_fn("own:none", || async {
        Err(SourceError::new("own:none", SourceErrorKind::Unavailable, "is closed"))
    }))
    .await;
}

/// A call gets no key of this source, and nobody learns what it gave.
async fn no_key(source: impl SecretSource + Debug) {
    let api = Api::with(Place::Sockets, &[]).await;
    if let Err(error) = source.fetch().await {
        EAR.hear("error", errors::shown(&error));
    }
    EAR.hear("debug", source.id());
    EAR.debug(&source);
    let ring = api.ring(source);
    let failed = ring.start().await.unwrap_err();
    EAR.hear("error", errors::shown(&failed));
    assert_eq!(call(api.stack(SecretsLayer::new(ring.clone())), api.message()).await, End::Error);
    hear_ring(&ring);
    api.has_seen(&[]);
}

/// Whoever gives the key where the name of its place belongs.
pub(super) async fn names_that_are_keys() {
    let key = canary::key("name");
    no_key(EnvironmentSource::new(&*key)).await;
    no_key(EnvironmentSource::new(VARIABLE).with_field(&key)).await;
    no_key(FileSource::new(&key)).await;
    no_key(FileSource::new("/proc/self/environ").with_field(&key)).await;
}
