//! Tokens, estimated from bytes.

use serde_json::Value;

use super::fields::Object;

/// What an image or a document costs, whatever its size.
const MEDIA_TOKENS: u64 = 1_600;

/// What every request costs besides its texts.
const OVERHEAD: u64 = 8;

/// The estimate for a text of so many bytes: two tokens for every seven, rounded up.
pub(super) fn of_bytes(bytes: u64) -> u64 {
    bytes.saturating_mul(2).div_ceil(7)
}

pub(super) fn of_text(text: &str) -> u64 {
    of_bytes(text.len() as u64)
}

/// The longest beginning of a text that costs no more than so many tokens.
pub(super) fn fitting(text: &str, tokens: u64) -> &str {
    let bytes = usize::try_from(tokens.saturating_mul(7) / 2).unwrap_or(usize::MAX);
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The input of a request: what its messages, system prompt and tools say.
pub(super) fn of_input(body: &Object) -> u64 {
    let parts = ["system", "tools", "messages"].into_iter().filter_map(|name| body.get(name));
    let (bytes, media) = parts.map(size).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    OVERHEAD + of_bytes(bytes) + media * MEDIA_TOKENS
}

/// Bytes of text, and how many images and documents.
fn size(value: &Value) -> (u64, u64) {
    let sum = |sizes: &mut dyn Iterator<Item = (u64, u64)>| {
        sizes.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    };
    match value {
        Value::String(text) => (text.len() as u64, 0),
        Value::Array(items) => sum(&mut items.iter().map(size)),
        Value::Object(fields) if fields.get("type").is_some_and(|kind| kind == "base64") => (0, 1),
        Value::Object(fields) => sum(&mut fields.iter().map(|(name, field)| {
            let (bytes, media) = size(field);
            (bytes + name.len() as u64, media)
        })),
        Value::Null | Value::Bool(_) | Value::Number(_) => (1, 0),
    }
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
