//! A value with its place, and how serde reads it.
//!
//! Text from the environment has no type of its own: it is read as what the field asks for. That is why the values are
//! read by a deserializer of ours and not by the TOML crate's.

use std::{fmt, path::Path, str::FromStr};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Error as _, IntoDeserializer, Unexpected, Visitor},
};
use toml::de::{DeInteger, DeValue};

use super::{
    finding::Place,
    path,
    reason::{Reason, one_of},
};

/// A value and where it stands: in a table the place of its key, in a list its own.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Item>),
    Table(Vec<(String, Item)>),
    /// From the environment: whatever the field makes of it.
    Untyped(String),
    /// What TOML can write and no key takes, in words.
    Odd(&'static str),
}

impl Item {
    /// Takes over a parsed value. `place` says where: in the file at a byte, or in a variable as a whole.
    pub(super) fn new(value: &DeValue<'_>, place: Place) -> Self {
        let inner = |span: std::ops::Range<usize>| match &place {
            Place::File(_) => Place::File(span.start),
            other => other.clone(),
        };
        let value = match value {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => integer(number),
            DeValue::Float(number) => {
                f64::from_str(number.as_str()).map_or(Value::Odd("a number"), Value::Float)
            }
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(_) => Value::Odd("a date or time"),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| Self::new(item.get_ref(), inner(item.span()))).collect())
            }
            DeValue::Table(entries) => Value::Table(
                entries
                    .iter()
                    .map(|(key, value)| {
                        (key.get_ref().clone().into_owned(), Self::new(value.get_ref(), inner(key.span())))
                    })
                    .collect(),
            ),
        };
        Self { value, place }
    }

    /// A list, of which the elements are kept for themselves.
    pub(super) fn list(place: Place) -> Self {
        Self { value: Value::List(Vec::new()), place }
    }

    /// A table, of which the keys are kept for themselves.
    pub(super) fn table(place: Place) -> Self {
        Self { value: Value::Table(Vec::new()), place }
    }
}

fn integer(number: &DeInteger<'_>) -> Value {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or(Value::Odd("a number of more than 64 bits"), Value::Integer)
}

impl Value {
    /// What it is, in words.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "a number",
            Self::Float(_) => "a decimal number",
            Self::Text(_) | Self::Untyped(_) => "text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Odd(what) => what,
        }
    }
}

/// Reads an [`Item`] for serde.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    item: &'a Item,
    /// The folder of the file.
    folder: Option<&'a Path>,
    /// Whether text is the path of a file.
    path: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(item: &'a Item, folder: Option<&'a Path>) -> Self {
        Self { item, folder, path: false }
    }

    fn child(self, item: &'a Item) -> Self {
        Self { item, ..self }
    }

    /// The value is not what the visitor takes.
    fn unfit<T>(self, visitor: &dyn de::Expected) -> Result<T, Reason> {
        let unexpected = match &self.item.value {
            // Read as what was asked for and failed: the text itself says most.
            Value::Untyped(text) => return Err(Reason::invalid_value(Unexpected::Str(text), visitor)),
            other => Unexpected::Other(other.describe()),
        };
        Err(Reason::invalid_type(unexpected, visitor))
    }

    /// Reads a variable's text as TOML, for lists and tables.
    fn toml(self, text: &str) -> Option<Item> {
        let value = DeValue::parse(text).ok()?;
        Some(Item::new(value.get_ref(), self.item.place.clone()))
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        let number = match &self.item.value {
            Value::Integer(number) => *number,
            Value::Untyped(text) => match text.trim().parse() {
                Ok(number) => number,
                Err(_) => return self.unfit(&visitor),
            },
            _ => return self.unfit(&visitor),
        };
        if let Ok(number) = u64::try_from(number) {
            visitor.visit_u64(number)
        } else if let Ok(number) = i64::try_from(number) {
            visitor.visit_i64(number)
        } else {
            Err(Reason::invalid_value(Unexpected::Other("a number of more than 64 bits"), &visitor))
        }
    }

    fn file_path<'de, V: Visitor<'de>>(self, text: &str, visitor: V) -> Result<V::Value, Reason> {
        if text.is_empty() {
            return Err(Reason::invalid_value(Unexpected::Str(text), &"the path of a file"));
        }
        match self.folder {
            Some(folder) if matches!(self.item.place, Place::File(_)) && Path::new(text).is_relative() => {
                match folder.join(text).to_str() {
                    Some(joined) => visitor.visit_str(joined),
                    None => Err(Reason::custom(
                        "must be an absolute path, because the name of the file's folder is not UTF-8",
                    )),
                }
            }
            _ => visitor.visit_str(text),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, items: &[Item], visitor: V) -> Result<V::Value, Reason> {
        visitor.visit_seq(List { reader: self, items: items.iter().enumerate() })
    }

    fn table<'de, V: Visitor<'de>>(self, entries: &[(String, Item)], visitor: V) -> Result<V::Value, Reason> {
        visitor.visit_map(Table { reader: self, entries: entries.iter(), value: None })
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
            self.number(visitor)
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
            match &self.item.value {
                Value::Text(text) | Value::Untyped(text) if self.path => self.file_path(text, visitor),
                Value::Text(text) | Value::Untyped(text) => visitor.visit_str(text),
                _ => self.unfit(&visitor),
            }
        }
    )*};
}

