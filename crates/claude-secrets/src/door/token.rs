//! New tokens.

use secrecy::SecretString;
use zeroize::Zeroizing;

/// What tokens of ours begin with, so that scanners for secrets find one that was left lying about:
/// `ctk_[0-9a-f]{64}`.
pub const TOKEN_PREFIX: &str = "ctk_";

/// A new token: `ctk_` and 256 bits of the operating system's randomness, as 64 hexadecimal digits.
///
/// ```
/// use claude_secrets::door::{TOKEN_PREFIX, generate_token};
/// use secrecy::ExposeSecret;
///
/// let token = generate_token()?;
/// assert!(token.expose_secret().starts_with(TOKEN_PREFIX));
/// # Ok::<_, claude_secrets::door::NoRandomness>(())
/// ```
///
/// # Errors
///
/// If the operating system has no randomness to give, as can be where its system calls are restricted.
pub fn generate_token() -> Result<SecretString, NoRandomness> {
    let mut bits = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bits).map_err(|_| NoRandomness(()))?;
    // Of its full size at once: one that grows leaves pieces behind.
    let mut token = String::with_capacity(TOKEN_PREFIX.len() + 2 * bits.len());
    token.push_str(TOKEN_PREFIX);
    for byte in bits.iter() {
        for digit in [byte >> 4, byte & 15] {
            token.extend(char::from_digit(digit.into(), 16));
        }
    }
    Ok(SecretString::from(token))
}

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no randomness for a token")]
pub struct NoRandomness(());
