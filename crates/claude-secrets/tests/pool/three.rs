//! Three keys of three organisations, over the simulator: one of them meets its limit.

use std::collections::BTreeMap;
use std::time::Duration;

use claude_retry::{Quota, RetryLayer};
use claude_secrets::source::StaticSource;
use claude_secrets::{Key, KeyRing, SecretsLayer};
use claude_sim::{ClassLimits, Hidden, Limits, SeenRequest, Simulator};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Layer, ServiceExt};

use crate::support::{SECOND, curve, millis, since, talk};

const QUARTER: Duration = Duration::from_millis(250);
const CONVERSATIONS: u32 = 90;
const PER_SECOND: u32 = 300;

fn secret(name: &str) -> String {
    format!("sk-ant-api03-{name}-canary")
}

/// Keys of these names and organisations.
fn simulator(keys: &[(&str, &str)]) -> Simulator {
    let builder = Simulator::builder().with_hidden(Hidden::plain()).with_log(100_000, 0);
    let add = |builder: claude_sim::Builder, (name, organization): &(&str, &str)| {
        builder.with_key(claude_sim::Key::new(*name, secret(name)).with_organization(*organization))
    };
    keys.iter().fold(builder, add).build()
}

fn ring(keys: &[(&str, &str)]) -> KeyRing {
    let add = |ring: claude_secrets::KeyRingBuilder, (name, _): &(&str, &str)| {
        ring.with_key(Key::new(*name, StaticSource::new(secret(name))))
    };
    keys.iter().fold(KeyRing::builder(), add).build().unwrap()
}

/// All conversations in turn, for so many seconds; how long each request took, and that all were answered.
async fn load(simulator: &Simulator, ring: &KeyRing, seconds: u32) -> Vec<(Duration, Duration)> {
    let claude = RetryLayer::new()
        .with_quota(Quota::unlimited())
        .with_seed(7)
        .layer(SecretsLayer::new(ring.clone()).layer(simulator.clone()));
    let begin = Instant::now();
    let mut calls = Vec::new();
    for number in 0..PER_SECOND * seconds {
        sleep_until(begin + SECOND * number / PER_SECOND).await;
        let call = claude.clone().oneshot(talk(number % CONVERSATIONS));
        calls.push(tokio::spawn(async move {
            let sent = Instant::now();
            let response = call.await.unwrap();
            assert_eq!(response.status(), 200);
            response.into_body().collect().await.unwrap();
            (sent - begin, since(sent))
        }));
    }
    let mut took = Vec::new();
    for call in calls {
        took.push(call.await.unwrap());
    }
    took
}

fn conversation(seen: &SeenRequest) -> u32 {
    seen.headers["x-number"].to_str().unwrap().parse().unwrap()
}

/// The key of each conversation while all was well.
fn homes(seen: &[SeenRequest], until: Duration) -> BTreeMap<u32, String> {
    let mut homes = BTreeMap::new();
    for seen in seen.iter().filter(|seen| seen.arrived_at < until) {
        let key = seen.key.clone().unwrap();
        let known = homes.entry(conversation(seen)).or_insert_with(|| key.clone());
        assert_eq!(*known, key, "a conversation moved without a reason");
    }
    homes
}

