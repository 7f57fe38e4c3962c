//! A fingerprint of what a body means.

use std::fmt;
use std::ops::Range;

use super::scan::Member;

/// 256 bits that stand for the meaning of a body. Equal fingerprints mean equal bodies but for `metadata`,
/// `stream` and white space between the top-level members.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of an object, its kept members joined by commas, behind an opening brace; of anything else (there are
    /// no members then), all of it behind a zero, which no object begins with.
    pub(super) fn of(bytes: &[u8], members: &[Member]) -> Self {
        let mut hasher = blake3::Hasher::new();
        if members.is_empty() {
            hasher.update(b"\0").update(bytes);
            return Self(*hasher.finalize().as_bytes());
        }
        hasher.update(b"{");
        let mut run: Option<Range<usize>> = None;
        for member in members.iter().filter(|member| member.kept) {
            match &mut run {
                // Only a comma between them, which is what joins them: one run, hashed in one go.
                Some(run) if bytes.get(run.end..member.range.start) == Some(b",") => {
                    run.end = member.range.end;
                }
                Some(done) => {
                    hasher.update(&bytes[done.clone()]).update(b",");
                    run = Some(member.range.clone());
                }
                None => run = Some(member.range.clone()),
            }
        }
        if let Some(run) = run {
            hasher.update(&bytes[run]);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
