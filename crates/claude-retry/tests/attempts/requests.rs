//! What each attempt carries: the request as it came, and nothing that another attempt was given.

use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use claude_retry::{GaveUp, Reason, RetryLayer};
use claude_wire::call::{Attempt, Call, CallId, Caller, Priority};
use claude_wire::{Body, BoxError};
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::support::{
    Client, PROMPT, Script, error, gave_up, io, ok, plain, post, post_of_call, secs, send, status,
};

/// Something of the application's own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Own(&'static str);

fn header(value: &'static str) -> HeaderValue {
    HeaderValue::from_static(value)
}

/// A request with everything that a request may have.
fn full() -> Request<Body> {
    let mut secret = header("tell nobody");
    secret.set_sensitive(true);
    let mut request = Request::builder()
        .method(Method::PUT)
        .uri("http://user@127.0.0.1:9/base/v1/messages?beta=true&x=%20")
        .version(Version::HTTP_2)
        .header("b-first", "1")
        .header("anthropic-beta", "one")
        .header("a-second", "2")
        .header("anthropic-beta", "two")
        .header("x-secret", secret)
        .header("x-bytes", HeaderValue::from_bytes(b"\xff\xfe").unwrap())
        .header("x-empty", "")
        .header("anthropic-beta", "one")
        .body(Body::from(PROMPT))
        .unwrap();
    request.extensions_mut().insert(Own("kept"));
    request.extensions_mut().insert(Priority::High);
    request.extensions_mut().insert(Caller::new().with_line("sales"));
    request
}

type Names = Vec<(HeaderName, Vec<(HeaderValue, bool)>)>;

/// The headers by name in the order of a map, and the values of each in theirs, and whether they are sensitive.
fn headers(parts: &http::request::Parts) -> Names {
    let of = |name: &HeaderName| {
        parts.headers.get_all(name).iter().map(|value| (value.clone(), value.is_sensitive())).collect()
    };
    parts.headers.keys().map(|name| (name.clone(), of(name))).collect()
}

#[tokio::test(start_paused = true)]
async fn is_the_same_each_time() {
    let client = Client::new([status(529), io(ErrorKind::ConnectionReset), status(500), ok()]);
    let request = full();
    let address = request.body().as_bytes().unwrap().as_ptr() as usize;
    let (expected, _) = full().into_parts();
    drop(send(&plain(), &client, request).await.unwrap());
    let seen = client.seen();
    assert_eq!(seen.len(), 4);
    for seen in seen {
        assert_eq!(seen.parts.method, Method::PUT);
        assert_eq!(seen.parts.uri, expected.uri);
        assert_eq!(seen.parts.version, Version::HTTP_2);
        assert_eq!(headers(&seen.parts), headers(&expected));
        assert!(seen.parts.headers["x-secret"].is_sensitive());
        assert_eq!(seen.parts.extensions.get(), Some(&Own("kept")));
        assert_eq!(seen.parts.extensions.get(), Some(&Priority::High));
        assert_eq!(seen.parts.extensions.get(), Some(&Caller::new().with_line("sales")));
        assert_eq!(seen.body, PROMPT.as_bytes());
        assert_eq!(seen.address, address, "the same bytes, and no copy of them");
    }
}

/// A layer that does what gateways and keyrings do to requests.
#[derive(Clone)]
struct Meddling<S>(S);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key(&'static str);

impl<S: Service<Request<Body>>> Service<Request<Body>> for Meddling<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        let headers = request.headers_mut();
        assert!(!headers.contains_key("x-api-key"), "an earlier attempt's key");
        headers.insert("x-api-key", header("sk-ant-api03-secret"));
        headers.append("anthropic-beta", header("three"));
        assert_eq!(headers.remove("a-second").unwrap(), "2", "it is there each time");
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("http://127.0.0.2/v1/messages");
        *request.version_mut() = Version::HTTP_11;
        assert_eq!(request.extensions_mut().insert(Key("sk-ant")), None, "an earlier attempt's key");
        assert_eq!(request.extensions_mut().remove(), Some(Own("kept")));
        let attempt = request.extensions().get::<Attempt>().unwrap();
        assert_eq!((attempt.endpoint(), attempt.key_fingerprint(), attempt.is_sent()), (None, None, false));
        attempt.set_endpoint("first");
        attempt.set_key_fingerprint("f1");
        attempt.offer_alternative();
        *request.body_mut() = Body::from("another");
        self.0.call(request)
    }
}

