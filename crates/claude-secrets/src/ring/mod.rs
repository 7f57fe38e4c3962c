//! All keys of a stack: the handle that applications hold.

mod builder;
mod directory;
mod status;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use claude_wire::call::Buckets;
use thiserror::Error;

pub use builder::{DEFAULT_LIMITED_FOR, InvalidKeyRing, KeyRingBuilder};
pub use status::{KeyState, KeyStatus, RotationDue};

use crate::clock::CLOCK;
use crate::fingerprint::Fingerprinter;
use crate::keeper::{Look, Why};
use crate::key::Key;
use crate::pool::{Held, Learnt, SlowStart};
use crate::source::{SecretSource, SourceError};
pub(crate) use directory::Directory;

/// By what requests are kept together at one key of a pool, while that is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Affinity {
    /// By conversation ([`RequestFacts::prefix`](claude_wire::facts::RequestFacts::prefix)), so that each finds its prompt in
    /// the API's own cache, which belongs to one workspace; else by caller.
    #[default]
    Conversation,
    /// By caller.
    Caller,
    /// By nothing: each request is drawn anew.
    None,
}

/// The keys of a stack. A clone is another handle to the same keys.
///
/// It does nothing by itself: keys are fetched when a request needs one, and again by later requests, in tasks of the tokio
/// runtime that those run in. What is known of a key is kept for as long as a handle lives.
///
/// ```
/// use claude_secrets::source::{EnvironmentSource, FileSource};
/// use claude_secrets::{Key, KeyRing, SecretsLayer};
///
/// let ring = KeyRing::builder()
///     .with_key(Key::new("default", EnvironmentSource::new("ANTHROPIC_API_KEY")))
///     .with_key(Key::new("search", FileSource::new("/run/secrets/search")).with_line("search"))
///     .build()?;
/// let layer = SecretsLayer::new(ring.clone());
/// assert_eq!(ring.status().len(), 2);
/// # drop(layer);
/// # Ok::<_, claude_secrets::InvalidKeyRing>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) keys: Vec<Arc<Held>>,
    pub(crate) directory: Directory,
    pub(crate) learnt: Learnt,
    pub(crate) affinity: Affinity,
    pub(crate) slow_start: SlowStart,
    pub(crate) buckets: Option<Arc<dyn Buckets>>,
    pub(crate) limited_for: Duration,
    pub(crate) fingerprinter: Fingerprinter,
    pub(crate) wall_clock: fn() -> SystemTime,
    max_age: Duration,
}

/// Why a ring cannot start: keys that could not be had, each with its name and the error of its source.
#[derive(Clone, Debug, Error)]
#[error("no key to start with: {}", Reasons(.failed))]
pub struct StartError {
    /// What failed.
    pub failed: Vec<(Arc<str>, SourceError)>,
}

struct Reasons<'a>(&'a [(Arc<str>, SourceError)]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, error)) in self.0.iter().enumerate() {
            write!(f, "{}key `{name}`: {error}", if at > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// There is no key of this name in the ring.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no key `{0}`")]
pub struct UnknownKey(Arc<str>);

impl KeyRing {
    /// A ring of one key for everybody, with the default settings.
    #[must_use]
    pub fn single(source: impl SecretSource) -> Self {
        let key = Key::new("default", source);
        KeyRingBuilder::new()
            .with_key(key)
            .build()
            .unwrap_or_else(|_| unreachable!("one key with a name is valid"))
    }

    /// A ring with settings.
    #[must_use]
    pub fn builder() -> KeyRingBuilder {
        KeyRingBuilder::new()
    }

    /// Fetches every key now, so that a program fails at its start and not at its first request. Without it, the first request
    /// of each key waits for the key.
    ///
    /// May be dropped; fetches that have begun go on.
    ///
    /// # Errors
    ///
    /// If some line has no key at all. Keys of lines that have another are logged only, and tried again later.
    pub async fn start(&self) -> Result<(), StartError> {
        let now = CLOCK();
        let mut flights = Vec::new();
        for held in &self.shared.keys {
            if let Look::Wait(flight) = held.keeper.look(now, false) {
                flights.push((held, flight));
            }
        }
        for (held, mut flight) in flights {
            loop {
                held.keeper.landed(flight).await;
                // Another runtime may have begun it, and ended.
                let Look::Wait(next) = held.keeper.look(CLOCK(), true) else { break };
                flight = next;
            }
        }
        let mut failed: Vec<(Arc<str>, SourceError)> = Vec::new();
        for pool in self.shared.directory.pools() {
            let errors: Vec<_> = pool.keys.iter().filter_map(|held| Some((held, failure(held)?))).collect();
            if errors.len() < pool.keys.len() {
                continue;
            }
            for (held, error) in errors {
                if failed.iter().all(|(name, _)| *name != held.key.name) {
                    failed.push((Arc::clone(&held.key.name), error));
                }
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(StartError { failed }) }
    }

    /// Fetches every key now, whatever is known, and waits for all of them. Keys that were dead are tried again. What the sources
    /// failed with is in the [`status`](Self::status), and returned: nothing if all is well.
    ///
    /// May be dropped; fetches that have begun go on.
    pub async fn refresh_now(&self) -> Vec<(Arc<str>, SourceError)> {
        let flights: Vec<_> = self.shared.keys.iter().map(|held| (held, held.keeper.refresh())).collect();
        for (held, flight) in flights {
            held.keeper.refreshed(flight).await;
        }
        let failed = |held: &Arc<Held>| Some((Arc::clone(&held.key.name), held.keeper.error()?));
        self.shared.keys.iter().filter_map(failed).collect()
    }

    /// Takes a key out of use: no request gets it any more; those that have it go on.
    ///
    /// # Errors
    ///
    /// If there is no key of this name.
    pub fn drain(&self, name: &str) -> Result<(), UnknownKey> {
        self.find(name).map(|held| held.drain(true))
    }

    /// Puts a key back into use, and ends the pauses of its limit group.
    ///
    /// # Errors
    ///
    /// If there is no key of this name.
    pub fn restore(&self, name: &str) -> Result<(), UnknownKey> {
        let held = self.find(name)?;
        held.drain(false);
        held.group().warm();
        Ok(())
    }

    fn find(&self, name: &str) -> Result<&Arc<Held>, UnknownKey> {
        self.shared.keys.iter().find(|held| *held.key.name == *name).ok_or_else(|| UnknownKey(name.into()))
    }
}

/// Why there is nothing of this key.
fn failure(held: &Arc<Held>) -> Option<SourceError> {
    match held.keeper.look(CLOCK(), true) {
        Look::Fail(no_key) => match &no_key.why {
            Why::Source(error) => Some(error.clone()),
            Why::Refused => None,
        },
        Look::Use(_) | Look::Wait(_) => None,
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.shared.keys).finish_non_exhaustive()
    }
}
