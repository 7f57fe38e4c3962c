//! What can be wrong with a key's place: said at the start, and by each request.

use claude_secrets::source::SourceErrorKind::{self, Denied, Empty, Malformed, MissingField, NotFound};
use claude_secrets::source::{SecretSource, StaticSource};
use claude_secrets::{KeyState, SecretsError, SecretsErrorKind};
use claude_wire::call::{Refusal, RefusalKind};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::emulator::Emulator;
use crate::log;
use crate::stack::Stack;
use crate::store::{NAME, OfAws, OfVault, ROLE, Store, key};

/// The ring does not start, and a request is refused before anything is sent; both name the key and its source.
async fn is_no_key(source: impl SecretSource + Clone, expected: SourceErrorKind) {
    let stack = Stack::over(source.clone(), |ring| ring);
    let id = source.id();
    let error = stack.ring.start().await.unwrap_err();
    let named = format!("key `claude`: {id}: ");
    assert!(error.to_string().starts_with(&format!("no key to start with: {named}")), "{error}");
    let failed: Vec<_> = error.failed.iter().map(|(name, why)| (&**name, why.kind(), why.id())).collect();
    assert_eq!(failed, [("claude", expected, id)], "{error}");
    log::assert_silent(&format!("{error} {error:?} {error:#?}"));

    let error = stack.ask().await.unwrap_err();
    let found = SecretsError::find(&*error).unwrap();
    let SecretsErrorKind::NoKey(why) = found.kind() else { panic!("{found:?}") };
    assert_eq!((why.kind(), why.id()), (expected, id));
    assert!(found.to_string().contains(id) && found.to_string().contains("claude"), "{found}");
    let refusal = Refusal::find(&*error).unwrap();
    assert_eq!((refusal.kind(), refusal.code()), (RefusalKind::CredentialUnavailable, "NO_KEY"));
    assert!(!refusal.to_string().contains(id), "that is for the operator: {refusal}");
    log::assert_silent(&format!("{error} {error:?} {error:#?} {refusal} {refusal:?}"));

    assert_eq!((stack.status().state, stack.simulator.arrived()), (KeyState::Missing, 0));
    assert_eq!(stack.status().error.map(|error| error.kind()), Some(expected));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn what_openbao_does_not_give_is_no_key() {
    let store = OfVault::start().await;
    let bao = store.bao();
    bao.put("claude/garbage", json!({ "key": "{\n\"inner\": sk-ant-garbage-canary" })).await;
    bao.put("claude/number", json!({ "key": { "canary": 7 } })).await;
    bao.put("claude/empty", json!({ "key": "" })).await;
    bao.put("other", json!({ "key": key(0) })).await;
    let vault = OfVault::vault(bao.address);
    let kv = |path: &str| vault.kv2("secret", path).with_field("key");
    is_no_key(kv("claude/none"), NotFound).await;
    is_no_key(kv("other"), Denied).await;
    is_no_key(vault.kv2("secret", NAME).with_field("none"), MissingField).await;
    is_no_key(vault.kv2("secret", NAME), MissingField).await;
    is_no_key(vault.kv2("secret", "claude/garbage").with_field("key.inner"), MissingField).await;
    is_no_key(kv("claude/garbage"), Malformed).await;
    is_no_key(kv("claude/number"), Malformed).await;
    is_no_key(kv("claude/empty"), Empty).await;

    for (role, id) in [(ROLE, "wrong-id-canary"), ("wrong-role", "secret-id-canary")] {
        let vault = bao.bare().with_app_role(role, StaticSource::new(id));
        is_no_key(vault.kv2("secret", NAME).with_field("key"), Denied).await;
    }
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn what_ministack_does_not_give_is_no_key() {
    let store = OfAws::start().await;
    let ministack = store.ministack();
    ministack.create("garbage", "{\"key\": sk-ant-garbage-canary").await;
    ministack.create("empty", "{\"key\":\"\"}").await;
    ministack.create("deleted", "{\"key\":\"sk-ant-deleted-canary\"}").await;
    ministack.delete("deleted").await;
    let aws = OfAws::aws(ministack.address);
    let secret = |name: &str| aws.secret(name).with_field("key");
    is_no_key(secret("claude/none"), NotFound).await;
    is_no_key(secret("deleted"), NotFound).await;
    is_no_key(secret(NAME).with_stage("AWSPENDING"), NotFound).await;
    is_no_key(aws.secret(NAME).with_field("none"), MissingField).await;
    is_no_key(secret("garbage"), Malformed).await;
    is_no_key(secret("empty"), Empty).await;
}

/// moto can be told to look at who asks, and knows nobody.
#[tokio::test]
#[ignore = "needs moto: run by cargo xtask test"]
async fn what_moto_denies_is_no_key() {
    log::begin();
    let moto = Emulator::moto().await;
    moto.create(NAME, &json!({ "key": key(0) }).to_string()).await;
    let source = OfAws::aws(moto.address).secret(NAME).with_field("key");
    Stack::over(source.clone(), |ring| ring).all_well(3).await;
    let mut stream = TcpStream::connect(moto.address).await.unwrap();
    let request = "POST /moto-api/reset-auth HTTP/1.0\r\nhost: moto\r\ncontent-length: 1\r\n\r\n0";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
    is_no_key(source, Denied).await;
}
