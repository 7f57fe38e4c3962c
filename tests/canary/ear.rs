//! Everything that anybody could hear of a call.

use std::fmt;
use std::mem;
use std::panic;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::{recorder, subscriber};

/// Something that was heard.
#[derive(Clone)]
pub(crate) struct Heard {
    /// What was being tried.
    pub(crate) scenario: &'static str,
    /// By which way it was heard.
    pub(crate) place: &'static str,
    pub(crate) text: String,
}

pub(crate) struct Ear {
    state: Mutex<State>,
}

struct State {
    scenario: &'static str,
    heard: Vec<Heard>,
}

pub(crate) static EAR: Ear = Ear { state: Mutex::new(State { scenario: "nothing yet", heard: Vec::new() }) };

impl Ear {
    pub(crate) fn begins(&self, scenario: &'static str) {
        println!("{scenario}");
        self.state().scenario = scenario;
    }

    pub(crate) fn hear(&self, place: &'static str, text: impl Into<String>) {
        let text = text.into();
        let mut state = self.state();
        let scenario = state.scenario;
        state.heard.push(Heard { scenario, place, text });
    }

    /// A value that programs may print.
    pub(crate) fn debug(&self, value: &dyn fmt::Debug) {
        self.hear("debug", format!("{value:?}\n{value:#?}\n{value:x?}"));
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        mem::take(&mut self.state().heard)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens to this process, once and for good.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        subscriber::install();
        recorder::install();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // With what was said, be it a literal or put together.
            EAR.hear("panic", format!("{info}\n{info:?}"));
            before(info);
        }));
    });
}

#[test]
fn the_ear_hears_what_is_logged_counted_and_shouted() {
    install();
    let key = crate::canary::key("heard");
    tracing::trace_span!("span", key).in_scope(|| tracing::trace!(target: "foreign", key, "said"));
    log::trace!("{key}");
    metrics::counter!("counter", "label" => key.clone()).increment(1);
    metrics::describe_gauge!("gauge", key.clone());
    let said = key.clone();
    assert!(panic::catch_unwind(move || panic!("{said}")).is_err());
    EAR.hear("error", crate::errors::shown(&std::io::Error::other(key)));
    let heard = EAR.heard();
    let shown = |place| {
        heard
            .iter()
            .filter(|heard| heard.place == place && crate::canary::find(heard.text.as_bytes()).is_some())
            .count()
    };
    assert_eq!(
        [shown("span"), shown("log"), shown("metric"), shown("panic"), shown("error")],
        [1, 2, 3, 1, 1]
    );
}
