//! Bytes go on as they come, in both directions, and so does the end of a connection.

use std::process::Command;

use serde_json::Value;

use crate::support::gateway::{self, Gateway};
use crate::support::upstream::{Closed, Upstream};
use crate::support::wire::{Peer, Piece, chunk};

const EVENTS: [&[u8]; 3] = [
    b"event: message_start\ndata: {\"type\":\"message_start\"}\n\n",
    b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
    b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_stream\r\n";
const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n";
const GET: &str = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
const POST: &str = "POST /v1/messages HTTP/1.1\r\nhost: x\r\n";
const UPLOAD: &str = "POST /v1/files HTTP/1.1\r\nhost: x\r\n";

async fn start() -> (Upstream, Gateway, Peer) {
    start_with(gateway::before).await
}

async fn start_with(command: impl FnOnce(&str) -> Command) -> (Upstream, Gateway, Peer) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&mut command(&upstream.url())).await;
    let caller = Peer::connect(gateway.address).await;
    (upstream, gateway, caller)
}

/// How a gateway before this upstream is started.
type Before = fn(&str) -> Command;

/// What is sent on as it comes: files, what is too large to be kept, and everything if nothing is ever repeated.
const STREAMED: [(&str, Before); 4] = [
    (UPLOAD, gateway::before),
    (POST, |upstream| keeping(upstream, "4")),
    (POST, |upstream| keeping(upstream, "0")),
    (POST, gateway::passing),
];

/// With so much of a request in memory at the most.
fn keeping(upstream: &str, most: &str) -> Command {
    let mut command = gateway::before(upstream);
    command.env("CLAUDE_TOWER__GATEWAY__MAX_BUFFERED_REQUEST", most);
    command
}

/// The upstream sends an event only after the caller has the one before.
#[tokio::test]
async fn an_event_is_there_before_the_next_one_is_sent() {
    let (mut upstream, _gateway, mut caller) = start().await;
    let whole = EVENTS.concat();

    caller.send(GET).await;
    let mut request = upstream.request().await;
    request.peer.send(format!("{SSE}{CHUNKED}")).await;
    assert_eq!(caller.answer("GET").await.get("content-type"), Some("text/event-stream"));
    for event in EVENTS {
        request.peer.send(chunk(event)).await;
        assert_eq!(caller.at_least(event.len()).await, event);
    }
    request.peer.send("0\r\n\r\n").await;
    assert_eq!(caller.piece().await, Piece::End(Vec::new()));
    upstream.keep(request.peer);

    caller.send(GET).await;
    let mut request = upstream.request().await;
    request.peer.send(format!("{SSE}content-length: {}\r\n\r\n", whole.len())).await;
    caller.answer("GET").await;
    // Half events, too: who reads whole events can wait for the rest.
    for byte in &whole {
        request.peer.send([*byte]).await;
        assert_eq!(caller.at_least(1).await, [*byte]);
    }
    assert_eq!(caller.piece().await, Piece::End(Vec::new()));
}

#[tokio::test]
async fn half_a_request_is_there_before_the_other_is_sent() {
    for (post, command) in STREAMED {
        let (mut upstream, _gateway, mut caller) = start_with(command).await;
        for (framing, halves, end) in [
            ("content-length: 10", [b"first".to_vec(), b"other".to_vec()], ""),
            ("transfer-encoding: chunked", [chunk(b"first"), chunk(b"other")], "0\r\n\r\n"),
        ] {
            caller.send(format!("{post}{framing}\r\n\r\n")).await;
            caller.send(&halves[0]).await;
            let mut request = upstream.request().await;
            assert_eq!(request.peer.at_least(5).await, b"first");
            caller.send(&halves[1]).await;
            assert_eq!(request.peer.at_least(5).await, b"other");
            caller.send(end).await;
            assert_eq!(request.peer.piece().await, Piece::End(Vec::new()));
            request.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            assert_eq!(caller.answer("POST").await.status(), 200);
            upstream.keep(request.peer);
        }
    }
}

/// What says itself that it is too large to be kept is not read before it is sent.
#[tokio::test]
async fn the_head_of_a_large_request_is_there_before_its_body() {
    let (mut upstream, _gateway, mut caller) = start().await;
    caller.send(format!("{POST}content-length: {}\r\n\r\n", (32 << 20) + 1)).await;
    let mut request = upstream.request().await;
    caller.send("first").await;
    assert_eq!(request.peer.at_least(5).await, b"first");
}

#[tokio::test]
async fn an_answer_may_begin_before_the_request_has_ended() {
    for (post, command) in STREAMED {
        let (mut upstream, _gateway, mut caller) = start_with(command).await;
        caller.send(format!("{post}{CHUNKED}")).await;
        caller.send(chunk(b"half of it")).await;
        let mut request = upstream.request().await;
        assert_eq!(request.peer.at_least(10).await, b"half of it");
        request.peer.send(format!("{SSE}{CHUNKED}")).await;
        request.peer.send(chunk(EVENTS[0])).await;
        caller.answer("POST").await;
        assert_eq!(caller.at_least(EVENTS[0].len()).await, EVENTS[0]);
        caller.send(chunk(b"more")).await;
        assert_eq!(request.peer.at_least(4).await, b"more");
        caller.send("0\r\n\r\n").await;
        assert_eq!(request.peer.piece().await, Piece::End(Vec::new()));
        request.peer.send("0\r\n\r\n").await;
        assert_eq!(caller.piece().await, Piece::End(Vec::new()));
    }
}

