//! A source that does what a test says, and knows how it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_secrets::SecretString;
use claude_secrets::source::{Fetch, Fetched, SecretSource, SourceError, SourceErrorKind};
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) const ID: &str = "test:safe";

/// A clone is the same safe.
#[derive(Clone)]
pub(crate) struct Safe(Arc<Inner>);

struct Inner {
    id: String,
    default_ttl: Option<Duration>,
    is_open: watch::Sender<bool>,
    state: Mutex<State>,
}

struct State {
    says: Says,
    /// When each fetch began.
    begun: Vec<Instant>,
    under_way: usize,
    most_at_once: usize,
}

#[derive(Clone)]
enum Says {
    Key(Fetched),
    Fails(SourceErrorKind, &'static str),
    Hangs,
    Panics,
}

/// One fetch, until it is through or dropped.
struct UnderWay(Arc<Inner>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().under_way -= 1;
    }
}

impl Safe {
    pub(crate) fn with(key: &str) -> Self {
        Self::named(ID, key, None)
    }

    pub(crate) fn named(id: &str, key: &str, default_ttl: Option<Duration>) -> Self {
        crate::log::listen();
        let says = Says::Key(Fetched::new(SecretString::from(key)));
        let state = State { says, begun: Vec::new(), under_way: 0, most_at_once: 0 };
        let (is_open, _) = watch::channel(true);
        Self(Arc::new(Inner { id: id.to_owned(), default_ttl, is_open, state: Mutex::new(state) }))
    }

    fn say(&self, says: Says) {
        self.0.state.lock().unwrap().says = says;
    }

    pub(crate) fn gives(&self, key: &str) {
        self.gives_all(Fetched::new(SecretString::from(key)));
    }

    pub(crate) fn gives_all(&self, fetched: Fetched) {
        self.say(Says::Key(fetched));
    }

    pub(crate) fn fails(&self) {
        self.say(Says::Fails(SourceErrorKind::Unavailable, "the safe is closed"));
    }

    pub(crate) fn fails_as(&self, kind: SourceErrorKind, detail: &'static str) {
        self.say(Says::Fails(kind, detail));
    }

    pub(crate) fn hangs(&self) {
        self.say(Says::Hangs);
    }

    pub(crate) fn panics(&self) {
        self.say(Says::Panics);
    }

    /// What is fetched from now on comes when it is opened; it is what was there when the fetch began.
    pub(crate) fn shut(&self) {
        self.0.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.0.is_open.send_replace(true);
    }

    /// How many fetches have begun. There were never two at once.
    #[track_caller]
    pub(crate) fn fetches(&self) -> usize {
        let state = self.0.state.lock().unwrap();
        assert!(state.most_at_once <= 1, "{} fetches at once", state.most_at_once);
        state.begun.len()
    }

    /// When they began, after the first.
    pub(crate) fn begun(&self) -> Vec<Duration> {
        let begun = self.0.state.lock().unwrap().begun.clone();
        begun.iter().map(|at| at.saturating_duration_since(begun[0])).collect()
    }
}

impl SecretSource for Safe {
    fn id(&self) -> &str {
        &self.0.id
    }

    fn default_ttl(&self) -> Option<Duration> {
        self.0.default_ttl
    }

    fn fetch(&self) -> Fetch<'_> {
        let says = {
            let mut state = self.0.state.lock().unwrap();
            state.begun.push(Instant::now());
            state.under_way += 1;
            state.most_at_once = state.most_at_once.max(state.under_way);
            state.says.clone()
        };
        let under_way = UnderWay(Arc::clone(&self.0));
        let mut is_open = self.0.is_open.subscribe();
        Box::pin(async move {
            drop(is_open.wait_for(|is_open| *is_open).await);
            let said = match says {
                Says::Key(fetched) => Ok(fetched),
                Says::Fails(kind, detail) => Err(SourceError::new(&self.0.id, kind, detail)),
                Says::Hangs => std::future::pending().await,
                Says::Panics => panic!("the safe panics, as the test says"),
            };
            drop(under_way);
            said
        })
    }
}
