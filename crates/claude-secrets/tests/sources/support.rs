//! Directories that go when a test ends, and fetches that are looked at for content where none belongs.

use std::env;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use claude_secrets::source::{Fetched, SecretSource, SourceErrorKind};
use claude_secrets::{ExposeSecret, SecretString};

pub(crate) const KEY: &str = "sk-ant-api03-canary";

/// A directory of its own, empty, and gone when this is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("claude-secrets-{}-{number}", process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A file of this content.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

pub(crate) fn text(secret: &SecretString) -> &str {
    secret.expose_secret()
}

/// The key, as the source gives it.
pub(crate) async fn key(source: &impl SecretSource) -> String {
    text(&fetched(source).await.secret).to_owned()
}

pub(crate) async fn fetched(source: &impl SecretSource) -> Fetched {
    let fetched = source.fetch().await.unwrap();
    assert_no_canary(&format!("{fetched:?} {fetched:#?}"));
    fetched
}

/// Why there is no key. The error names the source, and shows nothing of what was read.
pub(crate) async fn refused(source: &impl SecretSource) -> SourceErrorKind {
    let error = source.fetch().await.expect_err("there was to be no key");
    assert_eq!(error.id(), source.id());
    assert_eq!(error.to_string(), format!("{}: {}", source.id(), error.detail()));
    assert_no_canary(&format!("{error} {error:?} {error:#} {error:#?} {}", source.id()));
    error.kind()
}

pub(crate) fn assert_no_canary(shown: &str) {
    assert!(!shown.contains("canary") && !shown.contains("sk-ant"), "{shown}");
}

/// The variable by which a test knows that it is its own child.
const CHILD: &str = "CLAUDE_SECRETS_TEST_CHILD";

pub(crate) fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// The arguments with which this program runs this one test again, as a child.
pub(crate) fn again(mut command: Command, test: &str) -> Command {
    command.args([test, "--exact", "--nocapture"]).env(CHILD, "1");
    command
}

/// The child has run the test, and it passed.
pub(crate) fn assert_passed(mut command: Command) {
    let output = command.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && shown.contains("1 passed"), "{command:?}: {shown}\n{errors}");
}
