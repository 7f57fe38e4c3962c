//! The token with which the key is read: it ends, is revoked, and the server is sealed.

use std::path::Path;
use std::time::Duration;

use claude_secrets::source::{SourceErrorKind, StaticSource};
use claude_secrets::{KeyRingBuilder, KeyState};
use serde_json::{Value, json};

use crate::bao::Bao;
use crate::log;
use crate::proxy::Proxy;
use crate::stack::Stack;
use crate::store::{NAME, OfVault, ROLE, key};

const SOON: Duration = Duration::from_millis(50);

/// The key is fetched again all the time.
fn busy(ring: KeyRingBuilder) -> KeyRingBuilder {
    ring.with_ttl(2 * SOON).with_failure_backoff(SOON, SOON)
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_is_renewed_and_replaced_and_no_request_fails() {
    log::begin();
    let bao = Bao::start().await;
    OfVault::fill(&bao, &key(0), json!({ "token_ttl": "2s", "token_max_ttl": "3s" })).await;
    let proxy = Proxy::to(bao.address).await;
    let vault = proxy.vault().with_app_role(ROLE, StaticSource::new("secret-id-canary"));
    let stack = Stack::over(vault.kv2("secret", NAME).with_field("key"), busy);
    let (mut renewals, mut logins) = (0, 0);
    stack
        .all_well_until(|| {
            let asked = proxy.asked();
            let count = |text: &str| asked.iter().filter(|asked| *asked == text).count();
            renewals += count("POST auth/token/renew-self");
            logins += count("POST auth/approle/login");
            renewals >= 2 && logins >= 3
        })
        .await;
    assert_eq!((stack.fetches.failed(), stack.status().error), (0, None));

    // One that is taken away is noticed, and costs no fetch; but that it was made for has to be over.
    let ended = stack.fetches.ended();
    stack.all_well_until(|| stack.fetches.ended() > ended + 1).await;
    bao.revoke_all().await;
    let begun = stack.fetches.begun();
    stack.all_well_until(|| stack.fetches.ended() > begun + 2).await;
    assert_eq!(stack.fetches.failed(), 0);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_sealed_server_is_waited_for_with_the_last_key() {
    log::begin();
    let printed = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bao-{}.log", std::process::id()));
    let (bao, unseal_key) = Bao::start_with_unseal_key(&printed).await;
    drop(std::fs::remove_file(&printed));
    OfVault::fill(&bao, &key(0), json!({})).await;
    let source = OfVault::vault(bao.address).kv2("secret", NAME).with_field("key");
    let stack = Stack::over(source, busy);
    stack.all_well(3).await;
    bao.ask("PUT", "sys/seal", Value::Null).await;
    stack.all_well_until(|| stack.status().is_stale).await;
    let error = stack.status().error.unwrap();
    assert_eq!((error.kind(), error.detail()), (SourceErrorKind::Unavailable, "is sealed (503)"));

    bao.ask("PUT", "sys/unseal", json!({ "key": unseal_key })).await;
    bao.wait_for_engine("secret").await;
    bao.put(NAME, json!({ "key": key(1) })).await;
    stack.allow(1);
    stack.all_well_until(|| stack.carried(1) >= 30).await;
    let status = stack.status();
    assert_eq!((status.state, status.version.as_deref()), (KeyState::Live, Some("2")));
    assert!(status.error.is_none() && !status.is_stale);
    assert_eq!(stack.refused(), 0);
}
