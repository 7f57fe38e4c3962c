//! A source that is down when its key is revoked.

use std::time::Duration;

use claude_secrets::{Key, KeyRing, SecretsLayer};
use claude_wire::call::{Refusal, RefusalKind};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

use crate::support::{Vault, arrivals, key, load, message, with_key};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const SECOND: Duration = Duration::from_secs(1);

/// The pause after one failure is five seconds at the most, and a tenth less at the least.
#[tokio::test(start_paused = true)]
async fn what_fails_is_bounded_by_one_pause_and_then_all_is_well() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let ring = KeyRing::builder().with_key(Key::new("one", vault.clone())).with_ttl(DAY).build().unwrap();
    let claude = SecretsLayer::new(ring).layer(simulator.clone());
    let incident = tokio::spawn({
        let (vault, simulator) = (vault.clone(), simulator.clone());
        async move {
            sleep(2 * SECOND).await;
            vault.set_down(true);
            vault.set(&key(1));
            simulator.rotate_key(&key(0), &key(1), Duration::ZERO);
            sleep(3 * SECOND).await;
            vault.set_down(false);
        }
    });
    let ends = load(claude.clone(), 500, 12, |_| message()).await;
    incident.await.unwrap();

    let failed: Vec<_> = ends.0.iter().filter(|ended| ended.how != "200").collect();
    // One met the 401, which is the caller's; the others were not sent at all.
    assert_eq!(arrivals(&simulator).1, 1);
    assert_eq!(failed.iter().filter(|ended| ended.how == "401").count(), 1);
    assert!(
        failed.iter().skip(1).all(|ended| ended.how.starts_with("NoKey") && ended.how.contains("sealed"))
    );
    let (first, last) = (failed[0].begun, failed.last().unwrap().begun);
    assert!(first >= 2 * SECOND && last <= 7 * SECOND, "{first:?} to {last:?}");
    assert!(last >= 6 * SECOND, "the source was not left alone: {last:?}");
    // The first, that of the revocation, and the one after the pause.
    assert_eq!(vault.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_is_told_when_it_is_worth_trying_again() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let ring = KeyRing::single(vault.clone());
    let claude = SecretsLayer::new(ring.clone()).layer(simulator.clone());
    assert_eq!(claude.clone().oneshot(message()).await.unwrap().status(), 200);
    vault.set_down(true);
    simulator.revoke_key(&key(0));
    assert_eq!(claude.clone().oneshot(message()).await.unwrap().status(), 401);

    let error = claude.clone().oneshot(message()).await.unwrap_err();
    let refusal = Refusal::find(&*error).unwrap();
    assert_eq!((refusal.kind(), refusal.code()), (RefusalKind::CredentialUnavailable, "NO_KEY"));
    assert!(error.to_string().contains("test:vault: it is sealed"), "{error}");
    assert!(!refusal.to_string().contains("vault"), "{refusal}");
    let again_in = refusal.retry_after().unwrap();
    assert!((4 * SECOND..=5 * SECOND).contains(&again_in), "{again_in:?}");

    vault.set_down(false);
    vault.set(&key(1));
    simulator.add_key(claude_sim::Key::new("one", key(1)));
    sleep(again_in + Duration::from_millis(1)).await;
    assert_eq!(claude.oneshot(message()).await.unwrap().status(), 200);
    assert_eq!(ring.status()[0].error, None);
}

/// What the pause costs can be shortened.
#[tokio::test(start_paused = true)]
async fn a_shorter_pause_finds_the_new_key_sooner() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let ring = KeyRing::builder()
        .with_key(Key::new("one", vault.clone()))
        .with_ttl(DAY)
        .with_failure_backoff(SECOND / 4, SECOND / 4)
        .build()
        .unwrap();
    let claude = SecretsLayer::new(ring).layer(simulator.clone());
    let incident = tokio::spawn({
        let (vault, simulator) = (vault.clone(), simulator.clone());
        async move {
            sleep(SECOND).await;
            vault.set_down(true);
            vault.set(&key(1));
            simulator.rotate_key(&key(0), &key(1), Duration::ZERO);
            sleep(3 * SECOND).await;
            vault.set_down(false);
        }
    });
    let ends = load(claude.clone(), 100, 6, |_| message()).await;
    incident.await.unwrap();
    let last = ends.0.iter().filter(|ended| ended.how != "200").map(|ended| ended.begun).max().unwrap();
    assert!(last <= Duration::from_millis(4_260), "{last:?}");
    assert!((13..=17).contains(&vault.fetches()), "{}", vault.fetches());
}
