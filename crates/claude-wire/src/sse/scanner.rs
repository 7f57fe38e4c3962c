//! The scanner.

use std::fmt;
use std::ops::Range;

use memchr::{memchr, memchr2};

use super::{Event, EventTooLarge};

/// 16 MiB: far above any event of the API (a whole tool result is a few), far below what would hurt.
pub const DEFAULT_EVENT_CAP: usize = 16 * 1024 * 1024;

/// Buffers that one large event has grown beyond this are given back after it.
const KEPT_CAPACITY: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Finds the events in a stream of chunks. See the [module docs](super).
pub struct Scanner {
    cap: usize,
    /// The beginning of a line that an earlier chunk cut.
    line: Vec<u8>,
    /// The fields of the event so far, as far as they could not stay in the chunk.
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    retry: Option<u64>,
    /// The latest id of the stream.
    id: Vec<u8>,
    /// Bytes of the event's finished lines, comments aside.
    size: usize,
    first_line: bool,
    /// A `\r` ended the last chunk; a `\n` at the begin of the next belongs to it.
    skip_newline: bool,
    /// `name` and `data` were given out and are cleared at the next step.
    given_out: bool,
    skipping: Skipping,
}

/// Whether the rest of an event that is too large is being skipped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Skipping {
    No,
    LineStart,
    InLine,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// A scanner with [`DEFAULT_EVENT_CAP`].
    #[must_use]
    pub const fn new() -> Self {
        Self::with_event_cap(DEFAULT_EVENT_CAP)
    }

    /// A scanner that gives up on an event whose lines together are longer than `cap` bytes, line ends
    /// included.
    #[must_use]
    pub const fn with_event_cap(cap: usize) -> Self {
        Self {
            cap,
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
            retry: None,
            id: Vec::new(),
            size: 0,
            first_line: true,
            skip_newline: false,
            given_out: false,
            skipping: Skipping::No,
        }
    }

    /// Takes the next chunk and gives the events that it ends. Events not asked for are skipped when the
    /// [`Events`] are dropped.
    pub fn push<'a>(&'a mut self, chunk: &'a [u8]) -> Events<'a> {
        Events { scanner: self, chunk, position: 0 }
    }

    /// Whether the stream stands in the middle of an event, so that one is lost if it ends here.
    #[must_use]
    pub fn is_mid_event(&self) -> bool {
        !self.given_out
            && (!self.line.is_empty()
                || self.has_data
                || !self.name.is_empty()
                || self.skipping != Skipping::No)
    }

    fn clear_event(&mut self) {
        for buffer in [&mut self.name, &mut self.data] {
            buffer.clear();
            if buffer.capacity() > KEPT_CAPACITY {
                buffer.shrink_to(KEPT_CAPACITY);
            }
        }
        self.has_data = false;
        self.retry = None;
        self.size = 0;
        self.given_out = false;
    }

    /// Whether nothing of an event has been seen yet, so that one may be read straight from the chunk.
    fn is_between_events(&self) -> bool {
        self.size == 0 && self.line.is_empty() && !self.first_line && self.skipping == Skipping::No
    }

    fn give_up(&mut self, skipping: Skipping) -> EventTooLarge {
        self.clear_event();
        self.clear_line();
        self.first_line = false;
        self.skipping = skipping;
        EventTooLarge { cap: self.cap }
    }

    fn clear_line(&mut self) {
        self.line.clear();
        if self.line.capacity() > KEPT_CAPACITY {
            self.line.shrink_to(KEPT_CAPACITY);
        }
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner").field("mid_event", &self.is_mid_event()).finish_non_exhaustive()
    }
}

/// The events that one chunk ends. Not an `Iterator`, since each event may borrow the scanner's buffers.
pub struct Events<'a> {
    scanner: &'a mut Scanner,
    chunk: &'a [u8],
    position: usize,
}

/// Where a field of the event stands that is still in the chunk.
type InChunk = Option<Range<usize>>;