/// The edge refuses what is too large while it is still being sent.
#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_is_told() {
    let (mut upstream, mut gateway, mut caller) = start_with(|upstream| keeping(upstream, "1MB")).await;
    let refusal = "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":\"x\"}}";
    for then_closes in [false, true] {
        caller.send(format!("{POST}content-length: 32000000\r\n\r\n")).await;
        let mut request = upstream.request().await;
        caller.send([b'x'; 1000]).await;
        request.peer.at_least(1000).await;
        let head = format!("HTTP/1.1 413 Payload Too Large\r\ncontent-length: {}\r\n", refusal.len());
        let close = if then_closes { "connection: close\r\n" } else { "" };
        request.peer.send(format!("{head}{close}\r\n{refusal}")).await;
        if then_closes {
            drop(request.peer);
        }
        assert_eq!(caller.answer("POST").await.status(), 413);
        assert_eq!(caller.rest().await.whole(), refusal.as_bytes());
        gateway.logged("status=413").await;
        caller = Peer::connect(gateway.address).await;
    }
}

#[tokio::test]
async fn a_caller_that_leaves_is_noticed_above() {
    let (mut upstream, mut gateway, _caller) = start().await;

    // Before the answer.
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(GET).await;
    let mut request = upstream.request().await;
    drop(caller);
    assert!(request.peer.closed().await);
    gateway.logged("left before the answer").await;

    // In the answer.
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(GET).await;
    let mut request = upstream.request().await;
    request.peer.send(format!("{SSE}{CHUNKED}")).await;
    request.peer.send(chunk(EVENTS[0])).await;
    caller.answer("GET").await;
    caller.at_least(EVENTS[0].len()).await;
    drop(caller);
    assert!(request.peer.closed().await);
    gateway.logged("left by the caller").await;

    // By a reset, in the answer.
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(GET).await;
    let mut request = upstream.request().await;
    request.peer.send(format!("{SSE}content-length: 1000\r\n\r\n{}", "x".repeat(10))).await;
    caller.answer("GET").await;
    caller.at_least(10).await;
    caller.reset();
    assert!(request.peer.closed().await);
}

#[tokio::test]
async fn half_a_request_does_not_arrive_as_a_whole_one() {
    for (post, command) in STREAMED {
        let (mut upstream, gateway, _caller) = start_with(command).await;
        for (framing, half) in
            [("content-length: 10", b"a half".to_vec()), ("transfer-encoding: chunked", chunk(b"a half"))]
        {
            for resets in [false, true] {
                let mut caller = Peer::connect(gateway.address).await;
                caller.send(format!("{post}{framing}\r\n\r\n")).await;
                caller.send(&half).await;
                let mut request = upstream.request().await;
                assert_eq!(request.peer.at_least(6).await, b"a half");
                if resets {
                    caller.reset();
                } else {
                    drop(caller);
                }
                assert_eq!(request.peer.piece().await, Piece::Cut, "{framing}");
            }
        }
    }
}

/// Of one that is to be kept, nothing arrives at all.
#[tokio::test]
async fn half_a_request_that_is_being_read_does_not_arrive() {
    let (mut upstream, mut gateway, mut witness) = start().await;
    for (framing, half) in
        [("content-length: 10", b"a half".to_vec()), ("transfer-encoding: chunked", chunk(b"a half"))]
    {
        for resets in [false, true] {
            let mut caller = Peer::connect(gateway.address).await;
            caller.send(format!("{POST}expect: 100-continue\r\n{framing}\r\n\r\n")).await;
            assert_eq!(caller.answer("POST").await.status(), 100, "it is being read");
            caller.send(&half).await;
            if resets {
                caller.reset();
            } else {
                drop(caller);
            }
        }
    }
    gateway.logged_times(4, " request method=POST").await;
    witness.send(GET).await;
    assert_eq!(upstream.request().await.head.line, "GET /v1/models HTTP/1.1", "it is the first of all");
}

/// A caller that can still hear it is told.
#[tokio::test]
async fn a_request_that_cannot_be_read_is_told() {
    let (_upstream, gateway, _caller) = start().await;
    for rest in ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\nno chunk\r\n"] {
        let mut caller = Peer::connect(gateway.address).await;
        caller.send(format!("{POST}{rest}")).await;
        caller.finish().await;
        let head = caller.answer("POST").await;
        assert_eq!((head.status(), head.get("x-should-retry")), (400, Some("false")), "{rest}");
        let body: Value = serde_json::from_slice(&caller.rest().await.whole()).unwrap();
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert_eq!(body["error"]["details"]["error_code"], "unsendable_request");
    }
}

