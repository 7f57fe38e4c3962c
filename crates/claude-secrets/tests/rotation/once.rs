//! One rotation.

use std::time::Duration;

use claude_secrets::{KeyRing, SecretsLayer};
use futures_util::future::join_all;
use tower::{Layer, ServiceExt};

use crate::support::{Vault, message, simulator};

#[tokio::test(start_paused = true)]
async fn a_key_that_was_changed_and_revoked_is_noticed_by_nobody_and_fetched_once() {
    let simulator = simulator("sk-ant-api03-one");
    let vault = Vault::with("sk-ant-api03-one");
    let ring = KeyRing::single(vault.clone());
    let claude = SecretsLayer::new(ring.clone()).layer(simulator.clone());
    let statuses = |count: usize| {
        let claude = claude.clone();
        async move {
            let calls = (0..count).map(|_| claude.clone().oneshot(message()));
            join_all(calls)
                .await
                .into_iter()
                .map(|answer| answer.unwrap().status().as_u16())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(statuses(100).await, [200; 100]);
    assert_eq!(vault.fetches(), 1);

    vault.set("sk-ant-api03-two");
    simulator.rotate_key("sk-ant-api03-one", "sk-ant-api03-two", Duration::ZERO);
    assert_eq!(statuses(100).await, [200; 100]);
    assert_eq!(vault.fetches(), 2);
    assert_eq!(ring.status()[0].error, None);
}
