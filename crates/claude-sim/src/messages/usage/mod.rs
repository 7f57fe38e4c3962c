//! The `usage` object, and the runs of models that it sums up.
//!
//! A message is one run of a model, unless a server tool, a compaction, an advisor or a fallback makes it several.
//! The bill is over all of them; the counts at the top of `usage` leave out compactions, advisors and what was
//! declined. The counts only grow in this order of things, so that what is out can be settled at any event.

mod shown;

use std::sync::Arc;

use serde::Serialize;

use crate::bill::TokenCounts;
use crate::models::Serving;

pub(super) use shown::DeltaUsage;

#[derive(Clone)]
pub(crate) struct Usage {
    /// In order, and never empty. The last one is going on.
    runs: Vec<Run>,
    /// Whether `iterations` is there: the beta features that need it show it.
    shows_runs: bool,
    /// Part of the output; `None` if nothing was thought.
    thinking_tokens: Option<u64>,
    server_tools: Option<ServerTools>,
    /// The least output that is shown: even an empty answer costs a token.
    least_output: u64,
    pub(crate) service_tier: &'static str,
    /// The model that was asked. The top says its speed and place, whoever served in the end: a stream says them
    /// only once, at its start.
    asked: Arc<Serving>,
}

#[derive(Clone)]
struct Run {
    kind: RunKind,
    /// Whose run it is; `None` is the model that was asked.
    by: Option<Arc<Serving>>,
    tokens: TokenCounts,
}

/// What the runs are billed as that have everything in common.
pub(crate) struct Line {
    pub(crate) by: Arc<Serving>,
    /// Whether their prompts were long: a matter of each run, not of the message.
    pub(crate) long_context: bool,
    pub(crate) tokens: TokenCounts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RunKind {
    Message,
    /// A message that was declined, and which a fallback went on with.
    Declined,
    Fallback,
    Compaction,
    Advisor,
}

#[derive(Clone, Copy, Default, Serialize)]
struct ServerTools {
    web_fetch_requests: u64,
    web_search_requests: u64,
}

/// What a block does to the usage besides its own tokens.
#[derive(Clone)]
pub(super) enum Effect {
    /// A tool of the server brought so many tokens, and the model reads everything again.
    Result { tokens: u64, tool: Counted },
    /// Another model was asked, with so much input, and the model reads everything again.
    Advice { by: Arc<Serving>, input: u64, output: u64 },
    /// The input became this summary.
    Compaction { tokens: u64 },
    /// Another model goes on in the place of one that declined.
    Fallback { to: Arc<Serving> },
}

/// Whether a use of a tool is counted by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    WebSearch,
    WebFetch,
    No,
}

impl Usage {
    /// An input that has been read, and no output yet.
    pub(super) fn of_input(input: TokenCounts, least_output: u64, asked: Arc<Serving>) -> Self {
        Self {
            runs: vec![Run { kind: RunKind::Message, by: None, tokens: input }],
            shows_runs: false,
            thinking_tokens: None,
            server_tools: None,
            least_output,
            service_tier: "standard",
            asked,
        }
    }

    /// So many tokens more have been written.
    pub(super) fn write(&mut self, tokens: u64, thinking: bool) {
        if let Some(run) = self.runs.last_mut() {
            run.tokens.output += tokens;
        }
        if thinking {
            *self.thinking_tokens.get_or_insert(0) += tokens;
        }
    }

