//! Versions, the labels that move between them, and the key before.

use std::time::Duration;

use claude_secrets::source::{SecretSource, SourceErrorKind};

use crate::emulator::Emulator;
use crate::{aws, failure, fetch, key, keys};

const NAME: &str = "prod/claude";

fn pair(key: &str, previous: Option<&str>) -> (String, Option<String>) {
    (key.to_owned(), previous.map(ToOwned::to_owned))
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_pending_version_is_not_the_key_until_the_stage_moves() {
    let ministack = Emulator::ministack().await;
    let (_, one) = ministack.create(NAME, r#"{"key":"sk-ant-one-canary"}"#).await;
    let source = aws(ministack.address).secret(NAME).with_field("key");
    assert_eq!(keys(&source).await, pair("sk-ant-one-canary", None));

    let two = ministack.put(NAME, r#"{"key":"sk-ant-two-canary"}"#, Some("AWSPENDING")).await;
    assert_eq!(keys(&source).await, pair("sk-ant-one-canary", None));
    let pending = source.clone().with_stage("AWSPENDING");
    assert_eq!(pending.id(), "aws:prod/claude@AWSPENDING#key");
    assert_eq!(keys(&pending).await, pair("sk-ant-two-canary", None));

    ministack.promote(NAME, &one, &two).await;
    assert_eq!(keys(&source).await, pair("sk-ant-two-canary", Some("sk-ant-one-canary")));
    assert_eq!(fetch(&source).await.unwrap().version, Some(two));
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn each_rotation_gives_the_new_key_and_the_one_before() {
    let ministack = Emulator::ministack().await;
    ministack.create(NAME, "sk-ant-0-canary").await;
    let source = aws(ministack.address).secret(NAME);
    for round in 1..4 {
        ministack.put(NAME, &format!("sk-ant-{round}-canary"), None).await;
        let before = format!("sk-ant-{}-canary", round - 1);
        assert_eq!(keys(&source).await, pair(&format!("sk-ant-{round}-canary"), Some(&before)));
    }
    assert_eq!(keys(&source.with_overlap(Duration::ZERO)).await, pair("sk-ant-3-canary", None));
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_key_before_that_cannot_be_read_is_no_error() {
    let ministack = Emulator::ministack().await;
    ministack.create(NAME, "no JSON: canary").await;
    ministack.put(NAME, r#"{"key":"sk-ant-new-canary"}"#, None).await;
    let source = aws(ministack.address).secret(NAME).with_field("key");
    assert_eq!(keys(&source).await, pair("sk-ant-new-canary", None));
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_version_that_is_asked_for_stays() {
    let ministack = Emulator::ministack().await;
    let (_, one) = ministack.create(NAME, "sk-ant-one-canary").await;
    let two = ministack.put(NAME, "sk-ant-two-canary", None).await;
    let secret = aws(ministack.address).secret(NAME);

    let source = secret.clone().with_version_id(one.clone());
    assert_eq!(source.id(), format!("aws:prod/claude@{one}"));
    assert_eq!(keys(&source).await, pair("sk-ant-one-canary", None));
    assert_eq!(key(&secret.clone().with_version_id(two.clone())).await, "sk-ant-two-canary");
    assert_eq!(key(&secret.clone().with_stage("AWSPREVIOUS")).await, "sk-ant-one-canary");
    let both = secret.with_version_id(two).with_stage("AWSCURRENT");
    assert_eq!(keys(&both).await, pair("sk-ant-two-canary", None));
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn what_is_not_there_is_not_found() {
    let ministack = Emulator::ministack().await;
    ministack.create(NAME, "sk-ant-one-canary").await;
    let aws = aws(ministack.address);
    for source in [
        aws.secret("prod/other"),
        aws.secret(NAME).with_stage("AWSPENDING"),
        aws.secret(NAME).with_version_id("00000000-0000-0000-0000-000000000000"),
    ] {
        let (kind, detail) = failure(&source).await;
        assert_eq!(kind, SourceErrorKind::NotFound);
        assert!(detail.contains("ResourceNotFoundException, status 400, request "), "{detail}");
    }
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_deleted_secret_is_not_found_and_says_so() {
    let ministack = Emulator::ministack().await;
    ministack.create(NAME, "sk-ant-one-canary").await;
    let source = aws(ministack.address).secret(NAME);
    assert_eq!(key(&source).await, "sk-ant-one-canary");
    ministack.delete(NAME).await;
    let (kind, detail) = failure(&source).await;
    assert_eq!(kind, SourceErrorKind::NotFound);
    assert!(detail.starts_with("the secret is marked for deletion (InvalidRequestException"), "{detail}");
}
