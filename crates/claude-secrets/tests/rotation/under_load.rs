//! Ten rotations in a minute, under five hundred requests a second.

use std::num::NonZeroU32;
use std::time::Duration;

use claude_secrets::{Affinity, Key, KeyRing, KeyRingBuilder, SecretsLayer};
use claude_sim::{Pace, Simulator};
use tokio::time::sleep;
use tower::Layer;

use crate::support::{Vault, arrivals, key, load, message, stream, with_key};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const SECOND: Duration = Duration::from_secs(1);

fn one_key(vault: &Vault) -> KeyRingBuilder {
    KeyRing::builder().with_key(Key::new("one", vault.clone()))
}

/// Rotates so often, in equal times; the old key is revoked after the overlap.
async fn rotate(vault: Vault, simulator: Simulator, times: u32, every: Duration, overlap: Duration) {
    for number in 1..=times {
        sleep(every).await;
        vault.set(&key(number));
        assert!(simulator.rotate_key(&key(number - 1), &key(number), overlap));
    }
}

#[tokio::test(start_paused = true)]
async fn ten_rotations_in_a_minute_fail_no_request_and_cost_one_fetch_each() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let ring = one_key(&vault).with_ttl(DAY).build().unwrap();
    let claude = SecretsLayer::new(ring.clone()).layer(simulator.clone());
    let rotations = tokio::spawn(rotate(vault.clone(), simulator.clone(), 10, 5 * SECOND, SECOND));
    let ends = load(claude, 500, 60, |_| message()).await;
    rotations.await.unwrap();

    ends.assert_all_well(30_000);
    let (all, refused, bare) = arrivals(&simulator);
    assert_eq!((all - refused, bare), (30_000, 0));
    // Each revocation is met by one request, since answers come at once.
    assert_eq!(refused, 10);
    assert_eq!(vault.fetches(), 1 + 10);
    assert_eq!(ends.longest(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_default_settings_do_the_same_and_fetch_no_more() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let claude = SecretsLayer::new(KeyRing::single(vault.clone())).layer(simulator.clone());
    let rotations = tokio::spawn(rotate(vault.clone(), simulator.clone(), 10, 5 * SECOND, SECOND));
    let ends = load(claude, 100, 60, |_| message()).await;
    rotations.await.unwrap();

    ends.assert_all_well(6_000);
    assert_eq!(arrivals(&simulator).2, 0);
    // The default time to live is five minutes: it causes none of them.
    assert_eq!(vault.fetches(), 1 + 10);
}

#[tokio::test(start_paused = true)]
async fn a_time_to_live_within_the_overlap_notices_before_the_api_refuses() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let ring = one_key(&vault).with_ttl(SECOND).build().unwrap();
    let claude = SecretsLayer::new(ring).layer(simulator.clone());
    let rotations = tokio::spawn(rotate(vault.clone(), simulator.clone(), 10, 2 * SECOND, SECOND));
    let ends = load(claude, 100, 22, |_| message()).await;
    rotations.await.unwrap();

    ends.assert_all_well(2_200);
    assert_eq!(arrivals(&simulator), (2_200, 0, 0));
    // One for each three quarters of nine tenths of the time to live, at the most.
    assert!((22..=34).contains(&vault.fetches()), "{}", vault.fetches());
}

#[tokio::test(start_paused = true)]
async fn answers_under_way_are_not_disturbed() {
    let pace = Pace::instant().with_first_token(800 * Duration::from_millis(1));
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).with_pace(pace).build());
    let ring = one_key(&vault).with_ttl(DAY).build().unwrap();
    let claude = SecretsLayer::new(ring.clone()).layer(simulator.clone());
    let rotations = tokio::spawn(rotate(vault.clone(), simulator.clone(), 10, SECOND, SECOND / 2));
    let watcher = tokio::spawn({
        let ring = ring.clone();
        async move {
            // Just after the old key was revoked and the new one found.
            sleep(Duration::from_millis(1_510)).await;
            let status = ring.status().remove(0);
            (status.previous.map(|(_, carried)| carried), status.in_flight)
        }
    });
    let ends = load(claude, 500, 12, |_| message()).await;
    rotations.await.unwrap();

    ends.assert_all_well(6_000);
    let (all, refused, bare) = arrivals(&simulator);
    assert_eq!((all, bare), (6_000 + refused, 0));
    assert_eq!((refused, vault.fetches()), (10, 11));
    // Those that had the old key when it was revoked still had it after that: nearly 800 ms of them.
    let (previous, current) = watcher.await.unwrap();
    assert!((390..=400).contains(&previous.unwrap()), "{previous:?}");
    assert!((1..=10).contains(&current), "{current}");
    assert!(ends.longest() <= Duration::from_millis(810), "{:?}", ends.longest());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_revoked_as_it_is_changed_is_noticed_by_nobody() {
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).build());
    let ring = one_key(&vault).with_ttl(DAY).build().unwrap();
    let claude = SecretsLayer::new(ring).layer(simulator.clone());
    let rotations = tokio::spawn(rotate(vault.clone(), simulator.clone(), 10, SECOND, Duration::ZERO));
    let ends = load(claude, 500, 11, |_| message()).await;
    rotations.await.unwrap();

    ends.assert_all_well(5_500);
    assert_eq!(arrivals(&simulator).2, 0);
    assert_eq!(vault.fetches(), 1 + 10);
}

