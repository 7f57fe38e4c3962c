//! The door: who may call, and that tokens end there.

mod pages;

use std::process::Command;

use claude_tower::secrets::SecretString;
use claude_tower::secrets::door::TokenHash;
use serde_json::{Value, json};

use crate::start::File;
use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Upstream;
use crate::support::wire::Peer;

const TOKEN: &str = "ctk_canary-of-reports-0123456789";
const NEXT: &str = "ctk_canary-of-reports-9876543210";

fn hash(token: &str) -> String {
    TokenHash::of(&SecretString::from(token)).to_text()
}

/// The client `reports`, which has two tokens.
fn clients() -> String {
    format!(
        "[{{ name = 'reports', line = 'research', token_sha256 = ['{}', '{}'] }}]",
        hash(TOKEN),
        hash(NEXT)
    )
}

fn guarded(command: &mut Command) -> &mut Command {
    command.env("CLAUDE_TOWER__GATEWAY__CLIENTS", clients())
}

fn request(credential: &str, more: &str) -> String {
    format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\n{credential}anthropic-beta: b\r\n{more}")
}

#[tokio::test]
async fn a_client_comes_in_and_its_token_does_not() {
    let mut upstream = Upstream::start().await;
    let mut command = gateway::before(&upstream.url());
    let gateway = Gateway::start(guarded(command.env("RUST_LOG", "trace"))).await;
    assert!(
        gateway.printed().contains("admitting clients by their tokens: 1 of them"),
        "{}",
        gateway.printed()
    );
    let credentials = [
        format!("x-api-key: {TOKEN}\r\n"),
        format!("authorization: Bearer {NEXT}\r\n"),
        format!("Authorization: bearer {TOKEN}\r\nX-Api-Key: {TOKEN}\r\n"),
    ];
    for credential in &credentials {
        let mut caller = Peer::connect(gateway.address).await;
        caller.send(request(credential, "content-length: 8\r\n\r\n{\"a\": 1}")).await;
        let (mut seen, body) = upstream.whole_request().await;
        assert_eq!(body.whole(), b"{\"a\": 1}");
        assert_eq!(seen.head.get("anthropic-beta"), Some("b"));
        assert_eq!(
            (seen.head.get("x-api-key"), seen.head.get("authorization")),
            (None, None),
            "{credential}"
        );
        assert!(!format!("{:?}", seen.head).contains("canary"), "{:?}", seen.head);
        seen.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        upstream.keep(seen.peer);
        assert_eq!(caller.answer("POST").await.status(), 200);
        assert_eq!(caller.rest().await.whole(), b"{}");
    }
    let exit = gateway.stop().await;
    let lines = exit.access_log();
    assert_eq!(lines.len(), credentials.len());
    assert!(lines.iter().all(|line| line.contains(" client=\"reports\"")), "{lines:#?}");
    assert!(!format!("{}{}", exit.stdout, exit.stderr).contains("canary"), "at trace: {}", exit.stderr);
}

