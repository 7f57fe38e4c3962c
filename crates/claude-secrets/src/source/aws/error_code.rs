//! The name of an error, out of what a server said.

use claude_wire::shown;
use serde_json::Value;

/// What an error's body and header say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) code: Option<String>,
    pub(super) deleted: bool,
}

/// The code is in the header `x-amzn-errortype` or in the body, with a namespace before it and a URL behind it or without.
pub(super) fn read(header: Option<&str>, body: &[u8]) -> Said {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = header
        .and_then(name)
        .or_else(|| text("__type").and_then(name))
        .or_else(|| text("code").and_then(name));
    let message = text("message").or_else(|| text("Message")).unwrap_or_default().to_ascii_lowercase();
    let deleted = message.contains("deletion") || message.contains("deleted");
    Said { code: code.map(ToOwned::to_owned), deleted }
}

/// What the SDK reads the same code from.
pub(super) fn body(code: Option<&str>) -> String {
    // Its characters are those of names: nothing to escape.
    code.map_or_else(|| "{}".to_owned(), |code| format!(r#"{{"__type":"{code}"}}"#))
}

fn name(text: &str) -> Option<&str> {
    let text = text.rsplit_once('#').map_or(text, |(_, name)| name);
    let text = text.split_once(':').map_or(text, |(name, _)| name);
    shown::name(text)
}

#[cfg(test)]
mod tests {
    use super::{Said, body, read};

    #[test]
    fn a_code_is_found_wherever_services_put_it() {
        let code = Some("AccessDeniedException".to_owned());
        let expected = Said { code, deleted: false };
        for (header, said) in [
            (Some("AccessDeniedException"), ""),
            (Some("AccessDeniedException:http://internal.amazon.com/coral/"), "{}"),
            (Some("com.amazonaws.secretsmanager#AccessDeniedException"), "not JSON"),
            (None, r#"{"__type":"AccessDeniedException","message":"no"}"#),
            (None, r#"{"__type":"com.amazon.coral.service#AccessDeniedException"}"#),
            (None, r#"{"code":"AccessDeniedException"}"#),
        ] {
            assert_eq!(read(header, said.as_bytes()), expected, "{header:?} {said}");
        }
    }

    #[test]
    fn what_is_no_name_is_no_code() {
        for said in [
            "",
            "[]",
            "<html>",
            r#"{"__type":"sk-ant-canary"}"#,
            r#"{"__type":"what is it"}"#,
            r#"{"__type":7}"#,
        ] {
            assert_eq!(read(None, said.as_bytes()), Said::default(), "{said}");
        }
    }

    #[test]
    fn only_the_words_tell_that_a_secret_is_to_be_deleted() {
        let said =
            r#"{"__type":"InvalidRequestException","Message":"… because it was marked for deletion."}"#;
        assert!(read(None, said.as_bytes()).deleted);
        assert!(!read(None, br#"{"message":"no"}"#).deleted);
    }

    #[test]
    fn the_sdk_sees_the_code_alone() {
        assert_eq!(body(Some("ThrottlingException")), r#"{"__type":"ThrottlingException"}"#);
        assert_eq!(body(None), "{}");
    }
}
