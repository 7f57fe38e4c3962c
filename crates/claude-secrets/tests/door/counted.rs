//! What is counted, and with which labels.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::support::{CHAT, REPORTS, door, headers};

/// Counters by name and labels.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<String, u64>>>);

struct Line(Book, String);

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }

    fn absolute(&self, _: u64) {
        panic!("a counter is counted up");
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Counter::from_arc(Arc::new(Line(self.clone(), format!("{} {}", key.name(), labels.join(" ")))))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("there is none")
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("there is none")
    }
}

#[test]
fn each_request_is_counted_by_its_client_or_as_nobodys() {
    let book = Book::default();
    metrics::with_local_recorder(&book, || {
        let door = door();
        for token in [CHAT, REPORTS, CHAT, "ctk_nobody-canary", "another canary", ""] {
            drop(door.admit(&mut headers([("x-api-key", token)])));
        }
        drop(door.admit(&mut headers([("x-api-key", CHAT), ("x-api-key", CHAT)])));
    });
    let counted = book.0.lock().unwrap().clone();
    let expected = [
        ("result=admitted client=chat", 2),
        ("result=admitted client=reports", 1),
        ("result=ambiguous client=none", 1),
        ("result=malformed client=none", 1),
        ("result=missing client=none", 1),
        ("result=unknown client=none", 1),
    ];
    let expected =
        expected.map(|(labels, count)| (format!("claude_secrets_admissions_total {labels}"), count));
    assert_eq!(counted, BTreeMap::from(expected));
}
