//! Pages in a browser, which everybody who sits before a gateway opens without a thought.

use std::process::Command;

use claude_tower::secrets::SecretString;
use claude_tower::secrets::door::TokenHash;
use serde_json::Value;

use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Upstream;
use crate::support::wire::Peer;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// With a key of its own.
fn with_key<'a>(command: &'a mut Command, upstream: &Upstream) -> &'a mut Command {
    let keys = format!("[{{ name = 'a', env = 'KEY', origins = ['{}'] }}]", upstream.url());
    command.env("CLAUDE_TOWER__SECRETS__KEYS", keys).env("KEY", "sk-ant-api03-canary")
}

/// The code of the refusal, or `None` if the upstream has been asked.
async fn refused(gateway: &Gateway, upstream: &mut Upstream, target: &str, headers: &str) -> Option<String> {
    let mut caller = Peer::connect(gateway.address).await;
    // What a page may send without asking.
    let rest = "content-type: text/plain\r\ncontent-length: 2\r\n\r\n{}";
    caller.send(format!("POST {target} HTTP/1.1\r\n{headers}{rest}")).await;
    let head = tokio::select! {
        (mut seen, _) = upstream.whole_request() => {
            seen.peer.send(ANSWER).await;
            upstream.keep(seen.peer);
            None
        }
        head = caller.answer("POST") => Some(head),
    };
    let Some(head) = head else {
        assert_eq!(caller.answer("POST").await.status(), 200, "{headers}");
        return None;
    };
    assert_eq!(head.status(), 403, "{headers}");
    let body: Value = serde_json::from_slice(&caller.rest().await.whole()).unwrap();
    assert_eq!(body["error"]["type"], "permission_error");
    Some(body["error"]["details"]["error_code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_page_does_not_spend_the_keys_of_the_gateway() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(with_key(&mut gateway::before(&upstream.url()), &upstream)).await;
    let own = gateway.address.to_string();
    for (target, headers, expected) in [
        ("/v1/messages", format!("host: {own}\r\n"), None),
        ("/v1/messages", "host: localhost\r\n".to_owned(), None),
        // Through a port that is forwarded.
        ("/v1/messages", "host: LocalHost:9999\r\n".to_owned(), None),
        ("/v1/messages", "host: 127.9.9.9:1\r\n".to_owned(), None),
        ("/v1/messages", "host: [::1]:8080\r\n".to_owned(), None),
        (
            "/v1/messages",
            format!("host: {own}\r\norigin: https://evil.example\r\n"),
            Some("origin_of_a_page"),
        ),
        ("/v1/messages", format!("host: {own}\r\norigin: null\r\n"), Some("origin_of_a_page")),
        ("/v1/messages", format!("host: {own}\r\norigin: http://{own}\r\n"), Some("origin_of_a_page")),
        // A name that its owner has made lead here.
        ("/v1/messages", "host: evil.example\r\n".to_owned(), Some("host_unknown")),
        ("/v1/messages", "host: evil.example:8080\r\n".to_owned(), Some("host_unknown")),
        ("/v1/messages", "host: localhost.evil.example\r\n".to_owned(), Some("host_unknown")),
        ("/v1/messages", "host: 127.0.0.1.evil.example\r\n".to_owned(), Some("host_unknown")),
        ("/v1/messages", "host: 10.0.0.1\r\n".to_owned(), Some("host_unknown")),
        ("/v1/messages", "host: localhost\r\nhost: evil.example\r\n".to_owned(), Some("host_unknown")),
        ("http://evil.example/v1/messages", "host: localhost\r\n".to_owned(), Some("host_unknown")),
        ("/v1/messages", String::new(), Some("host_unknown")),
    ] {
        let found = refused(&gateway, &mut upstream, target, &headers).await;
        assert_eq!(found.as_deref(), expected, "{target} {headers}");
    }
    let exit = gateway.stop().await;
    assert!(exit.stderr.contains("spends the keys of [[secrets.keys]]"), "{}", exit.stderr);
    assert_eq!(exit.access_log().len(), 16);
}

/// It has a name there that nobody here knows.
#[tokio::test]
async fn where_others_reach_it_the_name_is_not_looked_at() {
    let mut upstream = Upstream::start().await;
    let mut command = gateway::command();
    command.args(["--listen", "0.0.0.0:0", "--upstream", &upstream.url()]);
    command.env("CLAUDE_TOWER__GATEWAY__ALLOW_OPEN", "true");
    let mut gateway = Gateway::start(with_key(&mut command, &upstream)).await;
    gateway.address.set_ip([127, 0, 0, 1].into());
    for (headers, expected) in [
        ("host: gateway.internal\r\n", None),
        ("host: gateway.internal\r\norigin: https://evil.example\r\n", Some("origin_of_a_page")),
    ] {
        let found = refused(&gateway, &mut upstream, "/v1/messages", headers).await;
        assert_eq!(found.as_deref(), expected, "{headers}");
    }
}

#[tokio::test]
async fn who_shows_who_he_is_may_be_a_page() {
    let foreign = "host: evil.example\r\norigin: https://page.example\r\n";
    // Without keys of the gateway's own it is the caller who has one.
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&mut gateway::before(&upstream.url())).await;
    assert_eq!(refused(&gateway, &mut upstream, "/v1/messages", foreign).await, None);

    let mut upstream = Upstream::start().await;
    let hash = TokenHash::of(&SecretString::from("ctk_canary")).to_text();
    let mut command = gateway::before(&upstream.url());
    command.env("CLAUDE_TOWER__GATEWAY__CLIENTS", format!("[{{ name = 'page', token_sha256 = '{hash}' }}]"));
    let gateway = Gateway::start(with_key(&mut command, &upstream)).await;
    let admitted = format!("{foreign}x-api-key: ctk_canary\r\n");
    assert_eq!(refused(&gateway, &mut upstream, "/v1/messages", &admitted).await, None);
}
