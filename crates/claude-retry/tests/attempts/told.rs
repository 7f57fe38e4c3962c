//! The events of `tracing`, and that nothing that is told, counted or shown holds a key or a prompt.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, Once};

use claude_errors::Error;
use claude_retry::{GaveUp, Quota, RetryLayer};
use claude_wire::Body;
use http::Request;
use http_body_util::BodyExt;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tower::{Layer, Service, ServiceExt};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::{Event, Level, Subscriber};

use crate::support::{
    Client, Deed, Ready, Step, Wrapped, error, io, millis, ok, plain, post, secs, send, status,
};

/// An event as it was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Recorded {
    target: String,
    level: Option<Level>,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Recorded {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<Recorded>>>);

impl Listener {
    fn take(&self) -> Vec<Recorded> {
        let mut heard = std::mem::take(&mut *self.0.lock().unwrap());
        heard.retain(|event| event.target == "claude_retry");
        heard
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let target = metadata.target().to_owned();
        let mut recorded = Recorded { target, level: Some(*metadata.level()), fields: BTreeMap::new() };
        event.record(&mut recorded);
        self.0.lock().unwrap().push(recorded);
    }
}

/// Whether anybody listens is asked once, and the tests of other threads come and go: from now on somebody always does.
fn keep_listening() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let all = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(io::sink).finish();
        tracing::subscriber::set_global_default(all).unwrap();
    });
}

fn event(fields: &[(&'static str, &str)]) -> Recorded {
    let fields = fields.iter().map(|&(name, value)| (name, value.to_owned())).collect();
    Recorded { target: "claude_retry".to_owned(), level: Some(Level::INFO), fields }
}

#[tokio::test(start_paused = true)]
async fn one_event_for_each_retry_and_one_for_giving_up() {
    keep_listening();
    let heard = Listener::default();
    let _guard = tracing::subscriber::set_default(heard.clone());
    let client = Client::new([
        status(529).header("request-id", "req_1").header("retry-after", "1.5"),
        io(io::ErrorKind::ConnectionReset),
        status(500),
    ]);
    drop(send(&plain().with_max_retries(2), &client, post()).await.unwrap());
    let first = event(&[
        ("attempts", "1"),
        ("code", "OVERLOADED"),
        ("maybe_executed", "false"),
        ("message", "retry"),
        ("request_id", "req_1"),
        ("status", "529"),
        ("wait_ms", "1500"),
    ]);
    let second = event(&[
        ("attempts", "2"),
        ("cause", "connection reset"),
        ("code", "CONNECTION_LOST"),
        ("maybe_executed", "true"),
        ("message", "retry"),
        ("wait_ms", "1000"),
    ]);
    let last =
        event(&[("attempts", "3"), ("code", "SERVER_ERROR"), ("message", "gave up"), ("reason", "attempts")]);
    assert_eq!(heard.take(), [first, second, last]);
}

#[tokio::test(start_paused = true)]
async fn no_event_of_anything_else() {
    keep_listening();
    let heard = Listener::default();
    let _guard = tracing::subscriber::set_default(heard.clone());
    for deed in [ok(), status(301), status(404), error(|| crate::support::Strange)] {
        drop(send(&plain(), &Client::new([deed]), post()).await);
    }
    let broken = Client::new([ok()]).ready_as([Ready::Broken]);
    drop(send(&plain(), &broken, post()).await);
    assert_eq!(heard.take(), []);
    let layer = plain().with_timeout(millis(0));
    drop(send(&layer, &Client::new([ok()]), post()).await);
    let late =
        [("attempts", "0"), ("code", "DEADLINE_EXCEEDED"), ("message", "gave up"), ("reason", "deadline")];
    assert_eq!(heard.take(), [event(&late)]);
}

/// The call has ended well; that its body is cut is told all the same, once.
#[tokio::test(start_paused = true)]
async fn one_event_for_a_body_that_the_deadline_cuts() {
    keep_listening();
    let heard = Listener::default();
    let _guard = tracing::subscriber::set_default(heard.clone());
    let layer = plain().with_timeout(secs(9));
    let slow = ok().streaming([Step::Data("{".into()), Step::Never]);
    let response = send(&layer, &Client::new([status(529), slow.clone()]), post()).await.unwrap();
    assert_eq!(heard.take().len(), 1, "of the retry");
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(heard.take(), []);
    body.frame().await.unwrap().unwrap_err();
    let cut = [("attempts", "2"), ("code", "TIMEOUT"), ("message", "gave up"), ("reason", "deadline")];
    assert_eq!(heard.take(), [event(&cut)]);
    assert!(body.frame().await.is_none());
    drop(body);
    // Nor of one that its caller has left.
    drop(send(&layer, &Client::new([slow]), post()).await.unwrap());
    // And that of a failure has had its own.
    let failure = status(404).streaming([Step::Data(vec![b'x'; 70_000].into()), Step::Never]);
    let response = send(&layer, &Client::new([failure]), post()).await.unwrap();
    response.into_body().collect().await.unwrap_err();
    assert_eq!(heard.take(), []);
}

// The canary.

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

    fn count(&self, place: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(at, _)| *at == place).count()
    }

    fn check(&self, case: &str) {
        for (place, text) in self.0.lock().unwrap().iter() {
            for canary in CANARIES {
                assert!(!text.contains(canary), "{case}: {place} shows {text}");
            }
        }
    }
}

