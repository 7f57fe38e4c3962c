//! What can be said of keys without saying them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::KeyRing;
use crate::clock::CLOCK;
use crate::pool::Held;
use crate::source::SourceError;

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// It has not been fetched yet, or never could be: see [`KeyStatus::error`].
    Missing,
    /// It is in use.
    Live,
    /// Its limits are used up for some class of models.
    Cooling,
    /// It has been taken out of use.
    Draining,
    /// The API refuses it. The key before may stand in.
    Dead,
}

/// The state of one key. It holds nothing secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is kept.
    pub source: Box<str>,
    /// The lines that it is for; none for all that have no key of their own.
    pub lines: Vec<Arc<str>>,
    /// The environment that it belongs to.
    pub environment: Option<Arc<str>>,
    /// What it is good for.
    pub state: KeyState,
    /// What names it in logs and metrics.
    pub fingerprint: Option<Arc<str>>,
    /// The source's name for this version.
    pub version: Option<Arc<str>>,
    /// How old this version is, if its source says when it was made.
    pub age: Option<Duration>,
    /// How long ago its source gave it last.
    pub fetched: Option<Duration>,
    /// Whether it is used past its time because its source is down.
    pub is_stale: bool,
    /// How many requests carry it and have no answer yet.
    pub in_flight: usize,
    /// The key before, which drains: what names it, and how many requests still carry it. It stands in while the present one is
    /// dead.
    pub previous: Option<(Arc<str>, usize)>,
    /// What the last fetch failed with.
    pub error: Option<SourceError>,
    /// With whom it shares its limits.
    pub limit_group: Arc<str>,
    /// The classes of models whose limits are used up, and for how long.
    pub cooling: Vec<(Box<str>, Duration)>,
}

/// A key that is older than it should be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RotationDue {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is kept.
    pub source: Box<str>,
    /// What names it in logs and metrics.
    pub fingerprint: Arc<str>,
    /// When this version was made.
    pub created: SystemTime,
    /// How old it is.
    pub age: Duration,
}

impl KeyRing {
    /// The state of every key, in the order in which they were declared.
    #[must_use]
    pub fn status(&self) -> Vec<KeyStatus> {
        self.shared.keys.iter().map(|held| self.status_of(held)).collect()
    }

    /// The keys that are older than the ring allows, oldest first. Those whose source does not say when they were made, or that
    /// have not been fetched, are not among them: their [`age`](KeyStatus::age) is `None`.
    #[must_use]
    pub fn rotation_due(&self) -> Vec<RotationDue> {
        let mut due: Vec<RotationDue> = self.shared.keys.iter().filter_map(|held| self.due(held)).collect();
        due.sort_by_key(|due| due.created);
        due
    }

    fn due(&self, held: &Held) -> Option<RotationDue> {
        let snapshot = held.keeper.snapshot(CLOCK());
        let created = snapshot.about.created?;
        let age = self.age(created);
        (age > self.shared.max_age).then_some(())?;
        Some(RotationDue {
            name: Arc::clone(&held.key.name),
            source: held.keeper.source_id().into(),
            fingerprint: Arc::clone(&snapshot.current?.fingerprint),
            created,
            age,
        })
    }

    fn age(&self, created: SystemTime) -> Duration {
        (self.shared.wall_clock)().duration_since(created).unwrap_or_default()
    }

    fn status_of(&self, held: &Held) -> KeyStatus {
        let now = CLOCK();
        let snapshot = held.keeper.snapshot(now);
        let group = held.group();
        let cooling: Vec<_> = group
            .cooling(now)
            .into_iter()
            .map(|(class, until)| (class, until.saturating_duration_since(now)))
            .collect();
        let state = match &snapshot.current {
            _ if held.is_drained() => KeyState::Draining,
            None => KeyState::Missing,
            Some(current) if current.is_dead() => KeyState::Dead,
            Some(_) if !cooling.is_empty() => KeyState::Cooling,
            Some(_) => KeyState::Live,
        };
        KeyStatus {
            name: Arc::clone(&held.key.name),
            source: held.keeper.source_id().into(),
            lines: held.key.lines.clone(),
            environment: held.key.environment.clone(),
            state,
            fingerprint: snapshot.current.as_ref().map(|current| Arc::clone(&current.fingerprint)),
            version: snapshot.about.version,
            age: snapshot.about.created.map(|created| self.age(created)),
            fetched: snapshot.fetched.map(|fetched| now.saturating_duration_since(fetched)),
            is_stale: snapshot.is_stale,
            in_flight: snapshot.carried.0,
            previous: snapshot
                .previous
                .as_ref()
                .map(|previous| (Arc::clone(&previous.fingerprint), snapshot.carried.1)),
            error: snapshot.error,
            limit_group: Arc::clone(&group.name),
            cooling,
        }
    }
}
