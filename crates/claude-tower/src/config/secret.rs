//! Which values an error may repeat.

use super::literal;

/// A key with one of these words in it holds something that is, or may carry, a secret.
const WORDS: [&str; 9] =
    ["key", "keys", "token", "password", "passwd", "secret", "credential", "credentials", "proxy"];

/// What gives a value away whatever its key: a URL, user information, a query, an API key.
const MARKS: [&str; 5] = ["://", "@", "?", "=", "sk-"];

/// A longer value is not needed to find a mistake, and what is long and wrong may have been pasted by accident.
const LONGEST: usize = 32;

/// Whether a message about `key` (dotted) may show the text `value`.
pub(super) fn may_show(key: &str, value: &str) -> bool {
    value.len() <= LONGEST
        && !key.to_ascii_lowercase().split(['.', '_', '-', '[']).any(|word| WORDS.contains(&word))
        && !MARKS.iter().any(|mark| value.to_ascii_lowercase().contains(mark))
}

/// A name from outside (a key, a variable) as it may stand in one line of a message.
pub(super) fn printable(name: &str) -> String {
    const CAP: usize = 80;
    if name.contains("sk-ant-") || literal::is_in(name) {
        return "(not shown: it looks like a key)".to_owned();
    }
    let mut text = String::new();
    for c in name.chars().take(CAP) {
        match c {
            '"' | '\'' => text.push(c),
            _ => text.extend(c.escape_debug()),
        }
    }
    if name.chars().nth(CAP).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_helps_and_hides_what_may_be_secret() {
        assert!(may_show("client.connect_timeout", "5 seconds"));
        assert!(may_show("client.http_version", "http3"));
        for (key, value) in [
            ("client.proxy", "htp"),
            ("secrets.api_key", "short"),
            ("secrets.token", "short"),
            ("gateway.upstream", "https://user:pass@host"),
            ("gateway.upstream", "host/?code=1"),
            ("gateway.listen", "sk-ant-api03-xyz"),
            ("gateway.listen", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ] {
            assert!(!may_show(key, value), "{key}: {value}");
        }
    }

    #[test]
    fn names_stay_on_their_line() {
        assert_eq!(printable("a\nb\u{1b}[0m"), "a\\nb\\u{1b}[0m");
        assert_eq!(printable("\"it's\""), "\"it's\"");
        assert_eq!(printable(&"é".repeat(100)).chars().count(), 81);
        assert!(!printable("sk-ant-api03-abc").contains("abc"));
        assert!(!printable(&format!("ctk_{}", "abc0".repeat(16))).contains("abc"));
    }
}
