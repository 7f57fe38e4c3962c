//! The service below: it answers at once, and has a readiness to lose.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_wire::Body;
use claude_wire::body::BoxError;
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower::Service;

use crate::support::inputs;

const MESSAGE: &str = r#"{"model":"claude-sonnet-5-5","id":"msg_01","type":"message","role":"assistant","content":[{"type":"text","text":"Forty-two."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":2095,"output_tokens":12}}"#;

const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_01"}"#;

/// What the service does with a call.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Script {
    /// A small message, every time.
    Message,
    /// 529 and a message, in turns.
    OverloadedFirst,
    /// A stream of 64 KiB, a frame for each event.
    Stream,
}

/// A call needs a `poll_ready` of this very instance before it; a clone has had none.
pub(crate) struct Inner {
    what: Arc<What>,
    ready: bool,
}

struct What {
    script: Script,
    calls: AtomicU32,
    good: (HeaderMap, Arc<[Bytes]>),
    bad: (HeaderMap, Arc<[Bytes]>),
}

impl Inner {
    pub(crate) fn new(script: Script) -> Self {
        let good = if script == Script::Stream {
            (
                headers("text/event-stream; charset=utf-8"),
                inputs::events(64 * 1024).into_iter().map(Bytes::from).collect(),
            )
        } else {
            (headers("application/json"), Arc::from([Bytes::from(MESSAGE.to_owned())]))
        };
        let bad = (headers("application/json"), Arc::from([Bytes::from(OVERLOADED.to_owned())]));
        Self { what: Arc::new(What { script, calls: AtomicU32::new(0), good, bad }), ready: false }
    }

    /// The very frames of a good answer.
    pub(crate) fn frames(&self) -> &[Bytes] {
        &self.what.good.1
    }
}

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (DATE, HeaderValue::from_static("Mon, 23 Nov 2026 02:00:00 GMT")),
        (HeaderName::from_static("request-id"), HeaderValue::from_static("req_01")),
        (HeaderName::from_static("anthropic-ratelimit-requests-remaining"), HeaderValue::from_static("3999")),
        (HeaderName::from_static("anthropic-ratelimit-tokens-remaining"), HeaderValue::from_static("399000")),
    ])
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self { what: Arc::clone(&self.what), ready: false }
    }
}

impl Service<Request<Body>> for Inner {
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "asked whether it is ready");
        let what = &*self.what;
        let number = what.calls.fetch_add(1, Ordering::Relaxed);
        // A client takes the bytes and lets go of the rest.
        drop(request.into_body().into_bytes());
        let fails = what.script == Script::OverloadedFirst && number.is_multiple_of(2);
        let (status, (headers, frames)) = if fails { (529, &what.bad) } else { (200, &what.good) };
        let mut response = Response::new(Answer { frames: Arc::clone(frames), next: 0 });
        *response.status_mut() = StatusCode::from_u16(status).expect("a proper status");
        *response.headers_mut() = headers.clone();
        ready(Ok(response))
    }
}

/// A body that is there already, and hands out the very frames it was given.
pub(crate) struct Answer {
    frames: Arc<[Bytes]>,
    next: usize,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.get(self.next).cloned();
        self.next += 1;
        Poll::Ready(frame.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.frames.len()
    }

    /// Known for a message, as from `content-length`, and not for a stream.
    fn size_hint(&self) -> SizeHint {
        match &*self.frames {
            [only] if self.next == 0 => SizeHint::with_exact(only.len() as u64),
            [_] => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
