//! The mark that an attempt was sent: guards of rate and money decide by it alone.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use claude_tower::config::{ClientConfig, HttpVersion};
use claude_tower::wire::{Body, BoxError};
use http::Response;
use http_body::Frame;
use http_body_util::{Channel, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tower::{Service, ServiceExt};

use crate::loopback::{Authority, Server, finishes, listener, refusing};
use crate::{Adapter, call, config, config_trusting, for_each_adapter, watched};

for_each_adapter!(
    refused,
    tls_never_answers,
    no_tls_at_all,
    unknown_authority,
    dropped_before_the_first_poll,
    dropped_while_connecting,
    answered,
    dropped_while_waiting_for_the_head,
    dropped_while_waiting_on_a_kept_connection,
    streamed,
    connection_lost_after_the_request,
);

/// With a body, and for adapters that can tell also without.
fn requests_that_never_leave(adapter: Adapter) -> Vec<(&'static str, Bytes)> {
    let mut requests = vec![("POST", Bytes::from("{}"))];
    if adapter.sees_connections() {
        requests.push(("GET", Bytes::new()));
    }
    requests
}

async fn fails_unsent(adapter: Adapter, config: &ClientConfig, url: &str) -> Vec<BoxError> {
    let client = adapter.client(config);
    let mut errors = Vec::new();
    for (method, body) in requests_that_never_leave(adapter) {
        let (request, attempt) = watched(method, url, body);
        errors.push(call(&client, request).await.unwrap_err());
        assert!(!attempt.is_sent(), "{method}");
    }
    errors
}

async fn refused(adapter: Adapter) {
    let (_held, address) = refusing();
    fails_unsent(adapter, &config(), &format!("http://{address}/")).await;
}

async fn tls_never_answers(adapter: Adapter) {
    // The system accepts for a listener that does not.
    let listener = listener().await;
    let mut config = config();
    config.connect_timeout = Duration::from_millis(100);
    fails_unsent(adapter, &config, &format!("https://{}/", listener.local_addr().unwrap())).await;
}

async fn no_tls_at_all(adapter: Adapter) {
    let server = Server::echo().await;
    fails_unsent(adapter, &config(), &format!("https://{}/", server.address)).await;
    assert!(server.seen().is_empty());
}

async fn unknown_authority(adapter: Adapter) {
    let server = Server::tls(Authority::new().server()).await;
    fails_unsent(adapter, &config_trusting(&Authority::new()), &server.url("/")).await;
    assert!(server.seen().is_empty());
}

async fn dropped_before_the_first_poll(adapter: Adapter) {
    let server = Server::echo().await;
    let mut client = adapter.client(&config());
    for (method, body) in [("POST", "{}"), ("GET", "")] {
        let (request, attempt) = watched(method, &server.url("/"), body);
        drop(client.ready().await.unwrap().call(request));
        assert!(!attempt.is_sent(), "{method}");
    }
    // Whatever was put to work by the calls has had its turn by then.
    let (request, _) = watched("GET", &server.url("/last"), "");
    call(&client, request).await.unwrap();
    let paths: Vec<_> = server.seen().iter().map(|seen| seen.head.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/last"]);
}

async fn dropped_while_connecting(adapter: Adapter) {
    for (method, body) in requests_that_never_leave(adapter) {
        let listener = listener().await;
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let (request, attempt) = watched(method, &url, body);
        let mut future = Box::pin(adapter.client(&config()).oneshot(request));
        // Once there are bytes of TLS the connection is being made, and the call waits for it.
        let arrives = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.read_u8().await.unwrap();
            tcp
        };
        let mut tcp = finishes(async {
            tokio::select! {
                tcp = arrives => tcp,
                answer = &mut future => panic!("there is nobody who answers, but: {answer:?}"),
            }
        })
        .await;
        drop(future);
        finishes(tcp.read_to_end(&mut Vec::new())).await.unwrap();
        assert!(!attempt.is_sent(), "{method}");
    }
}

async fn answered(adapter: Adapter) {
    let server = Server::echo().await;
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Auto] {
        let mut config = config();
        config.http_version = version;
        let client = adapter.client(&config);
        for (method, body) in [("POST", "{}"), ("GET", "")] {
            let (request, attempt) = watched(method, &server.url("/"), body);
            assert!(!attempt.is_sent());
            let (head, got) = call(&client, request).await.unwrap();
            assert_eq!((head.status.as_u16(), &*got), (200, body.as_bytes()));
            assert!(attempt.is_sent(), "{version:?} {method}");
        }
    }
}

