//! A token for a client.

use std::error::Error;
use std::io::{Write, stdout};

use claude_tower::secrets::ExposeSecret;
use claude_tower::secrets::door::{TokenHash, generate_token};

/// Prints a new token, and below it the line of the configuration that admits it. The token is shown this once: neither the log
/// nor the configuration will ever have it.
pub(crate) fn print() -> Result<(), Box<dyn Error>> {
    let token = generate_token()?;
    let hash = TokenHash::of(&token).to_text();
    writeln!(stdout(), "{}\ntoken_sha256 = \"{hash}\"", token.expose_secret())?;
    Ok(())
}
