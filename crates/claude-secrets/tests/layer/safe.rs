//! A place where a key is kept, and can be changed.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use claude_secrets::SecretString;
use claude_secrets::source::{Fetched, SecretSource, SourceError, SourceErrorKind, source_fn};
use tokio::sync::watch;
use tokio::time::sleep;

#[derive(Clone)]
pub(crate) struct Safe {
    inner: Arc<Mutex<Inner>>,
    is_open: watch::Sender<bool>,
}

struct Inner {
    key: Option<String>,
    takes: Duration,
    fetches: usize,
    /// Weighs nothing but its count: one for each fetch under way.
    under_way: Arc<()>,
}

impl Safe {
    pub(crate) fn of(key: &str) -> Self {
        let inner =
            Inner { key: Some(key.to_owned()), takes: Duration::ZERO, fetches: 0, under_way: Arc::default() };
        Self { inner: Arc::new(Mutex::new(inner)), is_open: watch::Sender::new(true) }
    }

    pub(crate) fn source(&self) -> impl SecretSource {
        let safe = self.clone();
        source_fn("safe:claude", move || {
            let safe = safe.clone();
            async move { safe.fetch().await }
        })
    }

    async fn fetch(self) -> Result<Fetched, SourceError> {
        let (takes, _under_way) = {
            let mut inner = self.inner();
            inner.fetches += 1;
            (inner.takes, Arc::clone(&inner.under_way))
        };
        self.is_open.subscribe().wait_for(|is_open| *is_open).await.unwrap();
        // A timer of no time would wait for its tick.
        if !takes.is_zero() {
            sleep(takes).await;
        }
        match &self.inner().key {
            Some(key) => Ok(Fetched::new(SecretString::from(key.clone()))),
            None => Err(SourceError::new("safe:claude", SourceErrorKind::Unavailable, "is locked away")),
        }
    }

    pub(crate) fn set(&self, key: &str) {
        self.inner().key = Some(key.to_owned());
    }

    /// From now on it has none.
    pub(crate) fn lose(&self) {
        self.inner().key = None;
    }

    pub(crate) fn takes(self, time: Duration) -> Self {
        self.inner().takes = time;
        self
    }

    /// Fetches wait until it is opened.
    pub(crate) fn close(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    pub(crate) fn fetches(&self) -> usize {
        self.inner().fetches
    }

    pub(crate) fn under_way(&self) -> usize {
        Arc::strong_count(&self.inner().under_way) - 1
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}
