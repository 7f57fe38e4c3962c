//! How the end of a request's body is told.

use claude_wire::Body;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request};
use http_body::Body as _;

/// Announces a stream as chunked where hyper would not: with a GET or a HEAD it sends no body of unknown length, and
/// says nothing.
pub(super) fn announce_stream(request: &mut Request<Body>) {
    let seldom = matches!(*request.method(), Method::GET | Method::HEAD);
    let body = request.body();
    if seldom
        && !body.is_end_stream()
        && body.size_hint().exact().is_none()
        && !request.headers().contains_key(CONTENT_LENGTH)
    {
        request.headers_mut().entry(TRANSFER_ENCODING).or_insert(HeaderValue::from_static("chunked"));
    }
}
