//! The layer and its settings.

use std::fmt;

use tower_layer::Layer;

use crate::ring::KeyRing;
use crate::service::Secrets;

/// What becomes of a credential that a request carries already: an `x-api-key` or an `authorization` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Existing {
    /// It is removed, and the ring's key put in its place.
    #[default]
    Replace,
    /// It stays, and the request gets no other: callers with keys of their own, or with access tokens. It goes wherever the request
    /// goes; origins are a matter of the ring's keys. Those without one get the ring's.
    Keep,
    /// The request is refused.
    Refuse,
}

/// Puts the right key on each attempt. See the [crate docs](crate). A clone, and every service made by it, shares the ring.
#[derive(Clone)]
pub struct SecretsLayer {
    ring: KeyRing,
    existing: Existing,
}

impl SecretsLayer {
    /// With the keys of this ring.
    #[must_use]
    pub const fn new(ring: KeyRing) -> Self {
        Self { ring, existing: Existing::Replace }
    }

    /// What becomes of a credential that a request carries already.
    #[must_use]
    pub const fn with_existing(mut self, existing: Existing) -> Self {
        self.existing = existing;
        self
    }

    /// The keys.
    #[must_use]
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }
}

impl<S> Layer<S> for SecretsLayer {
    type Service = Secrets<S>;

    fn layer(&self, inner: S) -> Secrets<S> {
        Secrets::new(inner, self.ring.clone(), self.existing)
    }
}

impl fmt::Debug for SecretsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsLayer").field("ring", &self.ring).field("existing", &self.existing).finish()
    }
}
