//! A cursor over a whole JSON text.

use std::borrow::Cow;
use std::ops::Range;

use super::plain_length;

/// Why a text cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not JSON.
    Malformed,
    /// It is nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// How deep arrays and objects may be nested. The API's own limit is not documented; real requests stay far
/// below.
pub(super) const MAX_DEPTH: usize = 1024;

/// Reads a JSON text from left to right. Strict as to JSON's grammar; UTF-8 is not checked here.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// A string where it stands, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) range: Range<usize>,
    pub(crate) escaped: bool,
}

impl Text {
    /// What the string says, if it is proper text.
    pub(crate) fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        if self.escaped {
            let quoted = bytes.get(self.range.start.checked_sub(1)?..=self.range.end)?;
            return serde_json::from_slice::<String>(quoted).ok().map(Cow::Owned);
        }
        std::str::from_utf8(bytes.get(self.range.clone())?).ok().map(Cow::Borrowed)
    }

    /// The name that a key stands for, so that it can be compared. A key that is no proper text stands for
    /// itself.
    #[inline]
    pub(crate) fn name<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = &bytes[self.range.clone()];
        if !self.escaped {
            return Cow::Borrowed(raw);
        }
        match self.decode(bytes) {
            Some(name) => Cow::Owned(name.into_owned().into_bytes()),
            None => Cow::Borrowed(raw),
        }
    }
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next byte that is not white space, which is not taken.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.position)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.position += 1;
        }
    }

    /// Takes the next byte that is not white space, if it is this one.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        // Compact JSON, which nearly all is, has no white space to look for.
        let found = self.bytes.get(self.position) == Some(&byte) || self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(Fault::Malformed) }
    }

    /// Whether nothing but white space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Takes a string.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text, Fault> {
        self.expect(b'"')?;
        let start = self.position;
        let escaped = self.rest_of_string()?;
        Ok(Text { range: start..self.position - 1, escaped })
    }

    /// Takes a string from behind its first quote; whether it is written with escapes.
    #[inline]
    fn rest_of_string(&mut self) -> Result<bool, Fault> {
        let rest = &self.bytes[self.position..];
        let length = plain_length(rest);
        self.position += length;
        if rest.get(length) == Some(&b'"') {
            self.position += 1;
            return Ok(false);
        }
        self.rest_of_escaped_string()?;
        Ok(true)
    }

    /// Takes a string from its first escape on.
    fn rest_of_escaped_string(&mut self) -> Result<(), Fault> {
        loop {
            match self.bytes.get(self.position) {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(Fault::Malformed),
            }
            self.position += plain_length(&self.bytes[self.position..]);
        }
    }

    /// Takes one escape.
    #[inline]
    fn escape(&mut self) -> Result<(), Fault> {
        match self.bytes.get(self.position + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.position += 2;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.bytes.get(self.position + 2..self.position + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(Fault::Malformed);
                }
                self.position += 6;
                Ok(())
            }
            _ => Err(Fault::Malformed),
        }
    }

    /// Calls `member` for each member of the object that stands next, with the cursor at the value, which
    /// `member` must take.
    #[inline]
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Text) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            member(self, key)?;
            if self.ends(b'}')? {
                return Ok(());
            }
        }
    }

    /// Calls `element` for each element of the array that stands next, which `element` must take.
    #[inline]
    pub(crate) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.ends(b']')? {
                return Ok(());
            }
        }
    }

    /// Takes what stands behind a member or an element: whether it is the end, and not a comma.
    #[inline]
    fn ends(&mut self, close: u8) -> Result<bool, Fault> {
        let next = self.peek().ok_or(Fault::Malformed)?;
        self.position += 1;
        if next != b',' && next != close {
            return Err(Fault::Malformed);
        }
        Ok(next == close)
    }

    /// Takes any value, without recursion.
    #[inline]
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{' | b'[') => self.skip_container(),
            Some(first) => self.skip_scalar(first),
            None => Err(Fault::Malformed),
        }
    }

    fn skip_container(&mut self) -> Result<(), Fault> {
        // One bit for each level that is open: whether it is an object.
        let mut objects = [0_u64; MAX_DEPTH / 64];
        let mut depth = 0;
        loop {
            match self.peek().ok_or(Fault::Malformed)? {
                open @ (b'{' | b'[') => {
                    self.position += 1;
                    let is_object = open == b'{';
                    let close = if is_object { b'}' } else { b']' };
                    if !self.take(close) {
                        if depth == MAX_DEPTH {
                            return Err(Fault::TooDeep);
                        }
                        let bit = 1 << (depth % 64);
                        let word = &mut objects[depth / 64];
                        *word = if is_object { *word | bit } else { *word & !bit };
                        depth += 1;
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                first => self.skip_scalar(first)?,
            }
            // A value is over: close what it closes, up to the next one.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let is_object = objects[(depth - 1) / 64] >> ((depth - 1) % 64) & 1 == 1;
                if !self.ends(if is_object { b'}' } else { b']' })? {
                    if is_object {
                        self.key()?;
                    }
                    break;
                }
                depth -= 1;
            }
        }
    }

    /// Takes a value that is neither object nor array and begins with this byte.
    #[inline]
    fn skip_scalar(&mut self, first: u8) -> Result<(), Fault> {
        match first {
            b'"' => {
                self.position += 1;
                self.rest_of_string().map(drop)
            }
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    /// Takes a key and its colon.
    #[inline]
    fn key(&mut self) -> Result<(), Fault> {
        self.expect(b'"')?;
        self.rest_of_string()?;
        self.expect(b':')
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Fault> {
        if !self.bytes[self.position..].starts_with(literal) {
            return Err(Fault::Malformed);
        }
        self.position += literal.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.position += usize::from(self.bytes.get(self.position) == Some(&b'-'));
        if self.bytes.get(self.position) == Some(&b'0') {
            self.position += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.position) == Some(&b'.') {
            self.position += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.position) {
            self.position += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.position) {
                self.position += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let digits = self.bytes[self.position..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.position += digits;
        if digits == 0 { Err(Fault::Malformed) } else { Ok(()) }
    }

    /// Takes a value; its bytes if it is a whole number, a literal or another scalar.
    pub(crate) fn raw(&mut self) -> Result<&'a [u8], Fault> {
        self.peek();
        let start = self.position;
        self.skip()?;
        Ok(&self.bytes[start..self.position])
    }
}