macro_rules! floats {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
            match &self.item.value {
                Value::Float(number) => visitor.visit_f64(*number),
                Value::Untyped(text) => match text.trim().parse() {
                    Ok(number) => visitor.visit_f64(number),
                    Err(_) => self.unfit(&visitor),
                },
                _ => self.number(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Reason;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        match &self.item.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(_) => self.number(visitor),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) | Value::Untyped(text) => visitor.visit_str(text),
            Value::List(items) => self.list(items, visitor),
            Value::Table(entries) => self.table(entries, visitor),
            Value::Odd(_) => self.unfit(&visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        match &self.item.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Untyped(text) => match text.trim().parse() {
                Ok(value) => visitor.visit_bool(value),
                Err(_) => self.unfit(&visitor),
            },
            _ => self.unfit(&visitor),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }
    floats! { deserialize_f32 deserialize_f64 }
    texts! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        match &self.item.value {
            // The only way for a variable to take back what the file sets.
            Value::Untyped(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Reason> {
        visitor.visit_newtype_struct(Self { path: name == path::MARKER, ..self })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        match &self.item.value {
            Value::List(items) => self.list(items, visitor),
            Value::Untyped(text) if text.trim_start().starts_with('[') => match self.toml(text.trim()) {
                Some(Item { value: Value::List(items), .. }) => self.list(&items, visitor),
                _ => Err(Reason::invalid_type(Unexpected::Other("text that is no TOML list"), &visitor)),
            },
            Value::Untyped(text) if text.trim().is_empty() => self.list(&[], visitor),
            Value::Untyped(text) => {
                let items: Vec<Item> = text
                    .split(',')
                    .map(|part| Item {
                        value: Value::Untyped(part.trim().to_owned()),
                        place: self.item.place.clone(),
                    })
                    .collect();
                self.list(&items, visitor)
            }
            _ => self.unfit(&visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Reason> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Reason> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        match &self.item.value {
            Value::Table(entries) => self.table(entries, visitor),
            Value::Untyped(text) => match self.toml(text.trim()) {
                Some(Item { value: Value::Table(entries), .. }) => self.table(&entries, visitor),
                _ => Err(Reason::invalid_type(Unexpected::Other("text that is no TOML table"), &visitor)),
            },
            _ => self.unfit(&visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Reason> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Reason> {
        match &self.item.value {
            Value::Text(text) | Value::Untyped(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            other => {
                Err(Reason::invalid_type(Unexpected::Other(other.describe()), &one_of(variants).as_str()))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        visitor.visit_unit()
    }

    // Nothing in a configuration is bytes or nothing at all.
    serde::forward_to_deserialize_any! { bytes byte_buf unit unit_struct }
}

struct List<'a> {
    reader: Reader<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Item>>,
}

impl<'de> de::SeqAccess<'de> for List<'_> {
    type Error = Reason;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Reason> {
        let Some((index, item)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(self.reader.child(item))
            .map(Some)
            .map_err(|reason| reason.within(&item.place, format_args!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Table<'a> {
    reader: Reader<'a>,
    entries: std::slice::Iter<'a, (String, Item)>,
    value: Option<&'a (String, Item)>,
}

impl<'de> de::MapAccess<'de> for Table<'_> {
    type Error = Reason;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Reason> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(entry);
        seed.deserialize(entry.0.as_str().into_deserializer())
            .map(Some)
            .map_err(|reason: Reason| reason.within(&entry.1.place, format_args!("")))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Reason> {
        let Some((key, item)) = self.value.take() else {
            return Err(Reason::custom("a value without its key"));
        };
        seed.deserialize(self.reader.child(item)).map_err(|reason| reason.within(&item.place, Segment(key)))
    }
}

struct Segment<'a>(&'a str);

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}", super::secret::printable(self.0))
    }
}
