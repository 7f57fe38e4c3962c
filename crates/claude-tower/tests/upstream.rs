//! Requests that are sent on: where to, and what of them.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use claude_tower::upstream::{InvalidUpstream, UpstreamLayer};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

/// The request as the client gets it.
fn sent_on(upstream: &str, request: Request<&'static str>) -> Request<&'static str> {
    let seen = Arc::new(Mutex::new(None));
    let keeper = Arc::clone(&seen);
    let client = service_fn(move |request| {
        *keeper.lock().unwrap() = Some(request);
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    });
    let service = UpstreamLayer::new(upstream.parse().unwrap()).unwrap().layer(client);
    assert_ready_ok!(task::spawn(service.oneshot(request)).poll());
    seen.lock().unwrap().take().unwrap()
}

fn url(upstream: &str, own: &str) -> String {
    sent_on(upstream, Request::get(own).body("").unwrap()).uri().to_string()
}

fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

#[test]
fn urls() {
    for (upstream, own, expected) in [
        ("https://api.anthropic.com", "/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/", "/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("http://127.0.0.1:8080", "/v1/messages?beta=true", "http://127.0.0.1:8080/v1/messages?beta=true"),
        ("https://host:443", "/", "https://host:443/"),
        ("http://[::1]:8080", "/v1/models", "http://[::1]:8080/v1/models"),
        ("http://[::1]", "/v1/models", "http://[::1]/v1/models"),
        ("https://host/base", "/v1/messages", "https://host/base/v1/messages"),
        ("https://host/base/", "/v1/messages?a=b", "https://host/base/v1/messages?a=b"),
        ("https://host/a/b//", "/", "https://host/a/b/"),
        ("https://host/a%2Fb", "/c%2Fd", "https://host/a%2Fb/c%2Fd"),
        // A request to a proxy names a host, and a request without a path has one all the same.
        ("https://host", "http://elsewhere:1/v1/messages?a=b", "https://host/v1/messages?a=b"),
        ("https://host/base", "http://elsewhere", "https://host/base/"),
        ("https://host", "elsewhere:443", "https://host/"),
        // Nothing is tidied up.
        ("https://host", "//v1//messages", "https://host//v1//messages"),
        ("https://host/base", "//v1", "https://host/base//v1"),
        ("https://host", "/a/../b/./c", "https://host/a/../b/./c"),
        ("https://host", "/%e4%F6/%2e%2E/%00", "https://host/%e4%F6/%2e%2E/%00"),
        ("https://host", "/~!$&'()*+,;=:@|{}\"^", "https://host/~!$&'()*+,;=:@|{}\"^"),
        ("https://host", "/?", "https://host/?"),
        ("https://host", "/?a=b?c=/&&+%20", "https://host/?a=b?c=/&&+%20"),
        ("https://host/base", "/?a=b", "https://host/base/?a=b"),
        ("https://host", "http://elsewhere?a=b", "https://host/?a=b"),
        ("https://host/base", "http://elsewhere?a=b", "https://host/base/?a=b"),
        // Behind a host an asterisk would be part of its name.
        ("https://host", "*", "https://host/"),
        ("https://host/base", "*", "https://host/base/"),
    ] {
        assert_eq!(url(upstream, own), expected, "{upstream} {own}");
    }
}

#[test]
fn what_is_no_upstream() {
    for upstream in [
        "/v1",
        "*",
        "host",
        "host:443",
        "ftp://host",
        "ws://host",
        "unix://host/socket",
        "https://host?a=b",
        "https://host/?",
        "https://host/base?a=b",
        "http://:8080",
    ] {
        let Ok(uri) = upstream.parse::<Uri>() else { panic!("{upstream} is a URI, if no upstream") };
        assert_eq!(UpstreamLayer::new(uri).unwrap_err(), InvalidUpstream, "{upstream}");
    }
    assert_eq!(
        InvalidUpstream.to_string(),
        "an upstream is an http or https URL with a host and without a query"
    );
}

/// Without the base it would go to another place.
#[test]
fn a_path_that_is_too_long_with_the_base() {
    let own = format!("/{}", "a".repeat(65_500));
    let sent = url("https://host", &own);
    assert_eq!(sent.len(), "https://host".len() + own.len());
    let base = format!("https://host/{}", "b".repeat(100));
    assert_eq!(url(&base, &own), own, "no host, so that nobody sends it");
}

proptest! {
    /// For all that can be asked for, the upstream is asked for the same.
    #[test]
    fn any_path_and_query(
        path in "(/[!-~&&[^?#<>\\\\]]{0,8}){1,4}",
        query in "(\\?[!-~&&[^#<>\"\\\\]]{0,12})?",
    ) {
        let own = format!("{path}{query}");
        prop_assume!(own.parse::<Uri>().is_ok());
        prop_assert_eq!(url("https://host:1/base/", &own), format!("https://host:1/base{own}"));
    }
}

#[test]
fn everything_else_passes_in_its_order() {
    let headers = [
        ("x-api-key", "sk-ant-api03-x"),
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "one"),
        ("anthropic-beta", "two"),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "a=b"),
        ("x-stainless-retry-count", "0"),
        ("idempotency-key", "1"),
        ("accept", "application/json"),
        ("accept", "text/event-stream"),
        ("accept-encoding", "gzip"),
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("user-agent", "caller/1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("via", "1.1 a"),
    ];
    // Theirs come first, between and last, and take others along when they go.
    let hops = [
        ("connection", "keep-alive, X-One"),
        ("host", "localhost:8080"),
        ("x-one", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        ("connection", "close,x-two,,"),
        ("x-two", "2"),
        ("x-two", "3"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-authenticate", "Basic"),
        ("trailer", "x-checksum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
    ];
    let mut request = Request::post("/v1/messages").body("{}").unwrap();
    let mut hops = hops.into_iter();
    for (name, value) in headers {
        let hop = hops.next();
        for (name, value) in hop.into_iter().chain([(name, value)]) {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
    }
    assert_eq!(hops.next(), None);
    let request = sent_on("https://host", request);
    assert_eq!(
        pairs(request.headers()),
        headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    );
    assert_eq!(*request.body(), "{}");
    assert_eq!(request.method(), http::Method::POST);
}

#[test]
fn bytes_of_values_are_untouched() {
    let mut request = Request::get("/").body("").unwrap();
    let odd = HeaderValue::from_bytes(b" \xe9\xff\t ").unwrap();
    request.headers_mut().insert("x-odd", odd.clone());
    let mut secret = HeaderValue::from_static("sk-ant-api03-x");
    secret.set_sensitive(true);
    request.headers_mut().insert("x-api-key", secret);
    let request = sent_on("https://host", request);
    assert_eq!(request.headers()["x-odd"], odd);
    assert!(request.headers()["x-api-key"].is_sensitive());
}

#[test]
fn a_connection_header_cannot_break_the_message() {
    let mut request = Request::post("/").body("{}").unwrap();
    let headers = request.headers_mut();
    headers.insert("connection", HeaderValue::from_static("content-length, Content-Type, host, close, b@d"));
    headers.insert("content-length", HeaderValue::from_static("2"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let request = sent_on("https://host", request);
    assert_eq!(
        pairs(request.headers()),
        [("content-length", "2"), ("content-type", "application/json")]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    );
}

#[test]
fn extensions_stay_and_the_version_is_the_clients_affair() {
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
        let request = Request::get("/").version(version).extension(7_u8).body("").unwrap();
        let request = sent_on("https://host", request);
        // hyper's client refuses a request that names HTTP/2 where the connection speaks HTTP/1.1.
        assert_eq!(request.version(), Version::HTTP_11);
        assert_eq!(request.extensions().get(), Some(&7_u8));
    }
}

#[tokio::test]
async fn responses_lose_their_hop_alone() {
    let client = service_fn(|_: Request<()>| async {
        let mut response =
            Response::builder().status(529).version(Version::HTTP_2).extension(7_u8).body("{}").unwrap();
        for (name, value) in [
            ("connection", "x-private"),
            ("date", "Sun, 22 Nov 2026 00:00:00 GMT"),
            ("x-private", "1"),
            ("request-id", "req_1"),
            ("keep-alive", "timeout=5"),
            ("anthropic-ratelimit-tokens-remaining", "7"),
            ("transfer-encoding", "chunked"),
            ("retry-after", "3"),
            ("proxy-authenticate", "Basic"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("trailer", "x"),
            ("content-encoding", "gzip"),
            ("upgrade", "h2c"),
            ("content-type", "application/json"),
            // These are requests' headers, and mean nothing here.
            ("host", "kept"),
            ("expect", "kept"),
        ] {
            response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Ok::<_, Infallible>(response)
    });
    let service = UpstreamLayer::new(Uri::from_static("https://host")).unwrap().layer(client);
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status().as_u16(), 529);
    assert_eq!(response.version(), Version::HTTP_11);
    assert_eq!(response.extensions().get(), Some(&7_u8));
    assert_eq!(*response.body(), "{}");
    assert_eq!(
        pairs(response.headers()),
        [
            ("date", "Sun, 22 Nov 2026 00:00:00 GMT"),
            ("request-id", "req_1"),
            ("anthropic-ratelimit-tokens-remaining", "7"),
            ("retry-after", "3"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("content-encoding", "gzip"),
            ("content-type", "application/json"),
            ("host", "kept"),
            ("expect", "kept"),
        ]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    );
}

#[tokio::test]
async fn readiness_errors_and_cancellation_are_the_inner_services() {
    let (client, mut handle) = mock::pair::<Request<()>, Response<()>>();
    let layer = UpstreamLayer::new(Uri::from_static("https://host")).unwrap();
    let mut service = task::spawn(layer.layer(client));
    handle.allow(0);
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    handle.allow(2);
    assert!(service.is_woken());
    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));

    let mut future = task::spawn(service.call(Request::new(())));
    assert_pending!(future.poll());
    let (_, answer) = handle.next_request().await.unwrap();
    answer.send_error(std::io::Error::other("broken"));
    let Poll::Ready(Err(error)) = future.poll() else { panic!("the client has failed") };
    assert!(error.is::<std::io::Error>());

    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
    drop(service.call(Request::new(())));
    let (request, _) = handle.next_request().await.unwrap();
    assert_eq!(request.uri(), "https://host/");
}

#[test]
fn the_wrapped_service_can_be_reached() {
    let layer = UpstreamLayer::new(Uri::from_static("https://host")).unwrap();
    let mut service = layer.layer(7_u8);
    *service.get_mut() += 1;
    assert_eq!((*service.get_ref(), service.into_inner()), (8, 8));
}
