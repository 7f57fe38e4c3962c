//! The errors of real clients, over sockets on which something goes wrong.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use claude_errors::Blame::{Caller, Network, Server as ServerBlame};
use claude_errors::Classification;
use claude_errors::ErrorKind::{
    Connection, ConnectionLost, IncompleteResponse, InvalidResponse, Timeout, UnsendableRequest,
};
use claude_errors::Retry::{No, Yes};
use claude_wire::{Body, BoxError};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, Channel, StreamBody};
use tower::ServiceExt;

use crate::clients::{Judged, Options, Which, body_fails, fails, finishes, limited, post};
use crate::servers::{Server, read_request, refusing};
use crate::support::Executed::{Not, Perhaps};
use crate::support::{Row, row};

/// Tests of this form run once for each client.
macro_rules! for_each_client {
    ($($test:ident),+ $(,)?) => {
        mod hyper {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::clients::Which::Hyper).await;
                }
            )+
        }
        #[cfg(feature = "reqwest")]
        mod reqwest {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::clients::Which::Reqwest).await;
                }
            )+
        }
    };
}
pub(crate) use for_each_client;

for_each_client!(
    connections_that_are_refused,
    names_that_nobody_has,
    tls_to_a_port_without,
    a_connect_timeout,
    closed_before_anything_was_written,
    closed_before_the_request_was_read,
    closed_after_the_request_was_read,
    closed_in_the_head,
    reset_in_the_head,
    garbage_instead_of_http,
    a_request_body_that_fails,
    no_host,
    a_read_timeout,
    a_body_shorter_than_its_length,
    a_chunked_body_without_its_end,
    a_body_that_is_reset,
    a_kept_connection_that_was_closed,
);

pub(crate) const NO_CONNECTION: Row = row(Connection, "CONNECTION_ERROR", Yes, Not, Network);
pub(crate) const LOST: Row = row(ConnectionLost, "CONNECTION_LOST", Yes, Perhaps, Network);
const UNSENDABLE: Row = row(UnsendableRequest, "UNSENDABLE_REQUEST", No, Perhaps, Caller);
const INCOMPLETE: Row = row(IncompleteResponse, "INCOMPLETE_RESPONSE", Yes, Perhaps, Network);

async fn connections_that_are_refused(which: Which) {
    let (_held, address) = refusing();
    let judged = Judged::of(&which.client(), post(&format!("http://{address}/"))).await;
    judged.are(which, NO_CONNECTION, &["connection refused", "no connection"]);
}

async fn names_that_nobody_has(which: Which) {
    let judged = Judged::of(&which.client(), post("http://nohost.invalid/v1/messages")).await;
    judged.are(which, NO_CONNECTION, &["no connection"]);
}

async fn tls_to_a_port_without(which: Which) {
    let server = Server::start(|mut tcp| async move {
        io_done(tokio::io::AsyncWriteExt::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    })
    .await;
    let judged = Judged::of(&which.client(), post(&format!("https://{}/", server.address))).await;
    judged.are(which, NO_CONNECTION, &["no connection", "connection reset", "unexpected end"]);
}

/// What the other side does with it is its own affair.
fn io_done<T>(result: io::Result<T>) {
    drop(result);
}

/// A clock of this side, and nothing was sent.
async fn a_connect_timeout(which: Which) {
    // The system accepts for a listener that does not, and nobody answers in TLS.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let options = Options { connect_timeout: Some(Duration::from_millis(50)), ..Options::default() };
    let judged = Judged::of(&which.client_with(options), post(&url)).await;
    judged.are(which, row(Timeout, "TIMEOUT", Yes, Not, Network), &["timed out"]);
}

/// The server closes with the request unread: whether the client got to write it, it cannot know.
async fn closed_before_the_request_was_read(which: Which) {
    let server = Server::start(|tcp| async move {
        tcp.peek(&mut [0]).await.unwrap();
    })
    .await;
    let judged = Judged::of(&which.client(), post(&server.url())).await;
    judged.are(which, LOST, &["connection reset", "closed before the answer", "broken pipe"]);
}

async fn closed_after_the_request_was_read(which: Which) {
    let server = Server::answering(b"").await;
    let judged = Judged::of(&which.client(), post(&server.url())).await;
    judged.are(which, LOST, &["closed before the answer"]);
}

async fn closed_in_the_head(which: Which) {
    let server = Server::answering(b"HTTP/1.1 200 OK\r\ncontent-le").await;
    let judged = Judged::of(&which.client(), post(&server.url())).await;
    judged.are(which, LOST, &["closed before the answer"]);
}

async fn reset_in_the_head(which: Which) {
    let server = Server::resetting(b"HTTP/1.1 200 OK\r\ncontent-le").await;
    let judged = Judged::of(&which.client(), post(&server.url())).await;
    judged.are(which, LOST, &["connection reset", "closed before the answer"]);
}

async fn garbage_instead_of_http(which: Which) {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"\x15\x03\x03\x00\x02\x02\x16\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
    ] {
        let server = Server::answering(garbage).await;
        let judged = Judged::of(&which.client(), post(&server.url())).await;
        judged.are(which, row(InvalidResponse, "INVALID_RESPONSE", No, Perhaps, ServerBlame), &["no HTTP"]);
    }
}

