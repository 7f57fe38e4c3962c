//! The first request fetches the key.

use claude_secrets::KeyState;
use claude_secrets::source::SecretSource;

use crate::stack::Stack;
use crate::store::{OfAws, OfVault, Store};

async fn the_first_requests_cause_one_fetch<S: Store>() {
    let store = S::start().await;
    let source = store.source();
    let stack = Stack::over(source.clone(), |ring| ring);
    assert_eq!((stack.status().state, stack.fetches.begun()), (KeyState::Missing, 0));

    stack.all_well(50).await;
    stack.all_well(50).await;
    assert_eq!((stack.carried(0), stack.fetches.begun()), (100, 1));
    let status = stack.status();
    assert_eq!((status.state, &*status.source), (KeyState::Live, source.id()));
    assert!(status.version.is_some() && status.fingerprint.is_some() && status.previous.is_none());
    assert!(status.error.is_none() && !status.is_stale);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn of_openbao_the_first_requests_cause_one_fetch() {
    the_first_requests_cause_one_fetch::<OfVault>().await;
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn of_ministack_the_first_requests_cause_one_fetch() {
    the_first_requests_cause_one_fetch::<OfAws>().await;
}
