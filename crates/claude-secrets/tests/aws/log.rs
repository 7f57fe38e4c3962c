//! Everything that is logged in this process, at every level.

use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What all keys of these tests end with.
const CANARY: &[u8] = b"canary";

static SEEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// From here on, for the whole process: the SDK's own tasks run where they like.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(Writers)
            .init();
    });
}

pub(crate) fn hides_keys() {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = find(&seen, CANARY) {
        let begin = seen[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = String::from_utf8_lossy(&seen[begin..at]).into_owned();
        panic!("a key is in the log, after: {line}");
    }
    // What was looked at need not be again; a key may still be cut by the end.
    let keep = seen.len().saturating_sub(CANARY.len());
    seen.drain(..keep);
}

/// Whether this text was logged since the keys were last looked for.
pub(crate) fn shows(text: &str) -> bool {
    find(&SEEN.lock().unwrap_or_else(PoisonError::into_inner), text.as_bytes()).is_some()
}

/// For what is logged on purpose.
pub(crate) fn forget() {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

struct Writers;

impl MakeWriter<'_> for Writers {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl Write for Writers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
