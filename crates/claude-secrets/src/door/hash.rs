//! What is kept of a token.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

const PREFIX: &str = "sha256:";

/// The SHA-256 of a token, which is all that the door knows of it. Written as `sha256:` and 64 hexadecimal digits.
///
/// A hash without a salt is enough for a token of 256 random bits ([`generate_token`](super::generate_token)), which nobody
/// finds by trying. It is not enough for a word that somebody thought of.
///
/// Comparing two takes the same time whatever is in them, and `Debug` shows nothing of it.
///
/// ```
/// use claude_secrets::door::TokenHash;
/// use secrecy::SecretString;
///
/// let text = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// let hash: TokenHash = text.parse()?;
/// assert_eq!(hash, TokenHash::of(&SecretString::from("test")));
/// assert_eq!(hash.to_text(), text);
/// # Ok::<_, claude_secrets::door::TokenHashError>(())
/// ```
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    #[must_use]
    pub fn of(token: &SecretString) -> Self {
        Self::of_bytes(token.expose_secret().as_bytes())
    }

    /// As it is written in a configuration. It gives no way back to the token.
    #[must_use]
    pub fn to_text(&self) -> String {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        PREFIX.chars().chain(digits).collect()
    }

    pub(super) fn of_bytes(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// For looking the same one up twice, where time tells nothing: among the hashes of a configuration.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl ConstantTimeEq for TokenHash {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl FromStr for TokenHash {
    type Err = TokenHashError;

    fn from_str(text: &str) -> Result<Self, TokenHashError> {
        let digits = text.strip_prefix(PREFIX).ok_or(TokenHashError(()))?.as_bytes();
        if digits.len() != 64 {
            return Err(TokenHashError(()));
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |byte, digit| Ok(byte << 4 | hexadecimal(*digit)?))?;
        }
        Ok(Self(hash))
    }
}

fn hexadecimal(digit: u8) -> Result<u8, TokenHashError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(TokenHashError(())),
    }
}

/// The text is no hash of a token. It is not repeated here: it may be the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be sha256: and 64 hexadecimal digits")]
pub struct TokenHashError(());
