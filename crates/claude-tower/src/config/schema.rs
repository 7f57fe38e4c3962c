//! Which sections and keys there are, asked of the types themselves.
//!
//! serde's derive tells a deserializer the names of a struct's fields. So a deserializer that hands out no value but
//! listens learns the whole schema, with optional keys and without a second list that could differ from the
//! structs. A field whose type is a struct is a section; every other is a key, whatever its value looks like inside.

use std::cell::Cell;

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor},
};

/// Sections in sections end here, so that a type that contains itself ends at all.
const DEEPEST: usize = 8;

/// The names from the root to a key.
pub(super) type KeyPath = Vec<&'static str>;

#[derive(Debug)]
pub(super) enum Node {
    Section(Vec<(&'static str, Node)>),
    Key,
}

impl Node {
    /// The schema of `T`.
    pub(super) fn of<T: DeserializeOwned>() -> Self {
        Self::at::<T>(&mut Vec::new())
    }

    fn at<T: DeserializeOwned>(path: &mut KeyPath) -> Self {
        let heard = Cell::new(None);
        // Always an error: there is no value.
        drop(only::<T, _>(path, Listener(&heard)));
        match heard.get() {
            Some(fields) if path.len() < DEEPEST => Self::Section(
                fields
                    .iter()
                    .map(|field| {
                        path.push(field);
                        let node = Self::at::<T>(path);
                        path.pop();
                        (*field, node)
                    })
                    .collect(),
            ),
            _ => Self::Key,
        }
    }

    pub(super) fn entries(&self) -> &[(&'static str, Self)] {
        match self {
            Self::Section(entries) => entries,
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
        match self {
            Self::Section(entries) => {
                for (name, node) in entries {
                    path.push(name);
                    node.collect(path, keys);
                    path.pop();
                }
            }
            Self::Key => keys.push(path.clone()),
        }
    }
}

/// Reads a `T` in which nothing is set but the value at `path`, which comes from `leaf`.
pub(super) fn only<'de, T, L>(path: &[&'static str], leaf: L) -> Result<T, L::Error>
where
    T: Deserialize<'de>,
    L: Deserializer<'de>,
{
    match path {
        [] => T::deserialize(leaf),
        [name, rest @ ..] => T::deserialize(Only { name, rest, leaf }),
    }
}

struct Only<'p, L> {
    name: &'static str,
    rest: &'p [&'static str],
    leaf: L,
}

impl<'de, L: Deserializer<'de>> Deserializer<'de> for Only<'_, L> {
    type Error = L::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, L::Error> {
        visitor.visit_map(Entry(Some(self), None))
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

/// A map of one entry: before its key was read, and after.
struct Entry<'p, L>(Option<Only<'p, L>>, Option<Only<'p, L>>);

impl<'de, L: Deserializer<'de>> de::MapAccess<'de> for Entry<'_, L> {
    type Error = L::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, L::Error> {
        let Some(entry) = self.0.take() else {
            return Ok(None);
        };
        let name = entry.name;
        self.1 = Some(entry);
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, L::Error> {
        match self.1.take() {
            Some(Only { rest: [], leaf, .. }) => seed.deserialize(leaf),
            Some(Only { rest: [name, rest @ ..], leaf, .. }) => seed.deserialize(Only { name, rest, leaf }),
            None => Err(de::Error::custom("a value without its key")),
        }
    }
}

/// Has no value, and hears whether a struct was asked for.
#[derive(Clone, Copy)]
struct Listener<'a>(&'a Cell<Option<&'static [&'static str]>>);

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
        self.0.set(Some(fields));
        self.deserialize_any(visitor)
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
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}
