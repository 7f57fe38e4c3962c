//! Names for keys that say nothing of them.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox};

/// What the hash of a fingerprint is derived from if nothing else is said. Public, so that all replicas agree.
const CONTEXT: &str = "claude-secrets 2026-11-23 fingerprint of an API key";

/// So many bytes of the hash make the name: enough to tell keys apart, and too few to find anything by.
const SHOWN: usize = 6;

/// Makes the names of keys: `key-` and twelve hexadecimal digits of a keyed hash.
///
/// Without a pepper everybody who has a key can compute its name, and nobody can compute a key from its name. With
/// one, whoever has a list of keys cannot find out either which of them are in use here. Replicas that are to agree on names, which
/// stand for limit groups too, need the same pepper.
#[derive(Clone)]
pub(crate) struct Fingerprinter {
    key: Arc<SecretBox<[u8; 32]>>,
}

impl Fingerprinter {
    pub(crate) fn new(pepper: &[u8]) -> Self {
        let key = blake3::derive_key(CONTEXT, pepper);
        Self { key: Arc::new(SecretBox::new(Box::new(key))) }
    }

    /// The whole hash, for comparing, and the name.
    pub(crate) fn of(&self, secret: &[u8]) -> (Digest, Arc<str>) {
        let hash = blake3::keyed_hash(self.key.expose_secret(), secret);
        let mut name = String::with_capacity(4 + 2 * SHOWN);
        name.push_str("key-");
        for byte in &hash.as_bytes()[..SHOWN] {
            name.push(digit(byte >> 4));
            name.push(digit(byte & 15));
        }
        (Digest(hash), name.into())
    }
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

/// The keyed hash of a key: equal if the keys are. Compared in constant time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(blake3::Hash);

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter")
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprinter;

    #[test]
    fn a_name_is_the_same_for_the_same_key_and_pepper_only() {
        let plain = Fingerprinter::new(b"");
        let (digest, name) = plain.of(b"sk-ant-a");
        assert_eq!(name.len(), 16);
        assert!(name.starts_with("key-") && name[4..].bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(Fingerprinter::new(b"").of(b"sk-ant-a").1, name);
        assert!(Fingerprinter::new(b"").of(b"sk-ant-a").0 == digest);
        assert_ne!(plain.of(b"sk-ant-b").1, name);
        assert_ne!(Fingerprinter::new(b"pepper").of(b"sk-ant-a").1, name);
    }
}
