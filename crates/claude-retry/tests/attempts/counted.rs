//! What is counted of each kind of call: every name, label and value.

use std::collections::BTreeMap;
use std::io::ErrorKind::ConnectionReset;
use std::sync::{Arc, Mutex};

use claude_retry::{MaybeExecuted, Quota, metrics as names};
use http::HeaderValue;
use http_body_util::BodyExt;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tokio_test::{assert_pending, task};
use tower::{Layer, ServiceExt};

use crate::support::{Client, Ready, Step, io, millis, never, ok, plain, post, secs, send, status};

/// Everything that was written, by name and labels.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

struct Entry {
    book: Book,
    key: String,
}

impl Entry {
    fn write(&self, value: f64) {
        self.book.0.lock().unwrap().entry(self.key.clone()).or_default().push(value);
    }
}

impl CounterFn for Entry {
    fn increment(&self, value: u64) {
        self.write(value as f64);
    }

    fn absolute(&self, _: u64) {
        panic!("a counter is counted up");
    }
}

impl GaugeFn for Entry {
    fn increment(&self, _: f64) {
        panic!("a gauge is set");
    }

    fn decrement(&self, _: f64) {
        panic!("a gauge is set");
    }

    fn set(&self, value: f64) {
        self.write(value);
    }
}

impl HistogramFn for Entry {
    fn record(&self, value: f64) {
        self.write(value);
    }
}

impl Book {
    fn entry(&self, key: &Key) -> Arc<Entry> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let key = if labels.is_empty() {
            key.name().to_owned()
        } else {
            format!("{} {}", key.name(), labels.join(" "))
        };
        Arc::new(Entry { book: self.clone(), key })
    }

    /// What has been written since it was last asked.
    fn take(&self) -> BTreeMap<String, Vec<f64>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.entry(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.entry(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.entry(key))
    }
}

fn book(entries: &[(&str, &[f64])]) -> BTreeMap<String, Vec<f64>> {
    entries.iter().map(|&(key, values)| (key.to_owned(), values.to_vec())).collect()
}

