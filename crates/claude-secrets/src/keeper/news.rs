//! What is told of a key, when nothing is locked any more: whoever listens may ask back.

use std::sync::Arc;
use std::time::Duration;

use crate::credential::Credential;
use crate::metrics;
use crate::source::SourceError;

pub(super) enum News {
    /// The source has another key.
    Rotated { from: Arc<Credential>, to: Arc<Credential>, version: Option<Arc<str>> },
    /// The API refuses a key for good.
    Buried(Arc<Credential>),
    /// The source failed; the key that there is was fetched so long ago.
    Failed { error: SourceError, stale: Option<Duration> },
    /// The source answered; the key is so old, and whether that is too old and has not been said lately.
    Fetched { age: Option<Duration>, is_due: bool, credential: Arc<Credential> },
}

impl News {
    pub(super) fn tell(self, key: &Arc<str>) {
        match self {
            Self::Rotated { from, to, version } => {
                metrics::rotated(key);
                tracing::info!(
                    target: "claude_secrets",
                    key = &**key,
                    fingerprint = &*to.fingerprint,
                    before = &*from.fingerprint,
                    version = version.as_deref(),
                    "a key was rotated"
                );
            }
            Self::Buried(credential) => {
                metrics::dead(key);
                tracing::warn!(
                    target: "claude_secrets",
                    key = &**key,
                    fingerprint = &*credential.fingerprint,
                    "the API refuses this key; it is tried again at times, until its source has another"
                );
            }
            Self::Failed { error, stale } => {
                metrics::stale(key, stale.unwrap_or_default());
                tracing::warn!(
                    target: "claude_secrets",
                    key = &**key,
                    kind = error.kind().as_str(),
                    %error,
                    fetched_s_ago = stale.map(|stale| stale.as_secs()),
                    "a key could not be fetched"
                );
            }
            Self::Fetched { age, is_due, credential } => {
                metrics::stale(key, Duration::ZERO);
                let Some(age) = age else {
                    return;
                };
                metrics::age(key, age);
                if is_due {
                    tracing::warn!(
                        target: "claude_secrets",
                        key = &**key,
                        fingerprint = &*credential.fingerprint,
                        age_days = age.as_secs() / (24 * 3_600),
                        "a key is due for rotation"
                    );
                }
            }
        }
    }
}
