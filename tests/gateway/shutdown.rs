//! Stopping: no new connections, and every open stream to its end.

use std::io::ErrorKind;
use std::process::Command;

use tokio::net::TcpStream;

use crate::support::gateway::{self, Gateway};
use crate::support::upstream::{Request, Upstream};
use crate::support::wire::{Peer, Piece, chunk};
use crate::support::within_limit;

const STOPPING: &str = "stopping: no new connections";
const GET: &str = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";

/// A stream of which the first part has arrived.
async fn open_stream(command: impl FnOnce(&mut Command)) -> (Gateway, Peer, Request) {
    let mut upstream = Upstream::start().await;
    let mut before = gateway::before(&upstream.url());
    command(&mut before);
    let gateway = Gateway::start(&mut before).await;
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(GET).await;
    let mut request = upstream.request().await;
    request.peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    request.peer.send(chunk(b"first")).await;
    caller.answer("GET").await;
    assert_eq!(caller.at_least(5).await, b"first");
    (gateway, caller, request)
}

/// Waits until nothing listens there any more. A connection that was made in between is not served.
async fn refused(gateway: &Gateway) {
    within_limit(async {
        loop {
            match TcpStream::connect(gateway.address).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
                // The door is being closed.
                Ok(_) | Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_open_stream_goes_on_to_its_end() {
    for signal in ["TERM", "INT"] {
        let (mut gateway, mut caller, mut request) = open_stream(|_| ()).await;
        gateway.signal(signal);
        gateway.logged(STOPPING).await;
        refused(&gateway).await;
        for _ in 0..3 {
            request.peer.send(chunk(b"more")).await;
            assert_eq!(caller.at_least(4).await, b"more");
        }
        request.peer.send("0\r\n\r\n").await;
        assert_eq!(caller.piece().await, Piece::End(Vec::new()));
        assert!(caller.closed().await, "there is no next request on it");
        let exit = gateway.exit().await;
        assert_eq!(exit.code(), Some(0), "{}", exit.stderr);
        assert!(!exit.stderr.contains("still running"), "{}", exit.stderr);
        assert_eq!(exit.access_log().len(), 1, "{}", exit.stderr);
        assert!(exit.access_log()[0].contains("end=\"complete\""), "{}", exit.stderr);
    }
}

/// Also one of which the upstream has not begun the answer, and whose body is still on its way.
#[tokio::test]
async fn a_request_that_has_begun_is_answered() {
    let mut upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&mut gateway::before(&upstream.url())).await;
    let mut caller = Peer::connect(gateway.address).await;
    caller.send("POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nfirst").await;
    let mut request = upstream.request().await;
    assert_eq!(request.peer.at_least(5).await, b"first");
    gateway.signal("TERM");
    gateway.logged(STOPPING).await;
    caller.send("other").await;
    assert_eq!(request.peer.rest().await.whole(), b"other");
    request.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let head = caller.answer("POST").await;
    assert_eq!((head.status(), head.get("connection")), (200, Some("close")));
    assert_eq!(caller.rest().await.whole(), b"{}");
    assert_eq!(gateway.exit().await.code(), Some(0));
}

/// Also one that the upstream has not heard of yet, because the gateway wants it whole.
#[tokio::test]
async fn a_request_that_is_being_read_is_answered() {
    let mut upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&mut gateway::before(&upstream.url())).await;
    let mut caller = Peer::connect(gateway.address).await;
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n";
    caller.send(head).await;
    assert_eq!(caller.answer("POST").await.status(), 100, "it is being read");
    caller.send("first").await;
    gateway.signal("TERM");
    gateway.logged(STOPPING).await;
    caller.send("other").await;
    let (mut request, body) = upstream.whole_request().await;
    assert_eq!(body.whole(), b"firstother");
    request.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(caller.answer("POST").await.status(), 200);
    assert_eq!(caller.rest().await.whole(), b"{}");
    assert_eq!(gateway.exit().await.code(), Some(0));
}

/// And one that waits to be repeated.
#[tokio::test]
async fn a_request_that_waits_is_repeated() {
    let mut upstream = Upstream::start().await;
    let mut command = gateway::before(&upstream.url());
    command.env("CLAUDE_TOWER__RETRY__BACKOFF_BASE", "100ms");
    let mut gateway = Gateway::start(&mut command).await;
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(GET).await;
    let mut request = upstream.request().await;
    request.peer.send("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n").await;
    upstream.keep(request.peer);
    gateway.logged(" retry code=").await;
    gateway.signal("TERM");
    gateway.logged(STOPPING).await;
    let mut request = upstream.request().await;
    request.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(caller.answer("GET").await.status(), 200);
    assert_eq!(caller.rest().await.whole(), b"{}");
    assert_eq!(gateway.exit().await.code(), Some(0));
}

/// Connections without a request do not hold it up.
#[tokio::test]
async fn nothing_to_wait_for() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&mut gateway::before(&upstream.url())).await;
    let mut used = Peer::connect(gateway.address).await;
    used.send(GET).await;
    let mut request = upstream.request().await;
    request.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    upstream.keep(request.peer);
    used.answer("GET").await;
    let mut fresh = Peer::connect(gateway.address).await;
    let exit = gateway.stop().await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr);
    assert!(used.closed().await && fresh.closed().await);
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
        let (mut gateway, mut caller, mut request) = open_stream(|_| ()).await;
        gateway.signal(first);
        gateway.logged(STOPPING).await;
        gateway.signal(second);
        let exit = gateway.exit().await;
        assert_eq!(exit.code(), Some(0), "{}", exit.stderr);
        assert!(exit.stderr.contains("stopped with requests still running"), "{}", exit.stderr);
        assert_eq!(caller.piece().await, Piece::Cut, "what was cut must not look whole");
        assert!(request.peer.closed().await);
        assert_eq!(exit.access_log().len(), 1, "a request that was cut is logged, too: {}", exit.stderr);
    }
}

#[tokio::test]
async fn the_grace_is_as_long_as_configured() {
    let grace = |grace: &'static str| {
        move |command: &mut Command| {
            command.env("CLAUDE_TOWER__GATEWAY__SHUTDOWN_GRACE", grace);
        }
    };
    for short in ["0s", "10ms"] {
        let (gateway, mut caller, mut request) = open_stream(grace(short)).await;
        let exit = gateway.stop().await;
        assert_eq!(exit.code(), Some(0), "{}", exit.stderr);
        assert!(exit.stderr.contains("stopped with requests still running"), "{}", exit.stderr);
        assert_eq!(caller.piece().await, Piece::Cut);
        assert!(request.peer.closed().await);
    }
    let (mut gateway, mut caller, mut request) = open_stream(grace("24h")).await;
    gateway.signal("TERM");
    gateway.logged(STOPPING).await;
    request.peer.send("0\r\n\r\n").await;
    assert_eq!(caller.piece().await, Piece::End(Vec::new()));
    let exit = gateway.exit().await;
    assert_eq!(exit.code(), Some(0));
    assert!(!exit.stderr.contains("still running"), "{}", exit.stderr);
}
