//! The one pass over a body.

use std::borrow::Cow;
use std::ops::Range;

use super::Shape;
use crate::json::{Cursor, Fault, Text};

/// How many top-level keys are compared with each other. The API knows about thirty.
const MAX_MEMBERS: usize = 64;

/// How deep content blocks inside content blocks are looked into: the API's own nest twice.
const MAX_BLOCK_LEVEL: u32 = 16;

/// Types of tools that run at the client, with their version behind (2026-11). Any other typed tool is taken
/// to run at the server.
const CLIENT_TOOLS: [&str; 5] = ["custom", "bash_", "text_editor_", "computer_", "memory_"];

/// What one pass finds.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) shape: Shape,
    pub(super) ambiguous: bool,
    pub(super) model: Option<Found>,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) user_id: Option<Found>,
    pub(super) marks: u32,
    pub(super) stateful: bool,
    pub(super) server_tools: bool,
    pub(super) mcp_servers: bool,
    pub(super) prompt_bytes: u64,
    /// The top-level members in their order; none if the body is no object or has too many.
    pub(super) members: Vec<Member>,
}

/// A top-level member: where its key and value stand, and whether it carries meaning.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) range: Range<usize>,
    pub(super) kept: bool,
    pub(super) key: Range<usize>,
}

/// A text that was found: where it stands, or decoded if it is written with escapes.
#[derive(Debug)]
pub(super) enum Found {
    At(Range<usize>),
    Decoded(Box<str>),
}

impl Found {
    pub(super) fn as_str<'a>(&'a self, bytes: &'a [u8]) -> Option<&'a str> {
        match self {
            Self::At(range) => std::str::from_utf8(bytes.get(range.clone())?).ok(),
            Self::Decoded(text) => Some(text),
        }
    }
}

impl Scan {
    pub(super) const fn unread() -> Self {
        Self::empty(Shape::Unread)
    }

    const fn empty(shape: Shape) -> Self {
        Self {
            shape,
            ambiguous: false,
            model: None,
            stream: false,
            max_tokens: None,
            user_id: None,
            marks: 0,
            stateful: false,
            server_tools: false,
            mcp_servers: false,
            prompt_bytes: 0,
            members: Vec::new(),
        }
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut cursor = Cursor::new(bytes);
        let mut reader = Reader::default();
        let is_object = cursor.peek() == Some(b'{');
        let read = if is_object { reader.body(&mut cursor) } else { cursor.skip() };
        match read {
            Ok(()) if !cursor.is_at_end() => Self::empty(Shape::Malformed),
            Ok(()) if !is_object => Self::empty(Shape::NotAnObject),
            Ok(()) => reader.finish(),
            Err(Fault::Malformed) => Self::empty(Shape::Malformed),
            Err(Fault::TooDeep) => Self::empty(Shape::TooDeep),
        }
    }
}

/// What is known while the pass is under way. Each field of the body has a place of its own, so that the last
/// of several wins.
#[derive(Default)]
struct Reader {
    unexpected: bool,
    ambiguous: bool,
    members: Vec<Member>,
    too_many: bool,
    model: Option<Found>,
    stream: bool,
    max_tokens: Option<u64>,
    legacy_max_tokens: Option<u64>,
    user_id: Option<Found>,
    top_mark: u32,
    system: Prompt,
    messages: Prompt,
    tools: Prompt,
    legacy_prompt: Prompt,
    typed_tools: bool,
    mcp_servers: bool,
    thread: bool,
    container: bool,
    credit: bool,
    previous_message: bool,
}

/// A part of the prompt: its length and its marks.
#[derive(Clone, Copy, Default)]
struct Prompt {
    bytes: u64,
    marks: u32,
}

impl Reader {
    fn finish(self) -> Scan {
        let prompt = [self.system, self.messages, self.tools, self.legacy_prompt];
        Scan {
            shape: if self.unexpected { Shape::Unexpected } else { Shape::Object },
            ambiguous: self.ambiguous,
            model: self.model,
            stream: self.stream,
            max_tokens: self.max_tokens.or(self.legacy_max_tokens),
            user_id: self.user_id,
            marks: prompt.iter().map(|part| part.marks).fold(self.top_mark, u32::saturating_add),
            stateful: self.thread || self.container || self.credit || self.previous_message,
            server_tools: self.typed_tools || self.mcp_servers,
            mcp_servers: self.mcp_servers,
            prompt_bytes: prompt.iter().map(|part| part.bytes).sum(),
            members: if self.too_many { Vec::new() } else { self.members },
        }
    }

