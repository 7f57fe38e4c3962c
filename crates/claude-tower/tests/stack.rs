//! The order of the stack, and what a stack is as a service.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_tower::stack::{Slot, Stack, StackBuilder};
use claude_tower::wire::{Body, BoxError};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Channel, Empty, Full};
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::util::{MapRequestLayer, MapResponseLayer, service_fn};
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

/// Written out, because the order is a decision and not whatever the code says.
#[test]
fn the_order() {
    assert_eq!(
        Slot::ORDER,
        [
            Slot::Telemetry,
            Slot::Errors,
            Slot::TotalDeadline,
            Slot::Redact,
            Slot::Tier,
            Slot::Cache,
            Slot::Retry,
            Slot::ModelFallback,
            Slot::PromptCache,
            Slot::Relay,
            Slot::Secrets,
            Slot::Cost,
            Slot::RateLimit,
            Slot::PhaseTimeouts,
        ]
    );
    // By this the builder sorts.
    assert!(Slot::ORDER.is_sorted());
}

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down that a request went in, and its response out.
#[derive(Clone)]
struct Recording {
    name: String,
    log: Log,
}

impl<S> Layer<S> for Recording {
    type Service = Recorded<S>;

    fn layer(&self, inner: S) -> Recorded<S> {
        Recorded { inner, recording: self.clone() }
    }
}

#[derive(Clone)]
struct Recorded<S> {
    inner: S,
    recording: Recording,
}

impl<S> Service<Request<Body>> for Recorded<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Recording { name, log } = self.recording.clone();
        log.lock().unwrap().push(format!("{name} in"));
        let future = self.inner.call(request);
        Box::pin(async move {
            let response = future.await;
            log.lock().unwrap().push(format!("{name} out"));
            response
        })
    }
}

fn ok() -> impl Service<Request<Body>, Response = Response<Empty<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(|_| std::future::ready(Ok(Response::new(Empty::new()))))
}

fn request() -> Request<Body> {
    Request::new(Body::from("{}"))
}

proptest! {
    #[test]
    fn whatever_the_order_of_adding(
        slots in Just([Slot::ORDER, Slot::ORDER].concat()).prop_shuffle(),
        left_out in proptest::sample::subsequence(Slot::ORDER.to_vec(), 0..Slot::ORDER.len()),
    ) {
        let log = Log::default();
        let mut builder = StackBuilder::new();
        let mut added = Vec::new();
        for slot in slots.into_iter().filter(|slot| !left_out.contains(slot)) {
            let nth = added.iter().filter(|&&other| other == slot).count();
            added.push(slot);
            let name = format!("{slot:?} {nth}");
            builder = builder.layer(slot, Recording { name, log: Arc::clone(&log) });
        }
        let response = task::spawn(builder.build(ok()).oneshot(request())).poll();
        prop_assert!(matches!(response, Poll::Ready(Ok(_))));

        let inwards: Vec<_> = Slot::ORDER
            .iter()
            .filter(|slot| !left_out.contains(slot))
            .flat_map(|slot| [format!("{slot:?} 0"), format!("{slot:?} 1")])
            .collect();
        let outwards = inwards.iter().rev().map(|name| format!("{name} out"));
        let expected: Vec<_> = inwards.iter().map(|name| format!("{name} in")).chain(outwards).collect();
        prop_assert_eq!(&*log.lock().unwrap(), &expected);
    }
}

#[tokio::test]
async fn without_layers_it_is_the_client() {
    let client = service_fn(|request: Request<Body>| async move {
        let mut response = Response::new(Full::new(request.body().as_bytes().unwrap().clone()));
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        response.headers_mut().insert("request-id", "req_1".parse().unwrap());
        response.extensions_mut().insert(7_u8);
        Ok::<_, Infallible>(response)
    });
    let response = StackBuilder::new().build(client).oneshot(request()).await.unwrap();
    assert_eq!(response.status(), http::StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers()["request-id"], "req_1");
    assert_eq!(response.extensions().get(), Some(&7_u8));
    // What is in memory stays so: it is neither copied nor read.
    assert_eq!(response.body().as_bytes().unwrap(), "{}");
}

