//! A file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::sleep;

use self::look::{Look, Stamp, Trouble};
use super::clean::is_blank;
use super::field::{Field, choose};
use super::shown::shown;
use super::{Fetch, Fetched, SecretSource, SourceError, SourceErrorKind};

mod look;

/// How often a file is looked at. It costs some system calls. The kubelet takes up to a minute and more until it brings a new
/// secret, so seconds do not matter there; they do with tools that write the file and switch the old key off at once.
const TTL: Duration = Duration::from_secs(5);

/// How long a file that changed must stay as it is to be taken for written to its end. A tool that writes in several steps has
/// microseconds between them.
const SETTLED: Duration = Duration::from_millis(50);

/// How often it is looked at before it is said that it does not stay.
const LOOKS: u32 = 20;

/// A file: the key itself, or JSON with the key in a field.
///
/// It is opened anew by its path at each fetch. So it is noticed when it is replaced, removed and put back, or when
/// links on the way to it lead elsewhere, which is how Kubernetes updates what it mounts. (A secret that Kubernetes mounts
/// with `subPath` is never updated.)
///
/// # While it is written
///
/// A tool that replaces a file (writes another and renames it) is never in the way. One that writes into it has a moment at
/// which the file is empty or ends in the middle of the key, and nothing in a cut key shows that it is one. So a file that
/// differs from what the last fetch took is taken only if it is still the same 50 ms later. That leaves one hole: a
/// tool that pauses for longer *inside* the key. If you write that tool, replace the file.
///
/// # What it may be
///
/// - At most 64 KiB, UTF-8. White space and a byte order mark around the key are no part of it.
/// - A regular file, or links that lead to one. A pipe can be read once and a device may block for ever: neither is opened.
/// - Readable by this process. That others can read it is no error and nothing is said of it: in a container, where
///   Kubernetes mounts secrets with mode 0644 and Docker with 0444, there are no others. On a machine with several users
///   give it mode 0400. If anyone may *write* to it, a warning is logged once: a key that somebody else puts there sends your
///   prompts to their account.
///
/// The [`created`](Fetched::created) of a key is the time of the file's last change, which for a mounted secret is when it arrived
/// in this container, not when the key was made. The [`version`](Fetched::version) names the file and that time: the same file
/// has the same, and it says nothing of the content. It is for people: a file system whose clock is coarse can have two contents of
/// one version.
///
/// ```
/// use claude_secrets::source::{FileSource, SecretSource};
///
/// let plain = FileSource::new("/run/secrets/claude");
/// assert_eq!(plain.id(), "file:/run/secrets/claude");
///
/// let json = FileSource::new("/run/secrets/keys.json").with_field("claude.api_key");
/// assert_eq!(json.id(), "file:/run/secrets/keys.json#claude.api_key");
/// ```
#[derive(Clone)]
pub struct FileSource {
    id: Arc<str>,
    path: Arc<Path>,
    field: Option<Field>,
    known: Arc<Mutex<Known>>,
}

/// What is known from one fetch to the next. It is locked for as long as a thread is at the file, even if the fetch is long
/// gone: a file on a server that does not answer holds one thread, not one for each fetch.
#[derive(Default)]
struct Known {
    taken: Option<Stamp>,
    warned: bool,
}

impl FileSource {
    /// The file at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path: Arc<Path> = path.into().into();
        Self { id: id(&path, None), path, field: None, known: Arc::default() }
    }

    /// The key is in a field of JSON: its name, or several with dots between them for objects in objects.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        let field = Field::new(field);
        self.id = id(&self.path, Some(&field));
        self.field = Some(field);
        self
    }
}

fn id(path: &Path, field: Option<&Field>) -> Arc<str> {
    let path = path.display().to_string();
    let path = shown(&path);
    match field {
        None => format!("file:{path}").into(),
        Some(field) => format!("file:{path}#{field}").into(),
    }
}

impl SecretSource for FileSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn fetch(&self) -> Fetch<'_> {
        Box::pin(self.settled())
    }

    fn default_ttl(&self) -> Option<Duration> {
        Some(TTL)
    }
}

