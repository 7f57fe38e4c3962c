//! An API that knows some keys, and remembers which it was sent.

use std::collections::HashSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_wire::Body;
use http::{Request, Response};
use http_body_util::Full;
use tokio::sync::watch;
use tower::Service;

const REFUSED: &str =
    r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;
const LIMITED: &str = r#"{"type":"error","error":{"type":"rate_limit_error","message":"too many requests"}}"#;

/// Each clone has to be asked whether it is ready.
pub(crate) struct Api {
    shared: Arc<Mutex<Shared>>,
    is_open: watch::Sender<bool>,
    is_ready: bool,
}

#[derive(Default)]
struct Shared {
    valid: HashSet<String>,
    limited: HashSet<String>,
    seen: Vec<String>,
}

impl Clone for Api {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), is_open: self.is_open.clone(), is_ready: false }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self { shared: Arc::default(), is_open: watch::channel(true).0, is_ready: false }
    }
}

impl Api {
    pub(crate) fn knowing<const N: usize>(keys: [&str; N]) -> Self {
        let api = Self::default();
        keys.into_iter().for_each(|key| api.accept(key));
        api
    }

    /// What is sent from now on is judged, and answered when it is opened.
    pub(crate) fn shut(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    pub(crate) fn accept(&self, key: &str) {
        self.shared.lock().unwrap().valid.insert(key.to_owned());
    }

    pub(crate) fn revoke(&self, key: &str) {
        self.shared.lock().unwrap().valid.remove(key);
    }

    /// The limits of this key are used up from now on.
    pub(crate) fn limit(&self, key: &str) {
        self.shared.lock().unwrap().limited.insert(key.to_owned());
    }

    pub(crate) fn knows(&self, key: &str) -> bool {
        self.shared.lock().unwrap().valid.contains(key)
    }

    /// The keys of the requests that have come since this was last asked.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().seen)
    }
}

impl Service<Request<Body>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "it was not asked whether it is ready");
        let key = request.headers()["x-api-key"].to_str().unwrap().to_owned();
        let mut shared = self.shared.lock().unwrap();
        let is_valid = shared.valid.contains(&key);
        let (status, body) = match is_valid {
            true if shared.limited.contains(&key) => (429, LIMITED),
            true => (200, "{}"),
            false => (401, REFUSED),
        };
        shared.seen.push(key);
        let response = Response::builder().status(status).header("content-type", "application/json");
        let mut is_open = self.is_open.subscribe();
        Box::pin(async move {
            drop(is_open.wait_for(|is_open| *is_open).await);
            Ok(response.body(Full::from(body)).unwrap())
        })
    }
}
