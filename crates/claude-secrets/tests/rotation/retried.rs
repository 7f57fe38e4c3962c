//! Rotations behind the retry, whose attempts each get the key of their moment.

use std::time::Duration;

use claude_retry::{Quota, RetryLayer};
use claude_secrets::{Key, KeyRing, SecretsLayer};
use claude_sim::{Fault, FaultMix};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

use crate::support::{Vault, arrivals, key, load, message, with_key};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_retry_that_waits_over_a_rotation_has_the_new_key() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let keys = SecretsLayer::new(KeyRing::single(vault.clone()));
    let claude = RetryLayer::new().layer(keys.layer(simulator.clone()));
    simulator.fail_next(1, Fault::rate_limited(20));
    let call = tokio::spawn(claude.oneshot(message()));
    sleep(SECOND).await;
    vault.set(&key(1));
    simulator.rotate_key(&key(0), &key(1), Duration::ZERO);
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
    let statuses: Vec<_> = simulator.requests().iter().map(|seen| seen.status.unwrap().as_u16()).collect();
    assert_eq!(statuses, [429, 401, 200]);
    assert_eq!(vault.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn rotations_among_other_failures_fail_nothing() {
    let mix = FaultMix::new().with(Fault::overloaded(), 0.05).unwrap().with(Fault::internal(), 0.05).unwrap();
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).with_seed(7).with_chance(mix).build());
    let ring = KeyRing::builder().with_key(Key::new("one", vault.clone())).with_ttl(DAY).build().unwrap();
    let retry = RetryLayer::new().with_quota(Quota::unlimited()).with_max_retries(9).with_seed(7);
    let claude = retry.layer(SecretsLayer::new(ring).layer(simulator.clone()));
    let rotations = tokio::spawn({
        let (vault, simulator) = (vault.clone(), simulator.clone());
        async move {
            for number in 1..=10 {
                sleep(SECOND).await;
                vault.set(&key(number));
                simulator.rotate_key(&key(number - 1), &key(number), SECOND / 2);
            }
        }
    });
    let ends = load(claude, 300, 12, |_| message()).await;
    rotations.await.unwrap();
    ends.assert_all_well(3_600);
    assert_eq!(arrivals(&simulator).2, 0);
    assert_eq!(vault.fetches(), 1 + 10);
}

/// The API's no is final here, and is not made more by the retry.
#[tokio::test(start_paused = true)]
async fn a_dead_key_is_not_retried() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(1)).build());
    let keys = SecretsLayer::new(KeyRing::single(vault.clone()));
    let claude = RetryLayer::new().layer(keys.layer(simulator.clone()));
    assert_eq!(claude.clone().oneshot(message()).await.unwrap().status(), 401);
    claude.oneshot(message()).await.unwrap_err();
    assert_eq!(arrivals(&simulator).0, 1);
}
