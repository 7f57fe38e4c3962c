//! The prompt cache.
//!
//! A prompt is a row of blocks: tools, system, messages, in this order. A breakpoint (`cache_control`) on a block
//! stands for everything up to it. Its prefix is looked up, also at up to 19 positions before it, and what is not found
//! is written, at breakpoints alone. From the API's documentation on prompt caching, as of 2026-10-07.
//!
//! An entry is found by the digest of its prefix, with its organisation, workspace and model: that is of the text of the body, so
//! that another order of fields is another prefix.

mod blocks;
mod breakpoints;
mod digester;
mod prompt;
mod store;

use std::sync::Arc;
use std::time::Duration;

use crate::bill::TokenCounts;
use crate::simulator::Shared;

pub(crate) use prompt::{Prompt, Scope};
pub(crate) use store::PromptCache;

/// How long an entry lives after the start of the last request that used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ttl {
    FiveMinutes,
    OneHour,
}

impl Ttl {
    const fn life(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(5 * 60),
            Self::OneHour => Duration::from_secs(60 * 60),
        }
    }
}

/// What the cache does for one request.
pub(crate) struct Plan {
    /// The input, by where it comes from and where it goes.
    pub(crate) input: TokenCounts,
    /// Entries that are used, and those that come into being.
    uses: Vec<u64>,
    writes: Vec<(u64, Ttl)>,
}

impl Plan {
    /// Leaves the cache alone.
    pub(crate) fn without_cache(input_tokens: u64) -> Self {
        let input = TokenCounts { input: input_tokens, ..TokenCounts::default() };
        Self { input, uses: Vec::new(), writes: Vec::new() }
    }

    /// The input that the cache does not hold.
    pub(crate) const fn uncached(&self) -> u64 {
        self.input.uncached()
    }

    /// Takes place when the response begins: until then, others do not find what it writes. If that never comes
    /// to pass, neither does this.
    pub(crate) fn into_ticket(self, shared: &Arc<Shared>) -> Ticket {
        Ticket { shared: Arc::clone(shared), plan: self, started: shared.clock.elapsed() }
    }
}

/// A plan whose request has been let in.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    plan: Plan,
    started: Duration,
}

impl Ticket {
    /// The response begins. Lives count from the request's start all the same.
    pub(crate) fn redeem(self) {
        let Self { shared, plan, started } = self;
        let mut cache = shared.prompt_cache();
        for used in plan.uses {
            cache.refresh(used, started);
        }
        for (digest, ttl) in plan.writes {
            cache.write(digest, ttl, started);
        }
    }
}
