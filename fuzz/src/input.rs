//! What the checks make of a file.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Choices that follow from the bytes alone. A file so stays what its name says, without a byte that is none of it, and
/// fails today as it did yesterday.
pub(super) struct Choices(u64);

impl Choices {
    pub(super) fn of(data: &[u8]) -> Self {
        // FNV-1a; the last bit is set, because from zero there is no way on.
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(data.iter().fold(0xcbf2_9ce4_8422_2325, step) | 1)
    }

    /// A number below `end`, or 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let number = usize::try_from(self.0 >> 33).unwrap_or_default();
        number.checked_rem(end).unwrap_or_default()
    }

    /// The bytes in pieces, some of them empty and none longer than `longest`.
    pub(super) fn pieces<'a>(&mut self, mut bytes: &'a [u8], longest: usize) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.below(longest + 1).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

/// Lines of `name: value` as headers. Those that are none are left out: nobody could have sent them.
pub(super) fn header_map(text: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = parts.next().unwrap_or_default();
        let value = HeaderValue::from_bytes(value.strip_prefix(b" ").unwrap_or(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            // An overfull map is no matter of ours.
            drop(headers.try_append(name, value));
        }
    }
    headers
}
