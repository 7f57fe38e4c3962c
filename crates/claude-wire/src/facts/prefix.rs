//! What stays the same from one turn of a conversation to the next.

use super::scan::Scan;
use crate::json::Cursor;

/// So much of a part is hashed; of a longer one the length stands for the rest. It is about conversations that are told
/// apart, not about proof.
const HASHED: usize = 4096;

/// A hash of the model, the tools, the system prompt and the first message; `None` if there is no message.
pub(super) fn prefix(bytes: &[u8], scan: &Scan) -> Option<u64> {
    let mut hasher = blake3::Hasher::new();
    let mut begins = false;
    for member in &scan.members {
        let Some(value) = bytes.get(member.key.end + 1..member.range.end) else {
            continue;
        };
        match bytes.get(member.key.clone()) {
            Some(b"tools" | b"system" | b"model") => part(&mut hasher, value),
            Some(b"messages") => {
                part(&mut hasher, first(value)?);
                begins = true;
            }
            _ => {}
        }
    }
    let hash = hasher.finalize();
    let (first, _) = hash.as_bytes().split_first_chunk()?;
    begins.then_some(u64::from_le_bytes(*first))
}

fn part(hasher: &mut blake3::Hasher, text: &[u8]) {
    hasher.update(&text.len().to_le_bytes()).update(&text[..text.len().min(HASHED)]);
}

/// The first element of an array behind a colon.
fn first(value: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(value);
    (cursor.take(b':') && cursor.take(b'[')).then_some(())?;
    cursor.raw().ok()
}

#[cfg(test)]
mod tests {
    use crate::facts::scan::Scan;

    fn prefix(body: &str) -> Option<u64> {
        super::prefix(body.as_bytes(), &Scan::of(body.as_bytes()))
    }

    #[test]
    fn turns_of_one_conversation_have_one_prefix() {
        let first = r#"{"model":"m","max_tokens":5,"system":"s","messages":[{"role":"user","content":"a"}]}"#;
        let second = r#"{"model":"m","max_tokens":9,"system":"s","messages": [ {"role":"user","content":"a"}, {"role":"assistant","content":"b"}]}"#;
        assert!(prefix(first).is_some());
        assert_eq!(prefix(first), prefix(second));
        for other in [
            first.replace("\"a\"", "\"b\""),
            first.replace("\"s\"", "\"t\""),
            first.replace("\"m\"", "\"n\""),
            first.replace("\"system\"", "\"tools\":[1],\"system\""),
            first.replace("\"a\"", &format!("\"{}\"", "a".repeat(10_000))),
        ] {
            assert!(prefix(&other).is_some());
            assert_ne!(prefix(first), prefix(&other), "{other}");
        }
    }

    #[test]
    fn what_has_no_message_has_no_prefix() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"messages":[]}"#,
            r#"{"messages":{}}"#,
            r#"{"messages":"#,
            r#"{"model":"m"}"#,
        ] {
            assert_eq!(prefix(body), None, "{body}");
        }
    }
}
