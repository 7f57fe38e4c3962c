//! Errors in errors.

use std::error::Error;
use std::io;
use std::sync::Arc;

/// Chains end; one that is longer than this goes in a circle.
const MAX_CHAIN: usize = 64;

/// The first error of this type in a chain, outermost first: also one that stands in an `io::Error`, whose `source` skips
/// it, and one in a `Box` or an `Arc` that is an error of its own.
#[must_use]
pub fn find_in_chain<'a, T>(error: &'a (dyn Error + 'static)) -> Option<&'a T>
where
    T: Error + 'static,
{
    let mut next = Some(error);
    for _ in 0..MAX_CHAIN {
        let error = next?;
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // These show what their content came from, and not their content.
        if let Some(found) = error.downcast_ref::<Box<T>>() {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref::<Arc<T>>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
