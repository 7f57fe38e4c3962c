//! The simulator: one simulated service, and a handle to it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::request::Parts;
use tokio::net::ToSocketAddrs;

use crate::auth::{Key, KeyRing, Standing};
use crate::betas::Betas;
use crate::bill::{Bill, BillLine};
use crate::builder::Builder;
use crate::clock::Clock;
use crate::faults::{Fault, Faults};
use crate::in_flight::{InFlight, InFlightGuard};
use crate::limits::{Buckets, Hidden, Limits};
use crate::lock::lock;
use crate::log::{Log, SeenRequest};
use crate::messages::Reply;
use crate::models::Catalogue;
use crate::pace::Pace;
use crate::prompt_cache::PromptCache;
use crate::seed;
use crate::server::Server;

/// How many scripted replies wait at the most. What does not fit is left out.
pub const MAX_SCRIPTED_REPLIES: usize = 65_536;

/// A simulated Claude API. Clones are handles of the same one. See the [crate docs](crate).
#[derive(Clone)]
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) frame_bytes: Option<NonZeroUsize>,
    pub(crate) models: Catalogue,
    pub(crate) betas: Betas,
    pub(crate) in_flight: InFlight,
    pub(crate) failed_streams_billed: bool,
    pub(crate) lost_answers_billed: bool,
    pub(crate) max_connections: NonZeroUsize,
    pub(crate) pace: Pace,
    pub(crate) faults: Faults,
    keys: Mutex<KeyRing>,
    log: Mutex<Log>,
    bill: Mutex<Bill>,
    prompt_cache: Mutex<PromptCache>,
    buckets: Mutex<Buckets>,
    reply: Reply,
    script: Mutex<VecDeque<Reply>>,
}

impl Simulator {
    /// A simulator of seed 0 with the default key and catalogue.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts to build one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_builder(builder: Builder) -> Self {
        let shared = Shared {
            seed: builder.seed,
            clock: Clock::start(builder.date, builder.still),
            frame_bytes: builder.frame_bytes,
            models: Catalogue::new(builder.models),
            betas: Betas::new(builder.betas),
            in_flight: InFlight::default(),
            failed_streams_billed: builder.failed_streams_billed,
            lost_answers_billed: builder.lost_answers_billed,
            max_connections: builder.max_connections,
            pace: builder.pace,
            faults: Faults::new(builder.seed, builder.fates, builder.chance),
            keys: Mutex::new(KeyRing::new(builder.keys, builder.accept_any_key)),
            log: Mutex::new(Log::new(builder.log_entries, builder.log_body_bytes)),
            bill: Mutex::default(),
            prompt_cache: Mutex::default(),
            buckets: Mutex::new(Buckets::new(
                builder.hidden.unwrap_or_else(|| Hidden::of_seed(builder.seed)),
                builder.limits,
                builder.organization_limits,
                builder.workspace_limits,
            )),
            reply: builder.reply,
            script: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Serves it over HTTP/1.1 at `addr` (port 0 for any) until the [`Server`] is shut down or dropped. It may
    /// be served several times, and be called in process at the same time.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    pub async fn serve(&self, addr: impl ToSocketAddrs) -> io::Result<Server> {
        Server::bind(self.clone(), addr).await
    }