    fn body(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        cursor.object(|cursor, key| {
            let start = key.range.start - 1;
            let name = key.name(cursor.bytes());
            self.ambiguous |= key.escaped;
            self.member(cursor, &name)?;
            self.remember(cursor, &key, start, !matches!(&*name, b"metadata" | b"stream"));
            Ok(())
        })
    }

    fn remember(&mut self, cursor: &Cursor<'_>, key: &Text, start: usize, kept: bool) {
        if self.members.len() == MAX_MEMBERS {
            self.too_many = true;
            self.ambiguous = true;
            return;
        }
        let bytes = cursor.bytes();
        // A key with escapes is ambiguous already, so that comparing the bytes is enough.
        self.ambiguous |=
            self.members.iter().any(|member| bytes[member.key.clone()] == bytes[key.range.clone()]);
        if self.members.is_empty() {
            self.members.reserve(16);
        }
        self.members.push(Member { range: start..cursor.position(), kept, key: key.range.clone() });
    }

    /// Takes the value of one top-level member.
    fn member(&mut self, cursor: &mut Cursor<'_>, name: &[u8]) -> Result<(), Fault> {
        match name {
            b"model" => self.model = self.text(cursor)?,
            b"stream" => self.stream = self.boolean(cursor)?,
            b"max_tokens" => self.max_tokens = self.count(cursor)?,
            b"max_tokens_to_sample" => self.legacy_max_tokens = self.count(cursor)?,
            b"metadata" => self.user_id = self.metadata(cursor)?,
            b"cache_control" => self.top_mark = u32::from(is_something(cursor)?),
            b"system" => self.system = self.prompt(cursor)?,
            b"messages" => self.messages = self.prompt(cursor)?,
            b"tools" => self.tools = self.tools(cursor)?,
            b"prompt" => self.legacy_prompt = self.prompt(cursor)?,
            b"mcp_servers" => self.mcp_servers = is_something(cursor)?,
            b"thread" => self.thread = is_something(cursor)?,
            b"container" => self.container = is_something(cursor)?,
            b"fallback_credit_token" => self.credit = is_something(cursor)?,
            b"diagnostics" => self.previous_message = self.diagnostics(cursor)?,
            _ => cursor.skip()?,
        }
        Ok(())
    }

    fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Fault> {
        if cursor.peek() != Some(b'"') {
            return self.something_else(cursor);
        }
        let text = cursor.string()?;
        let found = match text.decode(cursor.bytes()) {
            Some(Cow::Borrowed(_)) => Some(Found::At(text.range)),
            Some(Cow::Owned(decoded)) => Some(Found::Decoded(decoded.into())),
            None => None,
        };
        self.unexpected |= found.is_none();
        Ok(found)
    }

    fn boolean(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
        let raw = cursor.raw()?;
        self.unexpected |= !matches!(raw, b"true" | b"false" | b"null");
        Ok(raw == b"true")
    }

