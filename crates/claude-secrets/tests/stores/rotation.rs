//! The key is changed in its store while requests go on.

use std::time::Duration;

use claude_secrets::KeyState;

use crate::stack::Stack;
use crate::store::{OfAws, OfVault, Store, key};

const HOUR: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_millis(50);

async fn a_rotation_fails_no_request<S: Store>() {
    let mut store = S::start().await;
    let stack = Stack::over(store.source(), |ring| ring.with_ttl(HOUR));
    stack.ring.start().await.unwrap();
    let before = stack.status();
    for round in 1..4 {
        let stop_old = async {
            let version = store.rotate(&key(round)).await;
            stack.allow(round);
            stack.simulator.revoke_key(&key(round - 1));
            version
        };
        let (version, ()) = tokio::join!(stop_old, stack.all_well_until(|| stack.carried(round) >= 30));
        // The one at the start, and one for each rotation.
        assert_eq!(stack.fetches.begun(), 1 + round as usize);
        let status = stack.status();
        assert_eq!((status.state, status.version.as_deref()), (KeyState::Live, Some(&*version)));
        assert!(status.previous.is_some() && status.error.is_none());
    }
    // Three requests go on at once, and none of them meets a refusal twice.
    assert!((3..=9).contains(&stack.refused()), "{}", stack.refused());
    assert_ne!(stack.status().fingerprint, before.fingerprint);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn of_openbao_a_rotation_fails_no_request_and_costs_one_fetch() {
    a_rotation_fails_no_request::<OfVault>().await;
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn of_ministack_a_rotation_fails_no_request_and_costs_one_fetch() {
    a_rotation_fails_no_request::<OfAws>().await;
}

/// For a ring that had the key before, and for one that has only heard of it from the store.
async fn the_key_before_stands_in<S: Store>() {
    let mut store = S::start().await;
    let over = |source| Stack::over(source, |ring| ring.with_ttl(HOUR).with_failure_backoff(SOON, SOON));
    let knew = over(store.source());
    knew.ring.start().await.unwrap();
    let version = store.rotate(&key(1)).await;
    assert!(knew.ring.refresh_now().await.is_empty());
    let heard = over(store.source());
    for stack in [knew, heard] {
        stack.all_well_until(|| stack.carried(0) >= 30).await;
        let status = stack.status();
        assert_eq!((status.state, status.version.as_deref()), (KeyState::Dead, Some(&*version)));
        assert!(status.previous.is_some() && stack.refused() >= 1);

        stack.allow(1);
        stack.all_well_until(|| stack.carried(1) >= 30).await;
        stack.simulator.revoke_key(&key(0));
        stack.all_well(30).await;
        assert_eq!(stack.status().state, KeyState::Live);
    }
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn of_openbao_the_key_before_stands_in_until_the_new_one_is_good() {
    the_key_before_stands_in::<OfVault>().await;
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn of_ministack_the_key_before_stands_in_until_the_new_one_is_good() {
    the_key_before_stands_in::<OfAws>().await;
}

/// As a rotation goes in AWS: the new one is made and tried before it is the key.
#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn of_ministack_a_pending_version_is_on_no_request() {
    let store = OfAws::start().await;
    let stack = Stack::over(store.source(), |ring| ring);
    stack.allow(1);
    store
        .ministack()
        .put(crate::store::NAME, &format!(r#"{{"key":"{}"}}"#, key(1)), Some("AWSPENDING"))
        .await;
    stack.all_well(10).await;
    assert!(stack.ring.refresh_now().await.is_empty());
    stack.all_well(10).await;
    assert_eq!((stack.carried(0), stack.carried(1)), (20, 0));
}
