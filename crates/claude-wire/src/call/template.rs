//! What a request can be made from again.

use std::cell::RefCell;
use std::mem;

use bytes::Bytes;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::body::Body;

/// A request whose body is in memory, as it came: without what attempts put into it, the key of a layer below among that. Most
/// are never used, so that headers are kept in the form that costs least to make: a list of handles.
pub struct Template {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Headers,
    extensions: Extensions,
    body: Bytes,
}

impl Template {
    /// The template of a request; `None` if its body is a stream, which passes once.
    #[must_use]
    pub fn of(request: &Request<Body>) -> Option<Self> {
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

    /// A request like the one it was made of. It shares the handles in its extensions, its
    /// [`Attempt`](super::Attempt) among them: whoever makes a new attempt puts a new one in, and either is tied to the new body
    /// by [`Attempt::of`](super::Attempt::of) or [`put_into`](super::Attempt::put_into).
    #[must_use]
    pub fn to_request(&self) -> Request<Body> {
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

    /// Its method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Its URI.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Its extensions.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Its body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }
}

/// Shows the method, and nothing that could be a caller's.
impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").field("method", &self.method).finish_non_exhaustive()
    }
}

type Headers = Vec<(HeaderName, HeaderValue)>;

thread_local! {
    /// Empty lists of earlier templates: a call that needs no second attempt then needs no memory for one.
    static SPARE: RefCell<Vec<Headers>> = const { RefCell::new(Vec::new()) };
}

/// So many lists are kept for each thread,
const MAX_SPARE: usize = 32;
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
