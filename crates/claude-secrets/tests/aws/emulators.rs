//! moto, whose errors have other statuses and other words.

use claude_secrets::source::SourceErrorKind;

use crate::emulator::Emulator;
use crate::{aws, failure, key};

#[tokio::test]
#[ignore = "needs moto: run by cargo xtask test"]
async fn moto_is_read_as_well() {
    let moto = Emulator::moto().await;
    let (arn, _) = moto.create("prod/claude", r#"{"key":"sk-ant-moto-canary"}"#).await;
    moto.create_binary("bytes", b"sk-ant-bytes-canary").await;
    let aws = aws(moto.address);
    assert_eq!(key(&aws.secret("prod/claude").with_field("key")).await, "sk-ant-moto-canary");
    assert_eq!(key(&aws.secret(arn).with_field("key")).await, "sk-ant-moto-canary");
    assert_eq!(key(&aws.secret("bytes")).await, "sk-ant-bytes-canary");
}

#[tokio::test]
#[ignore = "needs moto: run by cargo xtask test"]
async fn the_code_of_an_error_counts_and_not_its_status() {
    let moto = Emulator::moto().await;
    let (_, one) = moto.create("prod/claude", "sk-ant-one-canary").await;
    moto.put("prod/claude", "sk-ant-two-canary", None).await;
    moto.admin.create_secret().name("no-value").send().await.unwrap();
    moto.create("deleted", "sk-ant-deleted-canary").await;
    moto.delete("deleted").await;
    let aws = aws(moto.address);
    for (source, kind, words) in [
        (aws.secret("prod/other"), SourceErrorKind::NotFound, "(ResourceNotFoundException, status 404"),
        (aws.secret("prod/claude").with_stage("AWSPENDING"), SourceErrorKind::NotFound, "status 404"),
        (
            aws.secret("prod/claude").with_version_id("00000000-0000-0000-0000-000000000000"),
            SourceErrorKind::NotFound,
            "no such version",
        ),
        (
            aws.secret("prod/claude").with_version_id(one).with_stage("AWSCURRENT"),
            SourceErrorKind::Misconfigured,
            "(InvalidRequestException, status 404",
        ),
        (aws.secret("no-value"), SourceErrorKind::NotFound, "no such version"),
        (aws.secret("deleted"), SourceErrorKind::NotFound, "the secret is marked for deletion"),
    ] {
        let (found, detail) = failure(&source).await;
        assert_eq!(found, kind, "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
}
