//! The access log: one line for each request, and never what was said.

use std::process::Command;

use crate::support::gateway::{self, Exit, Gateway};
use crate::support::upstream::{Closed, Upstream};
use crate::support::wire::{Peer, chunk};

#[tokio::test]
async fn one_line_for_each_request() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&mut gateway::passing(&upstream.url())).await;
    let mut caller = Peer::connect(gateway.address).await;
    let answers = [
        ("POST", "/v1/messages?beta=true", "200 OK\r\nrequest-id: req_1\r\ncontent-length: 5", "12345"),
        ("GET", "/v1/models", "404 Not Found\r\nrequest-id: req_2\r\ncontent-length: 2", "{}"),
        ("DELETE", "/v1/files/file_1", "204 No Content\r\nrequest-id: req_3", ""),
        ("HEAD", "/v1/models", "200 OK\r\nrequest-id: req_4\r\ncontent-length: 9", ""),
        ("POST", "/v1/a%20b", "529 Overloaded\r\ntransfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
        ("GET", "/v1/none", "200 OK\r\ncontent-length: 0", ""),
    ];
    for (method, target, head, body) in answers {
        caller.send(format!("{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        let mut request = upstream.request().await;
        request.peer.send(format!("HTTP/1.1 {head}\r\n\r\n{body}")).await;
        upstream.keep(request.peer);
        caller.answer(method).await;
        caller.rest().await.whole();
    }
    let exit = gateway.stop().await;
    let lines = exit.access_log();
    let expected = [
        ["method=POST", "path=\"/v1/messages\"", "status=200", "request_id=\"req_1\"", "bytes=5"],
        ["method=GET", "path=\"/v1/models\"", "status=404", "request_id=\"req_2\"", "bytes=2"],
        ["method=DELETE", "path=\"/v1/files/file_1\"", "status=204", "request_id=\"req_3\"", "bytes=0"],
        ["method=HEAD", "path=\"/v1/models\"", "status=200", "request_id=\"req_4\"", "bytes=0"],
        ["method=POST", "path=\"/v1/a%20b\"", "status=529", "total_ms=", "bytes=3"],
        ["method=GET", "path=\"/v1/none\"", "status=200", "head_ms=", "bytes=0"],
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        for part in expected.iter().chain(&["end=\"complete\""]) {
            assert!(line.contains(&format!(" {part}")), "{part} is not in {line}");
        }
    }
}

#[tokio::test]
async fn none_when_none_is_wanted() {
    let mut upstream = Upstream::start().await;
    let mut command = gateway::passing(&upstream.url());
    command.env("CLAUDE_TOWER__GATEWAY__ACCESS_LOG", "false");
    let gateway = Gateway::start(&mut command).await;
    let mut caller = Peer::connect(gateway.address).await;
    for answer in ["200 OK", "500 Internal Server Error"] {
        caller.send("GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut request = upstream.request().await;
        request.peer.send(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n")).await;
        caller.answer("GET").await;
        upstream.keep(request.peer);
    }
    let exit = gateway.stop().await;
    assert!(exit.access_log().is_empty(), "{}", exit.stderr);
    assert!(!exit.stderr.contains("/v1/models"), "{}", exit.stderr);
}

/// What must be nowhere, each with a word of its own so that a failure says what leaked.
const REQUEST: &str = "POST /v1/messages?canary-query=1 HTTP/1.1\r\n\
    host: canary-host\r\n\
    x-api-key: sk-ant-api03-canary-key\r\n\
    authorization: Bearer canary-bearer\r\n\
    proxy-authorization: Basic canary-proxy\r\n\
    cookie: session=canary-cookie\r\n\
    x-unknown: canary-header\r\n\
    content-length: 13\r\n\r\n\
    canary-prompt";
const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    request-id: req_known\r\n\
    set-cookie: session=canary-set-cookie\r\n\
    x-unknown: canary-answer-header\r\n\
    transfer-encoding: chunked\r\n\r\n";

fn has_no_canary(exit: &Exit) {
    let everything = format!("{}\n{}", exit.stdout, exit.stderr);
    let found: Vec<_> = everything.lines().filter(|line| line.to_lowercase().contains("canary")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

fn at_trace(command: &mut Command) -> &mut Command {
    // No key of the caller's, but the gateway's own environment.
    command.env("RUST_LOG", "trace").env("ANTHROPIC_API_KEY", "sk-ant-api03-canary-environment")
}

#[tokio::test]
async fn nothing_that_was_said_even_at_trace() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(at_trace(&mut gateway::repeating(&upstream.url()))).await;

    // An answer that comes whole, one that is cut, one that is left, none at all, and one after a failure.
    for end in ["whole", "cut", "left", "none", "repeated"] {
        let mut caller = Peer::connect(gateway.address).await;
        caller.send(REQUEST).await;
        if end == "repeated" {
            let (mut request, _) = upstream.whole_request().await;
            let failure = "{\"error\":{\"type\":\"canary canary\",\"message\":\"canary-error\"}}";
            let head =
                format!("HTTP/1.1 500 Canary\r\nx-canary: canary\r\ncontent-length: {}\r\n", failure.len());
            request.peer.send(format!("{head}\r\n{failure}")).await;
            upstream.keep(request.peer);
        }
        let (mut request, body) = upstream.whole_request().await;
        assert_eq!(body.whole(), b"canary-prompt");
        assert_eq!(request.head.get("x-api-key"), Some("sk-ant-api03-canary-key"), "it is passed on");
        if end == "none" {
            request.peer.send("canary-garbage\r\n\r\n").await;
            drop(request.peer);
            assert_eq!(caller.answer("POST").await.status(), 502);
            continue;
        }
        request.peer.send(ANSWER).await;
        request.peer.send(chunk(b"canary-completion")).await;
        caller.answer("POST").await;
        assert_eq!(caller.at_least(17).await, b"canary-completion");
        match end {
            "whole" | "repeated" => {
                request.peer.send("0\r\n\r\n").await;
                upstream.keep(request.peer);
            }
            "cut" => request.peer.reset(),
            _ => {
                drop(caller);
                assert!(request.peer.closed().await);
                continue;
            }
        }
        caller.rest().await;
    }
    let exit = gateway.stop().await;
    assert_eq!(exit.access_log().len(), 5, "{}", exit.stderr);
    assert!(exit.stderr.contains(" retry code=\"SERVER_ERROR\""), "{}", exit.stderr);
    assert!(exit.stderr.contains("request_id=\"req_known\""), "{}", exit.stderr);
    assert!(exit.stderr.contains(" TRACE "), "there is more than the access log");
    has_no_canary(&exit);
}

/// The same where the upstream cannot be reached, which is a path of its own.
#[tokio::test]
async fn nothing_that_was_said_to_nobody() {
    let closed = Closed::new();
    let gateway = Gateway::start(at_trace(&mut gateway::repeating(&closed.url))).await;
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(REQUEST).await;
    assert_eq!(caller.answer("POST").await.status(), 502);
    caller.rest().await.whole();
    let exit = gateway.stop().await;
    assert_eq!(exit.access_log().len(), 1, "{}", exit.stderr);
    has_no_canary(&exit);
}

/// A proxy's password is in a URL in the environment.
#[tokio::test]
async fn nothing_that_is_for_the_proxy() {
    let mut proxy = Upstream::start().await;
    let closed = Closed::new();
    for (url, answers) in [(proxy.url(), true), (closed.url.clone(), false)] {
        for upstream in ["http://upstream.example", "https://upstream.example"] {
            let url = url.replace("http://", "http://canary-user:canary-password@");
            let mut command = gateway::passing(upstream);
            command.env("HTTP_PROXY", &url).env("HTTPS_PROXY", &url);
            let gateway = Gateway::start(at_trace(&mut command)).await;
            let mut caller = Peer::connect(gateway.address).await;
            caller.send(REQUEST).await;
            if answers {
                let mut request = proxy.request().await;
                let tunnel = upstream.starts_with("https");
                let expected = if tunnel {
                    "CONNECT upstream.example:443"
                } else {
                    "POST http://upstream.example/v1/messages"
                };
                assert!(request.head.line.starts_with(expected), "{}", request.head.line);
                // The gateway's own words to its proxy, and not what the caller has for another one.
                let credentials = request.head.get("proxy-authorization");
                assert_eq!(credentials, Some("Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk"));
                request.peer.send("HTTP/1.1 407 Canary\r\ncontent-length: 6\r\n\r\ncanary").await;
                let status = caller.answer("POST").await.status();
                assert_eq!(status, if tunnel { 502 } else { 407 });
            } else {
                assert_eq!(caller.answer("POST").await.status(), 502);
            }
            caller.rest().await.whole();
            let exit = gateway.stop().await;
            assert!(!exit.stderr.contains("Y2FuYXJ5"), "{}", exit.stderr);
            has_no_canary(&exit);
        }
    }
}

/// Requests that are no HTTP, or that ask for somebody else.
#[tokio::test]
async fn nothing_that_could_not_be_read() {
    let closed = Closed::new();
    let gateway = Gateway::start(at_trace(&mut gateway::before(&closed.url))).await;
    for request in [
        "POST /v1/messages?canary-query=1 HTTP/1.1\r\nx-api-key : canary key\r\nbad\x01header: canary\r\n\r\n",
        "GET http://canary-user:canary-password@canary-host/v1/models?canary-query HTTP/1.1\r\nhost: x\r\n\r\n",
        "canary\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\ncanary\r\n",
    ] {
        let mut caller = Peer::connect(gateway.address).await;
        caller.send(request).await;
        assert!(caller.answer("GET").await.status() >= 400);
    }
    has_no_canary(&gateway.stop().await);
}