#[test]
fn the_names() {
    let all = [
        names::CALLS_TOTAL,
        names::RETRIES_TOTAL,
        names::GAVE_UP_TOTAL,
        names::CLIENT_RETRIES_TOTAL,
        names::ATTEMPTS,
        names::WAIT_SECONDS,
        names::QUOTA_TRIES,
    ];
    let expected = [
        "claude_retry_calls_total",
        "claude_retry_retries_total",
        "claude_retry_gave_up_total",
        "claude_retry_client_retries_total",
        "claude_retry_attempts",
        "claude_retry_wait_seconds",
        "claude_retry_quota_tries",
    ];
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn of_calls_that_succeed() {
    let heard = Book::default();
    let _guard = metrics::set_default_local_recorder(&heard);
    for deed in [ok(), status(204), status(301)] {
        drop(send(&plain(), &Client::new([deed]), post()).await.unwrap());
        let expected =
            [("claude_retry_calls_total outcome=ok", &[1.0][..]), ("claude_retry_attempts", &[1.0])];
        assert_eq!(heard.take(), book(&expected));
    }
    let quota = Quota::new(0.0, 10).unwrap();
    let client =
        Client::new([status(429).header("retry-after", "3"), status(500), io(ConnectionReset), ok()]);
    drop(send(&plain().with_quota(quota), &client, post()).await.unwrap());
    let expected: [(_, &[f64]); 7] = [
        ("claude_retry_calls_total outcome=recovered", &[1.0]),
        ("claude_retry_attempts", &[4.0]),
        ("claude_retry_retries_total code=RATE_LIMIT maybe_executed=false", &[1.0]),
        ("claude_retry_retries_total code=SERVER_ERROR maybe_executed=true", &[1.0]),
        ("claude_retry_retries_total code=CONNECTION_LOST maybe_executed=true", &[1.0]),
        ("claude_retry_wait_seconds", &[3.0, 1.0, 2.0]),
        ("claude_retry_quota_tries", &[9.0, 7.0, 5.0]),
    ];
    assert_eq!(heard.take(), book(&expected));
}

#[tokio::test(start_paused = true)]
async fn of_calls_that_fail() {
    let heard = Book::default();
    let _guard = metrics::set_default_local_recorder(&heard);
    for (client, attempts) in [
        (Client::new([status(404)]), 1.0),
        (Client::new([io(std::io::ErrorKind::Other)]), 1.0),
        (Client::new([status(529), status(404)]), 2.0),
        (Client::new([status(529)]).ready_as([Ready::Now, Ready::Broken]), 1.0),
    ] {
        drop(send(&plain(), &client, post()).await);
        let found = heard.take();
        assert_eq!(found["claude_retry_calls_total outcome=failed"], [1.0]);
        assert_eq!(found["claude_retry_attempts"], [attempts]);
        assert!(!found.keys().any(|key| key.starts_with("claude_retry_gave_up")), "{found:?}");
    }
    // A refusal is one of those.
    let refusal = || claude_wire::call::Refusal::new(claude_wire::call::RefusalKind::RateLimited, "X", "x");
    drop(send(&plain(), &Client::new([crate::support::error(refusal)]), post()).await.unwrap_err());
    assert_eq!(heard.take()["claude_retry_calls_total outcome=failed"], [1.0]);
}

#[tokio::test(start_paused = true)]
async fn of_calls_that_are_given_up() {
    let heard = Book::default();
    let _guard = metrics::set_default_local_recorder(&heard);
    let few = || plain().with_quota(Quota::new(0.0, 10).unwrap()).with_max_retries(0);
    let broken_late = || Client::new([status(529), never()]);
    for (layer, client, key, attempts) in [
        (few(), Client::new([status(529)]), "reason=attempts code=OVERLOADED maybe_executed=false", 1.0),
        (
            few().with_max_retries(1).with_quota(Quota::new(0.0, 0).unwrap()),
            Client::new([status(429)]),
            "reason=quota code=RATE_LIMIT maybe_executed=false",
            1.0,
        ),
        (
            few().with_max_retries(1).with_timeout(millis(1)),
            Client::new([status(504)]),
            "reason=deadline code=TIMEOUT maybe_executed=true",
            1.0,
        ),
        (
            few().with_timeout(secs(0)),
            Client::new([ok()]),
            "reason=deadline code=DEADLINE_EXCEEDED maybe_executed=false",
            0.0,
        ),
        (
            few().with_timeout(secs(1)),
            Client::new([never()]),
            "reason=deadline code=TIMEOUT maybe_executed=true",
            1.0,
        ),
        (
            few().with_timeout(secs(1)),
            Client::new([never().marked(false)]),
            "reason=deadline code=DEADLINE_EXCEEDED maybe_executed=false",
            1.0,
        ),
        (
            few().with_max_retries(1).with_timeout(secs(5)),
            broken_late(),
            "reason=deadline code=TIMEOUT maybe_executed=true",
            2.0,
        ),
        (
            few().with_max_retries(1).with_max_wait(millis(1)),
            Client::new([io(ConnectionReset)]),
            "reason=long_wait code=CONNECTION_LOST maybe_executed=true",
            1.0,
        ),
        (
            few().with_max_retries(1).with_only_if_ready(true),
            Client::new([status(409)]).ready_as([Ready::Now, Ready::Never]),
            "reason=not_ready code=CONFLICT maybe_executed=false",
            1.0,
        ),
        (
            few().with_max_retries(1).with_maybe_executed(MaybeExecuted::Leave),
            Client::new([status(500)]),
            "reason=maybe_executed code=SERVER_ERROR maybe_executed=true",
            1.0,
        ),
    ] {
        drop(send(&layer, &client, post()).await);
        let found = heard.take();
        assert_eq!(found["claude_retry_calls_total outcome=gave_up"], [1.0], "{key}");
        assert_eq!(found["claude_retry_attempts"], [attempts], "{key}");
        assert_eq!(found[&format!("claude_retry_gave_up_total {key}")], [1.0], "{found:?}");
        let left = layer.quota().available();
        assert_eq!(found["claude_retry_quota_tries"].last(), Some(&left), "{key}: also what was given back");
        let calls: f64 =
            found.iter().filter(|(key, _)| key.contains("calls_total")).map(|(_, n)| n.len() as f64).sum();
        assert_eq!(calls, 1.0, "each call once");
    }
    let streamed = claude_wire::Body::stream(claude_wire::Body::from("{}"));
    let request = http::Request::post("/v1/messages").body(streamed).unwrap();
    drop(send(&few(), &Client::new([status(529)]), request).await.unwrap());
    let key = "claude_retry_gave_up_total reason=streamed_request code=OVERLOADED maybe_executed=false";
    assert_eq!(heard.take()[key], [1.0]);
}

/// A retry counts when it is made, with the wait before it.
#[tokio::test(start_paused = true)]
async fn of_retries_that_are_made_and_of_those_that_are_not() {
    let heard = Book::default();
    let _guard = metrics::set_default_local_recorder(&heard);
    let layer = plain().with_quota(Quota::new(0.0, 10).unwrap());
    let client = Client::new([status(500), never()]).ready_as([Ready::Now, Ready::After(secs(3))]);
    let mut call = task::spawn(layer.layer(client.clone()).oneshot(post()));
    for time in [0, 499, 1, 2_999] {
        tokio::time::advance(millis(time)).await;
        assert_pending!(call.poll());
        assert_eq!(heard.take(), book(&[]), "not yet");
    }
    tokio::time::advance(millis(1)).await;
    assert_pending!(call.poll());
    let made: [(_, &[f64]); 3] = [
        ("claude_retry_retries_total code=SERVER_ERROR maybe_executed=true", &[1.0]),
        ("claude_retry_wait_seconds", &[0.5]),
        ("claude_retry_quota_tries", &[8.0]),
    ];
    assert_eq!((heard.take(), client.calls()), (book(&made), 2));
    drop(call);
    heard.take();

    let client = || Client::new([status(500), ok()]);
    for (layer, ready, gave_up_as) in [
        (plain().with_only_if_ready(true), Ready::Never, Some("not_ready")),
        (plain().with_only_if_ready(true), Ready::After(millis(1)), Some("not_ready")),
        (plain().with_timeout(secs(1)), Ready::Never, Some("deadline")),
        (plain().with_timeout(secs(1)), Ready::After(secs(1)), Some("deadline")),
        (plain(), Ready::Broken, None),
    ] {
        let layer = layer.with_quota(Quota::new(0.0, 10).unwrap());
        drop(send(&layer, &client().ready_as([Ready::Now, ready]), post()).await.unwrap_err());
        let expected = match gave_up_as {
            Some(reason) => book(&[
                ("claude_retry_calls_total outcome=gave_up", &[1.0]),
                ("claude_retry_attempts", &[1.0]),
                (
                    &format!(
                        "claude_retry_gave_up_total reason={reason} code=SERVER_ERROR maybe_executed=true"
                    ),
                    &[1.0],
                ),
                ("claude_retry_quota_tries", &[10.0]),
            ]),
            None => book(&[
                ("claude_retry_calls_total outcome=failed", &[1.0]),
                ("claude_retry_attempts", &[1.0]),
            ]),
        };
        assert_eq!(heard.take(), expected, "{gave_up_as:?} {ready:?}");
    }
}

/// The call was a success until then, and is counted as one. What cuts its body is counted too.
#[tokio::test(start_paused = true)]
async fn of_a_body_that_the_deadline_cuts() {
    let heard = Book::default();
    let _guard = metrics::set_default_local_recorder(&heard);
    let slow = |kind, steps: [Step; 2]| status(200).header("content-type", kind).streaming(steps);
    let start = "event: message_start\ndata: {}\n\n";
    for deed in [
        slow("application/json", [Step::Data("{".into()), Step::Never]),
        slow("text/event-stream", [Step::Data(start.into()), Step::Never]),
    ] {
        let layer = plain().with_quota(Quota::new(0.0, 10).unwrap()).with_timeout(secs(9));
        let response = send(&layer, &Client::new([deed]), post()).await.unwrap();
        let ok = [("claude_retry_calls_total outcome=ok", &[1.0][..]), ("claude_retry_attempts", &[1.0])];
        assert_eq!(heard.take(), book(&ok));
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        assert_eq!(heard.take(), book(&[]));
        body.frame().await.unwrap().unwrap_err();
        let cut = [
            ("claude_retry_gave_up_total reason=deadline code=TIMEOUT maybe_executed=true", &[1.0][..]),
            ("claude_retry_quota_tries", &[10.0]),
        ];
        assert_eq!(heard.take(), book(&cut));
        assert!(body.frame().await.is_none());
        drop(body);
        assert_eq!(heard.take(), book(&[]), "once");
    }
}

#[tokio::test(start_paused = true)]
async fn of_callers_that_leave() {
    let heard = Book::default();
    let _guard = metrics::set_default_local_recorder(&heard);
    let layer = plain().with_quota(Quota::new(0.0, 10).unwrap());
    // One that was never polled has not been.
    let mut service = layer.layer(Client::new([never()]));
    drop(tower::Service::call(service.ready().await.unwrap(), post()));
    assert_eq!(heard.take(), book(&[]));
    let mut call = task::spawn(layer.layer(Client::new([never()])).oneshot(post()));
    assert_pending!(call.poll());
    drop(call);
    let dropped = "claude_retry_calls_total outcome=dropped";
    assert_eq!(heard.take(), book(&[(dropped, &[1.0]), ("claude_retry_attempts", &[1.0])]));
    let mut call = task::spawn(layer.layer(Client::new([status(529), never()])).oneshot(post()));
    assert_pending!(call.poll());
    drop(call);
    // The retry was not made.
    assert_eq!(heard.take(), book(&[(dropped, &[1.0]), ("claude_retry_attempts", &[1.0])]));
    // What follows the answer is no part of it.
    drop(send(&layer, &Client::new([ok()]), post()).await.unwrap());
    assert_eq!(heard.take().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_clients_that_repeat() {
    let heard = Book::default();
    let _guard = metrics::set_default_local_recorder(&heard);
    let layer = plain().with_quota(Quota::new(0.0, 1).unwrap());
    for funded in ["true", "false"] {
        let mut request = post();
        request.headers_mut().insert("x-stainless-retry-count", HeaderValue::from_static("1"));
        drop(send(&layer, &Client::new([ok()]), request).await.unwrap());
        let found = heard.take();
        assert_eq!(found[&format!("claude_retry_client_retries_total funded={funded}")], [1.0]);
        assert_eq!(found["claude_retry_calls_total outcome=ok"], [1.0]);
    }
    let mut request = post();
    request.headers_mut().insert("x-stainless-retry-count", HeaderValue::from_static("0"));
    drop(send(&layer, &Client::new([ok()]), request).await.unwrap());
    assert_eq!(heard.take().len(), 2);
}