impl Events<'_> {
    /// The next event, or `None` when the chunk is used up.
    ///
    /// # Errors
    ///
    /// [`EventTooLarge`], once for each event that passes the cap.
    #[expect(clippy::should_implement_trait, reason = "an event borrows from this: no Iterator can say so")]
    pub fn next(&mut self) -> Option<Result<Event<'_>, EventTooLarge>> {
        if self.scanner.given_out {
            self.scanner.clear_event();
        }
        if self.scanner.is_between_events()
            && let Some((name, data)) = self.plain_event()
        {
            let (name, data, id) = (&self.chunk[name], &self.chunk[data], &self.scanner.id);
            return Some(Ok(Event { name, data, id, retry: None }));
        }
        match self.general_event()? {
            Ok((name, data)) => {
                let scanner = &*self.scanner;
                let name = name.map_or(scanner.name.as_slice(), |range| &self.chunk[range]);
                let data = data.map_or(scanner.data.as_slice(), |range| &self.chunk[range]);
                Some(Ok(Event { name, data, id: &scanner.id, retry: scanner.retry }))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The form that nearly every event of the API has: `event: NAME\ndata: JSON\n\n`, whole in this chunk.
    #[inline]
    fn plain_event(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        const NAME: &[u8] = b"event: ";
        const DATA: &[u8] = b"data: ";
        const LONGEST_NAME: usize = 64;

        let mut start = self.position;
        if self.scanner.skip_newline && self.chunk.get(start) == Some(&b'\n') {
            start += 1;
        }
        let rest = self.chunk.get(start..)?.strip_prefix(NAME)?;
        let name_length = rest.iter().take(LONGEST_NAME).position(|&byte| byte == b'\n' || byte == b'\r')?;
        let data = rest[name_length..].strip_prefix(b"\n")?.strip_prefix(DATA)?;
        let data_length = memchr2(b'\n', b'\r', data)?;
        if data.get(data_length..data_length + 2)? != b"\n\n" {
            return None;
        }
        let name_start = start + NAME.len();
        let data_start = name_start + name_length + 1 + DATA.len();
        let data_end = data_start + data_length;
        if data_end + 1 - start > self.scanner.cap {
            return None;
        }
        self.position = data_end + 2;
        self.scanner.skip_newline = false;
        Some((name_start..name_start + name_length, data_start..data_end))
    }

    /// Any other form, and what the chunk cuts.
    fn general_event(&mut self) -> Option<Result<(InChunk, InChunk), EventTooLarge>> {
        let mut name = None;
        let mut data = None;
        loop {
            if self.scanner.skip_newline && self.position < self.chunk.len() {
                self.scanner.skip_newline = false;
                if self.chunk[self.position] == b'\n' {
                    self.position += 1;
                }
            }
            let rest = &self.chunk[self.position..];
            let Some(length) = memchr2(b'\n', b'\r', rest) else {
                return self.cut(name, data).map(Err);
            };
            let start = self.position;
            self.position = start + length + 1;
            self.scanner.skip_newline = self.chunk[start + length] == b'\r';
            if self.scanner.skipping != Skipping::No {
                let blank = length == 0 && self.scanner.skipping == Skipping::LineStart;
                self.scanner.skipping = if blank { Skipping::No } else { Skipping::LineStart };
                continue;
            }
            let line_size = self.scanner.line.len() + length + 1;
            if line_size > 1 && self.scanner.size.saturating_add(line_size) > self.scanner.cap {
                return Some(Err(self.scanner.give_up(Skipping::LineStart)));
            }
            if self.line(start..start + length, line_size, &mut name, &mut data) {
                return Some(Ok((name, data)));
            }
        }
    }

    /// Takes one whole line: `range` of the chunk, behind what an earlier chunk left of it. Says whether it
    /// ends an event.
    fn line(&mut self, range: Range<usize>, size: usize, name: &mut InChunk, data: &mut InChunk) -> bool {
        let scanner = &mut *self.scanner;
        let carried = !scanner.line.is_empty();
        if carried {
            scanner.line.extend_from_slice(&self.chunk[range.clone()]);
        }
        let whole = if carried { scanner.line.as_slice() } else { &self.chunk[range.clone()] };
        let bom = if std::mem::take(&mut scanner.first_line) && whole.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        let line = &whole[bom..];
        if line.is_empty() {
            let ends = data.is_some() || scanner.has_data;
            scanner.clear_line();
            if ends {
                scanner.given_out = true;
            } else {
                scanner.clear_event();
                *name = None;
            }
            return ends;
        }
        if line[0] == b':' {
            scanner.clear_line();
            return false;
        }
        scanner.size += size;
        let (field, value_start) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], colon + 1 + usize::from(line.get(colon + 1) == Some(&b' '))),
            None => (line, line.len()),
        };
        let value = &line[value_start..];
        // Where the value stands in the chunk, if all of it does.
        let in_chunk = (!carried).then(|| range.start + bom + value_start..range.end);
        match field {
            b"data" => {
                let joined = scanner.has_data || data.is_some();
                if let Some(first) = data.take() {
                    scanner.data.extend_from_slice(&self.chunk[first]);
                }
                match in_chunk.filter(|_| !joined) {
                    Some(in_chunk) => *data = Some(in_chunk),
                    None => {
                        if joined {
                            scanner.data.push(b'\n');
                        }
                        scanner.data.extend_from_slice(value);
                        scanner.has_data = true;
                    }
                }
            }
            b"event" => {
                scanner.name.clear();
                *name = in_chunk;
                if name.is_none() {
                    scanner.name.extend_from_slice(value);
                }
            }
            b"id" if !value.contains(&0) => {
                scanner.id.clear();
                scanner.id.extend_from_slice(value);
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let parsed = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                // One that no number can hold is ignored, like one that is no number.
                scanner.retry = parsed.or(scanner.retry);
            }
            _ => {}
        }
        scanner.clear_line();
        false
    }

    /// The chunk ends inside an event: everything of it that is only in the chunk is kept.
    fn cut(&mut self, name: InChunk, data: InChunk) -> Option<EventTooLarge> {
        let scanner = &mut *self.scanner;
        let rest = &self.chunk[self.position..];
        self.position = self.chunk.len();
        if scanner.skipping != Skipping::No {
            if !rest.is_empty() {
                scanner.skipping = Skipping::InLine;
            }
            return None;
        }
        // The line is at least one byte longer, by its end.
        let line_size = scanner.line.len() + rest.len() + 1;
        if line_size > 1 && scanner.size.saturating_add(line_size) > scanner.cap {
            return Some(scanner.give_up(Skipping::InLine));
        }
        if let Some(name) = name {
            scanner.name.extend_from_slice(&self.chunk[name]);
        }
        if let Some(data) = data {
            scanner.data.extend_from_slice(&self.chunk[data]);
            scanner.has_data = true;
        }
        scanner.line.extend_from_slice(rest);
        None
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        while self.next().is_some() {}
    }
}

impl fmt::Debug for Events<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
