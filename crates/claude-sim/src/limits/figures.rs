//! The numbers: what is allowed in a minute.

use std::collections::BTreeMap;

use super::LimitClass;

/// The limits of an organisation or of a workspace, for each class of models.
///
/// ```
/// use claude_sim::{ClassLimits, LimitClass, Limits, Simulator};
///
/// let limits = Limits::start().with_class(LimitClass::OPUS_5_5, ClassLimits::per_minute(50, 30_000, 8_000));
/// let simulator = Simulator::builder().with_limits(limits).build();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Limits {
    others: Others,
    classes: BTreeMap<LimitClass, ClassLimits>,
    count_tokens: Option<u64>,
}

/// What holds for classes that are not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    None,
    Same(ClassLimits),
    Tier(Tier),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Start,
    Build,
    Scale,
}

/// The limits of one class of models, per minute.
///
/// Fast mode draws on token buckets of its own, and on the requests of its class. The figures of those buckets
/// are not known (2026-11-22): they are those of the class until [`with_fast`](Self::with_fast) says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ClassLimits {
    pub(super) requests: u64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) fast_input_tokens: u64,
    pub(super) fast_output_tokens: u64,
}

impl ClassLimits {
    /// So many requests, tokens of input (what is read from the prompt cache is free) and tokens of output. A
    /// number below one counts as one.
    pub const fn per_minute(requests: u64, input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            requests,
            input_tokens,
            output_tokens,
            fast_input_tokens: input_tokens,
            fast_output_tokens: output_tokens,
        }
    }

    /// So many tokens of input and output in fast mode.
    pub const fn with_fast(mut self, input_tokens: u64, output_tokens: u64) -> Self {
        self.fast_input_tokens = input_tokens;
        self.fast_output_tokens = output_tokens;
        self
    }
}

impl Limits {
    /// No limits: nothing is refused. The headers of an organisation show full buckets of tier Start.
    pub const fn none() -> Self {
        Self::of(Others::None, None)
    }

    /// Tier Start, as of 2026-10-08.
    pub const fn start() -> Self {
        Self::of(Others::Tier(Tier::Start), Some(START_COUNT_TOKENS))
    }

    /// Tier Build, as of 2026-10-08.
    pub const fn build() -> Self {
        Self::of(Others::Tier(Tier::Build), Some(4_000))
    }

    /// Tier Scale, as of 2026-10-08.
    pub const fn scale() -> Self {
        Self::of(Others::Tier(Tier::Scale), Some(8_000))
    }

    /// These for each class of models. `count_tokens` is not limited.
    pub const fn each(limits: ClassLimits) -> Self {
        Self::of(Others::Same(limits), None)
    }

    const fn of(others: Others, count_tokens: Option<u64>) -> Self {
        Self { others, classes: BTreeMap::new(), count_tokens }
    }

    /// Other numbers for one class.
    pub fn with_class(mut self, class: LimitClass, limits: ClassLimits) -> Self {
        self.classes.insert(class, limits);
        self
    }

    /// So many requests to `count_tokens` in a minute; one at the least.
    pub const fn with_count_tokens(mut self, requests: u64) -> Self {
        self.count_tokens = Some(requests);
        self
    }

    /// `None` if the class has no limits.
    pub(super) fn of_class(&self, class: &LimitClass) -> Option<ClassLimits> {
        self.classes.get(class).copied().or(match self.others {
            Others::None => None,
            Others::Same(limits) => Some(limits),
            Others::Tier(tier) => Some(tier.of_class(class)),
        })
    }

    pub(super) const fn of_count_tokens(&self) -> Option<u64> {
        self.count_tokens
    }
}

/// No limits.
impl Default for Limits {
    fn default() -> Self {
        Self::none()
    }
}

/// Requests to `count_tokens` in tier Start.
pub(super) const START_COUNT_TOKENS: u64 = 2_000;

/// What headers show where there are no limits.
pub(super) fn start(class: &LimitClass) -> ClassLimits {
    Tier::Start.of_class(class)
}

impl Tier {
    /// The table of 2026-10-08. Classes that are not in it have the numbers of most.
    fn of_class(self, class: &LimitClass) -> ClassLimits {
        let (requests, input_tokens, output_tokens) = match (class.name(), self) {
            ("fable-5" | "mythos-5", Self::Start) => (1_000, 500_000, 100_000),
            ("fable-5" | "mythos-5", Self::Build) => (2_000, 1_500_000, 300_000),
            ("fable-5" | "mythos-5", Self::Scale) => (4_000, 4_000_000, 800_000),
            ("haiku-3.5", Self::Start) => (1_000, 100_000, 20_000),
            ("haiku-3.5", Self::Build) => (2_000, 200_000, 40_000),
            ("haiku-3.5", Self::Scale) => (4_000, 400_000, 80_000),
            (_, Self::Start) => (1_000, 2_000_000, 400_000),
            (_, Self::Build) => (5_000, 5_000_000, 1_000_000),
            (_, Self::Scale) => (10_000, 10_000_000, 2_000_000),
        };
        ClassLimits::per_minute(requests, input_tokens, output_tokens)
    }
}