/// Half a request is executed by nobody, but the error does not say that it was half of one.
async fn a_request_body_that_fails(which: Which) {
    let server = Server::silent().await;
    let first = || Ok(Frame::data(Bytes::from_static(b"{\"model\":")));
    let broken = || Err(io::Error::other("the file is gone"));
    for frames in [vec![broken()], vec![first(), broken()], vec![first(), first(), broken()]] {
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let request = Request::post(server.url()).body(Body::stream(body)).unwrap();
        let judged = Judged::of(&which.client(), request).await;
        judged.are(which, UNSENDABLE, &["request body or head failed"]);
    }
}

async fn no_host(which: Which) {
    let (error, attempt) = fails(&which.client(), post("/v1/messages")).await;
    assert!(!attempt.is_sent());
    let judged = Classification::of_error(&*error, Some(false));
    let expected = row(UnsendableRequest, "UNSENDABLE_REQUEST", No, Not, Caller);
    assert_eq!(Row::from(&judged), expected, "{which:?}: {error:?}");
}

async fn a_read_timeout(which: Which) {
    let server = Server::silent().await;
    let client = limited(which.client(), Duration::from_millis(200));
    let judged = Judged::of(&client, post(&server.url())).await;
    judged.are(which, row(Timeout, "TIMEOUT", Yes, Perhaps, Network), &["timed out"]);
}

async fn a_body_breaks(which: Which, server: Server) {
    let client = which.client();
    // What the types alone say of the body's own error.
    let answer = finishes(client.clone().oneshot(post(&server.url()))).await.unwrap();
    let error: BoxError = finishes(answer.into_body().collect()).await.unwrap_err();
    let judged = Classification::of_error(&*error, Some(true));
    assert_eq!(
        (judged.kind, judged.retry, judged.maybe_executed),
        (ConnectionLost, Yes, true),
        "{which:?} {error:?}"
    );
    // What a program gets.
    let error = body_fails(client, post(&server.url())).await;
    assert_eq!(Row::from(error.classification()), INCOMPLETE);
    assert_eq!(error.classification().cause, judged.cause);
    assert!(error.is_mid_stream());
}

async fn a_body_shorter_than_its_length(which: Which) {
    a_body_breaks(which, Server::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":").await)
        .await;
}

async fn a_chunked_body_without_its_end(which: Which) {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\nevent\r\n";
    a_body_breaks(which, Server::answering(head).await).await;
}

async fn a_body_that_is_reset(which: Which) {
    let server = Server::start(|mut tcp| async move {
        read_request(&mut tcp).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
        tokio::io::AsyncWriteExt::write_all(&mut tcp, head).await.unwrap();
        crate::servers::reset(&tcp);
    })
    .await;
    let answer = finishes(which.client().oneshot(post(&server.url()))).await;
    // The system may tell of the reset before the client has read the head.
    let error: BoxError = match answer {
        Ok(answer) => finishes(answer.into_body().collect()).await.unwrap_err(),
        Err(error) => error,
    };
    let judged = Classification::of_error(&*error, Some(true));
    assert_eq!(Row::from(&judged), LOST, "{which:?} {error:?}");
}

