//! Calls of every kind under settings of every kind, against a model of some sixty lines that knows no futures: it adds up
//! milliseconds.

use std::io::ErrorKind::{ConnectionRefused, ConnectionReset};

use claude_retry::{Backoff, GaveUp, MaybeExecuted, Quota, Reason, RetryLayer};
use claude_wire::call::{Attempt, Call, CallId};
use http::HeaderValue;
use proptest::prelude::*;
use tokio::time::Instant;

use crate::support::{Client, Deed, Ready, Strange, due, error, io, millis, post, send, status};

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    /// A status, and how long it asks to wait.
    Status(u16, Option<u64>),
    Refused,
    Reset,
    Strange,
    /// Nothing comes.
    Silence,
}

#[derive(Clone, Copy, Debug)]
struct Try {
    fate: Fate,
    takes: u64,
    sent: bool,
    wait_handled: bool,
    /// How the service becomes ready for it; of the first attempt it is ready.
    ready: Ready,
}

#[derive(Clone, Copy, Debug)]
struct Given {
    max_retries: u32,
    max_wait: u64,
    timeout: Option<u64>,
    deadline: Option<u64>,
    maybe_executed: MaybeExecuted,
    /// `None` is without end.
    quota: Option<u32>,
    only_if_ready: bool,
    is_client_retry: bool,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Answer(u16, Option<Reason>),
    Error(Option<Reason>),
}

/// All that is seen of it.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    /// When the attempts began, in milliseconds.
    begun: Vec<u64>,
    waits: Vec<Option<u64>>,
    end: End,
    at: u64,
    left: f64,
}

impl Fate {
    fn is_retryable(self) -> bool {
        match self {
            Self::Status(code, _) => matches!(code, 408 | 409 | 429 | 500..),
            Self::Refused | Self::Reset => true,
            Self::Good | Self::Strange | Self::Silence => false,
        }
    }

    fn maybe_executed(self, sent: bool) -> bool {
        match self {
            Self::Status(code, _) => matches!(code, 408 | 500 | 503),
            Self::Reset => sent,
            _ => false,
        }
    }

    fn cost(self, sent: bool) -> u32 {
        match self {
            Self::Status(409 | 429, _) | Self::Refused => 1,
            Self::Reset if !sent => 1,
            _ => 2,
        }
    }

    fn end(self, reason: Option<Reason>) -> End {
        match self {
            Self::Status(code, _) => End::Answer(code, reason),
            _ => End::Error(reason),
        }
    }

    fn deed(self) -> Deed {
        match self {
            Self::Good => status(200),
            Self::Status(code, None) => status(code),
            Self::Status(code, Some(asked)) => status(code).header("retry-after-ms", asked.to_string()),
            Self::Refused => io(ConnectionRefused),
            Self::Reset => io(ConnectionReset),
            Self::Strange => error(|| Strange),
            Self::Silence => crate::support::never(),
        }
    }
}

/// What should be seen.
fn model(given: &Given, tries: &[Try]) -> Told {
    let due = match (given.timeout, given.deadline) {
        (Some(one), Some(two)) => Some(one.min(two)),
        (one, two) => one.or(two),
    };
    let is_past = |now| due.is_some_and(|due| due <= now);
    let mut left = given.quota.unwrap_or(u32::MAX);
    let (mut now, mut begun, mut waits) = (0, Vec::new(), Vec::new());
    let told = |begun, waits, end, at, left| {
        let left = if given.quota.is_none() { f64::INFINITY } else { f64::from(left) };
        Told { begun, waits, end, at, left }
    };
    if is_past(0) {
        return told(begun, waits, End::Error(Some(Reason::Deadline)), 0, left);
    }
    let mut is_funded = true;
    if given.is_client_retry {
        is_funded = left > 0;
        left = left.saturating_sub(1);
    }
    // What the running attempt cost above one.
    let mut surcharge = 0;
    let mut tries = tries.iter().copied();
    let last = tries.next_back().unwrap();
    let mut tries = tries.chain(std::iter::repeat(last));
    for made in 1.. {
        let this = tries.next().unwrap();
        begun.push(now);
        let (over, fate) = (now + this.takes, this.fate);
        if fate == Fate::Silence || due.is_some_and(|due| due < over) {
            waits.push(None);
            return told(begun, waits, End::Error(Some(Reason::Deadline)), due.unwrap(), left);
        }
        now = over;
        if fate == Fate::Good {
            waits.push(None);
            return told(begun, waits, End::Answer(200, None), now, left + surcharge);
        }
        let step = 500 << (made - 1).min(4);
        let wait = match fate {
            _ if this.wait_handled => 0,
            Fate::Status(_, Some(asked)) => asked,
            Fate::Status(529, None) => step.max(1_000),
            _ => step,
        };
        let may_be_twice = match given.maybe_executed {
            MaybeExecuted::Leave => !fate.maybe_executed(this.sent),
            _ => true,
        };
        let cost = fate.cost(this.sent).min(given.quota.unwrap_or(u32::MAX));
        let reason = if !may_be_twice {
            Some(Reason::MaybeExecuted)
        } else if made > given.max_retries {
            Some(Reason::Attempts)
        } else if wait > given.max_wait {
            Some(Reason::LongWait)
        } else if is_past(now + wait) {
            Some(Reason::Deadline)
        } else if !is_funded || cost == 0 || left < cost {
            Some(Reason::Quota)
        } else {
            None
        };
        if !fate.is_retryable() || reason.is_some() {
            waits.push(None);
            return told(begun, waits, fate.end(reason.filter(|_| fate.is_retryable())), now, left);
        }
        waits.push(Some(wait));
        now += wait;
        // Paid now, and given back if the attempt is not made.
        match tries.clone().next().unwrap().ready {
            Ready::Now => {}
            Ready::Broken => return told(begun, waits, End::Error(None), now, left),
            Ready::After(_) | Ready::Never if given.only_if_ready => {
                return told(begun, waits, End::Error(Some(Reason::NotReady)), now, left);
            }
            Ready::After(time) if !is_past(now + millis_of(time)) => now += millis_of(time),
            Ready::After(_) | Ready::Never => {
                return told(begun, waits, End::Error(Some(Reason::Deadline)), due.unwrap(), left);
            }
        }
        if given.quota.is_some() {
            left -= cost;
            surcharge = cost - 1;
        }
    }
    unreachable!("some attempt is the last")
}

