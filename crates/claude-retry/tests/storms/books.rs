//! Calls of which it is known afterwards what each attempt was billed, how the layer judged it, and what the caller got.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::time::Duration;

use bytes::Bytes;
use claude_retry::RetryLayer;
use claude_retry::metrics::RETRIES_TOTAL;
use claude_sim::{FaultMix, Reply, Simulator};
use claude_wire::BoxError;
use claude_wire::call::{Call, CallId, Outcome};
use futures_util::future::join_all;
use http::Response;
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::Instant;
use tower::timeout::Timeout;
use tower::{Layer, ServiceExt};

use crate::counters::Counters;
use crate::support::{ask, is_complete};

const CALLS: u64 = 24;

/// Some calls at once.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) faults: FaultMix,
    /// Which calls: all, or only those for streams, or only the others.
    pub(crate) kind: fn(u64) -> bool,
    /// Whether what fails is billed.
    pub(crate) billed: bool,
    /// How long each attempt has until its head.
    pub(crate) patience: Duration,
}

/// What came of them.
#[derive(Debug)]
pub(crate) struct Books {
    calls: Vec<Entry>,
    bill: Tokens,
    /// Of retries after what may have been executed, and of the others.
    counted: [u64; 2],
}

/// One call.
#[derive(Debug)]
struct Entry {
    call: u64,
    attempts: Vec<Attempt>,
    got: Got,
}

#[derive(Debug)]
struct Attempt {
    outcome: Outcome,
    billed: Tokens,
}

/// What a caller got.
#[derive(Debug)]
enum Got {
    /// An answer, and what it says that it used.
    Whole(Tokens),
    /// One that broke off in the caller's hands.
    Broken,
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tokens {
    input: u64,
    output: u64,
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
    }
}

impl Plan {
    pub(crate) fn new(seed: u64, faults: FaultMix) -> Self {
        Self { seed, faults, kind: |_| true, billed: true, patience: Duration::from_secs(3_600) }
    }

    pub(crate) async fn run(self, retry: RetryLayer) -> Books {
        let simulator = Simulator::builder()
            .with_seed(self.seed)
            .with_fates(self.faults)
            .with_failed_streams_billed(self.billed)
            .with_lost_answers_billed(self.billed)
            .with_reply(Reply::of_length(40))
            .with_log(10_000, 0)
            .build();
        let counters = Counters::default();
        let recording = metrics::set_default_local_recorder(&counters);
        let service = retry.with_seed(self.seed).layer(Timeout::new(simulator.clone(), self.patience));
        let calls = (0..CALLS).filter(|&call| (self.kind)(call)).map(async |number| {
            let call = Call::new(CallId(number.into()), || Instant::now().into_std());
            let mut request = ask(number);
            request.extensions_mut().insert(call.clone());
            let got = Got::read(service.clone().oneshot(request).await).await;
            (number, call, got)
        });
        let calls = join_all(calls).await;
        drop(recording);
        assert_eq!(simulator.in_flight(), 0);

        let mut billed = HashMap::new();
        for request in simulator.requests() {
            let tokens = Tokens { input: request.billed.input, output: request.billed.output };
            billed.insert((request.fate.unwrap(), request.attempt.unwrap()), tokens);
        }
        let arrived = billed.len();
        let entry = |(call, made, got): (u64, Call, Got)| {
            let attempts = (1..).zip(made.attempts()).map(|(number, attempt)| Attempt {
                outcome: attempt.outcome().unwrap(),
                billed: billed.remove(&(call, number)).unwrap(),
            });
            Entry { call, attempts: attempts.collect(), got }
        };
        let calls: Vec<_> = calls.into_iter().map(entry).collect();
        assert_eq!(calls.iter().map(|entry| entry.attempts.len()).sum::<usize>(), arrived);

        let mut bill = Tokens::default();
        for line in simulator.bill() {
            bill += Tokens { input: line.tokens.input, output: line.tokens.output };
        }
        let counted = ["true", "false"].map(|text| counters.sum(RETRIES_TOTAL, &[("maybe_executed", text)]));
        Books { calls, bill, counted }
    }
}

