//! The keys that one line may use, and which of them a request gets.

mod choice;
mod group;
mod slow_start;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use http::HeaderMap;

pub(crate) use choice::{Choice, Slot, Taken, Wish};
pub(crate) use group::{EVERY_CLASS, Group};
pub use slow_start::{InvalidSlowStart, SlowStart};

use claude_wire::headers::organization_id;

use crate::keeper::Keeper;
use crate::key::Key;
use crate::origin::Origin;

/// A key in use.
pub(crate) struct Held {
    pub(crate) key: Key,
    pub(crate) keeper: Arc<Keeper>,
    origins: Vec<Origin>,
    /// What stands for it in the draw.
    seed: u64,
    limits: Mutex<Limits>,
    is_drained: AtomicBool,
    /// Whether it could not be used when it was looked at last.
    is_away: AtomicBool,
}

/// With whom a key shares its limits.
struct Limits {
    group: Arc<Group>,
    /// The organisation that the API's last answer named.
    organization: Option<Arc<str>>,
}

impl Held {
    pub(crate) fn new(key: Key, keeper: Arc<Keeper>, group: Arc<Group>) -> Self {
        let hash = blake3::hash(key.name.as_bytes());
        let seed = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let limits = Mutex::new(Limits { group, organization: None });
        Self {
            origins: key.origins(),
            seed,
            limits,
            is_drained: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
            key,
            keeper,
        }
    }

    /// The limits that it shares.
    pub(crate) fn group(&self) -> Arc<Group> {
        Arc::clone(&self.limits().group)
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.is_drained.load(Ordering::Relaxed)
    }

    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Says whether it can be used; whether that is news.
    pub(crate) fn set_away(&self, away: bool) -> bool {
        // Nearly always it is as it was, and nothing is written.
        self.is_away() != away && self.is_away.swap(away, Ordering::Relaxed)
    }

    pub(crate) fn drain(&self, drained: bool) {
        self.is_drained.store(drained, Ordering::Relaxed);
    }

    fn limits(&self) -> std::sync::MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from an answer of the API whose key this is.
    pub(crate) fn learn(&self, headers: &HeaderMap, learnt: &Learnt, now: Instant) {
        if self.key.limit_group.is_some() {
            return;
        }
        let Some(organization) = organization_id(headers) else {
            return;
        };
        if self.limits().organization.as_deref() == Some(organization) {
            return;
        }
        let organization: Arc<str> = organization.into();
        let mut limits = self.limits();
        let group = learnt.group_of(&organization, &limits);
        // What has been seen of the key so far was of this organisation. One that has moved leaves its old limits behind.
        if limits.organization.is_none() {
            for (class, until) in limits.group.cooling(now) {
                group.cool(&class, until, now);
            }
        }
        limits.group = group;
        limits.organization = Some(organization);
    }
}

/// The groups of the organisations that keys have been seen to belong to.
#[derive(Default)]
pub(crate) struct Learnt {
    groups: Mutex<HashMap<Arc<str>, Weak<Group>>>,
}

impl Learnt {
    fn group_of(&self, organization: &Arc<str>, known: &Limits) -> Arc<Group> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(organization).and_then(Weak::upgrade) {
            return group;
        }
        // Those that no key belongs to any more go, so that there are never more than keys.
        groups.retain(|_, group| group.strong_count() > 0);
        let name = format!("org:{organization}").into();
        let group = match known.organization {
            None => known.group.renamed(name),
            Some(_) => Group::new(name),
        };
        let group = Arc::new(group);
        groups.insert(Arc::clone(organization), Arc::downgrade(&group));
        group
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.key, f)
    }
}

/// The keys of one line and environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    pub(crate) keys: Vec<Arc<Held>>,
}
