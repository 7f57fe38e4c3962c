//! Which sections and keys there are, asked of the types themselves.
//!
//! serde's derive tells a deserializer the names of a struct's fields. So a deserializer that hands out no value but
//! listens learns the whole schema, with optional keys and without a second list that could differ from the
//! structs. A field whose type is a struct is a section, one whose type is a list of structs is a list of tables
//! (`[[gateway.clients]]`); every other is a key, whatever its value looks like inside.
//!
//! A struct in a list is a section like the others, with `#[serde(default, deny_unknown_fields)]`: each of its keys is read
//! alone, with the rest at its default. A key that must be there is asked for in `Validate`.

use std::{cell::Cell, fmt::Write as _};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor},
};

/// Sections in sections end here, so that a type that contains itself ends at all.
const DEEPEST: usize = 8;

/// The way from the root to a key.
pub(super) type KeyPath = Vec<Step>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into a section, or to a key.
    Name(&'static str),
    /// Into a list of tables: to the one of this number.
    Index(usize),
    /// Into a list of tables: to any of them.
    Any,
}

/// The way as people write it, such as `gateway.clients[1].name`.
pub(super) fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Name(name) if text.is_empty() => write!(text, "{name}"),
            Step::Name(name) => write!(text, ".{name}"),
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Any => write!(text, "[]"),
        };
    }
    text
}

#[derive(Debug)]
pub(super) enum Node {
    Section(Fields),
    /// A list of tables with these keys each.
    Tables(Fields),
    Key,
}

pub(super) type Fields = Vec<(&'static str, Node)>;

impl Node {
    /// The schema of `T`.
    pub(super) fn of<T: DeserializeOwned>() -> Self {
        Self::at::<T>(&mut Vec::new())
    }

    fn at<T: DeserializeOwned>(path: &mut KeyPath) -> Self {
        let heard = Cell::new(None);
        // Always an error: there is no value.
        drop(only::<T, _>(path, Listener { heard: &heard, in_list: false }));
        match heard.get() {
            Some(Heard { fields, in_list }) if path.len() < DEEPEST => {
                let before = path.len();
                path.extend(in_list.then_some(Step::Any));
                let fields = fields.iter().map(|field| {
                    path.push(Step::Name(field));
                    let node = Self::at::<T>(path);
                    path.pop();
                    (*field, node)
                });
                let fields = fields.collect();
                path.truncate(before);
                if in_list { Self::Tables(fields) } else { Self::Section(fields) }
            }
            _ => Self::Key,
        }
    }

    /// What is in a section, or in each table of a list.
    pub(super) fn entries(&self) -> &[(&'static str, Self)] {
        match self {
            Self::Section(entries) | Self::Tables(entries) => entries,
            Self::Key => &[],
        }
    }

    /// All keys, in the order of the structs.
    pub(super) fn keys(&self) -> Vec<KeyPath> {
        let mut keys = Vec::new();
        self.collect(&mut Vec::new(), &mut keys);
        keys
    }

    fn collect(&self, path: &mut KeyPath, keys: &mut Vec<KeyPath>) {
        let before = path.len();
        match self {
            Self::Key => keys.push(path.clone()),
            Self::Section(_) => {}
            Self::Tables(_) => path.push(Step::Any),
        }
        for (name, node) in self.entries() {
            path.push(Step::Name(name));
            node.collect(path, keys);
            path.pop();
        }
        path.truncate(before);
    }
}

/// Reads a `T` in which nothing is set but the value at `path`, which comes from `leaf`. A list on the way has the one table
/// that the way goes through.
pub(super) fn only<'de, T, L>(path: &[Step], leaf: L) -> Result<T, L::Error>
where
    T: Deserialize<'de>,
    L: Deserializer<'de>,
{
    step(path, leaf, std::marker::PhantomData)
}

/// One step further on the way, or the value at its end.
fn step<'de, S, L>(path: &[Step], leaf: L, seed: S) -> Result<S::Value, L::Error>
where
    S: DeserializeSeed<'de>,
    L: Deserializer<'de>,
{
    match path {
        [] => seed.deserialize(leaf),
        [next, rest @ ..] => seed.deserialize(Only { next: *next, rest, leaf }),
    }
}

struct Only<'p, L> {
    next: Step,
    rest: &'p [Step],
    leaf: L,
}

impl<'de, L: Deserializer<'de>> Deserializer<'de> for Only<'_, L> {
    type Error = L::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, L::Error> {
        match self.next {
            Step::Name(name) => visitor.visit_map(Entry { name: Some(name), value: Some(self) }),
            Step::Index(_) | Step::Any => visitor.visit_seq(Entry { name: None, value: Some(self) }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, L::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, L::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// A map or a list of one entry.
struct Entry<'p, L> {
    /// The key, until it was read; a list has none.
    name: Option<&'static str>,
    value: Option<Only<'p, L>>,
}

impl<'de, L: Deserializer<'de>> de::MapAccess<'de> for Entry<'_, L> {
    type Error = L::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, L::Error> {
        self.name.take().map(|name| seed.deserialize(name.into_deserializer())).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, L::Error> {
        match self.value.take() {
            Some(Only { rest, leaf, .. }) => step(rest, leaf, seed),
            None => Err(de::Error::custom("a value without its key")),
        }
    }
}

impl<'de, L: Deserializer<'de>> de::SeqAccess<'de> for Entry<'_, L> {
    type Error = L::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, L::Error> {
        self.value.take().map(|Only { rest, leaf, .. }| step(rest, leaf, seed)).transpose()
    }
}

/// That a struct was asked for, with these fields, or a list of such.
#[derive(Clone, Copy)]
struct Heard {
    fields: &'static [&'static str],
    in_list: bool,
}

/// Has no value, and hears whether a struct or a list of them was asked for.
#[derive(Clone, Copy)]
struct Listener<'a> {
    heard: &'a Cell<Option<Heard>>,
    in_list: bool,
}

type Silence = de::value::Error;

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Silence;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Silence> {
        Err(de::Error::custom("no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Silence> {
        self.heard.set(Some(Heard { fields, in_list: self.in_list }));
        self.deserialize_any(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Silence> {
        // A list in a list is a value.
        if self.in_list { self.deserialize_any(visitor) } else { visitor.visit_seq(self) }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Silence> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Silence> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map enum identifier ignored_any
    }
}

impl<'de> de::SeqAccess<'de> for Listener<'_> {
    type Error = Silence;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Silence> {
        seed.deserialize(Self { in_list: true, ..*self }).map(Some)
    }
}