impl Books {
    /// The bill is what callers got, and what attempts were billed of which they got nothing; and each of those was known
    /// to be one that may have been executed.
    pub(crate) fn assert_balanced(&self, of: &str) {
        let mut sum = Tokens::default();
        for Entry { call, attempts, got } in &self.calls {
            let (last, earlier) = attempts.split_last().unwrap();
            for attempt in earlier {
                attempt.assert_known(of);
                sum += attempt.billed;
            }
            match got {
                Got::Whole(received) => {
                    assert_eq!(*received, last.billed, "call {call} of {of}");
                    sum += *received;
                }
                // A failure that the caller has seen as it came.
                Got::Broken => sum += last.billed,
                Got::Nothing => {
                    last.assert_known(of);
                    sum += last.billed;
                }
            }
        }
        assert_eq!(self.bill, sum, "{of}");
        let marked = self.repeated().filter(|attempt| attempt.outcome.maybe_executed).count();
        let counted = [marked, self.repeated().count() - marked].map(|count| u64::try_from(count).unwrap());
        assert_eq!(self.counted, counted, "what is counted is what outcomes say: {of}");
    }

    fn repeated(&self) -> impl Iterator<Item = &Attempt> {
        let earlier = |entry: &'_ Entry| entry.attempts.len() - 1;
        self.calls.iter().flat_map(move |entry| &entry.attempts[..earlier(entry)])
    }

    pub(crate) fn retries(&self) -> u64 {
        self.counted.iter().sum()
    }

    /// Retries after what may have been executed.
    pub(crate) fn counted(&self) -> u64 {
        self.counted[0]
    }

    /// Attempts that were billed, and repeated all the same.
    pub(crate) fn billed_in_vain(&self) -> u64 {
        u64::try_from(self.repeated().filter(|attempt| attempt.is_billed()).count()).unwrap()
    }

    /// Calls that were billed, and failed.
    pub(crate) fn lost(&self) -> u64 {
        let is_lost = |entry: &&Entry| {
            !matches!(entry.got, Got::Whole(_)) && entry.attempts.last().is_some_and(Attempt::is_billed)
        };
        u64::try_from(self.calls.iter().filter(is_lost).count()).unwrap()
    }

    /// Whether there is a call of which two attempts were billed.
    pub(crate) fn has_billed_twice(&self) -> bool {
        let billed = |entry: &Entry| entry.attempts.iter().filter(|attempt| attempt.is_billed()).count();
        self.calls.iter().any(|entry| billed(entry) > 1)
    }
}

impl Attempt {
    fn is_billed(&self) -> bool {
        self.billed != Tokens::default()
    }

    /// What was billed for nothing had been seen to be possible.
    fn assert_known(&self, of: &str) {
        let is_known = self.outcome.maybe_executed || !self.is_billed();
        assert!(is_known, "{:?} was billed {:?}: {of}", self.outcome, self.billed);
    }
}

impl Got {
    async fn read<B>(answer: Result<Response<B>, BoxError>) -> Self
    where
        B: HttpBody<Data = Bytes, Error = BoxError>,
    {
        let Ok(answer) = answer else { return Self::Nothing };
        let (head, body) = answer.into_parts();
        let is_good = head.status == 200;
        match body.collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                match is_complete(&head, &body) {
                    true => Self::Whole(Tokens::of(&body)),
                    false if is_good => Self::Broken,
                    false => Self::Nothing,
                }
            }
            Err(_) if is_good => Self::Broken,
            Err(_) => Self::Nothing,
        }
    }
}

impl Tokens {
    /// What an answer says of itself; of a stream, the last that it says.
    fn of(body: &[u8]) -> Self {
        let text = str::from_utf8(body).unwrap();
        let texts = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: ").or(line.strip_prefix('{').and(Some(line))));
        let mut tokens = Self::default();
        for text in texts {
            let value: Value = serde_json::from_str(text).unwrap();
            for usage in [&value["usage"], &value["message"]["usage"]] {
                tokens.input = usage["input_tokens"].as_u64().unwrap_or(tokens.input);
                tokens.output = usage["output_tokens"].as_u64().unwrap_or(tokens.output);
            }
        }
        tokens
    }
}
