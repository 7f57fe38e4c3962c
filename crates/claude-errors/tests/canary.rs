//! Keys and prompts, put wherever a caller or an upstream can put them, appear in nothing that is shown.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use claude_errors::report::Report;
use claude_errors::{
    Classification, Error, ErrorLayer, Messages, MetricsReporter, Reporter, TracingReporter,
};
use claude_wire::call::{Refusal, RefusalKind};
use claude_wire::{Body, BoxError, ErrorBody};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tower::{Layer, Service, ServiceExt, service_fn};

const KEY: &str = "sk-ant-api03-CANARYKEY0123456789abcdefghijklmnop-AA";
const PROMPT: &str = "canary prompt: tell nobody";
/// What is searched for: parts of both, in case they are cut or quoted.
const CANARIES: [&str; 2] = ["CANARYKEY", "canary prompt"];

/// Everything that is shown of anything, under the name of the place it was shown at.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Shown {
    fn add(&self, place: &'static str, text: impl Into<String>) {
        self.0.lock().unwrap().push((place, text.into()));
    }

    fn debug(&self, place: &'static str, it: &impl fmt::Debug) {
        self.add(place, format!("{it:?} {it:#?}"));
    }

    fn error(&self, error: &Error) {
        self.add("display", format!("{error} {error:#}"));
        self.debug("error", error);
        self.debug("classification", error.classification());
        self.add("serialised", serde_json::to_string_pretty(error).unwrap());
        // A response goes back as it came, and to whoever asked.
        if error.response().is_none() {
            let response = error.to_response();
            self.debug("response", &response);
            self.add("response body", String::from_utf8_lossy(response.body()));
        }
    }

    fn check(&self, case: &str) {
        for (place, text) in self.0.lock().unwrap().iter() {
            for canary in CANARIES {
                assert!(!text.contains(canary), "{case}: {place} shows {text}");
            }
        }
    }

    fn places(&self, place: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(at, _)| *at == place).count()
    }
}

impl Reporter for Shown {
    fn report(&self, report: &Report<'_>) {
        self.debug("report", report);
        self.add("report code", report.code());
        self.add("report model", format!("{:?}", report.model()));
    }
}

/// All that is written by `tracing`, at every level.
impl io::Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add("tracing", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Recorder for Shown {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.add("metrics", format!("{key} {key:?}"));
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.add("metrics", format!("{key} {key:?}"));
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.add("metrics", format!("{key} {key:?}"));
        Histogram::noop()
    }
}

/// A request with a canary wherever there is room.
fn request(canary: &str) -> Request<Body> {
    let body = serde_json::json!({
        "model": canary, "system": canary, "metadata": {"user_id": canary}, "stream": true,
        "messages": [{"role": "user", "content": canary}],
    });
    let query = canary.replace([' ', ':'], "+");
    Request::post(format!("http://user:{query}@127.0.0.1/v1/messages?key={query}"))
        .header("x-api-key", canary)
        .header("authorization", format!("Bearer {canary}"))
        .header("anthropic-beta", canary)
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// The API's shape, with a canary in every word of it.
fn said(canary: &str) -> String {
    serde_json::json!({
        "type": "error", "request_id": canary, canary: canary,
        "error": {"type": canary, "message": canary, canary: canary, "details": {"error_code": canary}},
    })
    .to_string()
}

type Frames = Vec<Result<Bytes, String>>;
type Made = Result<Response<Frames>, BoxError>;
type Make = dyn Fn() -> Made + Send + Sync;

fn response(status: u16, kind: &str, canary: &str, frames: Frames) -> Response<Frames> {
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .header("request-id", canary)
        .header("anthropic-organization-id", canary)
        .header("set-cookie", format!("session={canary}"))
        .header("retry-after", canary)
        .header("x-should-retry", canary)
        .header(http::header::HeaderName::from_static("x-canary"), canary)
        .body(frames)
        .unwrap()
}

fn failure(canary: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, format!("could not send {canary}"))
}

/// What an upstream may do with a canary.
fn cases(canary: &'static str) -> Vec<(&'static str, Box<Make>)> {
    let event = format!("event: error\ndata: {}\n\n", said(canary));
    let ok = |frames: Frames| move || Ok(response(200, "text/event-stream", canary, frames.clone()));
    let error = |status: u16, frames: Frames| {
        move || Ok(response(status, "application/json", canary, frames.clone()))
    };
    let bytes = |text: &str| Ok(Bytes::copy_from_slice(text.as_bytes()));
    let broken = || Err(format!("body of {canary}"));
    vec![
        ("error in JSON", Box::new(error(400, vec![bytes(&said(canary))]))),
        ("error in JSON, to be repeated", Box::new(error(529, vec![bytes(&said(canary))]))),
        ("error in words", Box::new(error(413, vec![bytes(canary)]))),
        ("error that breaks off", Box::new(error(500, vec![bytes(canary), broken()]))),
        ("error that is too long", Box::new(error(500, vec![bytes(canary), bytes(&"x".repeat(70_000))]))),
        (
            "error that is too long and breaks off",
            Box::new(error(500, vec![bytes(&"x".repeat(70_000)), broken()])),
        ),
        ("error event", Box::new(ok(vec![bytes(&event)]))),
        (
            "stream that breaks off",
            Box::new(ok(vec![bytes(&format!("event: {canary}\ndata: {canary}\n\n")), broken()])),
        ),
        ("stream without an end", Box::new(ok(vec![bytes(canary)]))),
        ("error of the client", Box::new(move || Err(failure(canary).into()))),
        ("error of an error", Box::new(move || Err(io::Error::other(failure(canary)).into()))),
        ("words", Box::new(move || Err(canary.into()))),
        (
            "refusal under words",
            Box::new(move || {
                let refusal = Refusal::new(RefusalKind::Policy, "POLICY", "not today");
                Err(io::Error::other(Around(canary, refusal)).into())
            }),
        ),
    ]
}

