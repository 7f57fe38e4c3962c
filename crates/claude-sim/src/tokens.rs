//! Tokens, estimated from bytes.

/// What an image or a document costs, whatever its size.
const MEDIA_TOKENS: u64 = 1_600;

/// What every request costs besides its texts.
const OVERHEAD: u64 = 8;

/// The estimate for a text of so many bytes: two tokens for every seven, rounded up.
pub(crate) fn of_bytes(bytes: u64) -> u64 {
    bytes.saturating_mul(2).div_ceil(7)
}

pub(crate) fn of_text(text: &str) -> u64 {
    of_bytes(text.len() as u64)
}

/// The longest beginning of a text that costs no more than so many tokens.
pub(crate) fn fitting(text: &str, tokens: u64) -> &str {
    let bytes = usize::try_from(tokens.saturating_mul(7) / 2).unwrap_or(usize::MAX);
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A prompt of so many bytes of text, and so many images and documents.
pub(crate) fn of_prompt(bytes: u64, media: u64) -> u64 {
    OVERHEAD + of_bytes(bytes) + media * MEDIA_TOKENS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_costs_no_more() {
        let text = "aé漢🦀".repeat(9);
        for tokens in 0..40 {
            let fitted = fitting(&text, tokens);
            assert!(of_text(fitted) <= tokens);
            assert!(fitted.len() + 4 > text.len().min(usize::try_from(tokens * 7 / 2).unwrap()));
        }
        assert_eq!(fitting(&text, u64::MAX), text);
    }
}
