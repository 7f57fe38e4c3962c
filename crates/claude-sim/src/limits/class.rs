//! Which models share their limits.

use std::borrow::Cow;
use std::fmt;

use claude_wire::facts::limit_class;

/// Models that share their limits (as of 2026-10-08). Others are a class of their own, named by their id, unless
/// [`Model::with_limit_class`](crate::Model::with_limit_class) says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitClass(Cow<'static, str>);

impl LimitClass {
    /// Fable 5.2, 5.1 and 5. That 5.2 (2026-11-09) is one of them is a guess.
    pub const FABLE_5: Self = Self(Cow::Borrowed("fable-5"));
    /// Mythos 5.2, 5.1 and 5. That 5.2 (2026-11-09) and the preview are among them is a guess.
    pub const MYTHOS_5: Self = Self(Cow::Borrowed("mythos-5"));
    /// Opus 5.5.
    pub const OPUS_5_5: Self = Self(Cow::Borrowed("opus-5.5"));
    /// Opus 5.
    pub const OPUS_5: Self = Self(Cow::Borrowed("opus-5"));
    /// Opus 4.8, 4.7, 4.6 and 4.5.
    pub const OPUS_4: Self = Self(Cow::Borrowed("opus-4"));
    /// Sonnet 5.5.
    pub const SONNET_5_5: Self = Self(Cow::Borrowed("sonnet-5.5"));
    /// Sonnet 5.
    pub const SONNET_5: Self = Self(Cow::Borrowed("sonnet-5"));
    /// Sonnet 4.6 and 4.5.
    pub const SONNET_4: Self = Self(Cow::Borrowed("sonnet-4"));
    /// Haiku 5.5.
    pub const HAIKU_5_5: Self = Self(Cow::Borrowed("haiku-5.5"));
    /// Haiku 4.5.
    pub const HAIKU_4_5: Self = Self(Cow::Borrowed("haiku-4.5"));
    /// Haiku 3.5: retired, and the only one whose input limit counts what is read from the prompt cache.
    pub const HAIKU_3_5: Self = Self(Cow::Borrowed("haiku-3.5"));

    /// A class of this name. It is the same as any other of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The class of the model with this id.
    pub(crate) fn of_model(id: &str) -> Self {
        Self::new(limit_class(id))
    }

    /// Whether what is read from the prompt cache counts as input.
    pub(crate) fn counts_cache_reads(&self) -> bool {
        *self == Self::HAIKU_3_5
    }
}

impl fmt::Display for LimitClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
