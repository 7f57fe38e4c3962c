//! The blocks of a prompt, read from the body as it came.

use std::fmt;

use serde::Deserialize;
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
    fn new() -> Self {
        Self {
            message: None,
            index: None,
            kind: String::new(),
            tally: Tally::new(),
            is_empty_text: false,
            cache_control: None,
        }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Body, A::Error> {
        let mut body = Body::default();
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "tools" => body.tools = fields.next_value::<Blocks>()?.0,
                "system" => body.system = fields.next_value::<Blocks>()?.0,
                "messages" => body.messages = fields.next_value::<Messages>()?.0,
                "cache_control" => body.cache_control = given(fields.next_value()?),
                "tool_choice" | "thinking" | "output_config" => {
                    let mut tally = Tally::new();
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
struct Blocks(Vec<Block>);

impl<'de> Deserialize<'de> for Blocks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BlocksVisitor).map(Self)
    }
}

struct BlocksVisitor;

impl<'de> Visitor<'de> for BlocksVisitor {
    type Value = Vec<Block>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or blocks")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let mut block = Block::new();
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
        while let Some(mut block) = items.next_element_seed(BlockSeed)? {
            block.index = Some(blocks.len());
            blocks.push(block);
        }
        Ok(blocks)
    }
}

struct BlockSeed;

impl<'de> DeserializeSeed<'de> for BlockSeed {
    type Value = Block;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Block, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BlockSeed {
    type Value = Block;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Block, A::Error> {
        let mut block = Block::new();
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
struct Messages(Vec<Block>);

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MessagesVisitor).map(Self)
    }
}

struct MessagesVisitor;

impl<'de> Visitor<'de> for MessagesVisitor {
    type Value = Vec<Block>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut messages: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        let mut index = 0;
        while let Some(Message { head, mut blocks }) = messages.next_element()? {
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

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = Message;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Message, A::Error> {
        let mut message = Message { head: Tally::new(), blocks: Vec::new() };
        while let Some(name) = fields.next_key::<String>()? {
            message.head.text(&name);
            if name == "content" {
                message.blocks = fields.next_value::<Blocks>()?.0;
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
