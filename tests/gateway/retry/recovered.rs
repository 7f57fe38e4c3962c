//! What fails before its content is repeated, and nobody notices; what fails after it is passed on as it is.

use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Upstream;
use crate::support::wire::{Peer, Piece, chunk, readable};

use super::{As, BOTH, Path, ask, set, simulator, undisturbed};

/// As an answer of any kind.
const IN_ANY_ANSWER: [&str; 16] = [
    "overloaded",
    "internal",
    "internal executed",
    "status=408",
    "status=409",
    "status=429",
    "status=429 retry-after-ms=1",
    "status=502 body=html",
    "status=503 body=empty",
    "status=504",
    "status=400 should-retry=true",
    "refuse",
    "reset-before-headers",
    "reset-before-headers executed",
    "reset-after-headers",
    "reset-mid-event=1",
];

const IN_A_WHOLE_ANSWER: [&str; 4] =
    ["truncated-json", "no-message-stop", "truncated-json, drip=16/1ms", "error-event=api_error"];

const IN_A_STREAM: [&str; 9] = [
    "error-event=overloaded_error at-start",
    "error-event=overloaded_error after=0",
    "error-event=api_error after=0 no-request-id",
    "error-event=rate_limit_error after=0",
    "error-event=overloaded_error after=0, cut-randomly, line-ends=cr, noise",
    "truncated-json=1",
    "reset-mid-event=2",
    r#"status=200 bytes="" content-type=text/event-stream"#,
    r#"status=200 bytes=": no event\x0a\x0a" content-type=text/event-stream"#,
];

#[tokio::test]
async fn the_caller_gets_what_an_upstream_without_faults_would_answer() {
    for how in BOTH {
        let path = Path::start(&[]).await;
        let own: &[&str] = if how == As::Whole { &IN_A_WHOLE_ANSWER } else { &IN_A_STREAM };
        let mut number = 0;
        for fault in IN_ANY_ANSWER.iter().chain(own) {
            let what = format!("{fault}, {how:?}");
            path.simulator.fail_next(1, fault.parse().unwrap());
            let answer = path.ask(how, "x-stainless-retry-count: 0\r\nx-mine: 1\r\n").await;
            let requests = path.take_requests();
            assert_eq!((answer.head.status(), requests.len()), (200, 2), "{what}");
            number += 2;
            let (headers, body) = undisturbed(number - 1, how).await;
            assert_eq!(readable(&answer.headers()), readable(&headers), "{what}");
            assert!(answer.body.whole() == body, "{what}: the body is another one");

            let [failed, repeated] = &requests[..] else { unreachable!() };
            if *fault != "refuse" {
                assert!(failed.body == repeated.body, "{what}");
            }
            assert_eq!(repeated.body, how.json(), "{what}");
            assert_eq!(failed.headers, repeated.headers, "{what}");
            assert_eq!(repeated.headers["x-mine"], "1");
        }
    }
}

#[tokio::test]
async fn several_failures_in_a_row_are_recovered_from() {
    let path = Path::start(&[]).await;
    for how in BOTH {
        for fault in ["overloaded", "reset-before-headers", "reset-after-headers"] {
            path.simulator
                .fail_with([fault, "internal", "error-event=api_error"].map(|fault| fault.parse().unwrap()));
            let answer = path.ask(how, "").await;
            assert_eq!((answer.head.status(), path.take_requests().len()), (200, 4), "{fault}, {how:?}");
            assert!(answer.body.trailers.is_some());
        }
    }
}

/// For a socket that is really closed.
#[tokio::test]
async fn a_connection_that_is_refused_for_a_moment_is_made_later() {
    let settings = [("MAX_RETRIES", "20"), ("BACKOFF_BASE", "20ms"), ("BACKOFF_MAX", "1s")];
    let mut path = Path::start(&settings).await;
    path.server.refuse(true).await.unwrap();
    let asking = tokio::spawn(ask(Peer::connect(path.gateway.address).await, As::Whole, ""));
    let line = path.gateway.logged(" retry code=").await;
    assert!(line.contains("CONNECTION_ERROR") && line.contains("maybe_executed=false"), "{line}");
    path.server.refuse(false).await.unwrap();
    let answer = asking.await.unwrap();
    assert_eq!((answer.head.status(), path.take_requests().len()), (200, 1));
}

