//! A fingerprint of what a body means.

use std::fmt;

use super::scan::Member;

/// From here on a hash of its own costs less than it saves.
const LARGE: usize = 2048;

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

    /// Of an object, its kept members behind an opening brace, each with a comma after it; of anything else
    /// (there are no members then), all of it behind a zero, which no object begins with.
    ///
    /// For a large member stands its own hash, behind a zero, which no member begins with: hashed from its
    /// beginning it takes all the processor's lanes, and behind something else only some.
    pub(super) fn of(bytes: &[u8], members: &[Member]) -> Self {
        let mut hasher = blake3::Hasher::new();
        if members.is_empty() {
            hasher.update(b"\0").update(bytes);
            return Self(*hasher.finalize().as_bytes());
        }
        hasher.update(b"{");
        for member in members.iter().filter(|member| member.kept) {
            let text = &bytes[member.range.clone()];
            if text.len() < LARGE {
                hasher.update(text);
            } else {
                hasher.update(b"\0").update(blake3::hash(text).as_bytes());
            }
            hasher.update(b",");
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Fingerprint, LARGE};
    use crate::facts::scan::Scan;

    fn fingerprint(body: &str) -> Fingerprint {
        Fingerprint::of(body.as_bytes(), &Scan::of(body.as_bytes()).members)
    }

    #[test]
    fn members_of_any_size() {
        let mut all = HashSet::new();
        let sizes = (LARGE - 16..LARGE + 16).chain([0, 10 * LARGE]);
        let texts: Vec<String> = sizes.map(|size| "x".repeat(size)).collect();
        for text in &texts {
            let print = fingerprint(&format!(r#"{{"a":"{text}","b":1}}"#));
            assert_eq!(print, fingerprint(&format!(r#"{{ "a":"{text}","stream":true, "b":1 }}"#)));
            assert!(all.insert(print));
            for other in [
                format!(r#"{{"a":"{text}y","b":1}}"#),
                format!(r#"{{"a":"{text}"}}"#),
                format!(r#"{{"b":1,"a":"{text}"}}"#),
                format!(r#"{{"a": "{text}","b":1}}"#),
                format!(r#"[{{"a":"{text}","b":1}}]"#),
            ] {
                assert!(all.insert(fingerprint(&other)), "{other}");
            }
        }
    }
}
