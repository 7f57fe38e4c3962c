//! What levels are counted in.

/// The pieces that a token (or a request) is counted in. A limit of `L` per minute refills a bucket by exactly
/// `L` pieces in each nanosecond.
pub(super) const PIECES: i128 = 60_000_000_000;

pub(super) const fn pieces(amount: u64) -> i128 {
    // The largest amount is 1.1e30 pieces, of 1.7e38 that fit.
    amount as i128 * PIECES
}

pub(super) fn whole(amount: i128) -> u64 {
    u64::try_from(amount.max(0)).unwrap_or(u64::MAX)
}
