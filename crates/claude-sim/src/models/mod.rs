//! Models, and the endpoints that list them.

mod catalogue;
mod endpoint;
mod rules;
mod serving;

use serde::Serialize;

use crate::limits::LimitClass;

pub(crate) use endpoint::{list, retrieve};
pub(crate) use rules::Rules;
pub(crate) use serving::Serving;

/// A model that the simulator knows.
#[derive(Clone, Debug)]
pub struct Model {
    id: String,
    aliases: Vec<String>,
    display_name: String,
    line: Option<Line>,
    lifecycle: Lifecycle,
    /// Dates are days, as RFC 3339 writes them.
    released: Option<String>,
    deprecated: Option<String>,
    retires: Option<String>,
    max_input_tokens: u64,
    max_tokens: Option<u64>,
    /// A shorter prompt is not cached.
    min_cached_tokens: u64,
    /// A longer prompt has a price of its own.
    long_context: Option<u64>,
    rules: Rules,
    /// Whether `usage` says where it ran.
    shows_geo: bool,
    fast: FastMode,
    /// `None` if its id decides.
    limit_class: Option<LimitClass>,
}

/// A line of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Line {
    Fable,
    Mythos,
    Opus,
    Sonnet,
    Haiku,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lifecycle {
    Active,
    Deprecated,
    Retired,
}

/// What becomes of `"speed": "fast"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FastMode {
    /// It runs fast.
    Fast,
    /// It runs fast with a beta, and is an error without.
    Preview,
    /// It runs at the standard speed, and nothing is said.
    Ignored,
    /// It is an error.
    Refused,
}

impl Model {
    /// An active model of no line, with a context of 1,000,000 tokens of which 128,000 may be output, a prompt
    /// cache from 512 tokens on, and without a fast mode. It takes every kind of thinking, sampling, prefill and
    /// forced tool use, as no single model of the API does.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            aliases: Vec::new(),
            display_name: id.clone(),
            line: None,
            lifecycle: Lifecycle::Active,
            released: None,
            deprecated: None,
            retires: None,
            max_input_tokens: 1_000_000,
            max_tokens: Some(128_000),
            min_cached_tokens: 512,
            long_context: None,
            rules: Rules::LENIENT,
            shows_geo: true,
            fast: FastMode::Refused,
            limit_class: None,
            id,
        }
    }

    /// The models of 2026-11-22, newest first, with those that are retired: they are listed, and calls to them
    /// get a 404.
    #[must_use]
    pub fn catalogue() -> Vec<Self> {
        catalogue::models()
    }

    /// Adds another name under which it can be called. Responses name it by its id.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// The size of its context, in tokens.
    #[must_use]
    pub const fn with_max_input_tokens(mut self, tokens: u64) -> Self {
        self.max_input_tokens = tokens;
        self
    }

    /// The most that `max_tokens` may be.
    #[must_use]
    pub const fn with_max_tokens(mut self, tokens: u64) -> Self {
        self.max_tokens = Some(tokens);
        self
    }

    /// With which models it shares its limits. If nothing is said, models that are not in the
    /// [`catalogue`](Self::catalogue) share them with none.
    #[must_use]
    pub fn with_limit_class(mut self, class: LimitClass) -> Self {
        self.limit_class = Some(class);
        self
    }

    /// The shortest prompt that is cached, in tokens.
    #[must_use]
    pub const fn with_min_cached_tokens(mut self, tokens: u64) -> Self {
        self.min_cached_tokens = tokens;
        self
    }

    /// How long a prompt may be, in tokens, before all tokens of the run have another price: of longer ones, the bill
    /// has lines of their own. Input counts, whether the cache held it, took it or did neither, and so does what
    /// tools brought. In the [`catalogue`](Self::catalogue), only Haiku 5.5 has such a price, above 100,000 tokens
    /// (2026-11-22).
    #[must_use]
    pub const fn with_long_context(mut self, tokens: u64) -> Self {
        self.long_context = Some(tokens);
        self
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn limit_class(&self) -> LimitClass {
        self.limit_class.clone().unwrap_or_else(|| LimitClass::of_model(&self.id))
    }

    pub(crate) const fn max_input_tokens(&self) -> u64 {
        self.max_input_tokens
    }

    pub(crate) const fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }

    pub(crate) const fn min_cached_tokens(&self) -> u64 {
        self.min_cached_tokens
    }

    pub(crate) const fn rules(&self) -> Rules {
        self.rules
    }

    pub(crate) const fn shows_geo(&self) -> bool {
        self.shows_geo
    }

    pub(crate) const fn fast(&self) -> FastMode {
        self.fast
    }

    fn answers_to(&self, name: &str) -> bool {
        self.id == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// All models of a simulator.
pub(crate) struct Catalogue {
    models: Vec<Model>,
}

impl Catalogue {
    pub(crate) const fn new(models: Vec<Model>) -> Self {
        Self { models }
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.answers_to(name))
    }

    /// The model of this name, if it can still be called.
    pub(crate) fn callable(&self, name: &str) -> Option<&Model> {
        self.named(name).filter(|model| model.lifecycle != Lifecycle::Retired)
    }
}
