//! What a secret may hold.

use claude_secrets::source::{SecretSource, SourceErrorKind};

use crate::emulator::Emulator;
use crate::{aws, failure, fetch, key};

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_text_is_the_key_by_name_and_by_arn() {
    let ministack = Emulator::ministack().await;
    let (arn, version) = ministack.create("prod/plain", "sk-ant-plain-canary").await;
    let aws = aws(ministack.address);

    let source = aws.secret("prod/plain");
    assert_eq!(source.id(), "aws:prod/plain");
    let fetched = fetch(&source).await.unwrap();
    assert_eq!(fetched.version, Some(version));
    assert!(fetched.created.is_some());
    assert!(fetched.previous.is_none(), "there is none yet");
    assert_eq!(key(&source).await, "sk-ant-plain-canary");

    assert_eq!(key(&aws.secret(arn.clone())).await, "sk-ant-plain-canary");
    assert_eq!(aws.secret(arn.clone()).id(), format!("aws:{arn}"));
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_field_of_json_is_the_key() {
    let ministack = Emulator::ministack().await;
    let json = r#"{"api_key":"sk-ant-a-canary","team":{"key":"sk-ant-b-canary"},"port":1,"none":null}"#;
    ministack.create("prod/json", json).await;
    let secret = aws(ministack.address).secret("prod/json");

    let source = secret.clone().with_field("api_key");
    assert_eq!(source.id(), "aws:prod/json#api_key");
    assert_eq!(key(&source).await, "sk-ant-a-canary");
    assert_eq!(key(&secret.clone().with_field("team.key")).await, "sk-ant-b-canary");

    let (kind, detail) = failure(&secret.clone().with_field("apikey")).await;
    assert_eq!((kind, &*detail), (SourceErrorKind::MissingField, "has no field `apikey`"));
    assert_eq!(failure(&secret.clone().with_field("none")).await.0, SourceErrorKind::MissingField);
    assert_eq!(failure(&secret.clone().with_field("port")).await.0, SourceErrorKind::Malformed);
    let (kind, detail) = failure(&secret).await;
    assert_eq!((kind, &*detail), (SourceErrorKind::Malformed, "is JSON: name the field"));
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn broken_json_is_not_quoted() {
    let ministack = Emulator::ministack().await;
    let aws = aws(ministack.address);
    for (name, text) in [
        ("cut", r#"{"api_key":"sk-ant-cut-canary"#),
        ("bare", "sk-ant-bare-canary"),
        ("list", r#"["sk-ant-list-canary"]"#),
    ] {
        ministack.create(name, text).await;
        let (kind, detail) = failure(&aws.secret(name).with_field("api_key")).await;
        let expected =
            if name == "list" { SourceErrorKind::MissingField } else { SourceErrorKind::Malformed };
        assert_eq!(kind, expected, "{name}: {detail}");
    }
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn bytes_are_taken_as_text() {
    let ministack = Emulator::ministack().await;
    let aws = aws(ministack.address);
    ministack.create_binary("plain", b"sk-ant-bytes-canary").await;
    ministack.create_binary("json", br#"{"key":"sk-ant-field-canary"}"#).await;
    ministack.create_binary("other", b"\xff\xfe-canary").await;

    assert_eq!(key(&aws.secret("plain")).await, "sk-ant-bytes-canary");
    assert_eq!(key(&aws.secret("json").with_field("key")).await, "sk-ant-field-canary");
    let (kind, detail) = failure(&aws.secret("other")).await;
    assert_eq!((kind, &*detail), (SourceErrorKind::Malformed, "its binary value is not UTF-8"));
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_secret_without_a_value_is_empty() {
    let ministack = Emulator::ministack().await;
    ministack.admin.create_secret().name("empty").send().await.unwrap();
    assert_eq!(failure(&aws(ministack.address).secret("empty")).await.0, SourceErrorKind::Empty);
}
