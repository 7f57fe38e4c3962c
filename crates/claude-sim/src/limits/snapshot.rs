//! What headers are told of a bucket.

use std::time::Duration;

use super::pieces::{PIECES, pieces, whole};

/// What remains of tokens is rounded to the nearest so many (2026-10-08).
const ROUNDED_TO: i128 = 1_000;

/// What a bucket was like at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    pub(super) limit: u64,
    /// In pieces.
    pub(super) level: i128,
    pub(super) at: Duration,
    /// When it would be full again, if nothing more were taken.
    pub(super) full_at: Duration,
}

impl Snapshot {
    /// A bucket without a limit, as far as headers have to show one.
    pub(super) fn full(limit: u64, now: Duration) -> Self {
        Self { limit, level: pieces(limit), at: now, full_at: now }
    }

    /// Input and output together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            limit: self.limit.saturating_add(other.limit),
            level: self.level.max(0).saturating_add(other.level.max(0)),
            at: self.at,
            full_at: self.full_at.max(other.full_at),
        }
    }

    /// When it would be full again; `None` if it is full.
    pub(super) fn reset(&self) -> Option<Duration> {
        (self.full_at > self.at).then_some(self.full_at)
    }

    pub(super) const fn is_tighter(&self, other: &Self) -> bool {
        self.level < other.level
    }

    /// The one that binds more.
    pub(super) fn tighter(self, other: Option<Self>) -> Self {
        other.filter(|other| other.is_tighter(&self)).unwrap_or(self)
    }

    /// Whole ones, never less than none.
    pub(super) fn remaining(&self) -> u64 {
        whole(self.level / PIECES)
    }

    /// To the nearest thousand, but never more than the limit.
    pub(super) fn remaining_rounded(&self) -> u64 {
        let unit = ROUNDED_TO * PIECES;
        let rounded = self.level.max(0).saturating_add(unit / 2) / unit * ROUNDED_TO;
        whole(rounded).min(self.limit)
    }
}
