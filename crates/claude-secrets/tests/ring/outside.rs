//! Where there is no runtime.

use std::task::Poll;

use claude_secrets::source::SourceErrorKind;
use tokio_test::task;

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{A, Claude, only, ring};

const WHY: &str = "test:safe: keys are fetched inside a tokio runtime";

fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut task = task::spawn(Box::pin(future));
    match task.poll() {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits for nothing"),
    }
}

#[test]
fn a_request_is_refused_and_says_why() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    let refused = at_once(claude.refusal());
    assert_eq!(refused.words, format!("key `main`: {WHY}"));
    assert_eq!(refused.source_kind(), SourceErrorKind::Misconfigured);
    assert_eq!(only(&ring).error.unwrap().to_string(), WHY);
}

#[test]
fn a_start_fails_and_says_why() {
    let ring = ring(&Safe::with(A));
    let error = at_once(ring.start()).unwrap_err();
    assert_eq!(error.to_string(), format!("no key to start with: key `main`: {WHY}"));
}

#[test]
fn a_refresh_fails_and_says_why() {
    let ring = ring(&Safe::with(A));
    let failed = at_once(ring.refresh_now());
    assert_eq!(failed.len(), 1);
    assert_eq!((&*failed[0].0, &*failed[0].1.to_string()), ("main", WHY));
}

/// A key that was fetched inside of one serves outside too.
#[test]
fn a_key_that_is_there_is_used() {
    let (safe, api) = (Safe::with(A), Api::knowing([A]));
    let ring = ring(&safe);
    let claude = Claude::new(&ring, &api);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(ring.start()).unwrap();
    drop(runtime);
    assert_eq!(at_once(claude.ask()).unwrap(), 200);
    api.revoke(A);
    assert_eq!(at_once(claude.ask()).unwrap(), 401);
    assert!(at_once(claude.ask()).is_err());
    assert_eq!(safe.fetches(), 1);
}
