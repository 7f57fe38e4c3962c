//! Clients with known tokens, and a service that insists on being asked.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use claude_secrets::door::{Client, Door, TokenHash};
use claude_wire::call::Caller;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use secrecy::SecretString;
use tower::Service;

/// A word that is in every token of these tests, and must be nowhere else.
pub(crate) const CANARY: &str = "canary";

pub(crate) const REPORTS: &str = "ctk_reports-canary-1";
pub(crate) const REPORTS_NEXT: &str = "ctk_reports-canary-2";
pub(crate) const CHAT: &str = "ctk_chat-canary";

pub(crate) fn hash(token: &str) -> TokenHash {
    TokenHash::of(&SecretString::from(token))
}

pub(crate) fn chat() -> Client {
    let caller = Caller::new().with_environment("prod").with_line("chat").with_user("kiosk");
    Client::new("chat").with_token(hash(CHAT)).with_caller(caller)
}

/// In the middle of a rotation.
pub(crate) fn reports() -> Client {
    let caller = Caller::new().with_line("reports");
    Client::new("reports").with_token(hash(REPORTS)).with_token(hash(REPORTS_NEXT)).with_caller(caller)
}

pub(crate) fn door() -> Door {
    Door::new([chat(), reports()]).unwrap()
}

pub(crate) fn headers<'a, V: AsRef<[u8]> + 'a>(headers: impl IntoIterator<Item = (&'a str, V)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
    }
    map
}

/// What a service was called with.
pub(crate) type Seen = Arc<Mutex<Vec<Request<String>>>>;

/// Is ready once for each time it is asked, and only itself: a clone must be asked anew.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    ready: bool,
    pub(crate) seen: Seen,
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self { ready: false, seen: Arc::clone(&self.seen) }
    }
}

impl Service<Request<String>> for Probe {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        assert!(self.ready, "called without being asked");
        self.ready = false;
        self.seen.lock().unwrap().push(request);
        ready(Ok(Response::new("in".to_owned())))
    }
}
