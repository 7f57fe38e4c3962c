//! Answers that no real server gives, but what stands before one may.

use std::time::Duration;

use claude_secrets::source::SourceErrorKind::{Malformed, Misconfigured, TimedOut, Unavailable};
use claude_secrets::source::{StaticSource, Vault};

use crate::tiny::{Tiny, answer};
use crate::{key, why};

const SECRET: &str = r#"{"data":{"data":{"k":"sk-ant-canary"},"metadata":{"version":1,"created_time":"2026-10-01T12:00:00Z"}}}"#;

#[tokio::test]
async fn what_is_no_secret_is_malformed() {
    for body in [
        "",
        "canary",
        "<html>canary</html>",
        "[]",
        "null",
        "{}",
        "\"canary\"",
        r#"{"data":"canary"}"#,
        r#"{"data":{"data":"canary","metadata":{}}}"#,
        r#"{"data":{"data":{"k":"sk-ant-canary"}}}"#,
        r#"{"data":{"data":{"k":["canary"]},"metadata":{}}}"#,
        r#"{"data":{"data":{"k":"sk-ant-canary"},"metadata":{}}"#,
    ] {
        let tiny = Tiny::saying(200, body).await;
        assert_eq!(why(&tiny.vault().kv2("secret", "claude")).await.0, Malformed, "{body}");
    }
    let tiny = Tiny::saying(200, r#"{"data":["canary"]}"#).await;
    assert_eq!(why(&tiny.vault().kv1("secret", "claude")).await.0, Malformed);
}

#[tokio::test]
async fn a_status_says_what_it_is_whatever_the_body() {
    for (status, kind, words) in [
        (400, Misconfigured, "does not take the request (400)"),
        (412, Unavailable, "has not caught up with its cluster yet (412)"),
        (429, Unavailable, "is asked too often (429)"),
        (500, Unavailable, "has a failure of its own (500)"),
        (502, Unavailable, "has a failure of its own (502)"),
        (503, Unavailable, "has a failure of its own (503)"),
        (302, Unavailable, "answers with a redirect that cannot be followed"),
    ] {
        let tiny = Tiny::saying(status, "<html>canary</html>").await;
        let source = tiny.vault().with_token(StaticSource::new("t")).kv2("secret", "claude");
        assert_eq!(why(&source).await, (kind, words.to_owned()));
    }
}

/// A real one says so for some milliseconds.
#[tokio::test]
async fn an_engine_that_is_still_being_upgraded_is_unavailable() {
    let words = r#"{"errors":["Upgrading from non-versioned to versioned data. canary"]}"#;
    let tiny = Tiny::saying(400, words).await;
    let vault = Vault::new(&tiny.url).unwrap();
    let expected = (Unavailable, "its engine is still being upgraded (400)".to_owned());
    assert_eq!(why(&vault.kv2("secret", "claude")).await, expected);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let tiny = Tiny::start(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..40 {
            answer.extend_from_slice(b"10000\r\n");
            answer.extend(std::iter::repeat_n(b' ', 0x10000));
            answer.extend_from_slice(b"\r\n");
        }
        answer
    })
    .await;
    let (kind, why) = why(&tiny.vault().kv2("secret", "claude")).await;
    assert_eq!((kind, &*why), (Malformed, "answers 200 with more than 1048576 bytes"));
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    // The rest never comes, and the connection stays.
    let tiny =
        Tiny::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\":\"canary".to_vec()).await;
    let vault = tiny.vault().with_timeout(Duration::from_millis(50));
    let (kind, why) = why(&vault.kv2("secret", "claude")).await;
    assert_eq!((kind, &*why), (TimedOut, "did not answer within 50ms"));
}