fn millis_of(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// What is seen.
async fn observed(given: &Given, tries: &[Try]) -> Told {
    let quota = given.quota.map_or_else(Quota::unlimited, |burst| Quota::new(0.0, burst).unwrap());
    let mut layer = RetryLayer::new()
        .with_backoff(Backoff::default().with_jitter(0.0).unwrap())
        .with_max_retries(given.max_retries)
        .with_max_wait(millis(given.max_wait))
        .with_maybe_executed(given.maybe_executed)
        .with_quota(quota.clone());
    if let Some(timeout) = given.timeout {
        layer = layer.with_timeout(millis(timeout));
    }
    if given.only_if_ready {
        layer = layer.with_only_if_ready(true);
    }
    let handled: fn(&Attempt) = |attempt| attempt.set_wait_handled(true);
    let deed = |each: &Try| {
        let deed = each.fate.deed().after(millis(each.takes)).marked(each.sent);
        if each.wait_handled { deed.noting(handled) } else { deed }
    };
    let repeated = tries.last().unwrap().ready;
    let ready = tries.iter().skip(1).map(|each| each.ready).chain(std::iter::repeat_n(repeated, 9));
    let client = Client::new(tries.iter().map(deed)).ready_as([Ready::Now].into_iter().chain(ready));
    let call = Call::new(CallId(1), || Instant::now().into_std());
    let mut request = post();
    request.extensions_mut().insert(call.clone());
    if given.is_client_retry {
        request.headers_mut().insert("x-stainless-retry-count", HeaderValue::from_static("1"));
    }
    if let Some(deadline) = given.deadline {
        request.extensions_mut().insert(due(millis(deadline)));
    }
    let start = Instant::now();
    let since = |instant| millis_of(instant - start);
    let end = match send(&layer, &client, request).await {
        Ok(response) => {
            let said = GaveUp::of_response(response.extensions());
            End::Answer(response.status().as_u16(), said.map(|said| said.reason))
        }
        Err(error) => End::Error(GaveUp::find(&*error).map(|said| said.reason)),
    };
    assert_eq!((client.in_flight(), client.bodies(), client.clones()), (0, 0, 0));
    Told {
        begun: client.seen().iter().map(|seen| since(seen.at)).collect(),
        waits: call
            .attempts()
            .iter()
            .map(|attempt| attempt.outcome().expect("each ended somehow").wait.map(millis_of))
            .collect(),
        end,
        at: since(Instant::now()),
        left: quota.available(),
    }
}

fn fates() -> impl Strategy<Value = Fate> {
    let asked = prop::option::weighted(0.3, 1..4_000_u64);
    let codes = vec![408, 409, 429, 500, 503, 529];
    prop_oneof![
        2 => Just(Fate::Good),
        10 => (prop::sample::select(codes), asked).prop_map(|(code, asked)| Fate::Status(code, asked)),
        1 => Just(Fate::Status(404, None)),
        2 => Just(Fate::Refused),
        2 => Just(Fate::Reset),
        1 => Just(Fate::Strange),
        1 => Just(Fate::Silence),
    ]
}

fn readiness() -> impl Strategy<Value = Ready> {
    prop_oneof![
        8 => Just(Ready::Now),
        2 => (1..3_000_u64).prop_map(|time| Ready::After(millis(time))),
        1 => Just(Ready::Never),
        1 => Just(Ready::Broken),
    ]
}

prop_compose! {
    fn tries()(
        fate in fates(), takes in 0..1_500_u64, sent in any::<bool>(), wait_handled in prop::bool::weighted(0.1),
        ready in readiness(),
    ) -> Try {
        Try { fate, takes, sent, wait_handled, ready }
    }
}

/// Steps of half a second, in which ends and deadlines meet.
fn round(try_: Try) -> Try {
    Try { takes: try_.takes / 500 * 500, ..try_ }
}

prop_compose! {
    fn givens()(
        max_retries in 0..5_u32,
        max_wait in prop::sample::select(vec![300_000, 1_000, 999, 0]),
        timeout in prop::option::of((0..20_u64).prop_map(|halves| halves * 500)),
        // Some end there must be.
        deadline in (0..30_000_u64),
        maybe_executed in prop::sample::select(
            vec![MaybeExecuted::Leave, MaybeExecuted::RepeatAnswers, MaybeExecuted::RepeatAll]
        ),
        quota in prop::option::of(0..9_u32),
        only_if_ready in prop::bool::weighted(0.2),
        is_client_retry in prop::bool::weighted(0.2),
    ) -> Given {
        let deadline = Some(deadline);
        Given { max_retries, max_wait, timeout, deadline, maybe_executed, quota, only_if_ready, is_client_retry }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calls_are_as_the_model_has_them(
        given in givens(),
        tries in prop::collection::vec(tries(), 1..6),
        rounded in any::<bool>(),
    ) {
        let tries: Vec<_> = if rounded { tries.into_iter().map(round).collect() } else { tries };
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let seen = runtime.block_on(observed(&given, &tries));
        prop_assert_eq!(seen, model(&given, &tries));
    }
}