impl FileSource {
    /// The file, once it stays as it is.
    async fn settled(&self) -> Result<Fetched, SourceError> {
        let mut known = Arc::clone(&self.known).lock_owned().await;
        for _ in 0..LOOKS {
            let path = Arc::clone(&self.path);
            let (back, look) = self.blocking(known, move || Look::at(&path)).await?;
            known = back;
            let look = look.map_err(|trouble| self.failed(&trouble))?;
            if look.stamp().is_some() && look.stamp() == known.taken {
                return self.take(&look);
            }
            sleep(SETTLED).await;
            // The file that was read, not the path: what is replaced meanwhile was complete.
            let (back, (look, same)) = self
                .blocking(known, move || {
                    let same = look.is_still_so();
                    (look, same)
                })
                .await?;
            known = back;
            if same {
                known.taken = look.stamp();
                self.warn(&look, &mut known);
                return self.take(&look);
            }
        }
        Err(self.error(SourceErrorKind::Unavailable, "is written to all the time"))
    }

    /// Does this where it may block, and keeps the lock until it is done.
    async fn blocking<T: Send + 'static>(
        &self,
        known: OwnedMutexGuard<Known>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(OwnedMutexGuard<Known>, T), SourceError> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(self.error(SourceErrorKind::Misconfigured, "is read outside a tokio runtime"));
        };
        let done = runtime.spawn_blocking(move || (known, work())).await;
        done.map_err(|_| self.error(SourceErrorKind::Unavailable, "the runtime is shutting down"))
    }

    fn take(&self, look: &Look) -> Result<Fetched, SourceError> {
        let text = std::str::from_utf8(look.text()).map_err(|_| {
            let utf16 = look.text().starts_with(b"\xff\xfe") || look.text().starts_with(b"\xfe\xff");
            self.error(
                SourceErrorKind::Malformed,
                if utf16 { "is UTF-16, not UTF-8" } else { "is not UTF-8" },
            )
        })?;
        if is_blank(text) {
            return Err(self.error(SourceErrorKind::Empty, "the file is empty"));
        }
        let secret = choose(&self.id, self.field.as_ref(), SecretString::from(text))?;
        let mut fetched = Fetched::new(secret);
        fetched.version = look.stamp().and_then(|stamp| stamp.version());
        fetched.created = look.stamp().and_then(|stamp| stamp.modified());
        Ok(fetched)
    }

    fn warn(&self, look: &Look, known: &mut Known) {
        if look.anyone_may_write() && !known.warned {
            known.warned = true;
            tracing::warn!(source = &*self.id, "anyone may write to the file that holds a key");
        }
    }

    fn failed(&self, trouble: &Trouble) -> SourceError {
        SourceError::new(&self.id, trouble.kind(), trouble.words())
    }

    fn error(&self, kind: SourceErrorKind, detail: &'static str) -> SourceError {
        SourceError::new(&self.id, kind, detail)
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use tokio_test::assert_ready;
    use tokio_test::task::spawn;

    use super::FileSource;
    use crate::source::{SecretSource, SourceErrorKind};

    #[tokio::test]
    async fn a_file_that_does_not_answer_holds_one_thread_and_not_one_for_each_fetch() {
        let source = FileSource::new("/nowhere/key");
        let (answer, wait) = mpsc::channel::<()>();
        let known = Arc::clone(&source.known).lock_owned().await;
        let mut hanging = spawn(source.blocking(known, move || wait.recv()));
        assert!(hanging.poll().is_pending());
        drop(hanging);

        // It waits for the thread, and is dropped as well by whoever does not wait for ever.
        assert!(source.known.try_lock().is_err());
        assert!(spawn(source.fetch()).poll().is_pending());
        let mut fetch = spawn(source.fetch());
        assert!(fetch.poll().is_pending());

        drop(answer);
        assert_eq!(fetch.await.unwrap_err().kind(), SourceErrorKind::NotFound);
    }

    #[test]
    fn outside_a_runtime_there_is_an_error_and_no_panic() {
        let source = FileSource::new("key");
        let error = assert_ready!(spawn(source.fetch()).poll()).unwrap_err();
        assert_eq!(error.to_string(), "file:key: is read outside a tokio runtime");
    }
}