    /// The next messages answer these, one each, in the order in which their requests have been read; after
    /// them, it is the builder's reply again. Replies wait until they are used, and only valid requests use
    /// them. Up to [`MAX_SCRIPTED_REPLIES`](crate::MAX_SCRIPTED_REPLIES) wait; more are left out.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        for reply in replies {
            let mut script = lock(&self.shared.script);
            if script.len() >= MAX_SCRIPTED_REPLIES {
                return;
            }
            script.push_back(reply);
        }
    }

    /// No scripted reply waits any more.
    pub fn clear_script(&self) {
        lock(&self.shared.script).clear();
    }

    /// How many scripted replies wait.
    #[must_use]
    pub fn scripted(&self) -> usize {
        lock(&self.shared.script).len()
    }

    /// The next requests meet these faults, one each, in the order in which they arrive, after those that are
    /// scripted already; [`Fault::none`] lets one pass. Up to [`MAX_SCRIPTED_FAULTS`](crate::MAX_SCRIPTED_FAULTS)
    /// wait; more are left out.
    pub fn fail_with(&self, faults: impl IntoIterator<Item = Fault>) {
        for fault in faults {
            self.shared.faults.script(1, fault);
        }
    }

    /// The next `n` requests meet this fault, as with [`fail_with`](Self::fail_with).
    pub fn fail_next(&self, n: u64, fault: Fault) {
        self.shared.faults.script(n, fault);
    }

    /// No scripted fault waits any more.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// How many requests the scripted faults are for.
    #[must_use]
    pub fn scripted_faults(&self) -> u64 {
        self.shared.faults.scripted()
    }

    /// What will happen, or has happened, to this attempt (from 1) of the call whose requests carry this number as
    /// `x-sim-fate`; `None` if nothing. It is decided by them and the simulator's seed alone.
    #[must_use]
    pub fn fate(&self, fate: u64, attempt: u32) -> Option<Fault> {
        self.shared.faults.fate(fate, attempt)
    }

    /// The first of so many attempts of the call with this fate that can succeed, if one can: it meets no fault, or
    /// one that lets the answer through ([`Fault::is_fatal`]).
    #[must_use]
    pub fn first_success(&self, fate: u64, attempts: u32) -> Option<u32> {
        self.shared.faults.first_success(fate, attempts)
    }

    /// A key becomes valid, also one that was revoked.
    pub fn add_key(&self, key: Key) {
        lock(&self.shared.keys).add(key);
    }

    /// A key becomes invalid, for every request that is not yet being answered.
    pub fn revoke_key(&self, secret: &str) {
        lock(&self.shared.keys).revoke(secret);
    }

    /// A valid key gets a successor of the same name, organisation and workspace. The old one stays valid for the
    /// time of the overlap, which may be none. Returns whether `old` was valid; if not, nothing happens.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use claude_sim::{DEFAULT_KEY, Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let simulator = Simulator::new();
    /// assert!(simulator.rotate_key(DEFAULT_KEY, "sk-ant-api03-new", Duration::from_secs(60)));
    /// # }
    /// ```
    #[expect(clippy::must_use_candidate, reason = "most callers know")]
    pub fn rotate_key(&self, old: &str, new: &str, overlap: Duration) -> bool {
        let now = self.shared.clock.elapsed();
        lock(&self.shared.keys).rotate(old, new, now.saturating_add(overlap), now)
    }

    /// From now on, an organisation stands like this with the API; all are in good standing at first.
    pub fn set_standing(&self, organization: impl Into<String>, standing: Standing) {
        lock(&self.shared.keys).set_standing(organization.into(), standing);
    }

    /// The requests that came in, oldest first, as far as the log goes back.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        lock(&self.shared.log).entries()
    }

    /// How many requests ever came in.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        lock(&self.shared.log).arrived()
    }

    /// What has been used so far, in tokens by kind, ordered by key and model. What is still running is not in
    /// it.
    #[must_use]
    pub fn bill(&self) -> Vec<BillLine> {
        lock(&self.shared.bill).lines()
    }

    /// The lines of the bill of the key with this name.
    #[must_use]
    pub fn bill_of(&self, key: &str) -> Vec<BillLine> {
        let mut lines = self.bill();
        lines.retain(|line| line.item.key == key);
        lines
    }

    /// Takes the bill away: it is empty from now on. What is still running comes onto the next one.
    #[expect(clippy::must_use_candidate, reason = "it may be taken to be thrown away")]
    pub fn take_bill(&self) -> Vec<BillLine> {
        self.shared.bill().take()
    }

    /// Takes the log away: it is empty from now on. Numbers go on, and requests that are still being answered
    /// stay as they are.
    #[expect(clippy::must_use_candidate, reason = "it may be taken to be thrown away")]
    pub fn take_requests(&self) -> Vec<SeenRequest> {
        self.shared.log().take()
    }

    /// How limits are enforced where the API's documents leave it open.
    #[must_use]
    pub fn hidden(&self) -> Hidden {
        self.shared.buckets().hidden()
    }

    /// From now on, these are the limits of every organisation that has none of its own. What buckets hold stays,
    /// as far as it fits.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.buckets().set_limits(limits, self.shared.clock.elapsed());
    }

    /// From now on, these are the limits of this organisation.
    pub fn set_organization_limits(&self, id: impl Into<String>, limits: Limits) {
        let now = self.shared.clock.elapsed();
        self.shared.buckets().set_organization_limits(id.into(), limits, now);
    }

    /// From now on, these are the limits of this workspace. The default workspace cannot have any, as
    /// [`Builder::with_workspace_limits`] says.
    pub fn set_workspace_limits(&self, id: impl Into<String>, limits: Limits) {
        let now = self.shared.clock.elapsed();
        self.shared.buckets().set_workspace_limits(id.into(), limits, now);
    }

    /// Forgets all prompts that are cached.
    pub fn clear_prompt_cache(&self) {
        self.shared.prompt_cache().clear();
    }

    /// How many requests are being answered: from the first poll of the future to the end, or the drop, of the
    /// response body.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.now()
    }

    /// The most requests that were ever answered at the same time.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.shared.in_flight.most()
    }
}

impl Default for Simulator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("seed", &self.shared.seed)
            .field("arrived", &self.arrived())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// A request that came in.
pub(crate) struct Arrival {
    pub(crate) number: u64,
    pub(crate) request_id: String,
    /// Lives until its end.
    pub(crate) in_flight: InFlightGuard,
}

impl Shared {
    /// Counts a request and writes it into the log.
    pub(crate) fn arrive(self: &Arc<Self>, head: &Parts) -> Arrival {
        let others = self.in_flight.enter();
        let request_id = |number| seed::request_id(self.seed, number);
        let (number, request_id) = self.log().arrive(head, self.clock.elapsed(), others, request_id);
        let in_flight = InFlightGuard::new(Arc::clone(self), number);
        Arrival { number, request_id, in_flight }
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyRing> {
        lock(&self.keys)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    pub(crate) fn buckets(&self) -> MutexGuard<'_, Buckets> {
        lock(&self.buckets)
    }

    pub(crate) fn prompt_cache(&self) -> MutexGuard<'_, PromptCache> {
        lock(&self.prompt_cache)
    }

    pub(crate) fn bill(&self) -> MutexGuard<'_, Bill> {
        lock(&self.bill)
    }

    /// What the next message answers.
    pub(crate) fn next_reply(&self) -> Reply {
        lock(&self.script).pop_front().unwrap_or_else(|| self.reply.clone())
    }
}
