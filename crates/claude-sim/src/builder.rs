//! Building a simulator.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use crate::auth::Key;
use crate::faults::FaultMix;
use crate::limits::{Hidden, Limits};
use crate::log::{DEFAULT_LOG_BODY_BYTES, DEFAULT_LOG_ENTRIES};
use crate::messages::Reply;
use crate::models::Model;
use crate::pace::Pace;
use crate::server::MAX_CONNECTIONS;
use crate::simulator::Simulator;

/// 2026-11-22T00:00:00Z, in seconds after the epoch.
const DEFAULT_DATE: u64 = 1_795_305_600;

/// What a simulator is made of. See [`Simulator::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    pub(crate) seed: u64,
    pub(crate) keys: Vec<Key>,
    pub(crate) accept_any_key: bool,
    pub(crate) models: Vec<Model>,
    pub(crate) betas: Vec<String>,
    pub(crate) reply: Reply,
    pub(crate) frame_bytes: Option<NonZeroUsize>,
    pub(crate) date: SystemTime,
    pub(crate) still: bool,
    pub(crate) limits: Limits,
    pub(crate) organization_limits: BTreeMap<String, Limits>,
    pub(crate) workspace_limits: BTreeMap<String, Limits>,
    pub(crate) hidden: Option<Hidden>,
    pub(crate) failed_streams_billed: bool,
    pub(crate) lost_answers_billed: bool,
    pub(crate) max_connections: NonZeroUsize,
    pub(crate) pace: Pace,
    pub(crate) fates: FaultMix,
    pub(crate) chance: FaultMix,
    pub(crate) log_entries: usize,
    pub(crate) log_body_bytes: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            seed: 0,
            keys: Vec::new(),
            accept_any_key: false,
            models: Model::catalogue(),
            betas: Vec::new(),
            reply: Reply::default(),
            frame_bytes: None,
            date: SystemTime::UNIX_EPOCH + Duration::from_secs(DEFAULT_DATE),
            still: false,
            limits: Limits::none(),
            organization_limits: BTreeMap::new(),
            workspace_limits: BTreeMap::new(),
            hidden: None,
            failed_streams_billed: true,
            lost_answers_billed: true,
            max_connections: NonZeroUsize::new(MAX_CONNECTIONS).unwrap_or(NonZeroUsize::MIN),
            pace: Pace::instant(),
            fates: FaultMix::new(),
            chance: FaultMix::new(),
            log_entries: DEFAULT_LOG_ENTRIES,
            log_body_bytes: DEFAULT_LOG_BODY_BYTES,
        }
    }
}

impl Builder {
    /// What ids, padding and texts are drawn from; 0 if nothing is said.
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds a key. The first one takes the place of [`DEFAULT_KEY`](crate::DEFAULT_KEY).
    pub fn with_key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Lets every credential in that is not empty. Keys that are known keep their owner, and revoked ones stay
    /// revoked.
    pub const fn with_any_key(mut self) -> Self {
        self.accept_any_key = true;
        self
    }

    /// The models that exist, in the order in which they are listed, instead of [`Model::catalogue`].
    pub fn with_models(mut self, models: impl IntoIterator<Item = Model>) -> Self {
        self.models = models.into_iter().collect();
        self
    }

    /// Accepts another value of `anthropic-beta`. Any that the API of 2026-11-22 does not know is a 400.
    pub fn with_beta(mut self, name: impl Into<String>) -> Self {
        self.betas.push(name.into());
        self
    }

    /// What every message answers for which nothing is scripted ([`Simulator::script`]); [`Reply::echo`] if
    /// nothing is said.
    pub fn with_reply(mut self, reply: Reply) -> Self {
        self.reply = reply;
        self
    }