#[tokio::test(start_paused = true)]
async fn all_who_meet_a_revoked_key_wait_for_one_slow_fetch() {
    let pace = Pace::instant().with_first_token(20 * Duration::from_millis(1));
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).with_pace(pace).build());
    let vault = vault.taking(300 * Duration::from_millis(1));
    let ring = one_key(&vault).with_ttl(DAY).build().unwrap();
    ring.start().await.unwrap();
    let claude = SecretsLayer::new(ring).layer(simulator.clone());
    let rotations = tokio::spawn(rotate(vault.clone(), simulator.clone(), 10, SECOND, Duration::ZERO));
    let ends = load(claude, 500, 11, |_| message()).await;
    rotations.await.unwrap();

    ends.assert_all_well(5_500);
    let (all, refused, bare) = arrivals(&simulator);
    assert_eq!((all, bare), (5_500 + refused, 0));
    // 300 ms of them, each time; and none waits longer than that, but for its answer.
    assert!((10 * 150..=10 * 152).contains(&refused), "{refused}");
    assert_eq!(vault.fetches(), 1 + 10);
    assert!(ends.longest() <= Duration::from_millis(325), "{:?}", ends.longest());
}

#[tokio::test(start_paused = true)]
async fn streams_pass_a_rotation_as_well() {
    let pace =
        Pace::instant().with_first_token(SECOND / 2).with_tokens_per_second(NonZeroU32::new(20).unwrap());
    let (vault, simulator) = (Vault::with(&key(0)), with_key(&key(0)).with_pace(pace).build());
    let ring = one_key(&vault).with_ttl(DAY).build().unwrap();
    let claude = SecretsLayer::new(ring).layer(simulator.clone());
    let rotations = tokio::spawn(rotate(vault.clone(), simulator.clone(), 10, SECOND, SECOND / 2));
    let ends = load(claude, 100, 12, |_| stream()).await;
    rotations.await.unwrap();

    ends.assert_all_well(1_200);
    let (all, refused, bare) = arrivals(&simulator);
    assert_eq!((all, refused, bare), (1_210, 10, 0));
    assert_eq!(vault.fetches(), 1 + 10);
    assert!(ends.longest() > SECOND / 2, "none was long enough to see a rotation");
}

#[tokio::test(start_paused = true)]
async fn two_keys_of_a_pool_rotate_at_once() {
    let (left, right) = (key(0), key(100));
    let (vaults, simulator) = ([Vault::with(&left), Vault::with(&right)], with_key(&left));
    let other = claude_sim::Key::new("two", &right).with_organization("org-two");
    let simulator = simulator.with_key(other).build();
    let ring = KeyRing::builder()
        .with_key(Key::new("left", vaults[0].clone()))
        .with_key(Key::new("right", vaults[1].clone()))
        .with_affinity(Affinity::None)
        .with_ttl(DAY)
        .build()
        .unwrap();
    let claude = SecretsLayer::new(ring).layer(simulator.clone());
    let rotations = tokio::spawn({
        let (vaults, simulator) = (vaults.clone(), simulator.clone());
        async move {
            for number in 1..=10 {
                sleep(SECOND).await;
                for (vault, base) in vaults.iter().zip([0, 100]) {
                    vault.set(&key(base + number));
                    simulator.rotate_key(&key(base + number - 1), &key(base + number), Duration::ZERO);
                }
            }
        }
    });
    let ends = load(claude, 500, 11, |_| message()).await;
    rotations.await.unwrap();

    ends.assert_all_well(5_500);
    assert_eq!(arrivals(&simulator).2, 0);
    assert_eq!(vaults.map(|vault| vault.fetches()), [1 + 10, 1 + 10]);
    // Nobody was diverted for it: both had their half, within four standard deviations.
    let of_left = simulator.requests().iter().filter(|seen| seen.key.as_deref() == Some("one")).count();
    assert!((2_600..=2_900).contains(&of_left), "{of_left}");
}