/// An error that says too much, around a refusal that does not.
#[derive(Debug)]
struct Around(&'static str, Refusal);

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Around {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.1)
    }
}

type Answer =
    Response<StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, String>>>>>;

fn served(made: Made) -> Result<Answer, BoxError> {
    let frames = |frames: Frames| frames.into_iter().map(|frame| frame.map(Frame::data)).collect::<Vec<_>>();
    Ok(made?.map(|body| StreamBody::new(futures_util::stream::iter(frames(body)))))
}

fn reporting<M>(layer: ErrorLayer<M>, shown: &Shown) -> ErrorLayer<M> {
    let layer = layer
        .with_reporter(shown.clone())
        .with_reporter(TracingReporter::new())
        .with_reporter(MetricsReporter::new());
    #[cfg(feature = "sentry")]
    let layer = layer.with_reporter(claude_errors::report::SentryReporter::new());
    layer
}

/// One call through each mode, and all that anybody shows of it.
async fn call(make: &Make, canary: &str, shown: &Shown) {
    let typed = reporting(ErrorLayer::typed().with_messages(Messages::new().with("X", "y")), shown);
    shown.debug("layer", &typed);
    let mut service = typed.layer(service_fn(|_: Request<Body>| async { served(make()) }));
    let future = service.ready().await.unwrap().call(request(canary));
    shown.debug("future", &future);
    match future.await {
        Err(error) => shown.error(&error),
        Ok(response) => {
            shown.debug("left classification", &response.extensions().get::<Classification>());
            let body = response.into_body();
            shown.debug("body", &body);
            if let Err(error) = body.collect().await {
                shown.error(&error);
            }
        }
    }
    let observe = reporting(ErrorLayer::observe(), shown);
    shown.debug("layer", &observe);
    let mut service = observe.layer(service_fn(|_: Request<Body>| async { served(make()) }));
    let future = service.ready().await.unwrap().call(request(canary));
    shown.debug("future", &future);
    if let Ok(response) = future.await {
        shown.debug("left classification", &response.extensions().get::<Classification>());
        shown.debug("body", response.body());
        drop(response.into_body().collect().await);
    }
}

/// Runs with everything that listens, and keeps what it hears.
fn listening(shown: &Shown, run: impl FnOnce()) {
    let (lines, writer) = (shown.clone(), shown.clone());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::TRACE)
        .with_writer(move || lines.clone())
        .finish();
    let run = || tracing::subscriber::with_default(subscriber, || metrics::with_local_recorder(&writer, run));
    #[cfg(feature = "sentry")]
    for event in sentry_core::test::with_captured_events(run) {
        shown.add("sentry", serde_json::to_string(&event).unwrap());
    }
    #[cfg(not(feature = "sentry"))]
    run();
}

#[test]
fn of_calls() {
    for canary in [KEY, PROMPT] {
        for (case, make) in cases(canary) {
            let shown = Shown::default();
            listening(&shown, || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(call(&*make, canary, &shown));
            });
            shown.check(case);
            // The canary sang: everybody was there, in both modes.
            for (place, least) in [
                ("error", usize::from(case != "error that is too long")),
                ("report", 2),
                ("tracing", 2),
                ("metrics", 2),
            ] {
                assert!(shown.places(place) >= least, "{case}: {place}");
            }
            #[cfg(feature = "sentry")]
            assert!(shown.places("sentry") >= 2, "{case}");
        }
    }
}

/// The same of what is made without a layer; and the one place where the API's words are to be had.
#[test]
fn of_errors_made_by_hand() {
    for canary in [KEY, PROMPT] {
        let shown = Shown::default();
        let said = said(canary);
        let event = ErrorBody::read(said.as_bytes()).unwrap();
        let from_event = Error::from_event(&event);
        assert_eq!(from_event.api_message(), Some(canary));
        shown.error(&from_event);
        let response =
            response(429, "application/json", canary, Vec::new()).map(|_| Bytes::from(said.clone()));
        let from_response = Error::from_response(response, std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(from_response.api_message(), Some(canary));
        assert_eq!(from_response.response().unwrap().body(), said.as_bytes());
        shown.error(&from_response);
        let from_service = Error::from_service(failure(canary), None);
        // It is the source's affair what it says of itself.
        assert!(std::error::Error::source(&from_service).unwrap().to_string().contains(canary));
        shown.error(&from_service);
        shown.error(&Error::from_service(from_response.clone(), None));
        shown.debug("classification", &Classification::of_event(&event));
        shown.debug("classification", &Classification::of_error(&failure(canary), None));
        shown.check("by hand");
    }
}

/// Errors inside of errors: whoever shows the outer one shows ours, and no more.
#[test]
fn inside_of_other_errors() {
    let mut text = String::new();
    let error = Error::from_service(failure(PROMPT), None);
    let boxed: BoxError = Box::new(error.clone());
    write!(text, "{boxed} {boxed:?} {:?}", Arc::new(error.clone())).unwrap();
    write!(text, "{:?}", Ok::<Result<Infallible, Error>, ()>(Err(error))).unwrap();
    assert!(
        text.contains("CONNECTION_LOST") && !CANARIES.iter().any(|canary| text.contains(canary)),
        "{text}"
    );
}
