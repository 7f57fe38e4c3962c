//! The blocks of a prompt, read from the body as it came.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::digester::{Digester, Tally, field};

/// The body, as far as the cache looks at it. What is not as it should be is somebody else's to say.
#[derive(Default)]
pub(super) struct Body {
    pub(super) tools: Vec<Block>,
    pub(super) system: Vec<Block>,
    pub(super) messages: Vec<Block>,
    pub(super) cache_control: Option<Value>,
    /// What makes other prompts of the same blocks: the choice of tools, thinking, effort.
    pub(super) settings: u64,
}

pub(super) struct Block {
    /// The message that it belongs to, and its place there or in its section. A text that is no block has none.
    pub(super) message: Option<usize>,
    pub(super) index: Option<usize>,
    pub(super) kind: String,
    pub(super) tally: Tally,
    pub(super) is_empty_text: bool,
    pub(super) cache_control: Option<Value>,
}

impl Block {
    fn new(digests: bool) -> Self {
        Self {
            message: None,
            index: None,
            kind: String::new(),
            tally: Tally::new(digests),
            is_empty_text: false,
            cache_control: None,
        }
    }
}

impl Body {
    /// Digests are what takes its time.
    pub(super) fn read(body: &[u8], digests: bool) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let body = json.deserialize_map(BodyVisitor { digests })?;
        json.end()?;
        Ok(body)
    }
}

struct BodyVisitor {
    digests: bool,
}

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Body, A::Error> {
        let digests = self.digests;
        let mut body = Body::default();
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "tools" => body.tools = fields.next_value_seed(Blocks { digests })?,
                "system" => body.system = fields.next_value_seed(Blocks { digests })?,
                "messages" => body.messages = fields.next_value_seed(Messages { digests })?,
                "cache_control" => body.cache_control = given(fields.next_value()?),
                "tool_choice" | "thinking" | "output_config" => {
                    let mut tally = Tally::new(digests);
                    field(&mut tally, &name, &mut fields)?;
                    // Their order in the body says nothing.
                    body.settings ^= tally.digest.finish();
                }
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(body)
    }
}

/// A text, or a list of blocks.
#[derive(Clone, Copy)]
struct Blocks {
    digests: bool,
}

impl<'de> DeserializeSeed<'de> for Blocks {
    type Value = Vec<Block>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Blocks {
    type Value = Vec<Block>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or blocks")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let mut block = Block::new(self.digests);
        block.kind = "text".to_owned();
        block.is_empty_text = text.is_empty();
        block.tally.text(text);
        Ok(vec![block])
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut blocks = Vec::new();
        while let Some(mut block) = items.next_element_seed(OneBlock { digests: self.digests })? {
            block.index = Some(blocks.len());
            blocks.push(block);
        }
        Ok(blocks)
    }
}

struct OneBlock {
    digests: bool,
}

impl<'de> DeserializeSeed<'de> for OneBlock {
    type Value = Block;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Block, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneBlock {
    type Value = Block;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Block, A::Error> {
        let mut block = Block::new(self.digests);
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "cache_control" => block.cache_control = given(fields.next_value()?),
                "type" => {
                    let kind: Value = fields.next_value()?;
                    kind.as_str().unwrap_or_default().clone_into(&mut block.kind);
                    block.tally.text("type");
                    block.tally.text(&block.kind);
                    block.tally.images |= block.kind == "image";
                }
                name => {
                    let value = field(&mut block.tally, name, &mut fields)?;
                    block.is_empty_text |= name == "text" && value.empty;
                }
            }
        }
        block.is_empty_text &= block.kind == "text";
        Ok(block)
    }
}

/// The blocks of all messages.
struct Messages {
    digests: bool,
}

impl<'de> DeserializeSeed<'de> for Messages {
    type Value = Vec<Block>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Messages {
    type Value = Vec<Block>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut messages: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        let mut index = 0;
        let one = OneMessage { digests: self.digests };
        while let Some(Message { head, mut blocks }) = messages.next_element_seed(one)? {
            // A message begins with its role, which goes with its first block.
            if let Some(first) = blocks.first_mut() {
                first.tally.bytes += head.bytes;
                first.tally.digest.bytes(b"m");
                first.tally.digest.number(head.digest.finish());
            }
            for block in &mut blocks {
                block.message = Some(index);
            }
            all.append(&mut blocks);
            index += 1;
        }
        Ok(all)
    }
}

struct Message {
    head: Tally,
    blocks: Vec<Block>,
}

#[derive(Clone, Copy)]
struct OneMessage {
    digests: bool,
}

impl<'de> DeserializeSeed<'de> for OneMessage {
    type Value = Message;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Message, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneMessage {
    type Value = Message;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Message, A::Error> {
        let mut message = Message { head: Tally::new(self.digests), blocks: Vec::new() };
        while let Some(name) = fields.next_key::<String>()? {
            message.head.text(&name);
            if name == "content" {
                message.blocks = fields.next_value_seed(Blocks { digests: self.digests })?;
            } else {
                fields.next_value_seed(Digester(&mut message.head))?;
            }
        }
        Ok(message)
    }
}

/// Null is as good as nothing.
fn given(value: Value) -> Option<Value> {
    Some(value).filter(|value| !value.is_null())
}
