//! Bodies: the one request body of every layer, the layers that turn other bodies into it and back, and the
//! one wrapper that knows how bodies end.
//!
//! [`Body`] is either bytes in memory, cheap to clone and so open to being measured, hashed and sent again, or
//! an opaque stream that passes through once. [`Body::buffered`] reads a stream into memory up to a cap.

mod buffered;
mod convert;
mod failing_late;
mod into_layer;
mod layer;
mod replayed;
mod watch;

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

pub use buffered::{BufferError, DEFAULT_BUFFER_CAP};
pub use convert::StreamedBody;
pub use failing_late::FailingLate;
pub use into_layer::{IntoBody, IntoBodyLayer, ResponseFuture};
pub use layer::{BodyLayer, ConvertBody};
pub use replayed::{More, Replayed};
pub use watch::{Pace, Watch, Watched, WatchedEnd};

use crate::call::Attempt;

/// The error of everything that can fail for reasons of its own: a boxed, thread-safe `Error`.
pub type BoxError = Box<dyn Error + Send + Sync>;

type BoxStream = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

/// The request body that all layers share.
///
/// * **Buffered**: bytes in memory. [`as_bytes`](Self::as_bytes) shows them and [`try_clone`](Self::try_clone)
///   copies the handle, never the bytes.
/// * **Streamed**: anything else. It is passed on frame by frame and can be sent once.
///
/// A body may carry the [`Attempt`] it belongs to ([`watched_by`](Self::watched_by)); its first poll then marks
/// that attempt as sent.
pub struct Body {
    kind: Kind,
    attempt: Option<Attempt>,
}

enum Kind {
    /// `None` once the bytes have been handed out.
    Buffered(Option<Bytes>),
    /// The mutex makes the body `Sync`. Polling goes through `get_mut` and takes no lock.
    Streamed(Mutex<BoxStream>),
}

impl Body {
    /// A body of no bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self { kind: Kind::Buffered(Some(Bytes::new())), attempt: None }
    }

    /// Any body as ours. `Body`, `Full<Bytes>` and `Empty<Bytes>` (and, with their features, reqwest's bodies
    /// made of bytes) are recognised by their type and stay buffered; everything else becomes a stream.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        convert::recognise(body)
    }

    /// Any body as a stream, without a look at what it is.
    pub fn stream<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let stream: BoxStream = Box::pin(convert::BoxedError { body });
        Self { kind: Kind::Streamed(Mutex::new(stream)), attempt: None }
    }

    /// The bytes, if the body is buffered and has not been read. An empty body shows no bytes at all, but
    /// `Some`.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match &self.kind {
            Kind::Buffered(bytes) => bytes.as_ref(),
            Kind::Streamed(_) => None,
        }
    }

    /// A second body of the same bytes, if this one is buffered and has not been read. The attempt is not
    /// copied: the clone is for another one.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        self.as_bytes().map(|bytes| Self::from(bytes.clone()))
    }

    /// Whether this is a stream, which can be sent only once.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Streamed(_))
    }

    /// Ties the body to an attempt, which is marked as sent when the body is first polled.
    pub fn watched_by(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    /// Takes the bytes out, as somebody does who will send them in another form: the attempt, if there is one,
    /// is marked as sent.
    ///
    /// # Errors
    ///
    /// A stream comes back as it was.
    pub fn into_bytes(mut self) -> Result<Bytes, Self> {
        match &mut self.kind {
            Kind::Buffered(bytes) => {
                let bytes = bytes.take().unwrap_or_default();
                self.mark_sent();
                Ok(bytes)
            }
            Kind::Streamed(_) => Err(self),
        }
    }

    fn mark_sent(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.mark_sent();
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

/// Shows the kind and the length, never the bytes: they hold prompts.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Buffered(bytes) => write!(f, "Body({} bytes)", bytes.as_ref().map_or(0, Bytes::len)),
            Kind::Streamed(_) => f.write_str("Body(stream)"),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.mark_sent();
        match &mut self.kind {
            Kind::Buffered(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            // A poisoned lock means that a poll panicked; the stream itself decides what a further poll does.
            Kind::Streamed(stream) => {
                stream.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Buffered(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Streamed(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Buffered(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Streamed(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).size_hint(),
        }
    }
}
