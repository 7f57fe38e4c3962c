//! What each attempt's request is made from.

use bytes::Bytes;
use claude_wire::Body;
use claude_wire::facts::{Endpoint, facts};
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// A request whose body is in memory, as it came: without what attempts put into it, and without a key, since keys come
/// in below. Most are never used, so that headers are kept in the form that costs least to make: one list of handles.
pub(crate) struct Template {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
    body: Bytes,
}

impl Template {
    /// `None` if the body is a stream.
    pub(crate) fn of(request: &Request<Body>) -> Option<Self> {
        let body = request.body().as_bytes()?.clone();
        let headers = request.headers().iter().map(|(name, value)| (name.clone(), value.clone()));
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: headers.collect(),
            extensions: request.extensions().clone(),
            body,
        })
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
            // What goes on from a state finds that it has been gone on from already.
            Endpoint::Messages => !facts(&mut self.to_request()).is_stateful(),
            Endpoint::CountTokens | Endpoint::Complete => true,
            // Cancelling twice is cancelling; a batch that is created twice is paid twice.
            Endpoint::Batches => self.uri.path().trim_end_matches('/').ends_with("/cancel"),
            _ => false,
        }
    }
}
