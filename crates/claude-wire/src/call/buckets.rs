//! How full the buckets of a limit group are, for whoever chooses between groups.

/// Knows the buckets of limit groups. Implemented by whoever keeps them; asked by whoever chooses a key.
pub trait Buckets: Send + Sync + 'static {
    /// How full the fullest-drawn bucket of this group is for models of this class
    /// ([`limit_class`](crate::facts::limit_class)): 0 is empty, 1 is full; `None` if nothing is known. Must not block.
    fn fullness(&self, limit_group: &str, class: &str) -> Option<f64>;
}