/// The server closes a connection in the pool while the client looks away, and the next request goes there.
async fn a_kept_connection_that_was_closed(which: Which) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (close, closes) = mpsc::channel::<()>();
    let (closed, is_closed) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut read = [0; 4096];
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let length = tcp.read(&mut read).unwrap();
            request.extend_from_slice(&read[..length]);
        }
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        closes.recv().unwrap();
        drop(tcp);
        drop(listener);
        closed.send(()).unwrap();
    });
    let client = which.client();
    let (_, body) = finishes(client.clone().oneshot(post(&url))).await.unwrap().into_parts();
    finishes(body.collect()).await.unwrap();
    // The connection goes back to the pool.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // Nothing else runs on this thread meanwhile, so that the client does not see it.
    close.send(()).unwrap();
    is_closed.recv().unwrap();
    let judged = Judged::of(&client, post(&url)).await;
    server.join().unwrap();
    // It was written, and what became of it nobody knows.
    judged.are(which, LOST, &["closed before the answer", "connection reset"]);
}

/// A connection that is closed before anything is written to it: hyper gives the request back.
async fn closed_before_anything_was_written(which: Which) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // When the client looks is up to the system: it may have written already, which the mark may know better.
    let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let judged = Judged::of(&which.client(), post(&url)).await;
    server.join().unwrap();
    for judged in [judged.by_types, judged.with_mark] {
        assert!([NO_CONNECTION, LOST].contains(&Row::from(&judged)), "{which:?} {judged:?}");
    }
}

/// A request that ends while it is being streamed, because the connection does.
#[tokio::test]
async fn the_connection_ends_while_the_request_is_sent() {
    let server = Server::start(|tcp| async move {
        tcp.peek(&mut [0]).await.unwrap();
        crate::servers::reset(&tcp);
    })
    .await;
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    let request = Request::post(server.url()).body(Body::stream(body)).unwrap();
    let sends = async { while sender.send(Frame::data(Bytes::from_static(b"0123456789"))).await.is_ok() {} };
    let client = Which::Hyper.client();
    let (judged, ()) = finishes(async { tokio::join!(Judged::of(&client, request), sends) }).await;
    assert_eq!(judged.by_types.kind, ConnectionLost, "{:?}", judged.by_types);
    assert!(judged.by_types.maybe_executed && judged.with_mark.maybe_executed);
}

/// hyper gives a request back that it has not begun to write.
#[tokio::test]
async fn given_back_by_hyper() {
    for garbage in [&b""[..], b"HTTP/1.1 408 Request Timeout\r\n\r\n"] {
        let (ours, mut theirs) = tokio::io::duplex(100);
        tokio::io::AsyncWriteExt::write_all(&mut theirs, garbage).await.unwrap();
        drop(theirs);
        let io = hyper_util::rt::TokioIo::new(ours);
        let (mut sender, connection) = ::hyper::client::conn::http1::handshake(io).await.unwrap();
        let (answer, _) = finishes(async { tokio::join!(sender.send_request(post("/")), connection) }).await;
        let judged = Classification::of_error(&answer.unwrap_err(), Some(true));
        assert_eq!(Row::from(&judged), NO_CONNECTION, "{judged:?}");
        assert_eq!(judged.cause, Some("connection was closing"));
    }
}

/// A connection whose task is gone has perhaps sent all of the request, and hyper's error is the one that it has for a
/// request body that failed.
#[tokio::test]
async fn the_task_of_a_connection_is_gone() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let io = hyper_util::rt::TokioIo::new(ours);
    let (mut sender, connection) = ::hyper::client::conn::http1::handshake(io).await.unwrap();
    let task = tokio::spawn(connection);
    let answer = tokio::spawn(sender.send_request(post("/")));
    tokio::io::AsyncReadExt::read_u8(&mut theirs).await.unwrap();
    task.abort();
    let error = finishes(answer).await.unwrap().unwrap_err();
    let judged = Classification::of_error(&error, None);
    assert_eq!(Row::from(&judged), UNSENDABLE, "{error:?}");
    let judged = Classification::of_error(&error, Some(false));
    assert_eq!(Row::from(&judged), Row { maybe_executed: false, ..UNSENDABLE });
}
