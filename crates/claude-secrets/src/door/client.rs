//! Who may call.

use std::sync::Arc;

use claude_wire::call::Caller;
use claude_wire::shown;

use super::{TOKEN_PREFIX, TokenHash, metrics};

/// Somebody who may call: a program or a team with tokens of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub(super) name: Arc<str>,
    pub(super) tokens: Vec<TokenHash>,
    pub(super) caller: Caller,
}

impl Client {
    /// A client without a token yet. The name stands in logs and as a label of a metric.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), tokens: Vec::new(), caller: Caller::new() }
    }

    /// Adds a token by its hash. Of several each admits, so that one can be rotated.
    #[must_use]
    pub fn with_token(mut self, token: TokenHash) -> Self {
        self.tokens.push(token);
        self
    }

    /// On whose behalf the client's calls are made.
    #[must_use]
    pub fn with_caller(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    /// Whether a client may have this name: 1 to 128 ASCII letters, digits and `_ - . : / @`, and neither `none`, which means
    /// nobody in the metric, nor a token that was put in the wrong place.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        shown::name(name).is_some() && !name.contains(TOKEN_PREFIX) && name != metrics::NOBODY
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
