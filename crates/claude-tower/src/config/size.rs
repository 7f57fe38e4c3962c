//! How sizes are written: `32MiB`, `64KiB`, `10MB`, or a whole number of bytes.
//!
//! A whole number and one unit, nothing between them: `B`, `KiB`, `MiB`, `GiB` (powers of 1024), `KB`, `MB`, `GB`
//! (powers of 1000). Upper and lower case matter, because `mb` might be bits and `m` might be anything.

use std::fmt;

use serde::{Deserializer, de};

const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a size in bytes, or gives `None` where the text is none.
///
/// ```
/// use claude_tower::config::size;
///
/// assert_eq!(size::parse("32MiB"), Some(33_554_432));
/// assert_eq!(size::parse("33554432"), Some(33_554_432));
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, name) = text.split_at(digits);
    let unit = if name.is_empty() { 1 } else { UNITS.iter().find(|(known, _)| *known == name)?.1 };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Writes a size the way [`parse`] reads it, in the largest power of 1024 that divides it.
#[must_use]
pub fn format(bytes: u64) -> String {
    for (name, unit) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

/// For `#[serde(deserialize_with = "size::deserialize")]`.
///
/// # Errors
///
/// When the value is neither a whole number of bytes nor a size as text.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Size)
}

struct Size;

impl de::Visitor<'_> for Size {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 64KiB or 32MiB, or a whole number of bytes")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<u64, E> {
        Ok(bytes)
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_it_documents_and_nothing_else() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("64KiB", 65_536),
            ("10MB", 10_000_000),
            ("2GiB", 2_147_483_648),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in
            ["", "MiB", "-1", "1.5MiB", "32 MiB", "32mib", "32M", "99999999999999999999", "99999999999GiB"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: u64) {
            prop_assert_eq!(parse(&format(bytes)), Some(bytes));
        }
    }
}