#[tokio::test]
async fn requests_keep_their_extensions() {
    let client = service_fn(|request: Request<Body>| async move {
        assert_eq!(request.extensions().get(), Some(&7_u8));
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let mut request = request();
    request.extensions_mut().insert(7_u8);
    let log = Log::default();
    let recording = Recording { name: "layer".into(), log };
    StackBuilder::new().layer(Slot::Cache, recording).build(client).oneshot(request).await.unwrap();
}

/// Three layers of foreign make around this client, so that it is not the client alone that is asked.
fn layered<S>(client: S) -> Stack
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    StackBuilder::new()
        .layer(Slot::Cache, MapRequestLayer::new(|request: Request<Body>| request))
        .layer(Slot::Retry, MapResponseLayer::new(|response: Response<Body>| response))
        .layer(Slot::Relay, Recording { name: "layer".into(), log: Log::default() })
        .build(client)
}

#[tokio::test]
async fn readiness_is_the_clients() {
    let (client, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let mut stack = task::spawn(layered(client));
    handle.allow(0);
    assert_pending!(stack.enter(|cx, mut stack| stack.poll_ready(cx)));
    handle.allow(1);
    assert!(stack.is_woken());
    assert_ready_ok!(stack.enter(|cx, mut stack| stack.poll_ready(cx)));
    // Ready stays ready, and no second permit is taken.
    assert_ready_ok!(stack.enter(|cx, mut stack| stack.poll_ready(cx)));

    let mut future = task::spawn(stack.call(request()));
    assert_pending!(future.poll());
    let (_, answer) = handle.next_request().await.unwrap();
    answer.send_response(Response::new(Body::from("yes")));
    let response = assert_ready_ok!(future.poll());
    assert_eq!(response.into_body().as_bytes().unwrap(), "yes");
    assert_pending!(stack.enter(|cx, mut stack| stack.poll_ready(cx)));
}

#[tokio::test]
async fn errors_pass_as_they_are() {
    let (client, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let mut stack = layered(client);
    let mut future = task::spawn(stack.ready().await.unwrap().call(request()));
    assert_pending!(future.poll());
    let (_, answer) = handle.next_request().await.unwrap();
    answer.send_error(std::io::Error::other("broken"));
    let Poll::Ready(Err(error)) = future.poll() else { panic!("the client has failed") };
    // The very type, and not a text of it or a box around it.
    assert_eq!(error.downcast::<std::io::Error>().unwrap().to_string(), "broken");

    handle.send_error(std::io::Error::other("gone"));
    let error = std::future::poll_fn(|cx| stack.poll_ready(cx)).await.unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
}

/// Its readiness belongs to one instance: a clone has none, and a call without it is a panic.
struct Probe {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<Body>> for Probe {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn the_instance_that_was_ready_is_the_one_that_is_called() {
    let calls = Arc::new(AtomicUsize::new(0));
    let mut stack = layered(Probe { ready: false, calls: Arc::clone(&calls) });
    for _ in 0..3 {
        stack.ready().await.unwrap().call(request()).await.unwrap();
    }
    // A clone has to be made ready itself, and takes nothing away from the first.
    stack.ready().await.unwrap();
    let mut clone = stack.clone();
    stack.call(request()).await.unwrap();
    clone.ready().await.unwrap().call(request()).await.unwrap();
    // Clones share what the layers' and the client's clones share.
    assert_eq!(calls.load(Ordering::SeqCst), 5);
}

#[tokio::test]
#[should_panic(expected = "called without being ready")]
async fn the_readiness_of_one_is_not_that_of_its_clone() {
    let mut stack = layered(Probe { ready: false, calls: Arc::default() });
    stack.ready().await.unwrap();
    drop(stack.clone().call(request()));
}

#[tokio::test]
async fn responses_stream() {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    let body = Arc::new(Mutex::new(Some(body)));
    let client = service_fn(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async { Ok::<_, Infallible>(Response::new(Body::stream(body))) }
    });
    let mut body = task::spawn(layered(client).oneshot(request()).await.unwrap().into_body());
    let poll = |body: &mut task::Spawn<Body>| body.enter(|cx, body| body.poll_frame(cx));
    assert!(poll(&mut body).is_pending());
    for part in ["event: ping\n", "data: {}\n\n"] {
        sender.try_send(Frame::data(Bytes::from(part))).unwrap();
        assert!(body.is_woken());
        let Poll::Ready(Some(Ok(frame))) = poll(&mut body) else { panic!("the frame is there") };
        assert_eq!(frame.into_data().unwrap(), part);
        assert!(poll(&mut body).is_pending());
    }
    assert!(!body.is_end_stream());
    sender.abort(std::io::Error::other("cut"));
    let Poll::Ready(Some(Err(error))) = poll(&mut body) else { panic!("the body has failed") };
    assert!(error.is::<std::io::Error>(), "{error:?}");
}

#[tokio::test]
async fn trailers_and_lengths_pass() {
    let client = service_fn(|_| async {
        let body = Full::new(Bytes::from("{}")).with_trailers(async {
            Some(Ok(http::HeaderMap::from_iter([(http::header::ETAG, "a".parse().unwrap())])))
        });
        Ok::<_, Infallible>(Response::new(Body::stream(body)))
    });
    let body = layered(client).oneshot(request()).await.unwrap().into_body();
    let mut body = pin!(body);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "{}");
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap()["etag"], "a");

    let client =
        service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::stream(Full::<Bytes>::from("{}")))) });
    let response = layered(client).oneshot(request()).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(2));
}

