//! Pools in any state: what is chosen, and what is never.

use std::collections::BTreeSet;
use std::time::Duration;

use claude_secrets::{KeyRing, SlowStart};
use proptest::prelude::*;
use tokio::time::sleep;

use crate::support::{
    Api, SECOND, answer, attempted, curve, key, limited, millis, of_key, pool, refused, send, start, talk,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Well,
    Dead,
    /// Limited for so many seconds whenever it is asked.
    Limited(u64),
    Drained,
    /// For another origin.
    Elsewhere,
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        3 => Just(State::Well),
        1 => Just(State::Dead),
        2 => (20_u64..60).prop_map(State::Limited),
        1 => Just(State::Drained),
        1 => Just(State::Elsewhere),
    ]
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A key: its state, its group if it is declared, and its weight.
type Made = (State, Option<u8>, f64);

fn paused<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

async fn check(keys: Vec<Made>, conversations: Vec<u32>) {
    let api = Api::new();
    let mut builder = KeyRing::builder().with_slow_start(SlowStart::off());
    for (name, (state, group, weight)) in NAMES.into_iter().zip(&keys) {
        let mut made = key(name).with_weight(*weight);
        if let Some(group) = group {
            made = made.with_limit_group(format!("group {group}"));
        }
        if *state == State::Elsewhere {
            made = made.with_origin("https://elsewhere.example").unwrap();
        }
        builder = builder.with_key(made);
        api.says(
            name,
            match state {
                State::Dead => refused(),
                State::Limited(time) => limited(*time),
                _ => answer(200),
            },
        );
    }
    let (claude, ring) = start(builder, &api).await;
    for (name, (state, ..)) in NAMES.into_iter().zip(&keys) {
        if *state == State::Drained {
            ring.drain(name).unwrap();
        }
    }
    let of = |name: &str| keys[NAMES.iter().position(|other| *other == name).unwrap()];
    // What is known by now: who is dead, and which groups rest.
    let mut dead = Vec::new();
    let mut resting = BTreeSet::new();
    let group = |name: &str| of(name).1.map_or_else(|| name.to_owned(), |group| format!("group {group}"));
    for conversation in conversations {
        let (attempt, request) = attempted(talk(conversation));
        let result = send(&claude, request).await;
        let went = api.take();
        // One refused key for each request at the most, and one replay.
        assert!(went.len() <= 2, "{went:?}");
        let may = |name: &str, dead: &[String], resting: &BTreeSet<String>| {
            NAMES[..keys.len()].iter().any(|other| {
                matches!(of(other).0, State::Well | State::Dead | State::Limited(_))
                    && dead.iter().all(|dead| dead != other)
                    && !resting.contains(&group(other))
                    && group(other) != group(name)
            })
        };
        for name in &went {
            match of(name).0 {
                State::Drained | State::Elsewhere => panic!("{name} may not be used"),
                _ if dead.contains(name) => panic!("{name} is dead"),
                _ => {}
            }
            if resting.contains(&group(name)) {
                assert!(!may(name, &dead, &resting), "{name} rests, and another does not");
            }
            match of(name).0 {
                State::Dead => dead.push(name.clone()),
                State::Limited(_) => {
                    assert_eq!(attempt.alternative_left(), may(name, &dead, &resting), "after {name}");
                    resting.insert(group(name));
                }
                _ => {}
            }
        }
        if went.is_empty() {
            let is_none = keys.iter().zip(NAMES).all(|((state, ..), name)| match state {
                State::Drained | State::Elsewhere => true,
                State::Dead => dead.iter().any(|dead| dead == name),
                State::Well | State::Limited(_) => false,
            });
            assert!(is_none, "there was one");
            assert!(result.is_err());
        }
        sleep(millis(10)).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_is_used_that_may_not_be_and_an_alternative_is_one(
        keys in prop::collection::vec((state(), prop::option::of(0_u8..3), 0.1_f64..5.0), 2..=6),
        conversations in prop::collection::vec(0_u32..40, 1..60),
    ) {
        paused(check(keys, conversations));
    }

    #[test]
    fn no_slow_start_lets_in_more_than_its_curve(
        per_second in 0.5_f64..50.0,
        seconds in 1_u32..8,
        gaps in prop::collection::vec(0_u64..60, 1..150),
        leave in prop::collection::vec(any::<bool>(), 150),
    ) {
        paused(async move {
            let time = SECOND * seconds;
            let api = Api::new();
            let slow = SlowStart::new(per_second, time).unwrap();
            let (claude, _) = start(pool(&["a", "b"]).with_slow_start(slow), &api).await;
            let conversation = of_key(&["a", "b"], "a", 1).await[0];
            send(&claude, talk(of_key(&["a", "b"], "b", 1).await[0])).await.unwrap();
            api.says("a", limited(3_600));
            send(&claude, talk(conversation)).await.unwrap();
            api.take();
            let mut calls = Vec::new();
            for (gap, leaves) in gaps.into_iter().zip(leave) {
                sleep(millis(gap)).await;
                let claude = claude.clone();
                let call = tokio::spawn(async move { send(&claude, talk(conversation)).await.unwrap() });
                // Some of them leave before their turn.
                if leaves {
                    tokio::task::yield_now().await;
                    call.abort();
                } else {
                    calls.push(call);
                }
            }
            for call in calls {
                assert_eq!(call.await.unwrap(), 200);
            }
            let seen = api.seen();
            let Some(first) = seen.first().map(|seen| seen.at) else { return };
            for (number, seen) in (1_u32..).zip(&seen) {
                let since = seen.at - first;
                if since < time {
                    assert!(f64::from(number) <= curve(per_second, since) + 1e-6, "{number} after {since:?}");
                }
            }
            assert!(seen.last().unwrap().at - first <= time + 9 * SECOND + Duration::from_millis(2));
        });
    }
}
