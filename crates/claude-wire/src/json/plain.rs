//! The hot loop of reading JSON: how long a string goes on without anything special in it.

/// Where most strings have ended: keys and short words.
const SHORT: usize = 32;

/// Long enough for the compiler to compare in whole vectors.
const BLOCK: usize = 64;

/// The number of leading bytes that are neither a quote, a backslash nor a control character.
#[inline]
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    // A word at a time finds a near end soonest.
    while let Some(word) = bytes[length..].first_chunk::<8>() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return length + (special.trailing_zeros() / 8) as usize;
        }
        length += 8;
        if length >= SHORT {
            return length + long_plain_length(&bytes[length..]);
        }
    }
    length + bytes[length..].iter().take_while(|&&byte| !is_special(byte)).count()
}

fn long_plain_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(block) = bytes[length..].first_chunk::<BLOCK>() {
        // Bytes and not `bool`s: only these become vectors.
        if block.iter().fold(0, |any, &byte| any | u8::from(is_special(byte))) != 0 {
            break;
        }
        length += BLOCK;
    }
    while let Some(word) = bytes[length..].first_chunk::<8>() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return length + (special.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length + bytes[length..].iter().take_while(|&&byte| !is_special(byte)).count()
}

#[inline]
const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// The high bit of each byte of the word that is special. Bits above the lowest one may be wrong, since a
/// borrow runs upwards; only the lowest is used.
#[inline]
const fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_loop(
            mut bytes in proptest::collection::vec(0x23_u8..0x5c, 0..200),
            specials in proptest::collection::vec((0_usize..200, any::<u8>()), 0..4),
        ) {
            for (at, byte) in specials {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            let expected = bytes.iter().take_while(|&&byte| !is_special(byte)).count();
            prop_assert_eq!(plain_length(&bytes), expected);
        }
    }
}
