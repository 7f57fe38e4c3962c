//! Logins: once for all, renewed, made anew.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_secrets::source::SourceErrorKind::{Denied, NotFound, TimedOut};
use claude_secrets::source::{
    Fetched, SecretSource, SourceError, StaticSource, Vault, VaultSource, source_fn,
};
use serde_json::{Value, json};

use crate::bao::Bao;
use crate::proxy::{Link, Proxy};
use crate::{key, why};

const LOGIN: &str = "POST auth/approle/login";
const RENEWAL: &str = "POST auth/token/renew-self";
const LOOKUP: &str = "GET auth/token/lookup-self";
const READ: &str = "GET secret/data/claude/prod";

struct Place {
    bao: Bao,
    proxy: Proxy,
    vault: Vault,
}

impl Place {
    /// A server with a secret, and a role with these attributes.
    async fn with_role(attributes: Value) -> Self {
        let bao = Bao::start().await;
        bao.put("claude/prod", json!({ "k": "sk-ant-prod-canary" })).await;
        let role = bao.app_role(attributes).await;
        let proxy = Proxy::to(bao.address).await;
        let vault = proxy.vault().with_app_role(role, StaticSource::new("secret-id-canary\n"));
        Self { bao, proxy, vault }
    }

    /// A handle that logs in with the secret id of the moment, which is wrong at first.
    async fn with_another_id(&self) -> (Vault, Arc<Mutex<&'static str>>) {
        let role = self.bao.ask("GET", "auth/approle/role/gateway/role-id", Value::Null).await;
        let id = Arc::new(Mutex::new("wrong-canary"));
        let kept = Arc::clone(&id);
        let secret_id = source_fn("test:id", move || {
            let id = *kept.lock().unwrap();
            async move { Ok(Fetched::new(id.into())) }
        });
        (self.proxy.vault().with_app_role(role["data"]["role_id"].as_str().unwrap(), secret_id), id)
    }

    fn source(&self) -> VaultSource {
        self.vault.kv2("secret", "claude/prod")
    }

    /// Fetches, and what was asked for that.
    async fn fetch(&self, source: &VaultSource) -> Vec<String> {
        self.proxy.asked();
        assert_eq!(key(source).await, "sk-ant-prod-canary");
        self.proxy.asked()
    }
}