/// Which layers have to read answers. Written out, because it is a decision and not whatever the code says.
const READERS: [Slot; 7] =
    [Slot::Redact, Slot::Cache, Slot::Retry, Slot::ModelFallback, Slot::Secrets, Slot::Cost, Slot::RateLimit];

/// The request as the client sees it below layers at these places.
async fn at_the_client(slots: &[Slot], request: Request<Body>) -> Request<Body> {
    let seen = Arc::new(Mutex::new(None));
    let client = {
        let seen = Arc::clone(&seen);
        service_fn(move |request: Request<Body>| {
            *seen.lock().unwrap() = Some(request);
            async { Ok::<_, Infallible>(Response::new(Body::empty())) }
        })
    };
    let layer = || Recording { name: "layer".into(), log: Log::default() };
    let builder = slots.iter().fold(StackBuilder::new(), |builder, slot| builder.layer(*slot, layer()));
    builder.build(client).oneshot(request).await.unwrap();
    seen.lock().unwrap().take().unwrap()
}

fn asking_for(path: &str, codings: &[&str]) -> Request<Body> {
    let mut request = Request::post(path).body(Body::from("{}")).unwrap();
    let headers = request.headers_mut();
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    for value in ["one", "two"] {
        headers.append("anthropic-beta", value.parse().unwrap());
    }
    for coding in codings {
        headers.append("accept-encoding", coding.parse().unwrap());
    }
    request
}

/// What is coded cannot be read, and whoever asks for it hides it from the layers.
#[tokio::test]
async fn a_stack_that_reads_answers_asks_for_them_in_no_coding() {
    let codings: [&[&str]; 5] =
        [&[], &["gzip, br"], &["gzip", "zstd;q=0.5"], &["identity"], &["*, identity;q=0"]];
    for asked in codings {
        for &slot in Slot::ORDER {
            for path in ["/v1/messages", "/v1/messages?beta=true", "/v1/messages/batches", "/v1/models", "/"]
            {
                // Whatever else there is, above and below.
                for slots in [vec![slot], vec![Slot::Telemetry, slot, Slot::PhaseTimeouts]] {
                    let shown = format!("{slot:?} {path} {asked:?}");
                    let seen = at_the_client(&slots, asking_for(path, asked)).await;
                    let reads = READERS.contains(&slot);
                    let expected = asking_for(path, if reads { &["identity"] } else { asked });
                    assert_eq!(seen.headers(), expected.headers(), "{shown}");
                    assert_eq!((seen.method(), seen.uri()), (expected.method(), expected.uri()), "{shown}");
                    assert_eq!(seen.body().as_bytes().unwrap(), "{}", "{shown}");
                }
            }
        }
        let bare = at_the_client(&[], asking_for("/v1/messages", asked)).await;
        assert_eq!(bare.headers(), asking_for("/v1/messages", asked).headers());
    }
}

/// They are data, which nobody reads and which may be large.
#[tokio::test]
async fn files_and_skills_come_in_whatever_coding_was_asked_for() {
    for path in ["/v1/files", "/v1/files/file_1/content", "/v1/skills", "/v1/skills/skill_1/versions"] {
        for asked in [&[][..], &["gzip", "zstd;q=0.5"]] {
            let seen = at_the_client(&READERS, asking_for(path, asked)).await;
            assert_eq!(seen.headers(), asking_for(path, asked).headers(), "{path}");
        }
    }
}

/// Also over a layer below that asks for one.
#[tokio::test]
async fn the_stack_has_the_last_word_on_the_coding() {
    let seen = Arc::new(Mutex::new(None));
    let client = {
        let seen = Arc::clone(&seen);
        service_fn(move |request: Request<Body>| {
            *seen.lock().unwrap() = Some(request.headers().clone());
            async { Ok::<_, Infallible>(Response::new(Body::empty())) }
        })
    };
    let asks = MapRequestLayer::new(|mut request: Request<Body>| {
        request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
        request
    });
    let stack = StackBuilder::new()
        .layer(Slot::PhaseTimeouts, asks)
        .layer(Slot::Retry, MapResponseLayer::new(|response: Response<Body>| response));
    stack.build(client).oneshot(asking_for("/v1/messages", &[])).await.unwrap();
    assert_eq!(seen.lock().unwrap().take().unwrap()["accept-encoding"], "identity");
}

#[test]
fn a_builder_tells_its_slots() {
    let builder = StackBuilder::new()
        .layer(Slot::Retry, MapRequestLayer::new(|request: Request<Body>| request))
        .layer(Slot::Cache, MapRequestLayer::new(|request: Request<Body>| request));
    assert_eq!(format!("{builder:?}"), "[Retry, Cache]");
}