    fn count(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<u64>, Fault> {
        let raw = cursor.raw()?;
        let count = std::str::from_utf8(raw).ok().and_then(|digits| digits.parse().ok());
        self.unexpected |= count.is_none() && raw != b"null";
        Ok(count)
    }

    /// A value of a type that the API does not take, or `null`.
    fn something_else<T>(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<T>, Fault> {
        let raw = cursor.raw()?;
        self.unexpected |= raw != b"null";
        Ok(None)
    }

    fn metadata(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Fault> {
        if cursor.peek() != Some(b'{') {
            return self.something_else(cursor);
        }
        let mut user_id = Once::default();
        cursor.object(|cursor, key| {
            self.ambiguous |= key.escaped;
            if *key.name(cursor.bytes()) != *b"user_id" {
                return cursor.skip();
            }
            self.ambiguous |= user_id.set(self.text(cursor)?);
            Ok(())
        })?;
        Ok(user_id.value)
    }

    fn diagnostics(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
        if cursor.peek() != Some(b'{') {
            self.something_else::<()>(cursor)?;
            return Ok(false);
        }
        let mut previous = Once::default();
        cursor.object(|cursor, key| {
            self.ambiguous |= key.escaped;
            if *key.name(cursor.bytes()) != *b"previous_message_id" {
                return cursor.skip();
            }
            self.ambiguous |= previous.set(is_something(cursor)?);
            Ok(())
        })?;
        Ok(previous.value)
    }

    fn prompt(&mut self, cursor: &mut Cursor<'_>) -> Result<Prompt, Fault> {
        cursor.peek();
        let start = cursor.position();
        let marks = self.blocks(cursor, 0)?;
        Ok(Prompt { bytes: (cursor.position() - start) as u64, marks })
    }

    /// Counts the marks of a block or of a list of blocks; a message with its `content` counts as a block.
    fn blocks(&mut self, cursor: &mut Cursor<'_>, level: u32) -> Result<u32, Fault> {
        match cursor.peek() {
            Some(b'[') if level < MAX_BLOCK_LEVEL => {
                let mut marks = 0_u32;
                cursor.array(|cursor| {
                    marks = marks.saturating_add(self.blocks(cursor, level + 1)?);
                    Ok(())
                })?;
                Ok(marks)
            }
            Some(b'{') if level < MAX_BLOCK_LEVEL => self.block(cursor, level),
            kind => {
                // What lies deeper is not looked into.
                self.ambiguous |= matches!(kind, Some(b'[' | b'{'));
                cursor.skip().map(|()| 0)
            }
        }
    }

    fn block(&mut self, cursor: &mut Cursor<'_>, level: u32) -> Result<u32, Fault> {
        let mut own = Once::default();
        let mut content = Once::default();
        let mut source = Once::default();
        cursor.object(|cursor, key| {
            let twice = match &*key.name(cursor.bytes()) {
                b"cache_control" => own.set(u32::from(is_something(cursor)?)),
                b"content" => content.set(self.blocks(cursor, level + 1)?),
                b"source" => source.set(self.blocks(cursor, level + 1)?),
                _ => {
                    cursor.skip()?;
                    false
                }
            };
            self.ambiguous |= twice || key.escaped;
            Ok(())
        })?;
        Ok(own.value.saturating_add(content.value).saturating_add(source.value))
    }

    fn tools(&mut self, cursor: &mut Cursor<'_>) -> Result<Prompt, Fault> {
        self.typed_tools = false;
        if cursor.peek() != Some(b'[') {
            self.something_else::<()>(cursor)?;
            return Ok(Prompt::default());
        }
        let start = cursor.position();
        let mut marks = 0_u32;
        cursor.array(|cursor| {
            if cursor.peek() != Some(b'{') {
                self.something_else::<()>(cursor)?;
                return Ok(());
            }
            let tool = self.tool(cursor)?;
            marks = marks.saturating_add(tool.marks);
            self.typed_tools |= tool.runs_at_server;
            Ok(())
        })?;
        Ok(Prompt { bytes: (cursor.position() - start) as u64, marks })
    }

    fn tool(&mut self, cursor: &mut Cursor<'_>) -> Result<Tool, Fault> {
        let mut mark = Once::default();
        let mut runs_at_server = Once::default();
        cursor.object(|cursor, key| {
            let twice = match &*key.name(cursor.bytes()) {
                b"cache_control" => mark.set(u32::from(is_something(cursor)?)),
                b"type" => {
                    let bytes = cursor.bytes();
                    let kind = self.text(cursor)?;
                    let kind = kind.as_ref().and_then(|kind| kind.as_str(bytes));
                    runs_at_server.set(kind.is_some_and(|kind| !runs_at_client(kind)))
                }
                _ => {
                    cursor.skip()?;
                    false
                }
            };
            self.ambiguous |= twice || key.escaped;
            Ok(())
        })?;
        Ok(Tool { marks: mark.value, runs_at_server: runs_at_server.value })
    }
}

struct Tool {
    marks: u32,
    runs_at_server: bool,
}

/// A member's value; the last one wins, and a second one is noticed.
#[derive(Default)]
struct Once<T> {
    value: T,
    is_set: bool,
}

impl<T> Once<T> {
    /// Whether there was a value before.
    fn set(&mut self, value: T) -> bool {
        self.value = value;
        std::mem::replace(&mut self.is_set, true)
    }
}

fn runs_at_client(kind: &str) -> bool {
    CLIENT_TOOLS.iter().any(|known| match known.strip_suffix('_') {
        Some(_) => kind.starts_with(known),
        None => kind == *known,
    })
}

/// Takes a value; whether it says anything: not `null`, nor an empty list or object.
fn is_something(cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
    let raw = cursor.raw()?;
    let is_empty = match raw {
        b"null" => true,
        [b'[' | b'{', inside @ .., _] => inside.iter().all(u8::is_ascii_whitespace),
        _ => false,
    };
    Ok(!is_empty)
}
