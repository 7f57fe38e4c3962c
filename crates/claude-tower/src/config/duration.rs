//! How durations are written: `500ms`, `30s`, `10m`, `1h30m`.
//!
//! Whole numbers with a unit each, the larger unit first, nothing between them. The units are `h`, `m` (minutes),
//! `s`, `ms`, `us` and `ns`. A number without a unit is refused, because one reader takes it for seconds and the next
//! for milliseconds; so are days, months and fractions. (The crates for this accept more: with `10M`
//! as ten months, a slip of the shift key would be a valid time limit.)

use std::{fmt::Write as _, time::Duration};

use serde::{Deserialize, Deserializer};

use super::text;

/// The units with their nanoseconds, from the largest.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a duration, or gives `None` where the text is none.
///
/// ```
/// use std::time::Duration;
/// use claude_tower::config::duration;
///
/// assert_eq!(duration::parse("1h30m"), Some(Duration::from_secs(5_400)));
/// assert_eq!(duration::parse("30"), None);
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut larger = u128::MAX;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let number;
        (number, rest) = split(rest, |c| c.is_ascii_digit());
        let name;
        (name, rest) = split(rest, |c| !c.is_ascii_digit());
        let nanos = unit(name)?;
        if nanos >= larger {
            return None;
        }
        larger = nanos;
        total = total.checked_add(number.parse::<u128>().ok()?.checked_mul(nanos)?)?;
    }
    if larger == u128::MAX {
        return None;
    }
    let seconds = u64::try_from(total / 1_000_000_000).ok()?;
    let nanos = u32::try_from(total % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, nanos))
}

/// Writes a duration the way [`parse`] reads it.
///
/// ```
/// use std::time::Duration;
/// use claude_tower::config::duration;
///
/// assert_eq!(duration::format(Duration::from_millis(90_500)), "1m30s500ms");
/// ```
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, nanos) in UNITS {
        if rest >= nanos {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{name}", rest / nanos);
            rest %= nanos;
        }
    }
    text
}

/// For `#[serde(deserialize_with = "duration::deserialize")]`.
///
/// # Errors
///
/// When the value is not text, or no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    text::deserialize(deserializer, "a duration with its unit, such as 500ms, 30s, 10m or 1h30m", parse)
}

/// For `#[serde(deserialize_with = "duration::optional")]` on an `Option<Duration>`.
///
/// # Errors
///
/// As for [`deserialize`].
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<Written>::deserialize(deserializer)?.map(|written| written.0))
}

struct Written(Duration);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn unit(name: &str) -> Option<u128> {
    UNITS.iter().find(|(known, _)| *known == name).map(|(_, nanos)| *nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_it_documents_and_nothing_else() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1h0m1s", 3_601_000),
            ("90m", 5_400_000),
            ("1s500ms", 1_500),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "0",
            "30",
            "s",
            "-5s",
            "+5s",
            "5 s",
            " 5s",
            "5s ",
            "1.5s",
            "5S",
            "10M",
            "1d",
            "1m1h",
            "5s5s",
            "5µs",
            "٣s",
            "1h30",
            "99999999999999999999h",
            "999999999999999999999999999999999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds: u64, nanos in 0..1_000_000_000_u32) {
            let duration = Duration::new(seconds, nanos);
            prop_assert_eq!(parse(&format(duration)), Some(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[0-9hmsun]{0,60}") {
            let _ = parse(&text);
        }
    }
}
