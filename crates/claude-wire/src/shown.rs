//! Words from outside that may be shown: only what has the form of a name.
//!
//! The API's names of models, kinds, codes and ids go to logs, labels and reports. Whoever answers in its place may send
//! a prompt, a key or a page of HTML where such a name belongs, and that goes nowhere.
//!
//! ```
//! use claude_wire::shown::name;
//!
//! assert_eq!(name("claude-opus-5-5"), Some("claude-opus-5-5"));
//! assert_eq!(name("rate_limit_error"), Some("rate_limit_error"));
//! assert_eq!(name("what my neighbour told me"), None);
//! assert_eq!(name("sk-ant-api03-x"), None);
//! ```
//!
//! It goes by the form alone: a single word of a prompt has the form of a name.

/// Longer than any name the API has.
const MAX_NAME: usize = 128;

/// How the API's keys begin. They are made of the letters of names.
const KEY: &str = "sk-ant-";

/// A name as it may stand in logs and labels: 1 to 128 ASCII letters, digits and `_ - . : / @`. Anything else is no name,
/// and might be a prompt; what holds one of the API's keys (`sk-ant-`) is none either.
#[must_use]
pub fn name(text: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/@".contains(&byte);
    (!text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(fits) && !text.contains(KEY))
        .then_some(text)
}

/// A word for `Debug`, which says that there was one whatever it was.
pub(crate) fn debug(text: &str) -> &str {
    name(text).unwrap_or("(not shown)")
}

#[cfg(test)]
mod tests {
    use super::{debug, name};

    #[test]
    fn only_names_are_shown() {
        for good in ["claude-opus-5-5", "us.anthropic.claude-v1:0", "rate_limit_error", "req_011C"] {
            assert_eq!(name(good), Some(good));
            assert_eq!(debug(good), good);
        }
        for bad in [
            "",
            "two words",
            "naïve",
            "a\nb",
            "{\"a\":1}",
            "sk-ant-api03-x",
            "a/sk-ant-oat01-x",
            &"x".repeat(129),
        ] {
            assert_eq!(name(bad), None, "{bad}");
            assert_eq!(debug(bad), "(not shown)");
        }
        assert_eq!(name(&"x".repeat(128)).map(str::len), Some(128));
    }
}
