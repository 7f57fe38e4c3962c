//! The bill: what is billed and what callers got differ by the attempts that were repeated although they may have been
//! executed, and by nothing else.

use std::time::Duration;

use claude_retry::{MaybeExecuted, Quota, RetryLayer};
use claude_sim::FaultMix;

use crate::books::{Books, Plan};
use crate::support::{is_stream, setting};

/// How often each fault is drawn anew.
fn draws() -> u64 {
    6 * u64::from(setting("STORM_SEEDS", 1))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Both,
    Streams,
    Answers,
}

impl Of {
    const fn kind(self) -> fn(u64) -> bool {
        match self {
            Self::Both => |_| true,
            Self::Streams => is_stream,
            Self::Answers => |call| !is_stream(call),
        }
    }
}

/// What is not executed, or at least so the simulator does it.
const NOT_EXECUTED: [(&str, Of); 14] = [
    ("status=500", Of::Both),
    ("status=500 body=html", Of::Both),
    ("status=502 body=html", Of::Both),
    ("status=503 body=empty", Of::Both),
    ("status=504", Of::Both),
    ("status=408", Of::Both),
    ("status=409", Of::Both),
    ("status=500 type=overloaded_error", Of::Both),
    ("overloaded", Of::Both),
    ("rate-limited=1", Of::Both),
    ("status=429", Of::Both),
    ("ramp-limit=1", Of::Both),
    ("refuse", Of::Both),
    ("reset-before-headers", Of::Both),
];

/// What is executed, and fails before the caller gets any of it.
const EXECUTED: [(&str, Of); 19] = [
    ("status=500 executed", Of::Both),
    ("status=502 executed body=html", Of::Both),
    ("status=503 executed body=empty", Of::Both),
    ("status=504 executed", Of::Both),
    ("status=408 executed", Of::Both),
    ("reset-before-headers executed", Of::Both),
    ("reset-after-headers", Of::Both),
    ("reset-mid-event=1", Of::Both),
    ("reset-mid-event=2", Of::Streams),
    ("error-event=api_error", Of::Both),
    ("error-event=timeout_error", Of::Both),
    ("error-event=overloaded_error", Of::Streams),
    ("error-event=overloaded_error at-start", Of::Streams),
    ("error-event=rate_limit_error at-start no-request-id", Of::Streams),
    ("truncated-json", Of::Answers),
    ("truncated-json=1", Of::Streams),
    ("truncated-json=2", Of::Streams),
    ("no-message-stop", Of::Answers),
    ("reset-mid-event=1, gzip-unasked", Of::Answers),
];

/// What breaks when the caller has some of it.
const IN_THE_CALLERS_HANDS: [&str; 4] =
    ["reset-mid-event=6", "error-event=overloaded_error after=2", "truncated-json", "no-message-stop"];

fn retry() -> RetryLayer {
    RetryLayer::new().with_quota(Quota::unlimited()).with_collect(1 << 20)
}

/// Every second attempt meets this.
fn half(fault: &str) -> FaultMix {
    FaultMix::new().with(fault.parse().unwrap(), 0.5).unwrap()
}

/// Two of three attempts meet something, of all that there is for such calls.
fn anything(of: Of) -> FaultMix {
    let before_content = NOT_EXECUTED.into_iter().chain(EXECUTED);
    let behind = IN_THE_CALLERS_HANDS.map(|fault| (fault, Of::Streams));
    let faults = before_content.chain(behind).filter(|(_, for_such)| [of, Of::Both].contains(for_such));
    let each = 0.66 / f64::from(u32::try_from(faults.clone().count()).unwrap());
    faults.fold(FaultMix::new(), |mix, (fault, _)| mix.with(fault.parse().unwrap(), each).unwrap())
}

/// What the books of several draws come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    retries: u64,
    /// Retries that are counted as perhaps executed.
    counted: u64,
    /// Attempts that were billed, and repeated.
    in_vain: u64,
    /// Calls that were billed, and failed.
    lost: u64,
}

