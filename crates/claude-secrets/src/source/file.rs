//! A file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::field::{Field, choose};
use super::{Fetch, Fetched, SecretSource, SourceError, SourceErrorKind};

/// The longest file that is read, in bytes.
const MAX_LENGTH: u64 = 64 * 1024;

/// A file: the key itself, or JSON with the key in a field.
#[derive(Clone, Debug)]
pub struct FileSource {
    id: Arc<str>,
    path: PathBuf,
    field: Option<Field>,
}

impl FileSource {
    /// The file at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { id: format!("file:{}", path.display()).into(), path, field: None }
    }

    /// The key is in a field of JSON: its name, or several with dots between them for objects in objects.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        self.id = format!("file:{}#{field}", self.path.display()).into();
        self.field = Some(Field::new(field));
        self
    }
}

impl SecretSource for FileSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn fetch(&self) -> Fetch<'_> {
        let source = self.clone();
        Box::pin(async move {
            let id = Arc::clone(&source.id);
            let read = tokio::task::spawn_blocking(move || source.read()).await;
            read.unwrap_or_else(|_| {
                Err(SourceError::new(&id, SourceErrorKind::Unavailable, "the runtime is shutting down"))
            })
        })
    }

    fn default_ttl(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }
}

impl FileSource {
    fn read(&self) -> Result<Fetched, SourceError> {
        let (text, modified) = read(&self.path).map_err(|error| self.failed(&error))?;
        let text = std::str::from_utf8(&text)
            .map_err(|_| SourceError::new(&self.id, SourceErrorKind::Malformed, "is not UTF-8"))?;
        let secret = choose(&self.id, self.field.as_ref(), SecretString::from(text))?;
        let mut fetched = Fetched::new(secret);
        fetched.created = modified;
        Ok(fetched)
    }

    fn failed(&self, error: &io::Error) -> SourceError {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => SourceErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => SourceErrorKind::Denied,
            io::ErrorKind::FileTooLarge => SourceErrorKind::Malformed,
            _ => SourceErrorKind::Unavailable,
        };
        SourceError::new(&self.id, kind, error.to_string())
    }
}

fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Option<std::time::SystemTime>)> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > MAX_LENGTH {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LENGTH as usize));
    file.take(MAX_LENGTH).read_to_end(&mut text)?;
    Ok((text, metadata.modified().ok()))
}
