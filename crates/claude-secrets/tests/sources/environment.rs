//! Variables, which a process cannot change under its own threads: the test runs again as its own child.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use claude_secrets::source::{EnvironmentSource, SecretSource, SourceErrorKind};

use crate::support::{KEY, again, assert_no_canary, assert_passed, is_child, key, refused};

fn no_utf_8() -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(b"sk-ant-\xff-canary".to_vec());
    #[cfg(windows)]
    return std::os::windows::ffi::OsStringExt::from_wide(&[0xd800, 0x41]);
}

#[tokio::test]
async fn a_variable_holds_a_key() {
    if !is_child() {
        let mut command =
            again(Command::new(env::current_exe().unwrap()), "environment::a_variable_holds_a_key");
        command
            .env("T_PLAIN", KEY)
            .env("T_JSON", format!(r#"{{"claude": {{"key": "{KEY}"}}, "canary": 1}}"#))
            .env("T_CUT", format!(r#"{{"key": "{KEY}"#))
            .env("T_EMPTY", "")
            .env("T_BLANK", " \r\n")
            .env("T_NO_UTF_8", no_utf_8())
            .env_remove("T_NONE");
        return assert_passed(command);
    }
    assert_eq!(key(&EnvironmentSource::new("T_PLAIN")).await, KEY);
    assert_eq!(key(&EnvironmentSource::new("T_JSON").with_field("claude.key")).await, KEY);

    let none = EnvironmentSource::new("T_NONE");
    assert_eq!(none.fetch().await.unwrap_err().to_string(), "env:T_NONE: the variable is not set");
    assert_eq!(refused(&none).await, SourceErrorKind::NotFound);

    // Some systems have no empty variables.
    let empty = if cfg!(windows) { SourceErrorKind::NotFound } else { SourceErrorKind::Empty };
    assert_eq!(refused(&EnvironmentSource::new("T_EMPTY")).await, empty);
    assert_eq!(refused(&EnvironmentSource::new("T_BLANK")).await, SourceErrorKind::Empty);
    assert_eq!(refused(&EnvironmentSource::new("T_BLANK").with_field("key")).await, SourceErrorKind::Empty);

    assert_eq!(refused(&EnvironmentSource::new("T_NO_UTF_8")).await, SourceErrorKind::Malformed);
    assert_eq!(
        refused(&EnvironmentSource::new("T_PLAIN").with_field("key")).await,
        SourceErrorKind::Malformed
    );
    assert_eq!(refused(&EnvironmentSource::new("T_CUT").with_field("key")).await, SourceErrorKind::Malformed);
    assert_eq!(
        refused(&EnvironmentSource::new("T_JSON").with_field("key")).await,
        SourceErrorKind::MissingField
    );
}

#[tokio::test]
async fn a_name_that_no_variable_can_have_is_misconfigured() {
    for name in ["", "A=B", "=", "A\0B"] {
        assert_eq!(refused(&EnvironmentSource::new(name)).await, SourceErrorKind::Misconfigured, "{name:?}");
    }
}

#[tokio::test]
async fn a_key_in_place_of_a_name_is_not_shown() {
    let source = EnvironmentSource::new(KEY).with_field(KEY);
    assert_eq!(refused(&source).await, SourceErrorKind::NotFound);
    assert_no_canary(&format!("{source:?} {source:#?}"));
    // A line of a file of settings.
    let source = EnvironmentSource::new(format!("ANTHROPIC_API_KEY={KEY}"));
    assert_eq!(refused(&source).await, SourceErrorKind::Misconfigured);
    assert_no_canary(&format!("{source:?} {source:#?}"));
}