impl Sums {
    async fn of(fault: &str, of: Of, billed: bool, retry: &RetryLayer) -> Self {
        let mut sums = Self::default();
        for seed in 0..draws() {
            let plan = Plan { kind: of.kind(), billed, ..Plan::new(seed, half(fault)) };
            let books = plan.run(retry.clone()).await;
            books.assert_balanced(&format!("{fault} of seed {seed}"));
            sums.retries += books.retries();
            sums.counted += books.counted();
            sums.in_vain += books.billed_in_vain();
            sums.lost += books.lost();
        }
        sums
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_executed_is_not_billed_whatever_is_counted() {
    for (fault, of) in NOT_EXECUTED {
        let Sums { retries, counted, in_vain, .. } = Sums::of(fault, of, true, &retry()).await;
        assert!(retries > 0 && counted <= retries, "{fault}");
        assert_eq!(in_vain, 0, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_that_was_billed_in_vain_is_counted_as_perhaps_executed() {
    for (fault, of) in EXECUTED {
        let Sums { retries, counted, in_vain, .. } = Sums::of(fault, of, true, &retry()).await;
        assert!(retries > 0, "{fault}");
        assert_eq!((counted, in_vain), (retries, retries), "{fault}");
    }
}

/// The counter is the same: nobody can tell.
#[tokio::test(start_paused = true)]
async fn an_api_that_bills_no_failures_bills_less_than_is_counted() {
    for (fault, of) in EXECUTED {
        let Sums { retries, counted, in_vain, .. } = Sums::of(fault, of, false, &retry()).await;
        assert_eq!(counted, retries, "{fault}");
        // What is damaged on the way has not failed for the one who sent it.
        let is_damage = fault.starts_with("truncated") || fault.starts_with("no-message");
        assert_eq!(in_vain, if is_damage { retries } else { 0 }, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_breaks_in_the_callers_hands_is_not_repeated() {
    for fault in IN_THE_CALLERS_HANDS {
        let Sums { retries, lost, .. } = Sums::of(fault, Of::Streams, true, &retry()).await;
        assert!(retries == 0 && lost > 0, "{fault}");
    }
}

/// All of a message is there, and less than was promised: it has been paid for.
#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_promised_more_is_billed_once() {
    let Sums { retries, in_vain, .. } = Sums::of("wrong-length=5", Of::Both, true, &retry()).await;
    assert_eq!((retries, in_vain), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_what_may_have_been_executed_pays_no_call_twice() {
    let retry = retry().with_maybe_executed(MaybeExecuted::Leave);
    for (fault, of) in NOT_EXECUTED.into_iter().chain(EXECUTED) {
        let Sums { counted, in_vain, .. } = Sums::of(fault, of, true, &retry).await;
        assert_eq!((counted, in_vain), (0, 0), "{fault}");
    }
}

/// Stalls that outlast the call's deadline: the attempt is lost, and billed, and there is no time for another.
#[tokio::test(start_paused = true)]
async fn what_stalls_beyond_the_deadline_is_billed_once() {
    let retry = retry().with_timeout(Duration::from_secs(30));
    for (fault, of) in [
        ("stall-headers=forever", Of::Both),
        ("stall-headers=forever, status=500 executed", Of::Both),
        ("stall-first-event=forever", Of::Both),
        ("stall-first-event=forever pings=1s", Of::Streams),
        ("stall-between-events=forever after=1", Of::Both),
    ] {
        for collect in [0, 1 << 20] {
            let retry = retry.clone().with_collect(collect);
            let Sums { retries, lost, .. } = Sums::of(fault, of, true, &retry).await;
            assert!(retries == 0 && lost > 0, "{fault}");
        }
    }
}

/// A clock of a single attempt, below this layer, leaves time for another; and the one it cut off may have been executed.
#[tokio::test(start_paused = true)]
async fn what_a_clock_below_cuts_off_is_repeated_and_counted() {
    for seed in 0..draws() {
        for retry in [retry(), retry().with_maybe_executed(MaybeExecuted::Leave)] {
            let patience = Duration::from_secs(10);
            let plan = Plan { patience, ..Plan::new(seed, half("stall-headers=forever")) };
            let books = plan.run(retry).await;
            books.assert_balanced(&format!("seed {seed}"));
            assert_eq!(books.billed_in_vain(), books.counted());
            assert_eq!(books.retries(), books.counted());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_any_mixture_the_books_balance() {
    let run = async |seed, of: Of, billed, maybe_executed| -> Books {
        let plan = Plan { kind: of.kind(), billed, ..Plan::new(seed, anything(of)) };
        let books = plan.run(retry().with_maybe_executed(maybe_executed)).await;
        books.assert_balanced(&format!("seed {seed}"));
        books
    };
    let [mut counted, mut in_vain] = [0; 2];
    for seed in 0..5 * draws() {
        for (of, billed) in
            [(Of::Streams, false), (Of::Streams, true), (Of::Answers, false), (Of::Answers, true)]
        {
            for maybe_executed in [MaybeExecuted::RepeatAnswers, MaybeExecuted::RepeatAll] {
                let books = run(seed, of, billed, maybe_executed).await;
                assert!(books.billed_in_vain() <= books.counted(), "seed {seed}");
                counted += books.counted();
                in_vain += books.billed_in_vain();
            }
            let books = run(seed, of, billed, MaybeExecuted::Leave).await;
            assert!(!books.has_billed_twice(), "seed {seed}");
            assert_eq!(books.counted(), 0, "seed {seed}");
        }
    }
    println!("{counted} retries counted as perhaps executed, {in_vain} of them billed in vain");
    assert!(in_vain > 0);
}

/// Where the API says that it has done nothing, it is believed: one that bills a 529 cannot be found out.
#[tokio::test(start_paused = true)]
async fn what_the_api_says_it_has_not_done_counts_as_not_done() {
    for fault in ["status=529 executed", "error-event=overloaded_error", "status=409 executed"] {
        let plan = Plan { kind: Of::Answers.kind(), ..Plan::new(0, half(fault)) };
        let books = plan.run(retry().with_maybe_executed(MaybeExecuted::Leave)).await;
        assert!(books.has_billed_twice() && books.counted() == 0, "{fault}");
    }
}
