//! The gateway's own keys, before it listens.

use std::error::Error;

use claude_tower::config::{KeyStart, SecretsConfig};
use claude_tower::secrets::{KeyState, SecretsLayer};

/// The layer with the keys, which have been fetched unless they may come later.
///
/// # Errors
///
/// If none can be had. One that cannot is logged, and costs nobody else his.
pub(crate) async fn layer(config: &SecretsConfig) -> Result<Option<SecretsLayer>, Box<dyn Error>> {
    let Some(layer) = config.layer()? else { return Ok(None) };
    if config.start == KeyStart::Lazy {
        return Ok(Some(layer));
    }
    // What cannot be had is better known now than with the first request.
    if let Err(error) = layer.ring().start().await {
        if layer.ring().status().iter().all(|key| key.state == KeyState::Missing) {
            return Err(error.into());
        }
        for (name, error) in &error.failed {
            tracing::error!("key `{name}` cannot be had, and its line has no other: {error}");
        }
    }
    Ok(Some(layer))
}
