//! A hash that is the same everywhere and always. It is no secret's keeper.

/// FNV-1a, with a finish that spreads it.
#[derive(Clone, Copy)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Many bytes, eight at a time. It is another digest than that of the same [`bytes`](Self::bytes).
    pub(crate) fn many(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let mixed = (self.0 ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ (mixed >> 32);
        }
        self.bytes(rest);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Text with its length, so that two texts in a row are not one.
    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(crate) const fn finish(self) -> u64 {
        let z = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        z ^ (z >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_wherever_it_is() {
        let digest = |bytes: &[u8]| {
            let mut digest = Digest::new();
            digest.many(bytes);
            digest.finish()
        };
        let mut seen = std::collections::HashSet::new();
        for length in 0..40 {
            let bytes = vec![7; length];
            assert!(seen.insert(digest(&bytes)));
            for place in 0..length {
                for bit in 0..8 {
                    let mut other = bytes.clone();
                    other[place] ^= 1 << bit;
                    assert!(seen.insert(digest(&other)), "{length} {place} {bit}");
                }
            }
        }
    }
}