/// Whatever the layers below put into an attempt, or take away from it, the next knows nothing of.
#[tokio::test(start_paused = true)]
async fn carries_nothing_of_the_attempt_before() {
    let client = Client::new([status(529), status(500), ok()]);
    let service = plain().layer(Meddling(client.clone()));
    let (parts, body) = full().into_parts();
    assert_eq!(service.oneshot(Request::from_parts(parts, body)).await.unwrap().status(), 200);
    let seen = client.seen();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        let betas: Vec<_> = seen.parts.headers.get_all("anthropic-beta").iter().collect();
        assert_eq!(betas, ["one", "two", "one", "three"]);
        assert_eq!(seen.body, b"another");
    }
}

#[tokio::test(start_paused = true)]
async fn has_an_attempt_of_its_own() {
    let client = Client::new([status(529), status(500).marked(false), ok().marked(true)]);
    drop(send(&plain(), &client, post()).await.unwrap());
    let seen = client.seen();
    let numbers: Vec<_> = seen.iter().map(|seen| seen.attempt().number()).collect();
    assert_eq!(numbers, [0, 1, 2]);
    let sent: Vec<_> = seen.iter().map(|seen| seen.attempt().is_sent()).collect();
    assert_eq!(sent, [true, false, true], "each has its own mark");
    assert!(seen.iter().all(|each| each.call().id() == seen[0].call().id()), "of one call");
    for seen in &seen {
        assert_eq!(seen.attempt().begun(), seen.at.into_std());
    }
    // Two calls are two.
    let other = Client::new([ok()]);
    drop(send(&plain(), &other, post()).await.unwrap());
    assert_ne!(other.seen()[0].call().id(), seen[0].call().id());
}

