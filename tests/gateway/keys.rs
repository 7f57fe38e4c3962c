//! The gateway's own keys: where they are kept, which goes with which call, and that a new one is found.

use std::process::Command;

use claude_tower::secrets::SecretString;
use claude_tower::secrets::door::TokenHash;

use crate::start::File;
use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Upstream;
use crate::support::wire::Peer;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const REFUSAL: &str =
    "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"}}";

fn client(name: &str, token: &str) -> String {
    let hash = TokenHash::of(&SecretString::from(token)).to_text();
    format!("[[gateway.clients]]\nname = \"{name}\"\nline = \"{name}\"\ntoken_sha256 = \"{hash}\"\n")
}

/// A key for the upstream of a test.
fn key(name: &str, source: &str, upstream: &Upstream) -> String {
    format!("[[secrets.keys]]\nname = \"{name}\"\n{source}\norigins = [\"{}\"]\n", upstream.url())
}

fn configured(upstream: &Upstream, file: &File) -> Command {
    let mut command = gateway::before(&upstream.url());
    command.arg("--config").arg(&file.0).env("RUST_LOG", "trace");
    command
}

async fn ask(gateway: &Gateway, credential: &str) -> Peer {
    let mut caller = Peer::connect(gateway.address).await;
    let head =
        format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n{credential}content-length: 2\r\n\r\n{{}}");
    caller.send(head).await;
    caller
}