/// After the first content, or all of it, the bytes are the upstream's, to the end that it makes of them.
#[tokio::test]
async fn what_fails_after_its_content_comes_as_it_is() {
    let faults = [
        (As::Stream, "error-event=overloaded_error after=1"),
        (As::Stream, "error-event=overloaded_error after=3"),
        (As::Stream, "error-event=api_error after=2, noise, line-ends=crlf"),
        (As::Stream, "truncated-json"),
        (As::Stream, "no-message-stop"),
        (As::Stream, "reset-mid-event=6"),
        (As::Stream, "reset-mid-event=9"),
        (As::Stream, "wrong-length=5"),
        (As::Stream, "gzip-unasked, reset-mid-event=3"),
        (As::Whole, "wrong-length=5"),
    ];
    let path = Path::start(&[]).await;
    let twin = simulator().serve("127.0.0.1:0").await.unwrap();
    for (how, fault) in faults {
        let header = format!("x-sim-fault: {fault}\r\n");
        let through = path.ask(how, &header).await;
        let direct = ask(Peer::connect(twin.local_addr()).await, how, &header).await;
        assert_eq!(path.take_requests().len(), 1, "{fault}");
        assert_eq!(through.head.status(), 200, "{fault}");
        assert_eq!(readable(&through.headers()), readable(&direct.headers()), "{fault}");
        assert_eq!(through.body.trailers, direct.body.trailers, "{fault}: it ends in the same way");
        assert!(through.body.bytes == direct.body.bytes, "{fault}: the bytes are others");
        let text = String::from_utf8_lossy(&through.body.bytes).into_owned();
        let has_content = text.contains("content_block_delta") || fault.starts_with("gzip");
        assert!(has_content || how == As::Whole, "{fault}: {text}");
    }
}

/// The same by hand, where it is known what was there before the cut.
#[tokio::test]
async fn a_cut_after_content_is_a_cut() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&mut gateway::repeating(&upstream.url())).await;
    for resets in [false, true] {
        let mut caller = Peer::connect(gateway.address).await;
        caller.send("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await;
        let (mut request, _) = upstream.whole_request().await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let events = [
            "event: message_start\ndata: {\"type\":\"message_start\"}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
        ];
        request.peer.send(head).await;
        request.peer.send(chunk(events[0].as_bytes())).await;
        request.peer.send(chunk(events[1].as_bytes())).await;
        assert_eq!(caller.answer("POST").await.status(), 200);
        let whole = events.concat();
        assert_eq!(caller.at_least(whole.len()).await, whole.as_bytes());
        if resets {
            request.peer.reset();
        } else {
            drop(request.peer);
        }
        assert_eq!(caller.piece().await, Piece::Cut);
    }
}

/// A stream that is slow to begin keeps its caller waiting no longer than it is told.
#[tokio::test]
async fn a_stream_is_not_held_for_ever() {
    let mut upstream = Upstream::start().await;
    let mut command = gateway::repeating(&upstream.url());
    let gateway = Gateway::start(set(&mut command, &[("HOLD_TIME", "10ms")])).await;
    let mut caller = Peer::connect(gateway.address).await;
    caller.send("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await;
    let (mut request, _) = upstream.whole_request().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let start = b"event: message_start\ndata: {\"type\":\"message_start\"}\n\n";
    request.peer.send(head).await;
    request.peer.send(chunk(start)).await;
    assert_eq!(caller.answer("POST").await.status(), 200);
    assert_eq!(caller.at_least(start.len()).await, start);
    drop(request.peer);
    assert_eq!(caller.piece().await, Piece::Cut);
}
