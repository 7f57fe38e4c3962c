//! The errors of real clients over HTTP/2.

use bytes::Bytes;
use claude_errors::Retry::Yes;
use claude_errors::{Blame, ErrorKind};
use h2::Reason;
use h2::server::{Connection, SendResponse};
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clients::{Judged, Options, Service, Which, body_fails, post};
use crate::servers::Server;
use crate::sockets::{LOST, NO_CONNECTION, for_each_client};
use crate::support::Executed::Perhaps;
use crate::support::{Row, row};

for_each_client!(
    streams_that_are_refused,
    http_1_1_is_required,
    streams_that_are_reset,
    a_connection_that_goes_away,
    a_connection_that_goes_away_behind_the_request,
    a_connection_that_is_gone,
    a_body_that_is_reset,
);

fn client(which: Which) -> Service {
    which.client_with(Options { http2: true, ..Options::default() })
}

/// What becomes of the one request.
#[derive(Clone, Copy)]
enum Deed {
    Reset(Reason),
    GoAway(Reason),
    Drop,
    ResetBody,
}

async fn server(deed: Deed) -> Server {
    Server::start(move |tcp| async move {
        let mut connection: Connection<TcpStream, Bytes> = h2::server::handshake(tcp).await.unwrap();
        let (request, respond) = connection.accept().await.unwrap().unwrap();
        // The whole request was there.
        let mut body = request.into_body();
        let read = async {
            while let Some(data) = body.data().await {
                data.unwrap();
            }
        };
        tokio::select! {
            () = read => {}
            other = connection.accept() => assert!(other.is_none()),
        }
        act(deed, connection, respond).await;
    })
    .await
}

async fn act(deed: Deed, mut connection: Connection<TcpStream, Bytes>, mut respond: SendResponse<Bytes>) {
    let mut stream = None;
    match deed {
        Deed::Reset(reason) => respond.send_reset(reason),
        Deed::GoAway(reason) => connection.abrupt_shutdown(reason),
        Deed::Drop => return,
        Deed::ResetBody => {
            let mut sending = respond.send_response(Response::new(()), false).unwrap();
            sending.send_data(Bytes::from_static(b"{\"id\":"), false).unwrap();
            stream = Some(sending);
        }
    }
    if let Some(mut stream) = stream {
        // What was queued goes out before the reset.
        tokio::select! {
            _ = std::future::poll_fn(|cx| connection.poll_closed(cx)) => {}
            () = async { for _ in 0..100 { tokio::task::yield_now().await; } } => {}
        }
        stream.send_reset(Reason::INTERNAL_ERROR);
    }
    drop(std::future::poll_fn(|cx| connection.poll_closed(cx)).await);
}

async fn is(which: Which, deed: Deed, expected: Row, causes: &[&str]) {
    let server = server(deed).await;
    Judged::of(&client(which), post(&server.url())).await.are(which, expected, causes);
}

/// RFC 9113 §8.7: not processed, although it was sent.
async fn streams_that_are_refused(which: Which) {
    is(which, Deed::Reset(Reason::REFUSED_STREAM), NO_CONNECTION, &["stream refused"]).await;
}

async fn http_1_1_is_required(which: Which) {
    is(which, Deed::Reset(Reason::HTTP_1_1_REQUIRED), NO_CONNECTION, &["HTTP/1.1 required"]).await;
}

async fn streams_that_are_reset(which: Which) {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::ENHANCE_YOUR_CALM, Reason::PROTOCOL_ERROR]
    {
        is(which, Deed::Reset(reason), LOST, &["stream reset"]).await;
    }
}

/// It says that the request was not processed, and the client's error does not.
async fn a_connection_that_goes_away(which: Which) {
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::INTERNAL_ERROR] {
        let server = Server::start(move |mut tcp| async move {
            let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            tcp.write_all(&settings).await.unwrap();
            let mut read = Vec::new();
            while !read.windows(10).any(|part| part == b"max_tokens") {
                assert_ne!(tcp.read_buf(&mut read).await.unwrap(), 0);
            }
            // The last stream that was processed is none.
            let head = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            tcp.write_all(&[&head[..], &u32::from(reason).to_be_bytes()].concat()).await.unwrap();
            while tcp.read_buf(&mut read).await.is_ok_and(|length| length > 0) {}
        })
        .await;
        let judged = Judged::of(&client(which), post(&server.url())).await;
        judged.are(which, LOST, &["connection was closing"]);
    }
}

/// It still has the answer to give, and is closed before it does.
async fn a_connection_that_goes_away_behind_the_request(which: Which) {
    is(which, Deed::GoAway(Reason::NO_ERROR), LOST, &["broken pipe", "connection was closing"]).await;
}

async fn a_connection_that_is_gone(which: Which) {
    is(
        which,
        Deed::Drop,
        LOST,
        &["broken pipe", "connection reset", "connection was closing", "unexpected end"],
    )
    .await;
}

async fn a_body_that_is_reset(which: Which) {
    let server = server(Deed::ResetBody).await;
    let error = body_fails(client(which), post(&server.url())).await;
    let expected = row(ErrorKind::IncompleteResponse, "INCOMPLETE_RESPONSE", Yes, Perhaps, Blame::Network);
    assert_eq!(Row::from(error.classification()), expected);
    assert_eq!(error.classification().cause, Some("stream reset"));
}
