//! A recorder that writes everything down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Everything that was written, by name and labels.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

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
        let key = format!("{} {}", key.name(), labels.join(" "));
        Arc::new(Entry { book: self.clone(), key })
    }

    /// What has been written since it was last asked. None of it shows a key.
    #[track_caller]
    pub(crate) fn take(&self) -> BTreeMap<String, Vec<f64>> {
        let written = std::mem::take(&mut *self.0.lock().unwrap());
        assert!(!written.keys().any(|key| key.contains("sk-ant")), "a key is in a label");
        written
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
