//! Where a key may not go.

use claude_tower::config::HttpVersion;
use claude_tower::secrets::{Key, KeyRing, SecretsLayer};
use claude_tower::wire::{Body, BoxError};
use http::header::LOCATION;
use http::{Request, Response, StatusCode};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt, service_fn};

use crate::canary;
use crate::stage::{Api, End, OK, Place, at, call, changing, client, hear_ring, message, stack};
use crate::tap::Tap;

pub(super) async fn nobody_listens() {
    let key = canary::key("nobody");
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", socket.local_addr().unwrap());
    drop(socket);
    let one = Key::new("one", changing(&key).1).with_origin(&origin).unwrap();
    let ring = KeyRing::builder().with_key(one).build().unwrap();
    let stack = stack(SecretsLayer::new(ring.clone()), client(HttpVersion::Http1));
    assert_eq!(call(stack, message(&origin, false)).await, End::Error);
    hear_ring(&ring);
}

/// Another port, another name of the same host, another scheme, and names that only look alike.
pub(super) async fn another_host() {
    let key = canary::key("elsewhere");
    let api = Api::with(Place::Sockets, &[&key]).await;
    let other = Tap::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let ring = api.ring(changing(&key).1);
    let stack = api.stack(SecretsLayer::new(ring));
    assert_eq!(call(stack.clone(), api.message()).await, OK);
    let (own, port) = (api.origin().replace("http://", ""), other.address.port());
    let own_port = own.split_once(':').unwrap().1;
    for uri in [
        format!("http://127.0.0.1:{port}/v1/messages"),
        format!("http://localhost:{port}/v1/messages"),
        format!("http://localhost:{own_port}/v1/messages"),
        format!("https://{own}/v1/messages"),
        format!("http://{own}@localhost:{port}/v1/messages"),
        format!("http://localhost:{port}/http://{own}/v1/messages"),
        "/v1/messages".to_owned(),
    ] {
        assert_eq!(call(stack.clone(), at(api.message(), &uri)).await, End::Error, "{uri}");
    }
    api.has_seen(&[(&key, 1)]);
    assert!(other.kept.bytes().is_empty(), "nothing at all was sent there");
}

/// The key's own origin sends the caller elsewhere, and a layer above goes there.
pub(super) async fn a_redirect() {
    let key = canary::key("redirect");
    let other = Tap::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let to = format!("http://localhost:{}/v1/messages", other.address.port());
    let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let own = Tap::answering(answer).await;
    let one = Key::new("one", changing(&key).1).with_origin(&own.origin()).unwrap();
    let ring = KeyRing::builder().with_key(one).build().unwrap();
    let stack = stack(SecretsLayer::new(ring), client(HttpVersion::Http1));
    // Whoever follows nothing sees where it was to go.
    let temporary = End::Answer(StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(call(stack.clone(), message(&own.origin(), false)).await, temporary);
    assert_eq!(call(following(stack), message(&own.origin(), false)).await, End::Error);
    own.kept.are_exactly(&[(&key, 2)]);
    assert!(other.kept.bytes().is_empty(), "nothing at all was sent there");
}

/// Follows redirects, with all headers and extensions of the request.
fn following<S>(
    service: S,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    service_fn(move |request: Request<Body>| {
        let service = service.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.as_bytes().unwrap().clone();
            let first = Request::from_parts(head.clone(), Body::from(body.clone()));
            let response = service.clone().oneshot(first).await?;
            let Some(to) = response.headers().get(LOCATION) else { return Ok(response) };
            let next = at(Request::from_parts(head, Body::from(body)), to.to_str()?);
            service.oneshot(next).await
        }
    })
}