#[tokio::test]
async fn half_an_answer_does_not_arrive_as_a_whole_one() {
    let (mut upstream, mut gateway, _caller) = start().await;
    let half = EVENTS[0];
    let length = half.len() + 1;
    let beginnings = [
        format!("content-length: {length}\r\n\r\n").into_bytes(),
        CHUNKED.into(),
        // As long as the connection: only a reset shows that there was more.
        b"\r\n".to_vec(),
    ];
    for beginning in beginnings {
        for resets in [false, true] {
            if !resets && beginning == b"\r\n" {
                continue;
            }
            let name = String::from_utf8_lossy(&beginning).into_owned();
            let mut caller = Peer::connect(gateway.address).await;
            caller.send(GET).await;
            let mut request = upstream.request().await;
            request.peer.send([SSE.as_bytes(), &beginning].concat()).await;
            let data = if name == CHUNKED { chunk(half) } else { half.to_vec() };
            request.peer.send(data).await;
            caller.answer("GET").await;
            assert_eq!(caller.at_least(half.len()).await, half);
            if resets {
                request.peer.reset();
            } else {
                drop(request.peer);
            }
            assert_eq!(caller.piece().await, Piece::Cut, "{name:?}, reset: {resets}");
        }
    }
    gateway.logged("cut by the upstream").await;
    let stopped = gateway.stop().await;
    let lines = stopped.access_log();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("status=200") && line.contains("cut by the upstream")));
}

/// The end of it may be there as soon as the beginning. Without a head the caller would take the request for lost, and
/// repeat it.
#[tokio::test]
async fn what_there_is_of_an_answer_arrives() {
    let (mut upstream, gateway, _caller) = start().await;
    for half in [&b""[..], EVENTS[0]] {
        for _ in 0..20 {
            let mut caller = Peer::connect(gateway.address).await;
            caller.send(GET).await;
            let mut request = upstream.request().await;
            let chunk = if half.is_empty() { Vec::new() } else { chunk(half) };
            request.peer.send([SSE.as_bytes(), CHUNKED.as_bytes(), &chunk].concat()).await;
            drop(request.peer);
            assert_eq!(caller.answer("GET").await.status(), 200);
            assert_eq!(caller.at_least(half.len()).await, half);
            assert_eq!(caller.piece().await, Piece::Cut);
        }
    }
}

/// What the gateway says when it has no answer to pass on.
async fn says(caller: &mut Peer, status: u16, kind: &str) {
    let head = caller.answer("POST").await;
    assert_eq!(head.status(), status);
    assert_eq!(head.get("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&caller.rest().await.whole()).unwrap();
    assert_eq!((&body["type"], &body["error"]["type"]), (&"error".into(), &kind.into()));
    // No code that the API has: whose error it is can be told.
    let code = body["error"]["details"]["error_code"].as_str().unwrap();
    assert!(["connection_error", "connection_lost", "invalid_response", "timeout"].contains(&code), "{body}");
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_told_as_an_error() {
    let (mut upstream, mut gateway, mut caller) = start_with(gateway::passing).await;
    let silent: &[u8] = b"";
    for (answer, resets) in [(silent, false), (silent, true), (b"HTTP/1.1 200 OK\r\ncontent-le", false)] {
        caller.send(format!("{POST}content-length: 2\r\n\r\n{{}}")).await;
        let (mut request, _) = upstream.whole_request().await;
        request.peer.send(answer).await;
        if resets {
            request.peer.reset();
        } else {
            drop(request.peer);
        }
        says(&mut caller, 502, "api_error").await;
    }
    for answer in
        ["SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
    {
        caller.send(GET).await;
        let mut request = upstream.request().await;
        request.peer.send(answer).await;
        says(&mut caller, 502, "api_error").await;
    }
    // The connection to the caller is as good as before.
    caller.send(GET).await;
    let mut request = upstream.request().await;
    request.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(caller.answer("GET").await.status(), 200);
    gateway.logged("no answer from the upstream").await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_told_as_an_error() {
    let closed = Closed::new();
    let mut gateway = Gateway::start(&mut gateway::passing(&closed.url)).await;
    let mut caller = Peer::connect(gateway.address).await;
    for _ in 0..2 {
        caller.send(format!("{POST}content-length: 2\r\n\r\n{{}}")).await;
        says(&mut caller, 502, "api_error").await;
    }
    gateway.logged("no answer from the upstream").await;
    let line = gateway.logged(" request method=").await;
    assert!(line.contains("status=502") && line.contains("end=\"complete\""), "{line}");
}

/// The other side takes the connection and never says a word of TLS.
#[tokio::test]
async fn an_upstream_that_takes_too_long_to_connect_is_told_as_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("https://{}", listener.local_addr().unwrap());
    let mut command = gateway::passing(&upstream);
    command.env("CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT", "100ms");
    let mut gateway = Gateway::start(&mut command).await;
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(format!("{POST}content-length: 2\r\n\r\n{{}}")).await;
    says(&mut caller, 504, "timeout_error").await;
    let line = gateway.logged(" request method=").await;
    assert!(line.contains("status=504"), "{line}");
}
