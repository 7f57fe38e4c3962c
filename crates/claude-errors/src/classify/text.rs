//! Words from outside that may be shown: only what has the form of a name.

/// Longer than any name the API has.
const MAX_NAME: usize = 128;

/// How the API's keys begin. They are made of the letters of names.
const KEY: &str = "sk-ant-";

/// A name as it may stand in logs and labels: letters, digits and `_ - . : / @`. Anything else is no name, and might be
/// a prompt; a key is none either.
pub(crate) fn name(text: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/@".contains(&byte);
    (!text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(fits) && !text.contains(KEY))
        .then_some(text)
}

pub(super) fn boxed(text: Option<&str>) -> Option<Box<str>> {
    text.and_then(name).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn only_names_are_shown() {
        for good in ["claude-opus-5-5", "us.anthropic.claude-v1:0", "rate_limit_error", "req_011C"] {
            assert_eq!(name(good), Some(good));
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
        }
    }
}