#[tokio::test]
async fn nobody_else_comes_in_and_nothing_of_a_body_is_read() {
    // Nobody answers here: a connection would be one too many.
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(guarded(&mut gateway::before(&upstream.url()))).await;
    for (credential, message) in [
        ("", "a client token is needed, as x-api-key or as authorization: Bearer"),
        ("x-api-key: \r\n", "a client token is needed, as x-api-key or as authorization: Bearer"),
        ("x-api-key: sk-ant-api03-canary\r\n", "the client token is not known here"),
        ("authorization: Bearer ctk_canary\r\n", "the client token is not known here"),
        ("authorization: Basic Y2FuYXJ5\r\n", "this is no client token"),
        ("x-api-key: \u{e4}canary\r\n", "this is no client token"),
        (
            &format!("x-api-key: {TOKEN}\r\nauthorization: Bearer {NEXT}\r\n"),
            "there must be one client token, not several",
        ),
        (
            &format!("x-api-key: {TOKEN}\r\nx-api-key: {TOKEN}\r\n"),
            "there must be one client token, not several",
        ),
        (&format!("x-api-key: {}\r\n", "c".repeat(64 << 10)), "this is no client token"),
    ] {
        let mut caller = Peer::connect(gateway.address).await;
        // The body never comes, and is not waited for.
        caller.send(request(credential, "content-length: 1000000\r\n\r\n")).await;
        let head = caller.answer("POST").await;
        assert_eq!(
            (head.status(), head.get("content-type")),
            (401, Some("application/json")),
            "{credential:.40}"
        );
        assert_eq!(head.get("x-should-retry"), Some("false"));
        let expected = json!({"type": "error", "error": {
            "type": "authentication_error",
            "message": message,
            "details": {"error_code": "client_not_admitted"},
        }});
        let body: Value = serde_json::from_slice(&caller.rest().await.whole()).unwrap();
        assert_eq!(body, expected, "{credential:.40}");
    }
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(request(&format!("x-api-key: {TOKEN}\r\n"), "content-length: 0\r\n\r\n")).await;
    let seen = upstream.request().await;
    assert_eq!(seen.head.get("x-api-key"), None);
    drop(caller);
    let exit = gateway.stop().await;
    let lines = exit.access_log();
    let refused =
        lines.iter().filter(|line| line.contains(" status=401") && !line.contains("client=")).count();
    assert_eq!((refused, lines.len()), (9, 10), "{lines:#?}");
    assert!(!format!("{}{}", exit.stdout, exit.stderr).contains("canary"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_new_token_is_printed_with_the_line_that_admits_it() {
    let mut command = gateway::command();
    let exit = gateway::run(command.arg("--new-token").env("RUST_LOG", "trace")).await;
    assert_eq!((exit.code(), exit.stderr.as_str()), (Some(0), ""));
    let [token, line] = exit.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{}", exit.stdout) };
    assert!(token.starts_with("ctk_") && token.len() == 68, "{token}");
    assert_eq!(line, format!("token_sha256 = \"{}\"", hash(token)));
    let again = gateway::run(command.env("CLAUDE_TOWER__GATEWAY__LISTEN", "nonsense")).await;
    assert_ne!(again.stdout, exit.stdout, "another one each time, whatever the settings");

    // The line is all that has to be written down.
    let mut upstream = Upstream::start().await;
    let file = File::new("token.toml", &format!("[[gateway.clients]]\nname = \"new\"\n{line}\n"));
    let mut command = gateway::before(&upstream.url());
    let gateway = Gateway::start(command.arg("--config").arg(&file.0)).await;
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(request(&format!("x-api-key: {token}\r\n"), "content-length: 0\r\n\r\n")).await;
    assert_eq!(upstream.request().await.head.get("x-api-key"), None);

    let both = gateway::run(gateway::command().args(["--new-token", "--check"])).await;
    assert_eq!((both.code(), both.stdout.as_str()), (Some(2), ""));
}

#[tokio::test]
async fn where_others_reach_it_there_are_clients_or_the_word_for_it() {
    let on = |listen: &str| {
        let mut command = gateway::command();
        command.args(["--listen", listen, "--upstream", "http://127.0.0.1:1"]);
        command
    };
    let exit = gateway::run(&mut on("0.0.0.0:0")).await;
    assert_eq!(exit.code(), Some(1));
    for word in ["argument --listen: ", "[[gateway.clients]]", "gateway.allow_open = true"] {
        assert!(exit.stderr.contains(word), "{word}: {}", exit.stderr);
    }
    assert!(!exit.stdout.contains("ready"), "{}", exit.stdout);
    let exit = gateway::run(on("0.0.0.0:0").arg("--check")).await;
    assert_eq!((exit.code(), exit.stdout.as_str()), (Some(1), ""));

    Gateway::start(guarded(&mut on("0.0.0.0:0"))).await;
    let open = Gateway::start(on("0.0.0.0:0").env("CLAUDE_TOWER__GATEWAY__ALLOW_OPEN", "true")).await;
    let exit = open.stop().await;
    assert!(
        exit.stderr.contains("whoever reaches 0.0.0.0:0 may call (gateway.allow_open)"),
        "{}",
        exit.stderr
    );
    let at_home = Gateway::start(&mut on("127.0.0.1:0")).await.stop().await;
    assert!(!at_home.stderr.contains("allow_open"), "{}", at_home.stderr);
}

#[tokio::test]
async fn clients_are_checked_and_a_token_in_the_configuration_is_refused() {
    let check = async |text: &str| {
        let file = File::new(&format!("door-{}.toml", text.len()), text);
        let exit = gateway::run(gateway::command().arg("--check").arg("--config").arg(&file.0)).await;
        (
            exit.code(),
            format!("{}{}", exit.stdout, exit.stderr).replace(&file.0.display().to_string(), "FILE"),
        )
    };
    let client = format!("[[gateway.clients]]\nname = 'a'\ntoken_sha256 = '{}'\n", hash(TOKEN));
    let good = format!("{client}[[secrets.keys]]\nname = 'k'\nenv = 'KEY'\n");
    assert_eq!(check(&good).await, (Some(0), "the configuration is good".to_owned()));
    let (code, said) = check(&client).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("gateway.clients: need a key, since their tokens end here"), "{said}");

    let twice = format!("{client}\n{client}");
    let (code, said) = check(&twice).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("FILE:6:1: gateway.clients[1].name: is the name of gateway.clients[0] as well"),
        "{said}"
    );
    assert!(said.contains("FILE:7:1: gateway.clients[1].token_sha256: has a token that"), "{said}");

    // What would otherwise be a mistake in TOML, and shown.
    let (code, said) = check(&format!("[[gateway.clients]]\nname = 'a'\ntoken_sha256 = {TOKEN}\n")).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("FILE:3:16: gateway.clients[0].token_sha256: a client's token stands here"),
        "{said}"
    );
    assert!(said.contains("token_sha256 = \"sha256:…\"") && !said.contains("canary"), "{said}");
}