#[tokio::test]
async fn each_client_gets_the_key_of_its_line_in_place_of_its_token() {
    let mut upstream = Upstream::start().await;
    let text = [
        client("chat", "ctk_canary-chat-0123456789"),
        client("reports", "ctk_canary-reports-0123456789"),
        key("chat", "env = \"CHAT_KEY\"\nlines = [\"chat\"]", &upstream),
        key("others", "env = \"KEYS\"\nfield = \"claude.key\"\nscheme = \"bearer\"", &upstream),
    ];
    let file = File::new("keys.toml", &text.concat());
    let mut command = configured(&upstream, &file);
    command.env("CHAT_KEY", "sk-ant-api03-canary-chat");
    command.env("KEYS", "{\"claude\":{\"key\":\"sk-ant-api03-canary-others\"}}");
    let gateway = Gateway::start(&mut command).await;
    for (credential, header, value) in [
        ("x-api-key: ctk_canary-chat-0123456789\r\n", "x-api-key", "sk-ant-api03-canary-chat"),
        (
            "authorization: Bearer ctk_canary-reports-0123456789\r\n",
            "authorization",
            "Bearer sk-ant-api03-canary-others",
        ),
    ] {
        let mut caller = ask(&gateway, credential).await;
        let (mut seen, _) = upstream.whole_request().await;
        assert_eq!(seen.head.get(header), Some(value));
        assert!(!format!("{:?}", seen.head).contains("ctk_"), "{:?}", seen.head);
        let credentials = ["x-api-key", "authorization"].iter().filter(|name| seen.head.get(name).is_some());
        assert_eq!(credentials.count(), 1);
        seen.peer.send(ANSWER).await;
        upstream.keep(seen.peer);
        assert_eq!(caller.answer("POST").await.status(), 200);
    }
    let exit = gateway.stop().await;
    assert!(!format!("{}{}", exit.stdout, exit.stderr).contains("canary"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_key_that_was_rotated_is_found_and_nobody_notices() {
    let mut upstream = Upstream::start().await;
    let kept = File::new("rotated.key", "sk-ant-api03-canary-old\n");
    let file = File::new("rotated.toml", &key("a", &format!("file = \"{}\"", kept.shown()), &upstream));
    let gateway = Gateway::start(&mut configured(&upstream, &file)).await;
    let mut caller = ask(&gateway, "").await;
    let (mut seen, _) = upstream.whole_request().await;
    assert_eq!(seen.head.get("x-api-key"), Some("sk-ant-api03-canary-old"));
    std::fs::write(&kept.0, "sk-ant-api03-canary-new\n").unwrap();
    let head = "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\n";
    seen.peer.send(format!("{head}content-length: {}\r\n\r\n{REFUSAL}", REFUSAL.len())).await;
    upstream.keep(seen.peer);
    let (mut seen, body) = upstream.whole_request().await;
    assert_eq!(seen.head.get("x-api-key"), Some("sk-ant-api03-canary-new"));
    assert_eq!(body.whole(), b"{}");
    seen.peer.send(ANSWER).await;
    upstream.keep(seen.peer);
    assert_eq!(caller.answer("POST").await.status(), 200);
    let exit = gateway.stop().await;
    assert!(!format!("{}{}", exit.stdout, exit.stderr).contains("canary"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_key_that_cannot_be_had_is_said_at_the_start() {
    let upstream = Upstream::start().await;
    let file = File::new("none.toml", &key("a", "env = \"NO_SUCH_KEY\"", &upstream));
    let exit = gateway::run(&mut configured(&upstream, &file)).await;
    assert_eq!(exit.code(), Some(1));
    assert!(exit.stderr.contains("no key to start with: key `a`: env:NO_SUCH_KEY"), "{}", exit.stderr);
    assert!(!exit.stdout.contains("ready"), "{}", exit.stdout);
    // To check a configuration needs no keys.
    let exit = gateway::run(configured(&upstream, &file).arg("--check")).await;
    assert_eq!(
        (exit.code(), exit.stdout.as_str()),
        (Some(0), "the configuration is good"),
        "{}",
        exit.stderr
    );
}

#[tokio::test]
async fn one_key_that_cannot_be_had_costs_nobody_else_his() {
    let mut upstream = Upstream::start().await;
    let text = [
        client("chat", "ctk_canary-chat-0123456789"),
        client("reports", "ctk_canary-reports-0123456789"),
        key("chat", "env = \"CHAT_KEY\"\nlines = [\"chat\"]", &upstream),
        key("reports", "env = \"NO_SUCH_KEY\"\nlines = [\"reports\"]", &upstream),
    ];
    let file = File::new("one.toml", &text.concat());
    let mut command = configured(&upstream, &file);
    command.env("CHAT_KEY", "sk-ant-api03-canary-chat");
    let gateway = Gateway::start(&mut command).await;
    let mut chat = ask(&gateway, "x-api-key: ctk_canary-chat-0123456789\r\n").await;
    let (mut seen, _) = upstream.whole_request().await;
    assert_eq!(seen.head.get("x-api-key"), Some("sk-ant-api03-canary-chat"));
    seen.peer.send(ANSWER).await;
    upstream.keep(seen.peer);
    assert_eq!(chat.answer("POST").await.status(), 200);
    let mut reports = ask(&gateway, "x-api-key: ctk_canary-reports-0123456789\r\n").await;
    assert_eq!(reports.answer("POST").await.status(), 503);
    let exit = gateway.stop().await;
    let error = exit.stderr.lines().find(|line| line.contains("ERROR")).unwrap();
    assert!(
        error.contains("key `reports` cannot be had, and its line has no other: env:NO_SUCH_KEY"),
        "{error}"
    );
    assert!(!exit.stderr.contains("canary"), "{}", exit.stderr);
}

#[tokio::test]
async fn lazy_keys_are_fetched_when_they_are_needed() {
    let mut upstream = Upstream::start().await;
    let kept = File::new("lazy.key", "");
    let text =
        format!("secrets.start = \"lazy\"\n{}", key("a", &format!("file = \"{}\"", kept.shown()), &upstream));
    let file = File::new("lazy.toml", &text);
    let gateway = Gateway::start(&mut configured(&upstream, &file)).await;
    std::fs::write(&kept.0, "sk-ant-api03-canary").unwrap();
    let mut caller = ask(&gateway, "").await;
    let (mut seen, _) = upstream.whole_request().await;
    assert_eq!(seen.head.get("x-api-key"), Some("sk-ant-api03-canary"));
    seen.peer.send(ANSWER).await;
    assert_eq!(caller.answer("POST").await.status(), 200);
}

/// Whoever can connect would take it for ready.
#[tokio::test]
async fn nobody_can_connect_before_the_keys_are_there() {
    let upstream = Upstream::start().await;
    let file = File::new("before.toml", &key("a", "env = \"NO_SUCH_KEY\"", &upstream));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = gateway::command();
    command.args(["--listen", &taken.local_addr().unwrap().to_string(), "--upstream", &upstream.url()]);
    let exit = gateway::run(command.arg("--config").arg(&file.0)).await;
    assert_eq!(exit.code(), Some(1));
    assert!(exit.stderr.contains("no key to start with"), "that comes first: {}", exit.stderr);
}

#[tokio::test]
async fn a_key_goes_nowhere_that_it_does_not_name() {
    let upstream = Upstream::start().await;
    let text = "[[secrets.keys]]\nname = \"a\"\nenv = \"KEY\"\n";
    let file = File::new("nowhere.toml", text);
    // The command line counts as well.
    let exit = gateway::run(configured(&upstream, &file).arg("--check")).await;
    assert_eq!(exit.code(), Some(1));
    let expected = format!("secrets.keys[0].origins has to name {}", upstream.url());
    assert!(exit.stderr.contains(&expected), "{}", exit.stderr);
    let elsewhere = File::new("elsewhere.toml", &key("a", "env = \"KEY\"", &upstream));
    let exit = gateway::run(gateway::command().args(["--check", "--config"]).arg(&elsewhere.0)).await;
    assert_eq!(exit.code(), Some(1));
    let expected = "secrets.keys[0].origins has to name https://api.anthropic.com, which is called";
    assert!(exit.stderr.contains(expected), "{}", exit.stderr);

    // Without another upstream it is the API, and no simulator, which would get the key.
    let mut command = gateway::command();
    command.args(["--listen", "127.0.0.1:0", "--config"]).arg(&file.0).env("KEY", "sk-ant-api03-canary");
    let gateway = Gateway::start(&mut command).await;
    let printed = gateway.printed();
    assert!(
        printed.contains("calling https://api.anthropic.com (with the keys of [[secrets.keys]])"),
        "{printed}"
    );
}

#[tokio::test]
async fn clients_without_a_key_are_pointed_out() {
    let upstream = Upstream::start().await;
    let file = File::new("keyless.toml", &client("a", "token"));
    let mut command = gateway::before(&upstream.url());
    let gateway = Gateway::start(command.arg("--config").arg(&file.0)).await;
    let exit = gateway.stop().await;
    assert!(exit.stderr.contains("without a key: there is none in [[secrets.keys]]"), "{}", exit.stderr);
}
