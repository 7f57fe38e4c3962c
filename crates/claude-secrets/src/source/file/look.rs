//! One look at a file. All of this may block.

use std::borrow::Cow;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::source::SourceErrorKind;

/// The longest file that is read, in bytes: as long as a secret at AWS may be, and short enough to be read at once.
const MAX_LENGTH: usize = 64 * 1024;

/// How often a path that leads nowhere is tried again at once. The kubelet takes the old directory away right after the swap, so
/// whoever was on the way through it finds nothing, and finds the new one the next time.
const MORE_TRIES: u32 = 4;

/// A file that was read, and is still open.
pub(super) struct Look {
    file: File,
    text: Zeroizing<Vec<u8>>,
    /// None if it changed while it was read.
    stamp: Option<Stamp>,
    anyone_may_write: bool,
}

/// By what a file is known to be another, or changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    place: Place,
}

/// Device and inode, where there are any.
type Place = (u64, u64);

/// Why there is nothing to read.
pub(super) enum Trouble {
    Io(io::Error),
    Directory,
    NoFile,
    TooLong,
}

impl Look {
    pub(super) fn at(path: &Path) -> Result<Self, Trouble> {
        let (file, metadata) = open(path)?;
        let before = Stamp::of(&metadata);
        let text = read(&file)?;
        let after = Stamp::of(&file.metadata()?);
        let anyone_may_write = anyone_may_write(&metadata);
        Ok(Self { file, text, stamp: (before == after).then_some(after), anyone_may_write })
    }

    /// Whether what was read is still in this file. It is read again, because there are file systems on which a
    /// change does not show in the time for seconds.
    pub(super) fn is_still_so(&self) -> bool {
        let again = || {
            (&self.file).rewind()?;
            let text = read(&self.file)?;
            Ok::<_, Trouble>((text, Stamp::of(&self.file.metadata()?)))
        };
        again().is_ok_and(|(text, stamp)| text == self.text && Some(stamp) == self.stamp)
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    pub(super) fn anyone_may_write(&self) -> bool {
        self.anyone_may_write
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), length: metadata.len(), place: place(metadata) }
    }

    pub(super) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Time and inode: some tools give all files one time. The length is left out, since it tells of the content.
    pub(super) fn version(&self) -> Option<String> {
        let modified = self.modified?;
        let (sign, since) = match modified.duration_since(UNIX_EPOCH) {
            Ok(since) => ("", since),
            Err(error) => ("-", error.duration()),
        };
        let (_, inode) = self.place;
        Some(format!("{sign}{}.{:09}-{inode:x}", since.as_secs(), since.subsec_nanos()))
    }
}

fn open(path: &Path) -> Result<(File, Metadata), Trouble> {
    let mut tries = 0;
    loop {
        match open_once(path) {
            Err(Trouble::Io(error)) if vanished(&error) && tries < MORE_TRIES => tries += 1,
            done => return done,
        }
    }
}

fn vanished(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle)
}

fn open_once(path: &Path) -> Result<(File, Metadata), Trouble> {
    // Before it is opened, because opening a device may do something; and after, because it may be another by then.
    regular(&fs::metadata(path)?)?;
    let file = options().open(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    Ok((file, metadata))
}

fn regular(metadata: &Metadata) -> Result<(), Trouble> {
    if metadata.is_dir() {
        return Err(Trouble::Directory);
    }
    if !metadata.is_file() {
        return Err(Trouble::NoFile);
    }
    if metadata.len() > MAX_LENGTH as u64 {
        return Err(Trouble::TooLong);
    }
    Ok(())
}

/// All of the file, in one buffer that is wiped: one that grows would leave what it held before.
fn read(mut file: &File) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let mut text = Zeroizing::new(vec![0; MAX_LENGTH + 1]);
    let mut length = 0;
    while length < text.len() {
        match file.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    if length > MAX_LENGTH {
        return Err(Trouble::TooLong);
    }
    text.truncate(length);
    Ok(text)
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Trouble {
    pub(super) fn kind(&self) -> SourceErrorKind {
        match self {
            Self::Directory | Self::NoFile => SourceErrorKind::Misconfigured,
            Self::TooLong => SourceErrorKind::Malformed,
            Self::Io(error) => match error.kind() {
                ErrorKind::NotFound => SourceErrorKind::NotFound,
                ErrorKind::PermissionDenied => SourceErrorKind::Denied,
                ErrorKind::NotADirectory | ErrorKind::InvalidInput | ErrorKind::InvalidFilename => {
                    SourceErrorKind::Misconfigured
                }
                _ => SourceErrorKind::Unavailable,
            },
        }
    }

    /// The system's words know of the path, never of the content.
    pub(super) fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Directory => "is a directory".into(),
            Self::NoFile => "is a pipe, a socket or a device, not a file".into(),
            Self::TooLong => "is longer than 64 KiB".into(),
            Self::Io(error) => error.to_string().into(),
        }
    }
}

#[cfg(unix)]
fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = OpenOptions::new();
    // If it has become a pipe since, opening it would wait for a writer.
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

#[cfg(unix)]
fn place(metadata: &Metadata) -> Place {
    use std::os::unix::fs::MetadataExt;

    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn place(_: &Metadata) -> Place {
    (0, 0)
}

#[cfg(unix)]
fn anyone_may_write(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    metadata.permissions().mode() & 0o002 != 0
}

#[cfg(not(unix))]
fn anyone_may_write(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::Stamp;

    #[test]
    fn a_version_is_the_time_and_the_inode() {
        let stamp = |modified| Stamp { modified, length: 108, place: (7, 0x2a) };
        let version = |modified| stamp(modified).version();
        let second = Duration::from_millis(1500);
        assert_eq!(version(Some(UNIX_EPOCH + second)).as_deref(), Some("1.500000000-2a"));
        assert_eq!(version(Some(UNIX_EPOCH - second)).as_deref(), Some("-1.500000000-2a"));
        assert_eq!(version(None), None);
    }
}
