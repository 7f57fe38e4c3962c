//! What of a text is the key.

use secrecy::{ExposeSecret, SecretString};

use super::{SourceError, SourceErrorKind};

/// The longest key, in bytes. Keys of the API have 108 (2026-11) and tokens a few hundred; most servers take no more than
/// this for all headers together.
const MAX_LENGTH: usize = 8 * 1024;

/// Whether nothing is left of this without what is around a key.
pub(crate) fn is_blank(text: &str) -> bool {
    trim(text).is_empty()
}

/// The key in what a source gave, as it goes into a header: without white space and byte order marks around it, which editors and
/// `echo` leave there.
pub(crate) fn clean(id: &str, secret: SecretString) -> Result<SecretString, SourceError> {
    let malformed = |detail| Err(SourceError::new(id, SourceErrorKind::Malformed, detail));
    let text = secret.expose_secret();
    let key = trim(text);
    if key.is_empty() {
        return Err(SourceError::new(id, SourceErrorKind::Empty, "is empty"));
    }
    // Before what else is wrong with JSON, so that it is said what to do.
    if let Some(detail) = wrapped(key) {
        return malformed(detail);
    }
    if key.len() > MAX_LENGTH {
        return malformed("is longer than 8 KiB, which no key is");
    }
    if key.contains(char::is_whitespace) {
        return malformed("holds white space or a line break between other characters, which no key does");
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return malformed("holds characters that are not visible ASCII, which no key does");
    }
    if key.len() == text.len() {
        return Ok(secret);
    }
    Ok(SecretString::from(key))
}

/// What the key is still in, by how it begins. No key begins like that.
fn wrapped(key: &str) -> Option<&'static str> {
    match key.as_bytes().first()? {
        b'{' => Some("is JSON: name the field that holds the key"),
        b'[' => Some("is a list of JSON, and a key is a text"),
        b'"' | b'\'' | b'`' => Some("has quotes around it, which are no part of a key"),
        _ => None,
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::{ExposeSecret, SecretString};

    use super::{MAX_LENGTH, clean, is_blank};
    use crate::source::{SourceError, SourceErrorKind};

    const KEY: &str = "sk-ant-api03-canary";

    fn cleaned(text: &str) -> Result<String, SourceErrorKind> {
        clean("test:key", SecretString::from(text))
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.kind())
    }

    #[test]
    fn what_editors_leave_around_a_key_is_no_part_of_it() {
        for around in
            ["{}", "{}\n", "{}\r\n", "  {}", "\t{}\t", "\u{feff}{}", "\u{feff} {}\n\n", "\n{}\u{a0}"]
        {
            assert_eq!(cleaned(&around.replace("{}", KEY)).as_deref(), Ok(KEY), "{around:?}");
        }
    }

    #[test]
    fn a_clean_key_is_handed_on_without_a_copy() {
        let secret = SecretString::from(KEY);
        let place = secret.expose_secret().as_ptr();
        assert_eq!(clean("test:key", secret).unwrap().expose_secret().as_ptr(), place);
    }

    #[test]
    fn nothing_but_white_space_is_empty() {
        for text in ["", " ", "\n", "\r\n", "\u{feff}", " \u{feff}\n\t"] {
            assert_eq!(cleaned(text), Err(SourceErrorKind::Empty), "{text:?}");
            assert!(is_blank(text));
        }
        assert!(!is_blank(" x"));
    }

    #[test]
    fn what_cannot_be_a_header_is_malformed() {
        for between in
            ["\n", "\r\n", " ", "\t", "\0", "\u{7f}", "\u{1b}", "ä", "\u{feff}", "\u{200b}", "\u{2028}"]
        {
            let text = format!("sk-ant-{between}canary");
            assert_eq!(cleaned(&text), Err(SourceErrorKind::Malformed), "{between:?}");
        }
        // A zero at an end is no white space.
        assert_eq!(cleaned("sk-ant-canary\0"), Err(SourceErrorKind::Malformed));
    }

    #[test]
    fn a_key_has_at_most_8_kib() {
        let longest = "x".repeat(MAX_LENGTH);
        assert_eq!(cleaned(&format!("{longest}\n")).as_deref(), Ok(&*longest));
        assert_eq!(cleaned(&format!("{longest}x")), Err(SourceErrorKind::Malformed));
    }

    #[test]
    fn json_and_what_is_quoted_is_no_key_and_it_is_said_what_to_do() {
        let whole = "\u{feff}\n{\"key\":\"sk-ant-canary\"}\n";
        for (text, detail) in [
            (r#"{"key":"sk-ant-canary"}"#, "is JSON: name the field that holds the key"),
            (whole, "is JSON: name the field that holds the key"),
            ("{\n  \"key\": \"sk-ant-canary\"\n}", "is JSON: name the field that holds the key"),
            (r#"["sk-ant-canary"]"#, "is a list of JSON, and a key is a text"),
            (r#""sk-ant-canary""#, "has quotes around it, which are no part of a key"),
            ("'sk-ant-canary'\n", "has quotes around it, which are no part of a key"),
            ("`sk-ant-canary`", "has quotes around it, which are no part of a key"),
        ] {
            let error = clean("test:key", SecretString::from(text)).unwrap_err();
            assert_eq!((error.kind(), error.detail()), (SourceErrorKind::Malformed, detail), "{text}");
        }
        // Within a key they may stand, for all we know.
        assert_eq!(cleaned("sk-ant-\"{[canary").as_deref(), Ok("sk-ant-\"{[canary"));
    }

    fn shows(error: &SourceError, canary: &str) -> bool {
        format!("{error} {error:?} {error:#} {error:#?}").contains(canary)
    }

    proptest! {
        #[test]
        fn what_comes_out_goes_into_a_header_and_is_the_same_again(text in any::<String>()) {
            if let Ok(key) = cleaned(&text) {
                prop_assert!(!key.is_empty() && key.bytes().all(|byte| (33..=126).contains(&byte)));
                prop_assert!(text.contains(&key));
                prop_assert!(http::HeaderValue::from_str(&key).is_ok());
                prop_assert_eq!(cleaned(&key), Ok(key));
            }
        }

        #[test]
        fn a_key_with_anything_blank_around_it_is_that_key(
            before in "[ \t\r\n\u{feff}]{0,5}", key in r#"[!#-&(-Z\\-_a-z|-~][!-~]{0,199}"#, after in "[ \t\r\n\u{feff}]{0,5}",
        ) {
            prop_assert_eq!(cleaned(&format!("{before}{key}{after}")), Ok(key));
        }

        #[test]
        fn errors_show_nothing_of_it(before in any::<String>(), after in any::<String>()) {
            let text = SecretString::from(format!("{before}sk-ant-\0canary{after}"));
            let error = clean("test:key", text).unwrap_err();
            prop_assert!(!shows(&error, "canary") && !shows(&error, "sk-ant"));
        }
    }
}
