//! Everything that is logged in this process, at every level, by every library.

use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// As long as anything that is looked for.
const LONGEST: usize = 64;

static SEEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// From here on, for the whole process: fetches run in tasks of their own.
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

/// What was logged since the last look holds nothing secret.
pub(crate) fn hides_all() {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_silent(&String::from_utf8_lossy(&seen));
    // What was looked at need not be again; something may still be cut by the end.
    let keep = seen.len().saturating_sub(LONGEST);
    seen.drain(..keep);
}

/// All that is secret in these tests has a canary in it, but for the tokens that the server makes.
#[track_caller]
pub(crate) fn assert_silent(text: &str) {
    let at = text.find("canary").or_else(|| token_in(text));
    if let Some(at) = at {
        let line = text[..at].rsplit('\n').next().unwrap_or_default();
        panic!("something secret is shown after: {line}");
    }
}

/// Where a token begins: `s.`, or `hvs.` and `hvb.` of Vault, and 24 letters and digits or more.
fn token_in(text: &str) -> Option<usize> {
    let is_token = |(at, _): &(usize, &str)| {
        let ahead = text[..*at].trim_end_matches("hv");
        let is_alone = !ahead.ends_with(|before: char| before.is_ascii_alphanumeric());
        is_alone && text[at + 2..].bytes().take_while(u8::is_ascii_alphanumeric).count() >= 24
    };
    ["s.", "b."].iter().find_map(|begin| text.match_indices(begin).find(is_token)).map(|(at, _)| at)
}

#[test]
fn a_token_is_seen_wherever_it_stands() {
    let token = "s.".to_owned() + &"aB3".repeat(8);
    for text in [token.clone(), format!("x-vault-token: {token}\n"), format!("{{\"id\":\"hv{token}\"}}")] {
        assert!(token_in(&text).is_some(), "{text}");
    }
    for text in
        ["hyper_util::client", "connections.1", "it is s.o. else", "secrets.abcdefghijklmnopqrstuvwxyz"]
    {
        assert_eq!(token_in(text), None, "{text}");
    }
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
