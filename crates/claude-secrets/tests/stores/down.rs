//! The server is killed, and another one started in its place.

use std::time::Duration;

use claude_secrets::source::{SecretSource, SourceErrorKind};
use claude_secrets::{KeyState, SecretsError, SecretsErrorKind};
use tokio::time::{sleep, timeout};

use crate::LONG;
use crate::stack::Stack;
use crate::store::{OfAws, OfVault, Store, key};

const SOON: Duration = Duration::from_millis(50);

async fn a_server_that_is_down_at_the_start_is_found_later<S: Store>() {
    let mut store = S::start().await;
    store.stop();
    let source = store.source();
    let stack = Stack::over(source.clone(), |ring| ring.with_failure_backoff(SOON, SOON));
    let error = stack.ring.start().await.unwrap_err();
    let begin = format!("no key to start with: key `claude`: {}: ", source.id());
    assert!(error.to_string().starts_with(&begin), "{error}");
    assert_eq!(error.failed[0].1.kind(), SourceErrorKind::Unavailable);
    let error = stack.ask().await.unwrap_err();
    let kind = SecretsError::find(&*error).unwrap().kind();
    let SecretsErrorKind::NoKey(why) = kind else { panic!("{kind:?}") };
    assert_eq!(why.kind(), SourceErrorKind::Unavailable);
    assert_eq!((stack.status().state, stack.simulator.arrived()), (KeyState::Missing, 0));

    store.start_again(&key(0)).await;
    let answered = async {
        while stack.ask().await.is_err() {
            sleep(SOON).await;
        }
    };
    timeout(LONG, answered).await.unwrap();
    stack.all_well(10).await;
    let status = stack.status();
    assert!(status.state == KeyState::Live && status.error.is_none(), "{status:?}");
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn openbao_that_is_down_at_the_start_is_found_later() {
    a_server_that_is_down_at_the_start_is_found_later::<OfVault>().await;
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn ministack_that_is_down_at_the_start_is_found_later() {
    a_server_that_is_down_at_the_start_is_found_later::<OfAws>().await;
}

async fn requests_go_on_with_the_last_key<S: Store>() {
    let mut store = S::start().await;
    let short = Duration::from_millis(100);
    let settings =
        |ring: claude_secrets::KeyRingBuilder| ring.with_ttl(short).with_failure_backoff(SOON, SOON);
    let stack = Stack::over(store.source(), settings);
    stack.all_well(10).await;
    let before = stack.status().fingerprint;
    store.stop();
    stack.all_well_until(|| stack.status().is_stale && stack.fetches.failed() >= 2).await;
    let status = stack.status();
    assert_eq!(status.error.unwrap().kind(), SourceErrorKind::Unavailable);
    assert_eq!((status.state, &status.fingerprint), (KeyState::Live, &before));

    // The new server has a new key. Nobody asks it while it is being filled: what it refuses then is left alone for a while.
    stack.allow(1);
    store.start_again(&key(1)).await;
    stack.all_well_until(|| stack.status().error.is_none() && stack.carried(1) >= 30).await;
    stack.simulator.revoke_key(&key(0));
    stack.all_well(30).await;
    let status = stack.status();
    assert!(!status.is_stale && status.error.is_none() && status.fingerprint != before, "{status:?}");
    assert_eq!(stack.refused(), 0);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn without_openbao_requests_go_on_with_the_last_key() {
    requests_go_on_with_the_last_key::<OfVault>().await;
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn without_ministack_requests_go_on_with_the_last_key() {
    requests_go_on_with_the_last_key::<OfAws>().await;
}