/// Time passes for the client; for the server it is the same moment.
async fn passes(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn sources_of_one_handle_share_one_login() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    place.bao.put("claude/batch", json!({ "k": "sk-ant-batch-canary" })).await;
    let (one, two) = (place.source(), place.vault.kv2("secret", "claude/batch"));
    let (first, second) = tokio::join!(key(&one), key(&two));
    assert_eq!((&*first, &*second), ("sk-ant-prod-canary", "sk-ant-batch-canary"));
    let asked = place.proxy.asked();
    assert_eq!(asked.iter().filter(|asked| *asked == LOGIN).count(), 1, "{asked:?}");
    assert_eq!(place.fetch(&place.vault.clone().kv2("secret", "claude/prod")).await, [READ]);
    // With another setting it is another handle.
    let other = place.vault.clone().with_timeout(Duration::from_secs(9)).kv2("secret", "claude/prod");
    assert_eq!(place.fetch(&other).await, [LOGIN, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_login_is_renewed_when_two_thirds_of_its_lease_are_over() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    let source = place.source();
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    passes(minutes(39)).await;
    assert_eq!(place.fetch(&source).await, [READ]);
    passes(minutes(2)).await;
    assert_eq!(place.fetch(&source).await, [RENEWAL, READ]);
    // From the renewal on it is counted anew.
    passes(minutes(39)).await;
    assert_eq!(place.fetch(&source).await, [READ]);
    passes(minutes(2)).await;
    assert_eq!(place.fetch(&source).await, [RENEWAL, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_login_is_made_anew_near_the_end_of_its_lease_and_near_the_limit_of_its_life() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    let source = place.source();
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    passes(Duration::from_secs(3600 - 5)).await;
    assert_eq!(place.fetch(&source).await, [LOGIN, READ], "nobody fetched while it could be renewed");
    // From now on this role's tokens live for 20 minutes, and a renewal gives what is left of that.
    place
        .bao
        .ask("POST", "auth/approle/role/gateway", json!({ "token_ttl": "20m", "token_max_ttl": "20m" }))
        .await;
    passes(minutes(41)).await;
    assert_eq!(place.fetch(&source).await, [RENEWAL, LOGIN, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_that_cannot_be_renewed_is_replaced_at_its_end() {
    let place = Place::with_role(json!({ "token_ttl": "1h", "token_type": "batch" })).await;
    let source = place.source();
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    passes(minutes(58)).await;
    assert_eq!(place.fetch(&source).await, [READ]);
    passes(minutes(3)).await;
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_renewal_that_fails_is_no_failure_while_the_token_is_good() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    let source = place.source();
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    // The server is asked for renewals too often, and the role has lost its secret id.
    let few = json!({ "path": "auth/token/renew-self", "rate": 1, "interval": "1h" });
    place.bao.ask("POST", "sys/quotas/rate-limit/renewals", few).await;
    place.bao.try_ask("POST", "auth/token/renew-self", &json!({})).await.unwrap();
    let id = json!({ "secret_id": "secret-id-canary" });
    place.bao.ask("POST", "auth/approle/role/gateway/secret-id/destroy", id).await;
    passes(minutes(41)).await;
    assert_eq!(place.fetch(&source).await, [RENEWAL, READ]);
    assert_eq!(place.fetch(&source).await, [READ], "not asked again at once");
    passes(minutes(20)).await;
    assert_eq!(why(&source).await.0, Denied, "the end of the lease, and no login");
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_that_may_not_renew_itself_is_replaced_if_it_can_be() {
    let place = Place::with_role(json!({ "token_ttl": "1h", "token_no_default_policy": true })).await;
    let source = place.source();
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    passes(minutes(41)).await;
    assert_eq!(place.fetch(&source).await, [RENEWAL, LOGIN, READ]);
    let id = json!({ "secret_id": "secret-id-canary" });
    place.bao.ask("POST", "auth/approle/role/gateway/secret-id/destroy", id).await;
    passes(minutes(41)).await;
    assert_eq!(
        place.fetch(&source).await,
        [RENEWAL, LOGIN, READ],
        "neither worked, and the token is still good"
    );
    assert_eq!(place.fetch(&source).await, [READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_of_a_role_that_is_gone_is_used_to_its_end() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    let source = place.source();
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    place.bao.ask("DELETE", "auth/approle/role/gateway", Value::Null).await;
    passes(minutes(41)).await;
    assert_eq!(place.fetch(&source).await, [RENEWAL, READ]);
    assert_eq!(place.fetch(&source).await, [READ], "not asked again at once");
    passes(minutes(20)).await;
    assert_eq!(why(&source).await, (Denied, "logging in at auth/approle: refused (400)".to_owned()));
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_that_the_server_no_longer_knows_is_replaced_within_the_fetch() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    let source = place.source();
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    place.bao.revoke_all().await;
    assert_eq!(place.fetch(&source).await, [READ, LOOKUP, LOGIN, READ]);
    assert_eq!(place.fetch(&source).await, [READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_token_that_ends_early_is_replaced_too() {
    let place = Place::with_role(json!({ "token_ttl": "1s", "token_max_ttl": "1s" })).await;
    let source = place.source();
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    // Until the server itself has let it go, while the clock of the client stands still but for this.
    while !place.bao.accessors().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_read_that_no_policy_allows_makes_no_logins_until_policies_may_have_changed() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    place.bao.put("other", json!({ "k": "sk-ant-prod-canary" })).await;
    let source = place.vault.kv2("secret", "other");
    for expected in [
        &[LOGIN, "GET secret/data/other"][..],
        &["GET secret/data/other", LOOKUP],
        &["GET secret/data/other", LOOKUP],
    ] {
        place.proxy.asked();
        assert_eq!(why(&source).await, (Denied, "permission denied (403)".to_owned()));
        assert_eq!(place.proxy.asked(), expected);
    }
    // A token has the policies that its role had when it was made.
    place.bao.policy("other", &["secret/data/other"]).await;
    place.bao.ask("POST", "auth/approle/role/gateway", json!({ "token_policies": ["other"] })).await;
    assert_eq!(why(&source).await.0, Denied);
    passes(minutes(11)).await;
    let read = "GET secret/data/other";
    assert_eq!(place.fetch(&source).await, [read, LOOKUP, LOGIN, read]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_login_that_fails_says_why_without_its_secret() {
    let place = Place::with_role(json!({})).await;
    let source = |vault: Vault| vault.kv2("secret", "claude/prod");
    let role = place.bao.ask("GET", "auth/approle/role/gateway/role-id", Value::Null).await;
    let role = role["data"]["role_id"].as_str().unwrap();
    let wrong = place.proxy.vault().with_app_role(role, StaticSource::new("wrong-canary"));
    let refused = (Denied, "logging in at auth/approle: refused (400)".to_owned());
    assert_eq!(why(&source(wrong)).await, refused);
    let nobody = place.proxy.vault().with_app_role("nobody", StaticSource::new("secret-id-canary"));
    assert_eq!(why(&source(nobody)).await, refused);
    let elsewhere = place.vault.clone().with_auth_mount("robots");
    let (kind, words) = why(&source(elsewhere)).await;
    assert!(matches!(kind, Denied | NotFound), "{kind:?}");
    assert!(words.starts_with("logging in at auth/robots: "), "{words}");
    let without = || async { Err(SourceError::new("test:secret-id", NotFound, "is not there")) };
    let without = place.proxy.vault().with_app_role(role, source_fn("test:secret-id", without));
    let words = "the secret_id: test:secret-id: is not there".to_owned();
    assert_eq!(why(&source(without)).await, (NotFound, words));
    let blank = place.proxy.vault().with_app_role(role, StaticSource::new(" \n"));
    assert_eq!(why(&source(blank)).await.1, "the secret_id: static: is empty");
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn the_method_may_be_mounted_elsewhere() {
    let place = Place::with_role(json!({})).await;
    place.bao.ask("POST", "sys/auth/teams/robots", json!({ "type": "approle" })).await;
    place
        .bao
        .ask("POST", "auth/teams/robots/role/r", json!({ "token_policies": ["claude"], "role_id": "r2" }))
        .await;
    let id = json!({ "secret_id": "other-id-canary" });
    place.bao.ask("POST", "auth/teams/robots/role/r/custom-secret-id", id).await;
    let vault = place.proxy.vault().with_auth_mount("teams/robots");
    let vault = vault.with_app_role("r2", StaticSource::new("other-id-canary"));
    let asked = place.fetch(&vault.kv2("secret", "claude/prod")).await;
    assert_eq!(asked, ["POST auth/teams/robots/login", READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_secret_id_is_fetched_anew_for_each_login() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    let role = place.bao.ask("GET", "auth/approle/role/gateway/role-id", Value::Null).await;
    let ids = Mutex::new(vec!["second-canary", "secret-id-canary"]);
    let ids = source_fn("test:ids", move || {
        let id = ids.lock().unwrap().pop().unwrap();
        async move { Ok(Fetched::new(id.into())) }
    });
    let vault = place.proxy.vault().with_app_role(role["data"]["role_id"].as_str().unwrap(), ids);
    let source = vault.kv2("secret", "claude/prod");
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    let path = "auth/approle/role/gateway";
    place
        .bao
        .ask("POST", &format!("{path}/secret-id/destroy"), json!({ "secret_id": "secret-id-canary" }))
        .await;
    place.bao.ask("POST", &format!("{path}/custom-secret-id"), json!({ "secret_id": "second-canary" })).await;
    place.bao.revoke_all().await;
    assert_eq!(place.fetch(&source).await, [READ, LOOKUP, LOGIN, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_fetch_that_is_dropped_while_it_logs_in_leaves_the_login_to_the_next() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    place.proxy.set(Link::Stalled);
    let source = place.vault.kv2("secret", "claude/prod");
    tokio::select! {
        biased;
        _ = source.fetch() => unreachable!("the link stalls"),
        () = place.proxy.wait_for(LOGIN) => {}
    }
    place.proxy.set(Link::Whole);
    assert_eq!(key(&source).await, "sk-ant-prod-canary");
    assert_eq!(place.proxy.asked(), [LOGIN, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_fetch_that_is_left_lying_keeps_nobody_from_logging_in() {
    let place = Place::with_role(json!({ "token_ttl": "1h" })).await;
    place.proxy.set(Link::Stalled);
    let source = place.source();
    let mut lying = source.fetch();
    tokio::select! {
        biased;
        _ = &mut lying => unreachable!("the link stalls"),
        () = place.proxy.wait_for(LOGIN) => {}
    }
    place.proxy.set(Link::Whole);
    // Not polled any more, and not dropped.
    assert_eq!(key(&place.source()).await, "sk-ant-prod-canary");
    assert_eq!(crate::text(&lying.await.unwrap().secret), "sk-ant-prod-canary");
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_login_that_fails_fails_once_for_all_who_wait() {
    let place = Place::with_role(json!({})).await;
    place.proxy.set(Link::Stalled);
    let vault = place.vault.clone().with_timeout(Duration::from_millis(300));
    let sources: Vec<_> = (0..10).map(|n| vault.kv2("secret", &format!("claude/{n}"))).collect();
    let ends = futures_util::future::join_all(sources.iter().map(why)).await;
    for (kind, words) in ends {
        assert_eq!((kind, &*words), (TimedOut, "logging in at auth/approle: did not answer within 300ms"));
    }
    assert_eq!(place.proxy.asked(), [LOGIN]);
}

/// After the fifth refused login within a quarter of an hour `OpenBao` locks the role out.
#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn sources_with_a_wrong_secret_id_do_not_lock_their_role_out() {
    let place = Place::with_role(json!({})).await;
    let (vault, id) = place.with_another_id().await;
    let sources: Vec<_> = (0..8).map(|n| vault.kv2("secret", &format!("claude/{n}"))).collect();
    let mut words = Vec::new();
    for source in &sources {
        let (kind, why) = why(source).await;
        assert_eq!(kind, Denied);
        words.push(why);
    }
    let refused = "logging in at auth/approle: refused (400)";
    assert_eq!(words.remove(0), refused);
    assert_eq!(words, vec![format!("{refused}; it is not tried again at once with the same secret_id"); 7]);
    assert_eq!(place.proxy.asked(), [LOGIN]);
    // Another one is.
    *id.lock().unwrap() = "secret-id-canary";
    assert_eq!(place.fetch(&vault.kv2("secret", "claude/prod")).await, [LOGIN, READ]);
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_login_that_was_refused_is_tried_again_later_and_then_later_still() {
    let place = Place::with_role(json!({})).await;
    let (vault, _) = place.with_another_id().await;
    let source = vault.kv2("secret", "claude/prod");
    let seconds = Duration::from_secs;
    for (later, expected) in
        [(0, &[LOGIN][..]), (14, &[]), (2, &[LOGIN]), (58, &[]), (3, &[LOGIN]), (61, &[])]
    {
        passes(seconds(later)).await;
        assert_eq!(why(&source).await.0, Denied);
        assert_eq!(place.proxy.asked(), expected, "after {later} s");
    }
    // What is put right at the server is found by the next try, and then all is forgotten.
    let id = json!({ "secret_id": "wrong-canary" });
    place.bao.ask("POST", "auth/approle/role/gateway/custom-secret-id", id.clone()).await;
    passes(seconds(240)).await;
    assert_eq!(place.fetch(&source).await, [LOGIN, READ]);
    place.bao.ask("POST", "auth/approle/role/gateway/secret-id/destroy", id).await;
    place.bao.revoke_all().await;
    for (later, logins) in [(0, 1), (14, 0), (2, 1)] {
        passes(seconds(later)).await;
        assert_eq!(why(&source).await.0, Denied);
        let asked = place.proxy.asked();
        assert_eq!(asked.iter().filter(|asked| *asked == LOGIN).count(), logins, "{later} s: {asked:?}");
    }
}
