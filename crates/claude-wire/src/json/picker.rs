//! A few values out of a JSON text that arrives in pieces, without keeping the rest.

use super::plain_length;

/// The largest value that is picked; a larger one is passed over. Usage with many iterations takes a few KiB.
const VALUE_CAP: usize = 256 * 1024;

/// Longer keys than any that is wanted are not compared.
const KEY_CAP: usize = 32;

/// How deep wanted objects lie in each other.
const TREE_DEPTH: usize = 4;

/// The wanted members of an object.
pub(crate) type Wanted<F> = &'static [(&'static str, Want<F>)];

/// What is wanted of a member.
#[derive(Clone, Copy)]
pub(crate) enum Want<F: 'static> {
    /// Its value.
    Take(F),
    /// Members of the object that is its value.
    Into(Wanted<F>),
}

/// Picks values. It follows the structure of a text and does not check its grammar; it never fails, and a text
/// that it cannot follow is broken off ([`is_broken`](Self::is_broken)).
pub(crate) struct Picker<F: 'static> {
    root: Wanted<F>,
    /// The wanted objects that are open.
    open: [Wanted<F>; TREE_DEPTH],
    opened: usize,
    state: State,
    key: [u8; KEY_CAP],
    key_length: usize,
    /// Containers open inside the present value.
    depth: u32,
    taking: Option<F>,
    value: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Key,
    InKey,
    InKeyEscape,
    Colon,
    Value,
    /// In a container that is no wanted object.
    Inside,
    InString,
    InStringEscape,
    Scalar,
    After,
    Done,
    Broken,
}

impl<F: Copy> Picker<F> {
    pub(crate) const fn new(root: Wanted<F>) -> Self {
        Self {
            root,
            open: [&[]; TREE_DEPTH],
            opened: 0,
            state: State::Start,
            key: [0; KEY_CAP],
            key_length: 0,
            depth: 0,
            taking: None,
            value: Vec::new(),
        }
    }

    /// Ready for another text.
    pub(crate) fn reset(&mut self) {
        let value = std::mem::take(&mut self.value);
        *self = Self { value, ..Self::new(self.root) };
        self.value.clear();
    }

    /// Whether a whole text has been seen.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether this is no text that could be followed.
    pub(crate) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether nothing but white space has been seen.
    pub(crate) fn is_at_start(&self) -> bool {
        self.state == State::Start
    }

