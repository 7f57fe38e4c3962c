//! Where layers tell what they saved or caused.

use std::fmt;
use std::sync::Arc;

use super::{Call, Caller};
use crate::usage::Usage;

/// Whether cost was avoided or caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Cost that did not arise: a cache answered, a cheaper model served.
    Saved,
    /// Cost beside the answer that the caller got: an attempt that was repeated, the loser of a race.
    Extra,
}

/// One report of saved or extra cost, in tokens: money is computed by the one layer that knows prices.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Saved or extra.
    pub kind: EntryKind,
    /// Which layer and why, as a stable name such as `cache_hit`.
    pub reason: &'static str,
    /// The model whose prices hold.
    pub model: Option<Arc<str>>,
    /// The tokens.
    pub usage: Usage,
    /// Whether the usage is an estimate rather than the API's own count.
    pub estimated: bool,
    /// The call that it belongs to.
    pub call: Option<Call>,
    /// Who called.
    pub caller: Option<Caller>,
}

impl Entry {
    /// A report for this usage.
    #[must_use]
    pub const fn new(kind: EntryKind, reason: &'static str, usage: Usage) -> Self {
        Self { kind, reason, model: None, usage, estimated: false, call: None, caller: None }
    }
}

/// Keeps books. Implemented by the cost layer; any layer may report to it.
pub trait Books: Send + Sync + 'static {
    /// Takes one report. Must not block and must not panic: it may be called while a body is dropped.
    fn post(&self, entry: Entry);
}

/// The books of a request, in its extensions.
#[derive(Clone)]
pub struct BooksHandle(Arc<dyn Books>);

impl BooksHandle {
    /// A handle to these books.
    pub fn new(books: impl Books) -> Self {
        Self(Arc::new(books))
    }

    /// Reports to them.
    pub fn post(&self, entry: Entry) {
        self.0.post(entry);
    }
}

impl fmt::Debug for BooksHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BooksHandle")
    }
}
