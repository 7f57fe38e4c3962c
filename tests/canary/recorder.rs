//! Metrics, as an exporter would render them.

use std::sync::Arc;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::ear::EAR;

struct Renderer;

/// One metric, rendered with each value.
struct Metric(Key);

pub(crate) fn install() {
    metrics::set_global_recorder(Renderer).unwrap_or_else(|_| panic!("there is another recorder"));
}

impl Metric {
    fn of(key: &Key) -> Arc<Self> {
        EAR.hear("metric", format!("{key} {key:?}"));
        Arc::new(Self(key.clone()))
    }

    fn render(&self, value: &str) {
        let labels: Vec<String> =
            self.0.labels().map(|label| format!("{}={:?}", label.key(), label.value())).collect();
        EAR.hear("metric", format!("{}{{{}}} {value}", self.0.name(), labels.join(",")));
    }
}

impl CounterFn for Metric {
    fn increment(&self, value: u64) {
        self.render(&format!("+{value}"));
    }

    fn absolute(&self, value: u64) {
        self.render(&value.to_string());
    }
}

impl GaugeFn for Metric {
    fn increment(&self, value: f64) {
        self.render(&format!("+{value}"));
    }

    fn decrement(&self, value: f64) {
        self.render(&format!("-{value}"));
    }

    fn set(&self, value: f64) {
        self.render(&value.to_string());
    }
}

impl HistogramFn for Metric {
    fn record(&self, value: f64) {
        self.render(&value.to_string());
    }
}

fn described(name: &KeyName, unit: Option<Unit>, description: &SharedString) {
    EAR.hear("metric", format!("# {} {unit:?} {description}", name.as_str()));
}

impl Recorder for Renderer {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        described(&name, unit, &description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        described(&name, unit, &description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        described(&name, unit, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Metric::of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Metric::of(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Metric::of(key))
    }
}