#[tokio::test]
async fn a_standby_leads_to_the_active_server_once() {
    let active = Tiny::saying(200, SECRET).await;
    let url = active.url.clone();
    let standby = Tiny::start(move |line| {
        let path = line.split(' ').nth(1).unwrap();
        format!("HTTP/1.1 307 X\r\nlocation: {url}{path}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
    .await;
    assert_eq!(key(&standby.vault().kv2("secret", "claude")).await, "sk-ant-canary");
    for asked in active.asked() {
        assert!(asked.contains("\r\nx-vault-token: token-canary\r\n"));
    }

    let url = standby.url.clone();
    let before = Tiny::start(move |_| {
        format!("HTTP/1.1 307 X\r\nlocation: {url}/v1/x\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
    .await;
    assert_eq!(why(&before.vault().kv2("secret", "claude")).await.0, Unavailable);
}

#[tokio::test]
async fn no_other_redirect_is_followed_with_what_is_secret() {
    let elsewhere = Tiny::saying(200, SECRET).await;
    let there = elsewhere.url.clone();
    let user = there.replace("//", "//user@");
    for (status, base, path) in [
        (301, &there, "/v1/secret/data/claude"),
        (302, &there, "/v1/secret/data/claude"),
        (303, &there, "/v1/secret/data/claude"),
        (308, &there, "/v1/secret/data/claude"),
        (307, &there, "/collect"),
        (307, &there, "/v1/secret/data/claude?for=me"),
        (307, &there, "/v1/secret/data/claude/"),
        (307, &user, "/v1/secret/data/claude"),
    ] {
        let location = format!("{base}{path}");
        let said = format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let tiny = Tiny::start(move |_| said.clone().into_bytes()).await;
        let (kind, words) = why(&Vault::new(&tiny.url).unwrap().kv2("secret", "claude")).await;
        let expected = "answers with a redirect that cannot be followed";
        assert_eq!((kind, &*words), (Unavailable, expected), "{status} {location}");
        why(&tiny.vault().kv2("secret", "claude")).await;
        let role = Vault::new(&tiny.url).unwrap().with_app_role("role", StaticSource::new("id-canary"));
        why(&role.kv2("secret", "claude")).await;
        assert!(elsewhere.asked().is_empty(), "{status} {location}");
    }
}

/// A standby behind a proxy does not know of the path that the proxy took off; and it writes a path in its own way.
#[tokio::test]
async fn a_standby_may_write_the_same_path_in_another_way() {
    let active = Tiny::saying(200, SECRET).await;
    let url = active.url.clone();
    let standby = Tiny::start(move |_| {
        let location = format!("{url}/v1/secret/data/a:b%20c");
        format!("HTTP/1.1 307 X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
    .await;
    for address in [standby.url.clone(), format!("{}/proxy/vault", standby.url)] {
        let vault = Vault::new(&address).unwrap();
        assert_eq!(key(&vault.kv2("secret", "a:b c")).await, "sk-ant-canary");
    }
}

#[tokio::test]
async fn each_request_says_that_it_is_one_of_vault_and_in_which_namespace() {
    let tiny = Tiny::saying(200, SECRET).await;
    let vault = Vault::new(&format!("{}/proxy/", tiny.url)).unwrap().with_namespace("team-a/sub");
    assert_eq!(key(&vault.kv2("secret", "claude")).await, "sk-ant-canary");
    let asked = tiny.asked().remove(0).to_ascii_lowercase();
    assert!(asked.starts_with("get /proxy/v1/secret/data/claude http/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nx-vault-request: true\r\n"), "{asked}");
    assert!(asked.contains("\r\nx-vault-namespace: team-a/sub\r\n"), "{asked}");
    // An agent in between puts it on.
    assert!(!asked.contains("x-vault-token"), "{asked}");
}

#[tokio::test]
async fn settings_that_cannot_be_sent_are_said_and_not_shown() {
    let tiny = Tiny::start(|_| answer(200, SECRET)).await;
    for vault in [
        tiny.vault().with_namespace("te\nam"),
        tiny.vault().with_token(StaticSource::new("token\ncanary")),
        tiny.vault().with_app_role("role", StaticSource::new("x")).with_auth_mount("../sys"),
    ] {
        assert_eq!(why(&vault.kv2("secret", "claude")).await.0, Misconfigured);
    }
    assert!(tiny.asked().is_empty());
}

#[tokio::test]
async fn a_login_without_a_token_in_its_answer_is_malformed() {
    for body in [r#"{"auth":null}"#, r#"{"auth":{"client_token":""}}"#, r#"{"auth":{"client_token":7}}"#] {
        let tiny = Tiny::saying(200, body).await;
        let vault = tiny.vault().with_app_role("role", StaticSource::new("secret-id-canary"));
        let (kind, why) = why(&vault.kv2("secret", "claude")).await;
        assert_eq!((kind, &*why), (Malformed, "logging in at auth/approle: the answer has no token in it"));
    }
}

#[test]
fn a_bad_address_is_an_error_before_anything_is_done() {
    for address in ["", "vault:8200", "ftp://vault", "https://u:canary@vault", "https://vault:82000"] {
        let error = Vault::new(address).unwrap_err();
        assert_eq!((error.id(), error.kind()), ("vault", Misconfigured), "{address}");
        crate::assert_silent(&format!("{error} {error:?}"));
    }
}

#[test]
fn a_handle_shows_where_it_goes_and_nothing_secret() {
    let vault = Vault::new("https://vault.internal:8200").unwrap();
    let shown = format!("{:?}", vault.clone().with_app_role("role", StaticSource::new("secret-id-canary")));
    crate::assert_silent(&shown);
    assert!(shown.contains("https://vault.internal:8200") && shown.contains("approle"), "{shown}");
    crate::assert_silent(&format!("{:?}", vault.with_token(StaticSource::new("token-canary")).kv2("a", "b")));
}
