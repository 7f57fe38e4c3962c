//! What reporters make of a report: the fields of `tracing`, and the counter.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_errors::report::{ERRORS_TOTAL, Report};
use claude_errors::{ErrorKind, ErrorLayer, MetricsReporter, Reporter, TracingReporter};
use claude_wire::call::{Refusal, RefusalKind};
use claude_wire::facts::Endpoint;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body_util::BodyExt;
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tower::{Layer, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Subscriber};

type Answer = Result<Response<Body>, BoxError>;

/// One call, to an upstream that answers so.
fn call(reporter: impl Reporter, model: &str, answer: fn() -> Answer) {
    let service =
        ErrorLayer::observe().with_reporter(reporter).layer(service_fn(async |_: Request<Body>| answer()));
    let request =
        Request::post("/v1/messages").body(Body::from(format!(r#"{{"model":"{model}"}}"#))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        if let Ok(response) = service.oneshot(request).await {
            drop(response.into_body().collect().await);
        }
    });
}

fn ramp() -> Answer {
    let body = r#"{"error":{"type":"rate_limit_error","details":{"error_code":"ramp_limit_exceeded"}}}"#;
    let response = Response::builder().status(429).header("content-type", "application/json");
    Ok(response.header("request-id", "req_1").body(Body::from(body)).unwrap())
}

fn not_found() -> Answer {
    Ok(Response::builder().status(404).body(Body::empty()).unwrap())
}

fn reset() -> Answer {
    Err(io::Error::from(io::ErrorKind::ConnectionReset).into())
}

fn refused() -> Answer {
    Err(Refusal::new(RefusalKind::BudgetExceeded, "BUDGET_EXCEEDED", "no money left").into())
}

fn cut() -> Answer {
    Ok(Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from("event: x\n\n"))
        .unwrap())
}

fn good() -> Answer {
    Ok(Response::new(Body::from("fine")))
}

// ---------------------------------------------------------------------------------------------------------
// tracing

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

fn traced(model: &str, answer: fn() -> Answer) -> Vec<Recorded> {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || call(TracingReporter::new(), model, answer));
    let events = listener.0.lock().unwrap().clone();
    events.into_iter().filter(|event| event.target == "claude_errors").collect()
}

fn fields(fields: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
    fields.iter().map(|&(name, value)| (name, value.to_owned())).collect()
}

#[test]
fn events_of_tracing() {
    let events = traced("claude-opus-5-5", ramp);
    let expected = fields(&[
        ("attempts", "1"),
        ("code", "RAMP_LIMIT"),
        ("error_code", "ramp_limit_exceeded"),
        ("error_type", "rate_limit_error"),
        ("maybe_executed", "false"),
        ("message", "usage grows faster than the API allows"),
        ("mid_stream", "false"),
        ("model", "claude-opus-5-5"),
        ("request_id", "req_1"),
        ("retryable", "true"),
        ("status", "429"),
    ]);
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].level, &events[0].fields), (Some(Level::WARN), &expected));

    let events = traced("two words", reset);
    let expected = fields(&[
        ("attempts", "1"),
        ("cause", "connection reset"),
        ("code", "CONNECTION_LOST"),
        ("maybe_executed", "true"),
        ("message", "the connection broke before the answer"),
        ("mid_stream", "false"),
        ("retryable", "true"),
    ]);
    assert_eq!(events[0].fields, expected);
}

/// The caller's own faults are no warnings.
#[test]
fn levels_of_tracing() {
    for (answer, level, code) in [
        (not_found as fn() -> Answer, Level::INFO, "NOT_FOUND"),
        (refused, Level::WARN, "BUDGET_EXCEEDED"),
        (cut, Level::WARN, "INCOMPLETE_RESPONSE"),
        (reset, Level::WARN, "CONNECTION_LOST"),
    ] {
        let events = traced("m", answer);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].level, &*events[0].fields["code"]), (Some(level), code));
        assert_eq!(events[0].fields["mid_stream"], (code == "INCOMPLETE_RESPONSE").to_string());
    }
    assert!(traced("m", good).is_empty());
}

// ---------------------------------------------------------------------------------------------------------
// metrics

/// Counts by key.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, Arc<Count>>>>);

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    fn absolute(&self, _: u64) {
        panic!("nothing here is absolute");
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        let count = Arc::clone(self.0.lock().unwrap().entry(name).or_default());
        Counter::from_arc(count)
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("no gauge");
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("no histogram");
    }
}

#[test]
fn counters() {
    let counts = Counts::default();
    // The reporter is there before the recorder is.
    let reporter = MetricsReporter::new();
    metrics::with_local_recorder(&counts, || {
        for answer in [ramp, not_found, ramp, reset, refused, cut, good] {
            call(reporter, "claude-opus-5-5", answer);
        }
    });
    let counted = counts.0.lock().unwrap();
    let counted: Vec<_> =
        counted.iter().map(|(key, count)| (&**key, count.0.load(Ordering::SeqCst))).collect();
    let key = |rest: &str| format!("claude_errors_total {rest}");
    assert_eq!(ERRORS_TOTAL, "claude_errors_total");
    let expected = [
        (key("code=BUDGET_EXCEEDED status=none retryable=false maybe_executed=false mid_stream=false"), 1),
        (key("code=CONNECTION_LOST status=none retryable=true maybe_executed=true mid_stream=false"), 1),
        (key("code=INCOMPLETE_RESPONSE status=none retryable=true maybe_executed=true mid_stream=true"), 1),
        (key("code=NOT_FOUND status=404 retryable=false maybe_executed=false mid_stream=false"), 1),
        (key("code=RAMP_LIMIT status=429 retryable=true maybe_executed=false mid_stream=false"), 2),
    ];
    let expected: Vec<_> = expected.iter().map(|(key, count)| (&**key, *count)).collect();
    assert_eq!(counted, expected);
}

/// Without a recorder nobody is disturbed.
#[test]
fn without_a_recorder() {
    call(MetricsReporter::new(), "m", ramp);
}

// ---------------------------------------------------------------------------------------------------------
// Functions

#[test]
fn a_function_hears_all_of_it() {
    let heard = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&heard);
    let reporter = move |report: &Report<'_>| {
        assert_eq!((report.code(), report.classification().kind), ("RAMP_LIMIT", ErrorKind::RampLimited));
        assert_eq!((report.model(), report.endpoint()), (Some("claude-opus-5-5"), Endpoint::Messages));
        assert_eq!((report.attempts(), report.is_mid_stream()), (1, false));
        assert!(report.duration() < Duration::from_secs(60));
        told.fetch_add(1, Ordering::SeqCst);
    };
    call(reporter, "claude-opus-5-5", ramp);
    assert_eq!(heard.load(Ordering::SeqCst), 1);
}
