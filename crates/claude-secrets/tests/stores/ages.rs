//! The age of a key, as its store has it.

use std::time::{Duration, SystemTime};

use crate::stack::Stack;
use crate::store::{OfAws, OfVault, Store, key};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "the server has a wall clock, too")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn in_89_days() -> SystemTime {
    now() + 89 * DAY
}

fn in_91_days() -> SystemTime {
    now() + 91 * DAY
}

/// Sooner or later than this, by what a test may take and by the part of a second that a store may leave out.
fn is_about(found: SystemTime, expected: SystemTime) -> bool {
    found < expected + MINUTE && expected < found + MINUTE
}

async fn a_key_is_due_after_ninety_days<S: Store>() {
    let mut store = S::start().await;
    let made = now();
    for (clock, days, is_due) in [(in_89_days as fn() -> SystemTime, 89, false), (in_91_days, 91, true)] {
        let stack = Stack::over(store.source(), |ring| ring.with_wall_clock(clock));
        stack.all_well(3).await;
        let age = stack.status().age.unwrap();
        assert!(is_about(clock() - age, made), "{age:?}");
        let due = stack.ring.rotation_due();
        assert_eq!(due.len(), usize::from(is_due));
        for due in due {
            assert!(&*due.name == "claude" && due.age >= days * DAY - MINUTE && is_about(due.created, made));
            assert_eq!(
                (Some(due.fingerprint), due.source),
                (stack.status().fingerprint, stack.status().source)
            );
        }
    }
    // What is rotated is young again, by its own time.
    let version = store.rotate(&key(1)).await;
    let stack = Stack::over(store.source(), |ring| ring.with_wall_clock(now));
    stack.allow(1);
    stack.all_well(3).await;
    assert_eq!(stack.status().version.as_deref(), Some(&*version));
    assert!(stack.status().age.unwrap() < MINUTE && stack.ring.rotation_due().is_empty());
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn of_openbao_a_key_is_due_after_ninety_days() {
    a_key_is_due_after_ninety_days::<OfVault>().await;
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn of_ministack_a_key_is_due_after_ninety_days() {
    a_key_is_due_after_ninety_days::<OfAws>().await;
}