/// Panics if more came in any time from the first of them on than the curve of the default slow start allows: since its
/// begin, and in each quarter of a second.
fn assert_slow(arrivals: &[Duration], what: &str) {
    let Some(begin) = arrivals.first().copied() else {
        return;
    };
    let by = |time: Duration| arrivals.iter().filter(|at| **at - begin < time).count();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    for quarter in 1..40_u32 {
        let (from, to) = (QUARTER * (quarter - 1), QUARTER * quarter);
        assert!(by(to) as f64 <= curve(10.0, to), "{what}: {} after {to:?}", by(to));
        // What waits leaves by the curve; what does not is as much as comes, and never more than the whole load.
        let step = curve(10.0, to) - curve(10.0, from) + 2.0;
        let all = f64::from(PER_SECOND) / 4.0 + 2.0;
        let came = (by(to) - by(from)) as f64;
        assert!(came <= step.max(all), "{what}: {came} between {from:?} and {to:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn others_take_over_slowly_and_give_back_slowly() {
    let keys = [("a", "org-a"), ("b", "org-b"), ("c", "org-c")];
    let (simulator, ring) = (simulator(&keys), ring(&keys));
    ring.start().await.unwrap();
    // Five seconds of peace; then organisation a may do six requests a minute, for eleven seconds.
    let incident = tokio::spawn({
        let simulator = simulator.clone();
        async move {
            sleep(5 * SECOND).await;
            simulator
                .set_organization_limits("org-a", Limits::each(ClassLimits::per_minute(6, 1 << 40, 1 << 40)));
            sleep(11 * SECOND).await;
            simulator.set_organization_limits("org-a", Limits::none());
        }
    });
    let took = load(&simulator, &ring, 40).await;
    incident.await.unwrap();

    let seen = simulator.requests();
    let homes = homes(&seen, 5 * SECOND);
    let is_of_a = |seen: &SeenRequest| homes[&conversation(seen)] == "a";
    let of = |key: &str| seen.iter().filter(|seen| seen.key.as_deref() == Some(key)).collect::<Vec<_>>();

    // It was limited twice, once before each pause of ten seconds, and never asked in between.
    let limited: Vec<_> = seen.iter().filter(|seen| seen.status.unwrap() == 429).collect();
    assert!(limited.iter().all(|seen| seen.key.as_deref() == Some("a")));
    let first = limited[0].arrived_at;
    let last = limited.last().unwrap().arrived_at;
    let ok_again = of("a").iter().map(|seen| seen.arrived_at).find(|at| *at > last).unwrap();
    assert_eq!(limited.len(), 2);
    let in_between =
        |at: Duration| at > first && at < first + 10 * SECOND || at > last && at < last + 10 * SECOND;
    assert!(of("a").iter().all(|seen| !in_between(seen.arrived_at)));

    // The other two took over, each slowly.
    for key in ["b", "c"] {
        let diverted: Vec<_> = of(key)
            .into_iter()
            .filter(|seen| is_of_a(seen) && seen.arrived_at < first + 10 * SECOND)
            .map(|seen| seen.arrived_at)
            .collect();
        assert!(diverted.len() > 100, "{key} took {}", diverted.len());
        assert_slow(&diverted, key);
        // Its own conversations did not move.
        let own = of(key).iter().filter(|seen| homes[&conversation(seen)] == *key).count();
        let all = seen.iter().filter(|seen| homes[&conversation(seen)] == *key).count();
        assert_eq!(own, all);
    }
    // The attempt after the refusal went at once to another, or into its slow start.
    let refused = conversation(limited[0]);
    let next =
        seen.iter().find(|seen| seen.number > limited[0].number && conversation(seen) == refused).unwrap();
    assert_ne!(next.key.as_deref(), Some("a"));
    assert!(next.arrived_at - first < millis(10), "{:?}", next.arrived_at - first);

    // It comes back after its time, slowly, and has its own conversations again in the end.
    let back: Vec<_> = of("a").iter().map(|seen| seen.arrived_at).filter(|at| *at >= ok_again).collect();
    assert_slow(&back, "back at a");
    assert!(ok_again > 25 * SECOND && ok_again < 26 * SECOND, "{ok_again:?}");
    for seen in seen.iter().filter(|seen| seen.arrived_at > 36 * SECOND) {
        assert_eq!(seen.key.as_deref(), Some(homes[&conversation(seen)].as_str()));
    }
    let slowest = took.iter().map(|(_, took)| *took).max().unwrap();
    let waited = took.iter().filter(|(_, took)| *took > millis(1)).count();
    println!(
        "{} requests, {} refused at {first:?}, back at {ok_again:?}; {waited} waited, {slowest:?} at the most",
        took.len(),
        limited.len(),
    );
    assert!(slowest < 4 * SECOND, "{slowest:?}");
}

#[tokio::test(start_paused = true)]
async fn two_keys_of_one_organisation_are_not_tried_one_after_the_other() {
    let keys = [("a", "org-a"), ("b", "org-a"), ("c", "org-c")];
    let (simulator, ring) = (simulator(&keys), ring(&keys));
    ring.start().await.unwrap();
    let incident = tokio::spawn({
        let simulator = simulator.clone();
        async move {
            sleep(2 * SECOND).await;
            simulator
                .set_organization_limits("org-a", Limits::each(ClassLimits::per_minute(1, 1 << 40, 1 << 40)));
        }
    });
    load(&simulator, &ring, 12).await;
    incident.await.unwrap();
    let seen = simulator.requests();
    let limited: Vec<_> = seen.iter().filter(|seen| seen.status.unwrap() == 429).collect();
    assert_eq!(limited.len(), 1, "one told for both");
    let after = limited[0].number;
    assert!(seen.iter().filter(|seen| seen.number > after).all(|seen| seen.key.as_deref() == Some("c")));
}