/// All that is written by `tracing`, at every level, by whomever.
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
        self.debug("metrics", key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.debug("metrics", key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.debug("metrics", key);
        Histogram::noop()
    }
}

/// A request with a canary wherever there is room.
fn request(canary: &str) -> Request<Body> {
    let body = serde_json::json!({
        "model": canary, "system": canary, "stream": true,
        "messages": [{"role": "user", "content": canary}],
    });
    let query = canary.replace([' ', ':'], "+");
    Request::post(format!("http://user:{query}@127.0.0.1/v1/messages?key={query}"))
        .header("x-api-key", canary)
        .header("authorization", format!("Bearer {canary}"))
        .header("x-stainless-retry-count", canary)
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// Failures that quote it wherever they can.
fn failures(canary: &'static str) -> Vec<(&'static str, Deed)> {
    let said = serde_json::json!({
        "type": "error", "request_id": canary, canary: canary,
        "error": {"type": canary, "message": canary, canary: canary, "details": {"error_code": canary}},
    })
    .to_string();
    let answer = |code: u16| {
        status(code)
            .header("content-type", "application/json")
            .header("request-id", canary)
            .header("set-cookie", canary)
            .header("retry-after", canary)
            .header("x-should-retry", canary)
    };
    let failure = move || io::Error::new(io::ErrorKind::ConnectionReset, format!("could not send {canary}"));
    vec![
        ("error in JSON", answer(529).saying(said.clone())),
        ("limit", answer(429).saying(said)),
        ("error in words", answer(500).saying(canary)),
        ("error that breaks off", answer(500).streaming([Step::Data(canary.into()), Step::Fail])),
        ("what is not repeated", answer(404).saying(canary)),
        ("error of the client", error(failure)),
        ("error of an error", error(move || Wrapped(io::Error::other(failure())))),
        ("words", error(move || canary)),
        (
            "stream that fails",
            status(200)
                .header("content-type", "text/event-stream")
                .saying(format!("event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\",\"message\":\"{canary}\"}}}}\n\n")),
        ),
        ("stream that breaks off", status(200).header("content-type", "text/event-stream").streaming([
            Step::Data(format!("event: {canary}\ndata: {canary}\n\n").into()),
            Step::Fail,
        ])),
    ]
}

/// One call, and all that anybody shows of it that is ours to show.
async fn call(layer: &RetryLayer, client: Client, canary: &str, shown: &Shown) {
    shown.debug("layer", layer);
    shown.debug("quota", layer.quota());
    let mut service = layer.layer(tower::util::BoxCloneSyncService::new(client));
    shown.debug("service", &service);
    let future = service.ready().await.unwrap().call(request(canary));
    shown.debug("future", &future);
    match future.await {
        Ok(response) => {
            shown.debug("body", response.body());
            shown.debug("gave up", &GaveUp::of_response(response.extensions()));
        }
        Err(error) => {
            shown.debug("gave up", &GaveUp::find(&*error));
            if let Some(ours) = error.downcast_ref::<claude_retry::RetryError>() {
                shown.add("error", ours.to_string());
                shown.debug("error", ours);
            }
            shown.debug("judged", &Error::from_service(error, None));
        }
    }
}

#[test]
fn neither_keys_nor_prompts() {
    keep_listening();
    for canary in [KEY, PROMPT] {
        for (case, deed) in failures(canary) {
            let shown = Shown::default();
            let (lines, recorder) = (shown.clone(), shown.clone());
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(LevelFilter::TRACE)
                .with_writer(move || lines.clone())
                .finish();
            let run = || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_time().start_paused(true).build().unwrap();
                runtime.block_on(async {
                    let layer = plain().with_final_word(true).with_timeout(secs(60));
                    let deeds = || Client::new([deed.clone()]);
                    call(&layer, deeds(), canary, &shown).await;
                    call(&layer.clone().with_quota(Quota::new(0.0, 0).unwrap()), deeds(), canary, &shown)
                        .await;
                    call(&layer.clone().with_max_wait(millis(1)), deeds(), canary, &shown).await;
                    let not_ready = deeds().ready_as([Ready::Now, Ready::Never]);
                    call(&layer.clone().with_only_if_ready(true), not_ready, canary, &shown).await;
                    let late = deeds().ready_as([Ready::Now, Ready::Never]);
                    call(&layer, late, canary, &shown).await;
                    let recovers = Client::new([deed.clone(), ok()]);
                    call(&layer, recovers, canary, &shown).await;
                });
            };
            tracing::subscriber::with_default(subscriber, || metrics::with_local_recorder(&recorder, run));
            shown.check(case);
            // The canary sang: everybody was there.
            assert!(shown.count("metrics") >= 12, "{case}");
            if !matches!(case, "what is not repeated" | "words") {
                assert!(shown.count("tracing") >= 6, "{case}");
            }
        }
    }
}
