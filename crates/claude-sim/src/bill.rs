//! The bill: tokens by kind, for each key and way of serving. Never money.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

/// Tokens of one kind each, and requests of the server's own tools. The kinds are disjoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenCounts {
    /// Input that came from no cache and went into none.
    pub input: u64,
    /// Input written to the prompt cache for five minutes.
    pub cache_write_5m: u64,
    /// Input written to the prompt cache for an hour.
    pub cache_write_1h: u64,
    /// Input read from the prompt cache.
    pub cache_read: u64,
    /// Output, thinking included.
    pub output: u64,
    /// Web searches, which are billed each.
    pub web_searches: u64,
}

/// Sums that stop at the most that a count can be: a reply may say what no prompt has.
impl TokenCounts {
    /// What was written to the cache, for however long.
    pub(crate) const fn cache_writes(&self) -> u64 {
        self.cache_write_5m.saturating_add(self.cache_write_1h)
    }

    /// The whole prompt, wherever it came from and went.
    pub(crate) const fn prompt(&self) -> u64 {
        self.uncached().saturating_add(self.cache_read)
    }

    /// What the cache did not hold.
    pub(crate) const fn uncached(&self) -> u64 {
        self.input.saturating_add(self.cache_writes())
    }
}

impl AddAssign for TokenCounts {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.input, other.input),
            (&mut self.cache_write_5m, other.cache_write_5m),
            (&mut self.cache_write_1h, other.cache_write_1h),
            (&mut self.cache_read, other.cache_read),
            (&mut self.output, other.output),
            (&mut self.web_searches, other.web_searches),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// What a line of the bill is for: everything that a price may depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct BillItem {
    /// The name of the key.
    pub key: String,
    /// The organisation of the key.
    pub organization: String,
    /// The workspace of the key.
    pub workspace: String,
    /// The model that served.
    pub model: String,
    /// `standard`.
    pub service_tier: &'static str,
    /// `standard` or `fast`.
    pub speed: &'static str,
    /// `global`, `us` or `not_available`.
    pub inference_geo: &'static str,
    /// Whether the prompt, with what the cache held and took of it, was longer than what the model's usual price is
    /// for. See [`Model::with_long_context`](crate::Model::with_long_context).
    pub long_context: bool,
}

/// One line of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BillLine {
    /// What it is for.
    #[serde(flatten)]
    pub item: BillItem,
    /// How many requests it comes from.
    pub requests: u64,
    /// How much of what.
    pub tokens: TokenCounts,
}

/// Its size is bounded by keys times models times ways of serving.
#[derive(Default)]
pub(crate) struct Bill {
    lines: BTreeMap<BillItem, (u64, TokenCounts)>,
}

impl Bill {
    pub(crate) fn add(&mut self, item: BillItem, tokens: TokenCounts) {
        let (requests, sum) = self.lines.entry(item).or_default();
        *requests = requests.saturating_add(1);
        *sum += tokens;
    }

    /// Empties the bill.
    pub(crate) fn take(&mut self) -> Vec<BillLine> {
        let lines = self.lines();
        self.lines.clear();
        lines
    }

    pub(crate) fn lines(&self) -> Vec<BillLine> {
        let line = |(item, &(requests, tokens)): (&BillItem, &(u64, TokenCounts))| BillLine {
            item: item.clone(),
            requests,
            tokens,
        };
        self.lines.iter().map(line).collect()
    }
}
