//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it. Every section under a lock of the simulator leaves its data whole at every point, so poison says
/// nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
