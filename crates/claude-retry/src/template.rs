//! What each attempt's request is made from.

use std::cell::RefCell;
use std::mem;

use bytes::Bytes;
use claude_wire::Body;
use claude_wire::facts::{Endpoint, RequestFacts, facts};
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// A request whose body is in memory, as it came: without what attempts put into it, the key of a layer below among that. Most
/// are never used, so that headers are kept in the form that costs least to make: a list of handles.
pub(crate) struct Template {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Headers,
    extensions: Extensions,
    body: Bytes,
}

impl Template {
    /// `None` if the body is a stream.
    pub(crate) fn of(request: &Request<Body>) -> Option<Self> {
        let body = request.body().as_bytes()?.clone();
        // A thread that ends has none, and keeps none.
        let mut headers = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_default();
        headers.extend(request.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers,
            extensions: request.extensions().clone(),
            body,
        })
    }

    /// Those that a layer above has read, or read now.
    fn facts(&self) -> RequestFacts {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.uri_mut() = self.uri.clone();
        if let Some(facts) = self.extensions.get::<RequestFacts>() {
            request.extensions_mut().insert(facts.clone());
        }
        facts(&mut request)
    }

    pub(crate) fn is_message(&self) -> bool {
        is_message(&self.method, &self.uri)
    }

    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn to_request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions.clone();
        let headers = request.headers_mut();
        headers.reserve(self.headers.len());
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        request
    }

    /// Whether being executed twice costs no more than a second answer.
    pub(crate) fn costs_only_an_answer(&self) -> bool {
        if self.method.is_idempotent() {
            return true;
        }
        match Endpoint::from_path(self.uri.path()) {
            Endpoint::Messages => {
                let facts = self.facts();
                // What goes on from a state finds that it has been gone on from already, and who knows what MCP servers do.
                !facts.is_stateful() && !facts.has_mcp_servers()
            }
            Endpoint::CountTokens | Endpoint::Complete => true,
            // Cancelling twice is cancelling; a batch that is created twice is paid twice.
            Endpoint::Batches => self.uri.path().trim_end_matches('/').ends_with("/cancel"),
            _ => false,
        }
    }
}

type Headers = Vec<(HeaderName, HeaderValue)>;

thread_local! {
    /// Empty lists of earlier templates: a call that needs no second attempt then needs no memory for one.
    static SPARE: RefCell<Vec<Headers>> = const { RefCell::new(Vec::new()) };
}

/// So many lists are kept for each thread,
const MAX_SPARE: usize = 16;
/// each with room for so many headers, of 72 bytes.
const MAX_SPARE_HEADERS: usize = 32;

impl Drop for Template {
    fn drop(&mut self) {
        let mut headers = mem::take(&mut self.headers);
        if headers.capacity() > MAX_SPARE_HEADERS {
            return;
        }
        headers.clear();
        let kept = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MAX_SPARE {
                spare.push(headers);
            }
        });
        kept.ok();
    }
}

/// `POST /v1/messages`
pub(crate) fn is_message(method: &Method, uri: &Uri) -> bool {
    method == Method::POST && Endpoint::from_path(uri.path()) == Endpoint::Messages
}