/// The body of each attempt marks that attempt, and no other, when it is sent.
#[tokio::test(start_paused = true)]
async fn has_a_body_that_marks_its_own_attempt() {
    /// Answers nothing, and keeps the requests.
    #[derive(Clone, Default)]
    struct Keeping(std::sync::Arc<std::sync::Mutex<Vec<Request<Body>>>>);
    impl Service<Request<Body>> for Keeping {
        type Response = Response<Script>;
        type Error = BoxError;
        type Future = BoxFuture<'static, Result<Response<Script>, BoxError>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<Body>) -> Self::Future {
            request.extensions().get::<Attempt>().unwrap().claim();
            self.0.lock().unwrap().push(request);
            Box::pin(async { Err(std::io::Error::from(ErrorKind::ConnectionRefused).into()) })
        }
    }
    let keeping = Keeping::default();
    let layer = plain().with_max_retries(1);
    drop(layer.layer(keeping.clone()).oneshot(post()).await);
    let mut kept = std::mem::take(&mut *keeping.0.lock().unwrap());
    let attempts: Vec<_> =
        kept.iter().map(|request| request.extensions().get::<Attempt>().unwrap().clone()).collect();
    for attempt in 0..2 {
        assert!(!attempts[attempt].is_sent());
        let body = pin!(std::mem::take(kept[attempt].body_mut()));
        assert!(body.poll_frame(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(attempts[attempt].is_sent());
    }
}

/// The call that somebody above has made, however it stands in the request; and one that is made here, where there is none.
#[tokio::test(start_paused = true)]
async fn belongs_to_the_call_that_there_is() {
    let clock = || Instant::now().into_std();
    for above in ["the call", "a first attempt", "both", "a later attempt and the call"] {
        let call = Call::new(CallId(9), clock);
        let mut request = post();
        let mut made_above = 0;
        if above != "a first attempt" {
            request.extensions_mut().insert(call.clone());
        }
        if above != "the call" {
            call.begin_attempt().put_into(&mut request);
            made_above = 1;
        }
        if above == "a later attempt and the call" {
            call.begin_attempt().put_into(&mut request);
            made_above = 2;
        }
        let client = Client::new([status(529), status(529), ok()]);
        drop(send(&plain(), &client, request).await.unwrap());
        for (number, seen) in (made_above..).zip(client.seen()) {
            assert_eq!(
                Call::find(&seen.parts.extensions).map(Call::id),
                Some(CallId(9)),
                "{above}, {number}"
            );
            assert_eq!(seen.attempt().number(), number, "{above}");
        }
        assert_eq!(call.attempts_begun(), made_above + 3, "{above}");
    }
}

/// A layer that repeats over another: what the inner one has given up, the outer one does not repeat.
#[tokio::test(start_paused = true)]
async fn under_another_layer_that_repeats() {
    let once = plain().with_max_retries(1);
    let answers = [vec![status(529), ok()], vec![status(529), status(529)]];
    for (answers, expected) in answers.into_iter().zip([200, 529]) {
        let client = Client::new(answers);
        let (request, call) = post_of_call();
        let response = once.layer(once.layer(client.clone())).oneshot(request).await.unwrap();
        assert_eq!((client.calls(), response.status().as_u16()), (2, expected));
        assert!(client.seen().iter().all(|seen| seen.call().id() == call.id()));
        let told: Vec<_> =
            call.attempts().iter().map(|attempt| attempt.outcome().map(|outcome| outcome.kind)).collect();
        // One of the outer one's, and behind it two of the inner one's.
        let (bad, last) = (Some("OVERLOADED"), Some(if expected == 200 { "ok" } else { "OVERLOADED" }));
        assert_eq!(told, [last, bad, last]);
    }
}

/// The same of errors, also where somebody in between has put them into an `io::Error`.
#[tokio::test(start_paused = true)]
async fn an_error_that_was_given_up_below_is_not_repeated() {
    let once = plain().with_max_retries(1);
    let wrap = |error: BoxError| std::io::Error::other(error);
    let client = Client::new([io(ErrorKind::ConnectionRefused), io(ErrorKind::ConnectionRefused)]);
    let inner = tower::util::MapErr::new(once.layer(client.clone()), wrap);
    let error = once.layer(inner).oneshot(post()).await.unwrap_err();
    assert_eq!(client.calls(), 2);
    assert_eq!(GaveUp::find(&*error).map(|said| (said.reason, said.attempts)), Some((Reason::Attempts, 2)));
}

/// A body that passes once goes once, whatever the failure. That it could have been repeated is said.
#[tokio::test(start_paused = true)]
async fn is_sent_once_if_its_body_is_a_stream() {
    let streamed = || {
        let body = Body::stream(Full::new(Bytes::from(PROMPT)));
        Request::post("/v1/messages").body(body).unwrap()
    };
    for code in [408, 429, 500, 529] {
        let client = Client::new([status(code), ok()]);
        let response = send(&plain(), &client, streamed()).await.unwrap();
        assert_eq!((client.calls(), response.status().as_u16()), (1, code));
        assert_eq!(gave_up(&response).unwrap().reason, Reason::StreamedRequest);
    }
    let client = Client::new([io(ErrorKind::ConnectionRefused), ok()]);
    let failure = send(&plain(), &client, streamed()).await.unwrap_err();
    assert_eq!(client.calls(), 1);
    assert_eq!(GaveUp::find(&*failure).unwrap().reason, Reason::StreamedRequest);
    for deed in [status(404), ok()] {
        let response = send(&plain(), &Client::new([deed]), streamed()).await.unwrap();
        assert_eq!(gave_up(&response), None);
    }
    let client = Client::new([error(|| crate::support::Strange), ok()]);
    assert!(send(&plain(), &client, streamed()).await.unwrap_err().is::<crate::support::Strange>());
    // What is known to be bytes is bytes, and so is nothing at all.
    for body in [Body::new(Full::new(Bytes::from(PROMPT))), Body::empty()] {
        let client = Client::new([status(529), ok()]);
        let request = Request::post("/v1/messages").body(body).unwrap();
        assert_eq!(send(&plain(), &client, request).await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn says_how_often_it_was_tried() {
    let name = HeaderName::from_static("x-attempt");
    let layer = plain().with_retry_count_header(name);
    let counts = async |layer: &RetryLayer, request| {
        let client = Client::new([status(529), status(529), ok()]);
        drop(send(layer, &client, request).await.unwrap());
        client.seen().iter().map(|seen| seen.header("x-attempt").map(str::to_owned)).collect::<Vec<_>>()
    };
    let number = |count: u32| Some(count.to_string());
    assert_eq!(counts(&layer, post()).await, [0, 1, 2].map(number));
    assert_eq!(counts(&plain(), post()).await, [None, None, None]);
    // On top of what the caller has counted.
    for (said, first) in [("3", 3), ("0", 0), ("many", 0)] {
        let mut request = post();
        request.headers_mut().insert("x-attempt", header(said));
        request.headers_mut().append("x-attempt", header("9"));
        let client = Client::new([status(529), ok()]);
        drop(send(&layer, &client, request).await.unwrap());
        for (count, seen) in (first..).zip(client.seen()) {
            let values: Vec<_> = seen.parts.headers.get_all("x-attempt").iter().collect();
            assert_eq!(values, [count.to_string().as_str()], "one, in place of all others");
        }
    }
}

/// What can be read of each attempt when the call is over.
#[tokio::test(start_paused = true)]
async fn is_told_of_afterwards() {
    let (request, call) = post_of_call();
    let client = Client::new([
        status(429).header("retry-after", "7").after(secs(1)),
        io(ErrorKind::ConnectionReset).after(secs(2)),
        status(529).noting(Attempt::offer_alternative),
        status(404).after(secs(3)),
    ]);
    drop(send(&plain(), &client, request).await.unwrap());
    let told: Vec<_> = call
        .attempts()
        .iter()
        .map(|attempt| {
            let told = attempt.outcome().unwrap();
            let status = told.status.map(|status| status.as_u16());
            (attempt.number(), told.kind, status, told.duration, told.wait, told.maybe_executed)
        })
        .collect();
    let wait = |seconds| Some(secs(seconds));
    assert_eq!(
        told,
        [
            (0, "RATE_LIMIT", Some(429), secs(1), wait(7), false),
            (1, "CONNECTION_LOST", None, secs(2), wait(1), true),
            (2, "OVERLOADED", Some(529), Duration::ZERO, wait(0), false),
            (3, "NOT_FOUND", Some(404), secs(3), None, false),
        ]
    );
    let (request, call) = post_of_call();
    drop(send(&plain(), &Client::new([status(204)]), request).await.unwrap());
    let told = call.attempts()[0].outcome().unwrap();
    assert_eq!((told.kind, told.status.unwrap().as_u16(), told.wait), ("ok", 204, None));
}

/// Outcomes of what the deadline ends; and of what came too late there is no attempt.
#[tokio::test(start_paused = true)]
async fn is_told_of_when_its_time_is_over() {
    for (sent, kind) in [(true, "TIMEOUT"), (false, "DEADLINE_EXCEEDED")] {
        let (request, call) = post_of_call();
        let client = Client::new([crate::support::never().marked(sent)]);
        send(&plain().with_timeout(secs(5)), &client, request).await.unwrap_err();
        let told = call.attempts()[0].outcome().unwrap();
        assert_eq!((told.kind, told.duration, told.maybe_executed), (kind, secs(5), sent));
    }
    let (request, call) = post_of_call();
    send(&plain().with_timeout(Duration::ZERO), &Client::new([ok()]), request).await.unwrap_err();
    assert_eq!(call.attempts_begun(), 0);
}