/// A server that takes requests and never answers; it says when one is there.
async fn unanswering() -> (Server, Arc<Notify>) {
    let arrived = Arc::new(Notify::new());
    let notify = Arc::clone(&arrived);
    let server = Server::http(move |seen| {
        let notify = Arc::clone(&notify);
        async move {
            if seen.head.uri.path() == "/kept" {
                return Response::new(Full::new(seen.body));
            }
            notify.notify_one();
            std::future::pending().await
        }
    })
    .await;
    (server, arrived)
}

async fn dropped_while_waiting_for_the_head(adapter: Adapter) {
    let (server, arrived) = unanswering().await;
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let mut config = config();
        config.http_version = version;
        let client = adapter.client(&config);
        for (method, body) in [("POST", "{}"), ("GET", "")] {
            let (request, attempt) = watched(method, &server.url("/"), body);
            let mut future = Box::pin(client.clone().oneshot(request));
            finishes(async {
                tokio::select! {
                    () = arrived.notified() => {}
                    answer = &mut future => panic!("nobody answers, but: {answer:?}"),
                }
            })
            .await;
            assert!(attempt.is_sent(), "{version:?} {method}");
            drop(future);
            assert!(attempt.is_sent(), "{version:?} {method}");
        }
    }
}

async fn dropped_while_waiting_on_a_kept_connection(adapter: Adapter) {
    let (server, arrived) = unanswering().await;
    for (method, body) in [("POST", "{}"), ("GET", "")] {
        let client = adapter.client(&config());
        let (request, _) = watched("POST", &server.url("/kept"), "{}");
        call(&client, request).await.unwrap();
        let connections = server.connections();
        let (request, attempt) = watched(method, &server.url("/"), body);
        let mut future = Box::pin(client.oneshot(request));
        finishes(async {
            tokio::select! {
                () = arrived.notified() => {}
                answer = &mut future => panic!("nobody answers, but: {answer:?}"),
            }
        })
        .await;
        drop(future);
        assert!(attempt.is_sent(), "{method}");
        assert_eq!(server.connections(), connections);
    }
}

async fn streamed(adapter: Adapter) {
    let server = Server::echo().await;
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    let (request, attempt) = watched("POST", &server.url("/"), Body::stream(body));
    let mut answer = pin!(adapter.client(&config()).oneshot(request));
    assert!(!attempt.is_sent());
    // The channel holds one frame: when there is room for the third, the first two are on their way.
    let sends = async {
        for part in ["one", "two", "three"] {
            sender.send(Frame::data(Bytes::from(part))).await.unwrap();
        }
        assert!(attempt.is_sent());
        drop(sender);
    };
    let (answer, ()) = finishes(async { tokio::join!(&mut answer, sends) }).await;
    answer.unwrap();
    assert_eq!(server.seen()[0].body, "onetwothree");
}

/// The server may have done all of it before it went away.
async fn connection_lost_after_the_request(adapter: Adapter) {
    for (method, body) in [("POST", "{}"), ("GET", "")] {
        let listener = listener().await;
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (request, attempt) = watched(method, &url, body);
        let loses = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            let end = format!("\r\n\r\n{body}");
            while !read.ends_with(end.as_bytes()) {
                tcp.read_buf(&mut read).await.unwrap();
            }
            tcp.shutdown().await.unwrap();
        };
        let client = adapter.client(&config());
        let (answer, ()) = finishes(async { tokio::join!(call(&client, request), loses) }).await;
        answer.unwrap_err();
        assert!(attempt.is_sent(), "{method}");
    }
}

/// What the adapter of reqwest cannot see it takes for sent; but not before it is polled.
#[cfg(feature = "reqwest")]
#[tokio::test]
async fn without_a_body_reqwest_is_taken_to_have_sent() {
    let (_held, address) = refusing();
    let (request, attempt) = watched("GET", &format!("http://{address}/"), "");
    let mut client = Adapter::Reqwest.client(&config());
    let mut future = Box::pin(client.ready().await.unwrap().call(request));
    assert!(!attempt.is_sent());
    let polled =
        std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(polled && attempt.is_sent());
}
