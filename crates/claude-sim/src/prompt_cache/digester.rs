//! Goes through JSON as it stands, and takes its digest and its size.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::digest::Digest;

/// What has been gone through.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    pub(super) digest: Digest,
    /// Whether a digest is taken at all: without breakpoints, nobody asks for one.
    pub(super) digests: bool,
    /// Of texts and names; numbers and the like count as one.
    pub(super) bytes: u64,
    /// Images and documents that came as base64. Their bytes do not count.
    pub(super) media: u64,
    /// Whether there is an image.
    pub(super) images: bool,
    /// Whether citations are asked for.
    pub(super) cites: bool,
}

impl Tally {
    pub(super) const fn new(digests: bool) -> Self {
        Self { digest: Digest::new(), digests, bytes: 0, media: 0, images: false, cites: false }
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.digests {
            self.digest.bytes(b"s");
            self.digest.number(text.len() as u64);
            self.digest.many(text.as_bytes());
        }
        self.bytes += text.len() as u64;
    }

    fn scalar(&mut self, tag: u8, bits: u64) {
        if self.digests {
            self.digest.bytes(&[tag]);
            self.digest.number(bits);
        }
        self.bytes += 1;
    }
}

/// What a value is, as far as its parent wants to know.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    base64: bool,
    image: bool,
    pub(super) empty: bool,
    /// It is true, or an object that is enabled.
    yes: bool,
}

/// Takes any value into a tally.
pub(super) struct Digester<'a>(pub(super) &'a mut Tally);

impl<'de> DeserializeSeed<'de> for Digester<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Digester<'_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        self.0.scalar(b'b', u64::from(value));
        Ok(Seen { yes: value, ..Seen::default() })
    }

    fn visit_i64<E>(self, value: i64) -> Result<Seen, E> {
        self.0.scalar(b'i', value.cast_unsigned());
        Ok(Seen::default())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        self.0.scalar(b'u', value);
        Ok(Seen::default())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Seen, E> {
        self.0.scalar(b'f', value.to_bits());
        Ok(Seen::default())
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        self.0.scalar(b'n', 0);
        Ok(Seen::default())
    }

    fn visit_str<E>(self, value: &str) -> Result<Seen, E> {
        self.0.text(value);
        Ok(Seen {
            base64: value == "base64",
            image: value == "image",
            empty: value.is_empty(),
            ..Seen::default()
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        self.0.digest.bytes(b"[");
        while items.next_element_seed(Digester(self.0))?.is_some() {}
        self.0.digest.bytes(b"]");
        Ok(Seen::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Seen, A::Error> {
        let before = *self.0;
        let mut seen = Seen::default();
        let mut coded = false;
        self.0.digest.bytes(b"{");
        while let Some(name) = fields.next_key::<String>()? {
            let value = field(self.0, &name, &mut fields)?;
            coded |= name == "type" && value.base64;
            seen.yes |= name == "enabled" && value.yes;
        }
        self.0.digest.bytes(b"}");
        if coded {
            (self.0.bytes, self.0.media) = (before.bytes, before.media + 1);
        }
        Ok(seen)
    }
}

/// Takes one field in, whose name has been read.
pub(super) fn field<'de, A: MapAccess<'de>>(
    tally: &mut Tally,
    name: &str,
    fields: &mut A,
) -> Result<Seen, A::Error> {
    tally.text(name);
    let value = fields.next_value_seed(Digester(tally))?;
    tally.images |= name == "type" && value.image;
    tally.cites |= name == "citations" && value.yes;
    Ok(value)
}