    /// Cuts response bodies into frames of this many bytes, without regard to events and characters, as a
    /// network does. The last frame is what is left.
    pub const fn with_frame_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.frame_bytes = Some(bytes);
        self
    }

    /// The date at which the simulator begins, in `date` and in the rate limit headers; 2026-11-22T00:00:00Z if
    /// nothing is said. It goes on with tokio's clock.
    pub const fn with_date(mut self, date: SystemTime) -> Self {
        self.date = date;
        self
    }

    /// The date stands still, so that two simulators of one seed answer alike whenever they are asked. Buckets
    /// and waits go on with tokio's clock all the same.
    pub const fn with_still_date(mut self) -> Self {
        self.still = true;
        self
    }

    /// The limits of every organisation that has none of its own; [`Limits::none`] if nothing is said. How they are
    /// enforced is drawn from the seed, and seed 0 draws a harsh way; [`with_hidden`](Self::with_hidden) with
    /// [`Hidden::plain`] is the mild one.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The limits of one organisation.
    pub fn with_organization_limits(mut self, id: impl Into<String>, limits: Limits) -> Self {
        self.organization_limits.insert(id.into(), limits);
        self
    }

    /// Limits of one workspace. Those of its organisation hold as well. As in the API, the default workspace
    /// cannot have any: limits for [`DEFAULT_WORKSPACE`](crate::DEFAULT_WORKSPACE) do nothing.
    pub fn with_workspace_limits(mut self, id: impl Into<String>, limits: Limits) -> Self {
        self.workspace_limits.insert(id.into(), limits);
        self
    }

    /// How limits are enforced where the API's documents leave it open; [`Hidden::of_seed`] if nothing is said.
    pub const fn with_hidden(mut self, hidden: Hidden) -> Self {
        self.hidden = Some(hidden);
        self
    }

    /// Whether a stream that ends in an error after it has begun (an `error` event, a connection that breaks)
    /// is billed for what it used until then. The API does not say (2026-11-22); `true` if nothing is said,
    /// which is what a careful caller assumes.
    pub const fn with_failed_streams_billed(mut self, billed: bool) -> Self {
        self.failed_streams_billed = billed;
        self
    }

    /// Whether a message is billed that was executed and whose answer got lost: a 500, 502 or 504 in its
    /// place, or a connection that breaks before the headers. The API does not say (2026-11-22); `true` if
    /// nothing is said, which is what a careful caller assumes.
    pub const fn with_lost_answers_billed(mut self, billed: bool) -> Self {
        self.lost_answers_billed = billed;
        self
    }

    /// How many connections each [`Server`](crate::Server) holds; more wait in the system's queue.
    /// [`MAX_CONNECTIONS`] if nothing is said.
    pub const fn with_max_connections(mut self, connections: NonZeroUsize) -> Self {
        self.max_connections = connections;
        self
    }

    /// How fast messages are written; at once if nothing is said.
    pub const fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The fates of calls: what goes wrong with requests that carry `x-sim-fate`. Seed, fate and number of the
    /// attempt decide, so that [`Simulator::fate`] knows it beforehand.
    pub fn with_fates(mut self, fates: FaultMix) -> Self {
        self.fates = fates;
        self
    }

    /// What goes wrong by chance, with requests that carry no `x-sim-fate`. Seed and number of the request decide.
    pub fn with_chance(mut self, chance: FaultMix) -> Self {
        self.chance = chance;
        self
    }

    /// How many requests the log holds, and how much of each body;
    /// [`DEFAULT_LOG_ENTRIES`](crate::DEFAULT_LOG_ENTRIES) and
    /// [`DEFAULT_LOG_BODY_BYTES`](crate::DEFAULT_LOG_BODY_BYTES) if nothing is said. No entries means no log.
    pub const fn with_log(mut self, entries: usize, body_bytes: usize) -> Self {
        self.log_entries = entries;
        self.log_body_bytes = body_bytes;
        self
    }

    /// The simulator.
    #[must_use]
    pub fn build(self) -> Simulator {
        Simulator::from_builder(self)
    }
}
