//! What an error says to people, by code.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Other words for some codes: a translation, or the house's own tone. A clone shares them.
///
/// ```
/// use claude_errors::{ErrorKind, Messages};
///
/// let german = Messages::new()
///     .with(ErrorKind::Overloaded.code(), "Der Dienst ist gerade überlastet.")
///     .with("BUDGET_EXCEEDED", "Das Budget ist aufgebraucht.");
/// assert_eq!(german.get("OVERLOADED"), Some("Der Dienst ist gerade überlastet."));
/// assert_eq!(german.get("TIMEOUT"), None, "keeps its English words");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Messages {
    texts: Arc<BTreeMap<Cow<'static, str>, Cow<'static, str>>>,
}

impl Messages {
    /// No other words.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says this for that code.
    #[must_use]
    pub fn with(mut self, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.texts).insert(code.into(), message.into());
        self
    }

    /// The words for a code, if there are other ones than its own.
    #[must_use]
    pub fn get(&self, code: &str) -> Option<&str> {
        self.texts.get(code).map(AsRef::as_ref)
    }
}