    /// Takes the next piece, and gives each value that it ends.
    pub(crate) fn push(&mut self, piece: &[u8], mut found: impl FnMut(F, &[u8])) {
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            match self.state {
                State::InKey | State::InString => {
                    let plain = plain_length(rest);
                    self.record(&rest[..plain]);
                    rest = &rest[plain..];
                    if let Some((&byte, after)) = rest.split_first() {
                        rest = after;
                        self.in_string(byte, &mut found);
                    }
                    continue;
                }
                State::InKeyEscape => {
                    // The escape stays in the key, which then equals no wanted name.
                    self.record(&[byte]);
                    self.state = State::InKey;
                }
                State::InStringEscape => {
                    self.record(&[byte]);
                    self.state = State::InString;
                }
                State::Scalar if matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') => {
                    self.end_value(&mut found);
                    // The byte itself belongs to what follows.
                    continue;
                }
                State::Scalar => self.record(&[byte]),
                State::Inside => self.inside(byte, &mut found),
                State::Broken => return,
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => {}
                _ => self.between(byte),
            }
            rest = after;
        }
    }

    /// A byte in a string that is not plain.
    fn in_string(&mut self, byte: u8, found: &mut impl FnMut(F, &[u8])) {
        let is_key = self.state == State::InKey;
        if is_key && byte == b'"' {
            self.state = State::Colon;
            return;
        }
        self.record(&[byte]);
        self.state = match byte {
            b'\\' if is_key => State::InKeyEscape,
            b'\\' => State::InStringEscape,
            b'"' if self.depth == 0 => return self.end_value(found),
            b'"' => State::Inside,
            _ => self.state,
        };
    }

    fn inside(&mut self, byte: u8, found: &mut impl FnMut(F, &[u8])) {
        self.record(&[byte]);
        match byte {
            b'"' => self.state = State::InString,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.end_value(found);
                }
            }
            _ => {}
        }
    }

    /// A byte of a wanted object's own structure.
    fn between(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Start, b'{') => {
                self.enter(self.root);
                State::Key
            }
            (State::Key, b'"') => {
                self.key_length = 0;
                State::InKey
            }
            (State::Colon, b':') => State::Value,
            (State::Value, _) => self.begin_value(byte),
            (State::After, b',') => State::Key,
            (State::Key | State::After, b'}') => {
                self.opened -= 1;
                if self.opened == 0 { State::Done } else { State::After }
            }
            _ => State::Broken,
        };
    }

    fn begin_value(&mut self, byte: u8) -> State {
        let key = &self.key[..self.key_length.min(KEY_CAP)];
        let fits = self.key_length <= KEY_CAP;
        let wanted = self.open[self.opened - 1].iter().find(|(name, _)| fits && name.as_bytes() == key);
        self.taking = match wanted {
            Some((_, Want::Into(members))) if byte == b'{' => {
                self.enter(members);
                return State::Key;
            }
            Some((_, Want::Take(field))) => Some(*field),
            _ => None,
        };
        self.value.clear();
        self.record_value(&[byte]);
        match byte {
            b'"' => State::InString,
            b'{' | b'[' => {
                self.depth = 1;
                State::Inside
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => State::Scalar,
            _ => State::Broken,
        }
    }

    fn enter(&mut self, members: Wanted<F>) {
        self.open[self.opened] = members;
        self.opened += 1;
    }

    fn end_value(&mut self, found: &mut impl FnMut(F, &[u8])) {
        self.state = State::After;
        if let Some(field) = self.taking.take() {
            found(field, &self.value);
        }
    }

    fn record(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::InKey | State::InKeyEscape) {
            let room = self.key.get_mut(self.key_length..self.key_length + bytes.len());
            if let Some(room) = room {
                room.copy_from_slice(bytes);
                self.key_length += bytes.len();
            } else {
                self.key_length = KEY_CAP + 1;
            }
        } else {
            self.record_value(bytes);
        }
    }

    fn record_value(&mut self, bytes: &[u8]) {
        if self.taking.is_none() {
            return;
        }
        if self.value.len() + bytes.len() > VALUE_CAP {
            self.taking = None;
            return;
        }
        self.value.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TREE: Wanted<&str> = &[
        ("usage", Want::Take("usage")),
        ("model", Want::Take("model")),
        ("result", Want::Into(&[("type", Want::Take("result.type")), ("message", Want::Into(INNER))])),
    ];
    const INNER: Wanted<&str> = &[("model", Want::Take("inner.model"))];

    fn pick<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<(&'static str, String)>, bool) {
        let mut picker = Picker::new(TREE);
        let mut found = Vec::new();
        for piece in pieces {
            picker.push(piece, |field, value| {
                found.push((field, String::from_utf8(value.to_vec()).unwrap()));
            });
        }
        (found, picker.is_done())
    }

    const TEXT: &str = r#" {"content":[{"usage":1,"text":"\"}]{\\"}], "usage" : {"a":[1,"}"]} ,"model":"cl\"é",
        "result":{"type":null,"message":{"deep":{"model":0},"model":-1.5e3 }}, "n":12} "#;

    #[test]
    fn finds_what_is_wanted_and_only_there() {
        let (found, done) = pick([TEXT.as_bytes()]);
        let expected = [
            ("usage", r#"{"a":[1,"}"]}"#),
            ("model", r#""cl\"é""#),
            ("result.type", "null"),
            ("inner.model", "-1.5e3"),
        ];
        assert_eq!(found, expected.map(|(field, value)| (field, value.to_owned())));
        assert!(done);
    }

    #[test]
    fn any_split_finds_the_same() {
        let whole = pick([TEXT.as_bytes()]);
        for at in 0..=TEXT.len() {
            let (left, right) = TEXT.as_bytes().split_at(at);
            assert_eq!(pick([left, right]), whole, "split at {at}");
        }
        assert_eq!(pick(TEXT.as_bytes().chunks(1)), whole);
    }

    #[test]
    fn what_cannot_be_followed() {
        for text in ["<html>", "[1]", "\"x\"", "{]", "{\"usage\" 1}", "{\"usage\":}", "{\"a\":1}x"] {
            let mut picker = Picker::new(TREE);
            picker.push(text.as_bytes(), |_, _| {});
            assert!(picker.is_broken(), "{text}");
        }
        for cut in ["", " ", "{", "{\"usage\":{", "{\"usage\":1"] {
            assert!(!pick([cut.as_bytes()]).1, "{cut}");
        }
    }

    #[test]
    fn a_value_over_the_cap_is_passed_over() {
        let text = format!(r#"{{"usage":"{}","model":"x"}}"#, "y".repeat(VALUE_CAP));
        let (found, done) = pick([text.as_bytes()]);
        assert_eq!(found, [("model", "\"x\"".to_owned())]);
        assert!(done);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in ".*", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            pick([text.as_bytes()]);
            let mut picker = Picker::new(TREE);
            picker.push(b"{\"usage\":", |_, _| {});
            picker.push(&bytes, |_, _| {});
        }
    }
}
