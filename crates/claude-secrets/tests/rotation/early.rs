//! Keys that are in the source before the API knows them.

use std::time::Duration;

use claude_secrets::{Key, KeyRing, KeyState, KeyStatus, SecretsLayer};
use claude_sim::Simulator;
use tokio::time::sleep;
use tower::Layer;

use crate::support::{Ends, Vault, arrivals, key, load, message, with_key};

const SECOND: Duration = Duration::from_secs(1);

/// Puts a new key into the source, which the API takes only five seconds later; the old one is revoked after so long, if it
/// is.
async fn too_early(vault: Vault, simulator: Simulator, revoked: Option<Duration>) {
    sleep(2 * SECOND).await;
    vault.set(&key(1));
    sleep(5 * SECOND).await;
    simulator.add_key(claude_sim::Key::new("one", key(1)));
    if let Some(revoked) = revoked {
        sleep(revoked).await;
        simulator.revoke_key(&key(0));
    }
}

async fn run(revoked: Option<Duration>, seconds: u32) -> (Ends, Simulator, Vault, KeyStatus) {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let ring = KeyRing::builder().with_key(Key::new("one", vault.clone())).with_ttl(SECOND).build().unwrap();
    let claude = SecretsLayer::new(ring.clone()).layer(simulator.clone());
    let change = tokio::spawn(too_early(vault.clone(), simulator.clone(), revoked));
    let ends = load(claude, 200, seconds, |_| message()).await;
    change.await.unwrap();
    (ends, simulator, vault, ring.status().remove(0))
}

#[tokio::test(start_paused = true)]
async fn the_key_before_stands_in_while_the_new_one_is_refused() {
    let (ends, simulator, vault, status) = run(None, 20).await;
    ends.assert_all_well(4_000);
    let (_, refused, bare) = arrivals(&simulator);
    // One noticed it, and one may have looked again before it was good, after a pause that chance shortens; the others had the
    // one before at once.
    assert!((1..=2).contains(&refused), "{refused}");
    assert_eq!(bare, 0);
    // It is the new one that is in use in the end.
    assert_eq!(status.state, KeyState::Live);
    // The source is asked again after growing times only, while its key is dead: of one that was looked at twice, until the end
    // nearly.
    assert!(refused == 1 || vault.fetches() <= 10, "{}", vault.fetches());
}

#[tokio::test(start_paused = true)]
async fn the_new_one_has_another_try_when_the_key_before_is_refused_too() {
    let (ends, simulator, _, _) = run(Some(5 * SECOND), 20).await;
    ends.assert_all_well(4_000);
    assert_eq!(arrivals(&simulator).2, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_key_that_the_api_takes_after_all_comes_back_by_itself() {
    let (vault, simulator) = (Vault::with(&key(1)), with_key(&key(0)).build());
    let ring = KeyRing::single(vault.clone());
    let claude = SecretsLayer::new(ring.clone()).layer(simulator.clone());
    let begin = tokio::spawn({
        let simulator = simulator.clone();
        async move {
            sleep(20 * SECOND).await;
            simulator.add_key(claude_sim::Key::new("one", key(1)));
        }
    });
    let ends = load(claude, 100, 60, |_| message()).await;
    begin.await.unwrap();
    // Pauses of 5, 10 and 20 seconds, and one request after each.
    let last = ends.0.iter().filter(|ended| ended.how != "200").map(|ended| ended.begun).max().unwrap();
    assert!((20 * SECOND..=36 * SECOND).contains(&last), "{last:?}");
    assert_eq!(arrivals(&simulator).1, 3);
    assert_eq!(ring.status()[0].state, KeyState::Live);
}
