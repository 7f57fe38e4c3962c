//! The buckets as headers show them.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::ClassLimits;
use super::snapshot::Snapshot;
use crate::clock::Clock;
use crate::date;

/// What the headers of one message say.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) requests: Snapshot,
    pub(super) tokens: Snapshot,
    pub(super) input: Snapshot,
    pub(super) output: Snapshot,
    /// Input and output in fast mode.
    pub(super) fast: Option<(Snapshot, Snapshot)>,
}

impl Shown {
    /// Where there are no limits.
    pub(super) fn full(limits: &ClassLimits, now: Duration) -> Self {
        let full = |limit| Snapshot::full(limit, now);
        let (input, output) = (full(limits.input_tokens), full(limits.output_tokens));
        Self {
            requests: full(limits.requests),
            tokens: input.plus(output),
            input,
            output,
            fast: Some((full(limits.fast_input_tokens), full(limits.fast_output_tokens))),
        }
    }

    /// This is the organisation's: of each bucket the one that binds. `tokens` are the organisation's input and
    /// output, unless the workspace binds in one of them: then they are the tighter one of the workspace's.
    pub(super) fn tighter(&self, workspace: &Self) -> Self {
        let of = |ours: Snapshot, theirs: Snapshot| ours.tighter(Some(theirs));
        let binds = workspace.input.is_tighter(&self.input) || workspace.output.is_tighter(&self.output);
        Self {
            requests: of(self.requests, workspace.requests),
            tokens: if binds { of(workspace.input, workspace.output) } else { self.tokens },
            input: of(self.input, workspace.input),
            output: of(self.output, workspace.output),
            fast: self
                .fast
                .zip(workspace.fast)
                .map(|(ours, theirs)| (of(ours.0, theirs.0), of(ours.1, theirs.1))),
        }
    }

    pub(super) fn write(&self, headers: &mut HeaderMap, clock: &Clock) {
        show_requests(self.requests, headers, clock);
        show_tokens(TOKENS, self.tokens, headers, clock);
        show_tokens(INPUT_TOKENS, self.input, headers, clock);
        show_tokens(OUTPUT_TOKENS, self.output, headers, clock);
        if let Some((input, output)) = self.fast {
            show_tokens(FAST_INPUT_TOKENS, input, headers, clock);
            show_tokens(FAST_OUTPUT_TOKENS, output, headers, clock);
        }
    }
}

pub(super) fn show_requests(bucket: Snapshot, headers: &mut HeaderMap, clock: &Clock) {
    show(REQUESTS, bucket, bucket.remaining(), headers, clock);
}

fn show_tokens(names: Names, bucket: Snapshot, headers: &mut HeaderMap, clock: &Clock) {
    show(names, bucket, bucket.remaining_rounded(), headers, clock);
}

/// The headers of one bucket: limit, remaining, reset.
type Names = [HeaderName; 3];

macro_rules! names {
    ($bucket:literal) => {
        [
            HeaderName::from_static(concat!("anthropic-", $bucket, "-limit")),
            HeaderName::from_static(concat!("anthropic-", $bucket, "-remaining")),
            HeaderName::from_static(concat!("anthropic-", $bucket, "-reset")),
        ]
    };
}

const REQUESTS: Names = names!("ratelimit-requests");
const TOKENS: Names = names!("ratelimit-tokens");
const INPUT_TOKENS: Names = names!("ratelimit-input-tokens");
const OUTPUT_TOKENS: Names = names!("ratelimit-output-tokens");
const FAST_INPUT_TOKENS: Names = names!("fast-input-tokens");
const FAST_OUTPUT_TOKENS: Names = names!("fast-output-tokens");

fn show(
    [limit_name, remaining_name, reset_name]: Names,
    bucket: Snapshot,
    remaining: u64,
    headers: &mut HeaderMap,
    clock: &Clock,
) {
    headers.insert(limit_name, HeaderValue::from(bucket.limit));
    headers.insert(remaining_name, HeaderValue::from(remaining));
    let reset = bucket.reset().map_or_else(|| clock.date(), |at| clock.date_at(at));
    if let Some(reset) = date::rfc_3339(reset) {
        headers.insert(reset_name, reset);
    }
}
