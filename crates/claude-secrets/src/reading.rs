//! Answers that are read before they are handed on, because they say something of the key.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use claude_errors::Classification;
use claude_wire::body::{More, Replayed};
use claude_wire::meter::Meter;
use claude_wire::{ErrorBody, headers};
use http::{Response, StatusCode, response};
use http_body::Body as HttpBody;
use tokio::time::{Sleep, sleep};

use crate::body::ResponseBody;

/// How much of an error's body is read, in bytes; the API's are a few hundred (2026-11).
const MAX_ERROR: usize = 64 * 1024;

/// In how many frames: empty ones and trailers are of no length.
const MAX_FRAMES: u32 = 4_096;

/// How long it is waited for: ours, 2026-11-23.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer, and as much of its body as has come.
pub(crate) struct Reading<B>
where
    B: HttpBody<Data = Bytes>,
{
    head: response::Parts,
    body: Replayed<Pin<Box<B>>>,
    clock: Option<Pin<Box<Sleep>>>,
    is_whole: bool,
    frames: u32,
}

impl<B> Reading<B>
where
    B: HttpBody<Data = Bytes>,
{
    pub(crate) fn new(response: Response<B>) -> Self {
        let (head, body) = response.into_parts();
        Self { head, body: Replayed::new(Box::pin(body)), clock: None, is_whole: false, frames: 0 }
    }

    /// Reads to the end, or as far as it is worth.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.body.kept() > MAX_ERROR || self.frames > MAX_FRAMES {
                return Poll::Ready(());
            }
            self.frames += 1;
            match Pin::new(&mut self.body).poll_more(cx) {
                Poll::Ready(More::Data(_) | More::Other) => {}
                Poll::Ready(More::End) => {
                    self.is_whole = true;
                    return Poll::Ready(());
                }
                Poll::Ready(More::Failed) => return Poll::Ready(()),
                Poll::Pending => {
                    let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
                    return clock.as_mut().poll(cx);
                }
            }
        }
    }

    /// What it says, judged like any failure.
    pub(crate) fn judge(&self, now: SystemTime) -> Option<Classification> {
        let said = self.is_whole.then(|| ErrorBody::read(&self.body.to_bytes())).flatten();
        Classification::of_response(self.head.status, &self.head.headers, said.as_ref(), now)
    }

    /// How long it asks to wait, whether or not it is to be repeated.
    pub(crate) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        headers::retry_after(&self.head.headers, now)
    }

    /// Whether the API itself refuses the key. What else answers 401, a proxy for one, says nothing of it. Whose a body
    /// in a content coding is, only the API's own header tells.
    pub(crate) fn refuses_key(&self, judged: &Classification) -> bool {
        let is_coded =
            Meter::coding(&self.head.headers).is_some() && headers::request_id(&self.head.headers).is_some();
        self.head.status == StatusCode::UNAUTHORIZED
            && (is_coded || judged.error_type.as_deref() == Some("authentication_error"))
    }

    pub(crate) fn into_response(self) -> Response<ResponseBody<B>> {
        Response::from_parts(self.head, ResponseBody::read(self.body))
    }
}
