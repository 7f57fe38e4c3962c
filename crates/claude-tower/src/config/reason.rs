//! Why a value does not fit its field: serde's error, kept in parts until it is known what may be shown.

use std::{borrow::Cow, fmt};

use serde::de;

use super::{
    finding::Place,
    secret::{may_show, printable},
    suggest::nearest,
};

/// What serde reports while one key is read.
#[derive(Debug)]
pub(super) struct Reason {
    what: What,
    /// Of the innermost list element or table entry.
    pub(super) place: Option<Place>,
    /// From the key to that element, such as `[1]` or `.name`.
    pub(super) suffix: String,
}

#[derive(Debug)]
enum What {
    /// The value is of another type, which says enough.
    Type {
        expected: String,
        found: String,
    },
    /// The type is right, the value is not.
    Value {
        expected: String,
        found: String,
    },
    UnknownField {
        field: String,
        known: &'static [&'static str],
    },
    /// In the words of the field's own type, which must not repeat the value.
    Words(String),
}

impl Reason {
    /// Adds where it was on the way out of a list or table.
    pub(super) fn within(mut self, place: &Place, segment: impl fmt::Display) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self.suffix.insert_str(0, &segment.to_string());
        self
    }

    pub(super) fn is_unknown_field(&self) -> bool {
        matches!(self.what, What::UnknownField { .. })
    }

    /// The sentence, for the value of `key`.
    pub(super) fn message(&self, key: &str) -> String {
        match &self.what {
            What::Type { expected, found } => format!("must be {}, but is {found}", plain(expected)),
            What::Value { expected, found } if may_show(key, found) => {
                format!("must be {}, but is {}", plain(expected), printable(found))
            }
            What::Value { expected, .. } => {
                format!("must be {} (the value is not shown: it may be a secret)", plain(expected))
            }
            What::UnknownField { field, known } => match nearest(field, known.iter().copied()) {
                Some(meant) => format!("unknown key {}; did you mean {meant}?", printable(field)),
                None => format!("unknown key {}; the keys are {}", printable(field), known.join(", ")),
            },
            What::Words(words) => words.clone(),
        }
    }

    fn new(what: What) -> Self {
        Self { what, place: None, suffix: String::new() }
    }
}

/// The words of an enumeration, for "must be …".
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => "something else".to_owned(),
        [one] => format!("\"{one}\""),
        [first @ .., last] => format!("\"{}\" or \"{last}\"", first.join("\", \"")),
    }
}

/// What Rust's own types call themselves, for people who write no Rust.
fn plain(expected: &str) -> Cow<'_, str> {
    Cow::Borrowed(match expected {
        "a boolean" => "true or false",
        "a string" | "path string" => "text",
        "a sequence" => "a list",
        "a map" => "a table",
        "f32" | "f64" => "a number",
        "i64" => "a whole number",
        "u64" | "usize" => "a whole number from 0",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => {
            "a whole number from 1"
        }
        other => return Cow::Borrowed(other),
    })
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key nothing is known to be harmless.
        f.write_str(&self.message("secret"))
    }
}

impl std::error::Error for Reason {}

impl de::Error for Reason {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Words(message.to_string()))
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Bool(_) => "true or false",
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) | de::Unexpected::Float(_) => "a number",
            de::Unexpected::Char(_) | de::Unexpected::Str(_) => "text",
            de::Unexpected::Seq => "a list",
            de::Unexpected::Map => "a table",
            de::Unexpected::Other(what) => what,
            _ => "something else",
        };
        Self::new(What::Type { expected: expected.to_string(), found: found.to_owned() })
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Bool(value) => value.to_string(),
            de::Unexpected::Unsigned(number) => number.to_string(),
            de::Unexpected::Signed(number) => number.to_string(),
            de::Unexpected::Float(number) => number.to_string(),
            de::Unexpected::Char(c) => format!("\"{c}\""),
            // Nothing is no secret.
            de::Unexpected::Str("") => {
                return Self::new(What::Type { expected: expected.to_string(), found: "empty".to_owned() });
            }
            de::Unexpected::Str(text) => format!("\"{text}\""),
            other => return Self::invalid_type(other, expected),
        };
        Self::new(What::Value { expected: expected.to_string(), found })
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::new(What::Type { expected: expected.to_string(), found: format!("a list of {length}") })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::Value { expected: one_of(expected), found: format!("\"{variant}\"") })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownField { field: field.to_owned(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Words(format!("lacks the key {field}")))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Words(format!("has the key {field} twice")))
    }
}
