//! `claude-retry`, as it comes.

use std::time::Duration;

use claude_retry::{Backoff, Quota, RetryLayer};

use crate::ways::Wait;

pub(crate) fn layer(wait: Wait) -> RetryLayer {
    let (first, most) = wait.backoff();
    let mut backoff = Backoff::new(first, most).expect("a proper backoff");
    if matches!(wait, Wait::None) {
        backoff = backoff.with_overload_floor(Duration::from_nanos(1));
    }
    // A first try earns one retry, so that a quota that is in use every time does not run dry.
    let quota = Quota::new(1.0, 100).expect("a proper quota");
    RetryLayer::new().with_backoff(backoff).with_quota(quota)
}
