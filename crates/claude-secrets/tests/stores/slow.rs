//! The server takes what is sent, and says nothing.

use std::time::Duration;

use claude_secrets::source::SourceErrorKind;

use crate::LONG;
use crate::link::Link;
use crate::stack::Stack;
use crate::store::{OfAws, OfVault, Store};

/// For the ring; the server has its own clock.
async fn passes(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn nobody_waits_for_a_slow_server<S: Store>() {
    let store = S::start().await;
    let link = Link::to(store.address()).await;
    let ring =
        |ring: claude_secrets::KeyRingBuilder| ring.with_ttl(Duration::from_secs(100)).with_jitter(0.0);
    let stack =
        Stack::over(store.source_by(link.address), |builder| ring(builder).with_fetch_timeout(2 * LONG));
    stack.all_well(1).await;
    link.stall(true);
    // A quarter before the end it is fetched again.
    passes(80).await;
    stack.all_well_until(|| stack.fetches.begun() == 2).await;
    stack.all_well(50).await;
    assert_eq!((stack.fetches.begun(), stack.fetches.ended()), (2, 1));
    link.stall(false);
    stack.all_well_until(|| stack.fetches.ended() == 2).await;
    assert_eq!((stack.fetches.failed(), stack.status().error), (0, None));

    // At the end requests wait, but for no more than one fetch that fails.
    let limit = Duration::from_millis(100);
    let stack = Stack::over(store.source_by(link.address), |builder| ring(builder).with_fetch_timeout(limit));
    while stack.ring.start().await.is_err() {
        // The limit is short for a busy machine.
        stack.ring.refresh_now().await;
    }
    link.stall(true);
    passes(101).await;
    let before = stack.fetches.begun();
    stack.all_well(50).await;
    stack.all_well(50).await;
    assert_eq!(stack.fetches.begun(), before + 1);
    let status = stack.status();
    assert_eq!(status.error.map(|error| error.kind()), Some(SourceErrorKind::TimedOut));
    assert!(status.is_stale);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn nobody_waits_for_a_slow_openbao() {
    nobody_waits_for_a_slow_server::<OfVault>().await;
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn nobody_waits_for_a_slow_ministack() {
    nobody_waits_for_a_slow_server::<OfAws>().await;
}
