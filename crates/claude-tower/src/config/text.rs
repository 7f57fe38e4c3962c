//! A value that is written as text and read by a function.

use std::fmt;

use serde::{Deserializer, de};

/// Reads text with `parse`. `expected` completes the sentence "must be …" when it gives `None`.
///
/// The text itself goes into the error as the unexpected value, never into the message: whether it may be shown is
/// decided where the key is known.
pub(super) fn deserialize<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Text { expected, parse })
}

struct Text<F> {
    expected: &'static str,
    parse: F,
}

impl<F, T> de::Visitor<'_> for Text<F>
where
    F: Fn(&str) -> Option<T>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}
