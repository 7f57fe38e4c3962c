//! What was sent is what arrives, both ways.

use std::convert::Infallible;

use ::bytes::Bytes;
use claude_tower::wire::Body;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Channel, Full};
use tower::ServiceExt;

use crate::loopback::{Server, finishes};
use crate::{Adapter, call, config, for_each_adapter, get};

for_each_adapter!(
    redirects_are_not_followed,
    coded_bodies_are_not_decoded,
    nothing_is_asked_for_that_the_caller_did_not_ask,
    headers_pass_both_ways,
    statuses_are_not_errors,
    large_bodies,
    a_streamed_body_of_any_method,
    response_streams,
    paths_and_queries,
);

async fn redirects_are_not_followed(adapter: Adapter) {
    let server = Server::http(|_| async {
        Response::builder().status(307).header("location", "/elsewhere").body(Full::default()).unwrap()
    })
    .await;
    let client = adapter.client(&config());
    let (head, _) = get(&client, &server.url("/")).await.unwrap();
    assert_eq!((head.status.as_u16(), &head.headers["location"]), (307, &"/elsewhere".parse().unwrap()));
    assert_eq!(server.seen().len(), 1);
}

/// A whole gzip file with `hello` in it.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00";

async fn coded_bodies_are_not_decoded(adapter: Adapter) {
    let server = Server::http(|_| async {
        let body = Full::new(Bytes::from_static(GZIP));
        Response::builder().header("content-encoding", "gzip").body(body).unwrap()
    })
    .await;
    let request =
        Request::get(server.url("/")).header("accept-encoding", "gzip").body(Body::empty()).unwrap();
    let (head, body) = call(&adapter.client(&config()), request).await.unwrap();
    assert_eq!(body, GZIP);
    assert_eq!(head.headers["content-encoding"], "gzip");
    assert_eq!(head.headers["content-length"], GZIP.len().to_string());
    assert_eq!(server.seen()[0].header("accept-encoding"), Some("gzip"));
}

/// Above all no `accept-encoding`: a layer above has promised that what it reads is not coded.
async fn nothing_is_asked_for_that_the_caller_did_not_ask(adapter: Adapter) {
    let server = Server::echo().await;
    get(&adapter.client(&config()), &server.url("/")).await.unwrap();
    let seen = server.seen();
    let mut names: Vec<_> = seen[0].head.headers.keys().map(http::HeaderName::as_str).collect();
    // reqwest adds the one that says what is the case without it.
    names.retain(|name| *name != "accept" || seen[0].header("accept") != Some("*/*"));
    assert_eq!(names, ["host"]);
}

async fn headers_pass_both_ways(adapter: Adapter) {
    let server = Server::http(|seen| async move {
        let mut response = Response::new(Full::new(seen.body));
        let headers = response.headers_mut();
        headers.append("request-id", "req_1".parse().unwrap());
        headers.append("anthropic-ratelimit-tokens-remaining", "7".parse().unwrap());
        headers.append("set-cookie", "a=1".parse().unwrap());
        headers.append("set-cookie", "b=2".parse().unwrap());
        headers.append("x-odd", http::HeaderValue::from_bytes(b"\xe9\t x").unwrap());
        response
    })
    .await;
    let mut request = Request::post(server.url("/v1/messages")).body(Body::from("{}")).unwrap();
    let sent = [
        ("x-api-key", "sk-ant-api03-x"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "one"),
        ("anthropic-beta", "two"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("user-agent", "caller/1"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    ];
    for (name, value) in sent {
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let (head, _) = call(&adapter.client(&config()), request).await.unwrap();
    let mut arrived = server.seen()[0].head.headers.clone();
    assert_eq!(arrived.remove("host").unwrap(), server.address.to_string());
    assert_eq!(arrived.remove("content-length").unwrap(), "2");
    assert_eq!(pairs(&arrived), sent.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
    let mut back = head.headers;
    back.remove("date");
    assert_eq!(
        pairs(&back),
        [
            ("request-id", &b"req_1"[..]),
            ("anthropic-ratelimit-tokens-remaining", b"7"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
            ("x-odd", b"\xe9\t x"),
            ("content-length", b"2"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
    );
}

fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

async fn statuses_are_not_errors(adapter: Adapter) {
    let server = Server::http(|seen| async move {
        let status = seen.head.uri.path().trim_start_matches('/').parse::<u16>().unwrap();
        Response::builder().status(status).body(Full::from("why")).unwrap()
    })
    .await;
    let client = adapter.client(&config());
    for status in [200_u16, 201, 400, 401, 404, 413, 429, 500, 529, 599] {
        let (head, body) = get(&client, &server.url(&format!("/{status}"))).await.unwrap();
        assert_eq!((head.status.as_u16(), &*body), (status, &b"why"[..]));
    }
    // And none of them was tried twice.
    assert_eq!(server.seen().len(), 10);
}

async fn large_bodies(adapter: Adapter) {
    let server = Server::echo().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let request = Request::post(server.url("/")).body(Body::from(bytes.clone())).unwrap();
    let (_, body) = call(&adapter.client(&config()), request).await.unwrap();
    assert!(body == bytes);
    assert_eq!(server.seen()[0].header("content-length"), Some("3000000"));
}

/// Also of methods that seldom have one: a body that vanishes on the way would be the worst of answers.
async fn a_streamed_body_of_any_method(adapter: Adapter) {
    let server = Server::echo().await;
    let client = adapter.client(&config());
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"] {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(2);
        for part in ["one,", "two"] {
            sender.send(Frame::data(Bytes::from(part))).await.unwrap();
        }
        drop(sender);
        let request =
            Request::builder().method(method).uri(server.url("/")).body(Body::stream(body)).unwrap();
        let (_, answer) = call(&client, request).await.unwrap();
        assert_eq!(answer, "one,two", "{method}");
    }
}

/// Each part is there when it is there, and not only when all of it is.
async fn response_streams(adapter: Adapter) {
    let listener = crate::loopback::listener().await;
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, parts) = tokio::sync::mpsc::channel::<&'static str>(1);
    let parts = std::sync::Arc::new(tokio::sync::Mutex::new(parts));
    let task = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(move |_| {
            let parts = std::sync::Arc::clone(&parts);
            let (mut body, response) = Channel::<Bytes, Infallible>::new(1);
            tokio::spawn(async move {
                while let Some(part) = parts.lock().await.recv().await {
                    body.send(Frame::data(Bytes::from(part))).await.unwrap();
                }
            });
            async { Ok::<_, Infallible>(Response::new(response)) }
        });
        let io = ::hyper_util::rt::TokioIo::new(tcp);
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.unwrap();
    });
    finishes(async {
        let request = Request::get(url).body(Body::empty()).unwrap();
        let mut body = adapter.client(&config()).oneshot(request).await.unwrap().into_body();
        for part in ["event: ping\n", "data: {}\n", "\n"] {
            sender.send(part).await.unwrap();
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), part);
        }
        drop(sender);
        assert!(body.frame().await.is_none());
    })
    .await;
    task.abort();
}

async fn paths_and_queries(adapter: Adapter) {
    let server = Server::echo().await;
    let client = adapter.client(&config());
    let paths =
        ["/", "/v1/messages?beta=true", "/v1/files/a%2Fb%20c?x=%26&y=+&z", "/~!$&'()*+,;=:@/?/?", "//a//"];
    for path in paths {
        get(&client, &server.url(path)).await.unwrap();
    }
    let seen: Vec<_> = server.seen().iter().map(|seen| seen.head.uri.to_string()).collect();
    assert_eq!(seen, paths);
}
