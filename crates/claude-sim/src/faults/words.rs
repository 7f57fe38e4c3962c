//! The words of the fault grammar: `name`, `name=value`, `name="any \x00 bytes"`.

use std::fmt::{self, Write};
use std::time::Duration;

use super::grammar::ParseFaultError;

/// A word: its name, and its value if it has one.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) name: String,
    value: Option<Vec<u8>>,
}

/// Cuts a text into parts (by commas) and those into words (by spaces).
pub(super) fn parts(text: &str) -> Result<Vec<Vec<Word>>, ParseFaultError> {
    let mut parts = Vec::new();
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return Err(ParseFaultError::new("a name is missing"));
        }
        let (value, after) = match after.strip_prefix('=') {
            Some(value) => read_value(value).map(|(value, after)| (Some(value), after))?,
            None => (None, after),
        };
        words.push(Word { name: name.to_ascii_lowercase(), value });
        rest = after.trim_start_matches([' ', '\t']);
        if let Some(next) = rest.strip_prefix(',') {
            parts.push(std::mem::take(&mut words));
            rest = next.trim_start_matches([' ', '\t']);
            if rest.is_empty() {
                return Err(ParseFaultError::new("a comma and nothing after it"));
            }
        }
    }
    parts.push(words);
    if parts.iter().any(Vec::is_empty) {
        return Err(ParseFaultError::new("no fault at all"));
    }
    Ok(parts)
}

fn read_value(text: &str) -> Result<(Vec<u8>, &str), ParseFaultError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Ok((value.as_bytes().to_vec(), rest));
    };
    let unended = || ParseFaultError::new("a quote without an end");
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        let special = rest.find(['"', '\\']).ok_or_else(unended)?;
        value.extend_from_slice(&rest.as_bytes()[..special]);
        let escaped = &rest[special + 1..];
        if rest.as_bytes()[special] == b'"' {
            return Ok((value, escaped));
        }
        match escaped.as_bytes().first().ok_or_else(unended)? {
            plain @ (b'"' | b'\\') => {
                value.push(*plain);
                rest = &escaped[1..];
            }
            b'x' => {
                let byte = escaped.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                value.push(byte.ok_or_else(|| ParseFaultError::new("\\x wants two hexadecimal digits"))?);
                rest = &escaped[3..];
            }
            _ => {
                return Err(ParseFaultError::new("a backslash stands before a quote, a backslash or x only"));
            }
        }
    }
}

impl Word {
    /// It is a name and no more.
    pub(super) fn alone(&self) -> Result<(), ParseFaultError> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(ParseFaultError::new(format!("{} takes no value", self.name))),
        }
    }

    pub(super) fn bytes(&self) -> Result<&[u8], ParseFaultError> {
        let missing = || ParseFaultError::new(format!("{} needs a value", self.name));
        self.value.as_deref().ok_or_else(missing)
    }

    pub(super) fn text(&self) -> Result<&str, ParseFaultError> {
        let wrong = |_| ParseFaultError::new(format!("the value of {} is not UTF-8", self.name));
        std::str::from_utf8(self.bytes()?).map_err(wrong)
    }

    pub(super) fn number<T: std::str::FromStr>(&self) -> Result<T, ParseFaultError> {
        let text = self.text()?;
        let wrong = |_| ParseFaultError::new(format!("{}: {text:?} is not a number that fits", self.name));
        text.parse().map_err(wrong)
    }

    pub(super) fn duration(&self) -> Result<Duration, ParseFaultError> {
        let text = self.text()?;
        let wrong = || {
            let expected = "a duration such as 30s, 250ms or forever";
            ParseFaultError::new(format!("{}: {text:?} is not {expected}", self.name))
        };
        duration(text).ok_or_else(wrong)
    }
}

/// A whole number and its unit, or `forever`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "forever" {
        return Some(Duration::MAX);
    }
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ns" => Some(Duration::from_nanos(number)),
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3_600).map(Duration::from_secs),
        _ => None,
    }
}

/// A duration in the largest unit of which it is a whole number. One of more than 584 years that is no whole
/// number of seconds loses its fraction.
pub(super) struct Written(pub(super) Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (duration, fraction) = (self.0, self.0.subsec_nanos());
        if duration == Duration::MAX {
            return f.write_str("forever");
        }
        match u64::try_from(duration.as_nanos()) {
            Ok(nanos) if fraction % 1_000 != 0 => write!(f, "{nanos}ns"),
            Ok(nanos) if fraction % 1_000_000 != 0 => write!(f, "{}us", nanos / 1_000),
            Ok(nanos) if fraction != 0 => write!(f, "{}ms", nanos / 1_000_000),
            _ => write!(f, "{}s", duration.as_secs()),
        }
    }
}

/// Any bytes, in quotes.
pub(super) struct Quoted<'a>(pub(super) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for &byte in self.0 {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_char('"')
    }
}