    pub(super) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Result { tokens, tool } => {
                let tools = self.server_tools.get_or_insert_default();
                match tool {
                    Counted::WebSearch => tools.web_search_requests += 1,
                    Counted::WebFetch => tools.web_fetch_requests += 1,
                    Counted::No => {}
                }
                if let Some(run) = self.runs.last_mut() {
                    run.tokens.web_searches += u64::from(*tool == Counted::WebSearch);
                }
                self.read_again(*tokens);
            }
            Effect::Advice { by, input, output } => {
                self.shows_runs = true;
                let tokens = TokenCounts { input: *input, output: *output, ..TokenCounts::default() };
                let before = self.runs.len();
                self.read_again(*output);
                self.runs.insert(before, Run { kind: RunKind::Advisor, by: Some(Arc::clone(by)), tokens });
            }
            Effect::Compaction { tokens } => self.compact(*tokens),
            Effect::Fallback { to } => self.fall_back(to),
        }
    }

    /// A further run, which finds what the one before had in the cache, and reads the rest with what it wrote.
    fn read_again(&mut self, more: u64) {
        let Some(last) = self.runs.last() else { return };
        let TokenCounts { input, cache_read, output, .. } = last.tokens;
        let tokens = TokenCounts {
            input: input.saturating_add(output).saturating_add(more),
            cache_read: cache_read.saturating_add(last.tokens.cache_writes()),
            ..TokenCounts::default()
        };
        let (kind, by) = (last.kind, last.by.clone());
        self.runs.push(Run { kind, by, tokens });
    }

    /// What was read goes to the compaction. What was written to the cache stays: a stream says its split only
    /// once, at its start.
    fn compact(&mut self, summary: u64) {
        self.shows_runs = true;
        let Some(run) = self.runs.last_mut() else { return };
        let TokenCounts { input, cache_read, .. } = run.tokens;
        run.tokens.input = summary;
        run.tokens.cache_read = 0;
        let tokens = TokenCounts { input, cache_read, output: summary, ..TokenCounts::default() };
        let at = self.runs.len() - 1;
        self.runs.insert(at, Run { kind: RunKind::Compaction, by: None, tokens });
    }

    /// The cache of one model is of no use to another: what was read from it is input, and what was written to
    /// it is written again. From now on the message is the other model's, so what was declined names its own.
    fn fall_back(&mut self, to: &Arc<Serving>) {
        self.shows_runs = true;
        let Some(last) = self.runs.last() else { return };
        let mut tokens = TokenCounts::default();
        for run in self.runs.iter().filter(|run| run.counts()) {
            let TokenCounts { cache_write_5m, cache_write_1h, .. } = run.tokens;
            tokens += TokenCounts { cache_write_5m, cache_write_1h, ..TokenCounts::default() };
        }
        let whole = last.tokens.input.saturating_add(last.tokens.cache_read);
        let written_before = tokens.cache_writes().saturating_sub(last.tokens.cache_writes());
        tokens.input = whole.saturating_sub(written_before);
        for run in &mut self.runs {
            if run.counts() {
                run.kind = RunKind::Declined;
                run.by.get_or_insert_with(|| Arc::clone(&self.asked));
            }
        }
        self.runs.push(Run { kind: RunKind::Fallback, by: Some(Arc::clone(to)), tokens });
    }

    /// The tokens of output, of all runs.
    pub(crate) fn output(&self) -> u64 {
        self.runs.iter().map(|run| run.tokens.output).sum::<u64>().max(self.least_output)
    }

    /// What is billed, by the model that it ran on and by whether its prompt was long.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for run in self.settled() {
            let by = run.by.unwrap_or_else(|| Arc::clone(&self.asked));
            let long_context = by.is_long(run.tokens.prompt());
            match lines.iter_mut().find(|line| line.by == by && line.long_context == long_context) {
                Some(line) => line.tokens += run.tokens,
                None => lines.push(Line { by, long_context, tokens: run.tokens }),
            }
        }
        lines
    }

    /// What counts against the limits of the model that was asked: the input and the output of all runs, whoever
    /// ran them.
    pub(crate) fn limited(&self, cache_reads_count: bool) -> (u64, u64) {
        let mut sum = TokenCounts::default();
        for run in self.settled() {
            sum += run.tokens;
        }
        let read = if cache_reads_count { sum.cache_read } else { 0 };
        (sum.uncached().saturating_add(read), sum.output)
    }

    /// The counts at the top.
    fn top(&self) -> TokenCounts {
        let mut sum = TokenCounts::default();
        for run in self.settled().into_iter().filter(Run::counts) {
            sum += run.tokens;
        }
        sum
    }

    /// The runs, with the least output that there is in the last of them.
    fn settled(&self) -> Vec<Run> {
        let mut runs = self.runs.clone();
        let output = runs.iter().filter(|run| run.counts()).map(|run| run.tokens.output).sum();
        if let Some(last) = runs.last_mut() {
            last.tokens.output += self.least_output.saturating_sub(output);
        }
        runs
    }
}

impl Run {
    fn counts(&self) -> bool {
        matches!(self.kind, RunKind::Message | RunKind::Fallback)
    }
}
