//! One walk through a JSON text, to one field.

use std::fmt;

use secrecy::SecretString;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What is where the path leads.
pub(super) enum Found {
    Nothing,
    Text(SecretString),
    NotText,
    /// Which of the two is meant is up to whoever reads it, so it is neither.
    Twice,
}

/// Walks all of the text: what is no JSON after the field is none before it.
pub(super) fn walk(path: &str, text: &str) -> serde_json::Result<Found> {
    let mut json = serde_json::Deserializer::from_str(text);
    let found = Inside { path, whole: true }.deserialize(&mut json)?;
    json.end()?;
    Ok(found)
}

/// A value through which the path goes on.
#[derive(Clone, Copy)]
struct Inside<'p> {
    path: &'p str,
    /// Whether the path, dots and all, may be a name here.
    whole: bool,
}

/// The value at the end of the path.
struct Here;

/// Which way a name leads.
enum Way {
    Whole,
    First,
    Aside,
}

impl<'de> DeserializeSeed<'de> for Inside<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Found, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inside<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Found, A::Error> {
        let (first, rest) = match self.path.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (self.path, None),
        };
        let mut by_whole_name = None;
        let mut by_path = None;
        while let Some(way) = fields.next_key_seed(Name { whole: self.whole.then_some(self.path), first })? {
            match (way, rest) {
                (Way::Aside, _) => {
                    fields.next_value::<IgnoredAny>()?;
                }
                (Way::Whole, _) | (Way::First, None) => {
                    put(&mut by_whole_name, fields.next_value_seed(Here)?);
                }
                (Way::First, Some(rest)) => {
                    let inside = Inside { path: rest, whole: false };
                    put(&mut by_path, fields.next_value_seed(inside)?);
                }
            }
        }
        Ok(by_whole_name.or(by_path).unwrap_or(Found::Nothing))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Nothing)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }
}

fn put(place: &mut Option<Found>, found: Found) {
    *place = Some(if place.is_some() { Found::Twice } else { found });
}

impl<'de> DeserializeSeed<'de> for Here {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Found, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Here {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        Ok(Found::Text(SecretString::from(text)))
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found, E> {
        Ok(Found::NotText)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found, E> {
        Ok(Found::NotText)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found, E> {
        Ok(Found::NotText)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found, E> {
        Ok(Found::NotText)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::NotText)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Found, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::NotText)
    }
}

/// Compares a name without a copy of it.
struct Name<'p> {
    whole: Option<&'p str>,
    first: &'p str,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Way;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Way, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Way;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Way, E> {
        Ok(if self.whole == Some(name) {
            Way::Whole
        } else if name == self.first {
            Way::First
        } else {
            Way::Aside
        })
    }
}
