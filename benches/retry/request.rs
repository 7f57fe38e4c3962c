//! The requests, and the copy that a careful user makes of one.

use bytes::Bytes;
use claude_wire::Body;
use claude_wire::call::Caller;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::support::inputs::{self, Make};

/// A request that can be made again and again, over the same bytes.
pub(crate) struct Template {
    body: Bytes,
    caller: Option<Caller>,
}

impl Template {
    /// With a body of about `size` bytes, and no extensions.
    pub(crate) fn new(size: usize, stream: bool) -> Self {
        let mut body = inputs::request(Make::Prose, size);
        if !stream {
            let text = String::from_utf8(body.to_vec()).expect("JSON is text");
            body = Bytes::from(text.replace(r#""stream":true"#, r#""stream":false"#));
        }
        Self { body, caller: None }
    }

    /// With an extension, as requests in a stack have one.
    pub(crate) fn with_caller(mut self) -> Self {
        self.caller = Some(Caller::new().with_environment("prod").with_line("support"));
        self
    }

    pub(crate) fn make(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("https://api.anthropic.com/v1/messages");
        request.headers_mut().extend([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (ACCEPT, HeaderValue::from_static("application/json")),
            (USER_AGENT, HeaderValue::from_static("Anthropic/Python 0.75.0")),
            (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01")),
            (HeaderName::from_static("anthropic-beta"), HeaderValue::from_static("context-1m-2025-08-07")),
        ]);
        if let Some(caller) = &self.caller {
            request.extensions_mut().insert(caller.clone());
        }
        request
    }
}

/// The same request once more. The bytes of its body are shared; a stream cannot be copied.
pub(crate) fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}
