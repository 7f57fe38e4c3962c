//! Other people's bodies into ours, and ours into theirs.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{Empty, Full};
use pin_project_lite::pin_project;

use super::{Body, BoxError, Kind};

/// The body is a stream where only bytes in memory will do. The stream is in it, unread.
pub struct StreamedBody(Body);

impl StreamedBody {
    /// The body that could not be converted.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.0
    }
}

impl fmt::Debug for StreamedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamedBody")
    }
}

impl fmt::Display for StreamedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body is a stream, and the client below takes only bytes in memory")
    }
}

impl std::error::Error for StreamedBody {}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { kind: Kind::Buffered(Some(bytes)), attempt: None }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Full<Bytes>> for Body {
    fn from(body: Full<Bytes>) -> Self {
        take_ready(body).unwrap_or_default().into()
    }
}

impl From<Empty<Bytes>> for Body {
    fn from(_: Empty<Bytes>) -> Self {
        Self::empty()
    }
}

impl<E: Into<BoxError> + 'static> From<BoxBody<Bytes, E>> for Body {
    fn from(body: BoxBody<Bytes, E>) -> Self {
        Self::stream(body)
    }
}

impl<E: Into<BoxError> + 'static> From<UnsyncBoxBody<Bytes, E>> for Body {
    fn from(body: UnsyncBoxBody<Bytes, E>) -> Self {
        Self::stream(body)
    }
}

impl TryFrom<Body> for Full<Bytes> {
    type Error = StreamedBody;

    fn try_from(body: Body) -> Result<Self, StreamedBody> {
        body.into_bytes().map(Self::new).map_err(StreamedBody)
    }
}

impl TryFrom<Body> for Bytes {
    type Error = StreamedBody;

    fn try_from(body: Body) -> Result<Self, StreamedBody> {
        body.into_bytes().map_err(StreamedBody)
    }
}

impl From<Body> for BoxBody<Bytes, BoxError> {
    fn from(body: Body) -> Self {
        Self::new(body)
    }
}

impl From<Body> for UnsyncBoxBody<Bytes, BoxError> {
    fn from(body: Body) -> Self {
        Self::new(body)
    }
}

#[cfg(feature = "axum")]
impl From<axum_core::body::Body> for Body {
    /// Always a stream: what an axum body is made of cannot be seen. To have it in memory, use
    /// [`Body::buffered`].
    fn from(body: axum_core::body::Body) -> Self {
        Self::stream(body)
    }
}

#[cfg(feature = "axum")]
impl From<Body> for axum_core::body::Body {
    fn from(body: Body) -> Self {
        Self::new(body)
    }
}

#[cfg(feature = "reqwest")]
impl From<reqwest::Body> for Body {
    fn from(body: reqwest::Body) -> Self {
        if body.as_bytes().is_some() {
            return take_ready(body).unwrap_or_default().into();
        }
        Self::stream(body)
    }
}

#[cfg(feature = "reqwest")]
impl From<Body> for reqwest::Body {
    /// Wrapped, not taken apart, so that the attempt is marked as sent when the bytes really leave. A wrapped
    /// body is not sent again by reqwest itself, which is as it should be: one place repeats.
    fn from(body: Body) -> Self {
        Self::wrap(body)
    }
}

/// The one frame of a body that is known to be bytes in memory.
fn take_ready<B>(mut body: B) -> Option<Bytes>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        Poll::Ready(_) | Poll::Pending => None,
    }
}

/// [`Body::new`]: looks at the type once and keeps bytes as bytes.
pub(super) fn recognise<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut slot = Some(body);
    macro_rules! known {
        ($($known:ty),+ $(,)?) => {$(
            if let Some(body) = (&mut slot as &mut dyn Any).downcast_mut::<Option<$known>>() {
                return body.take().map_or_else(Body::empty, Body::from);
            }
        )+};
    }
    known!(Body, Full<Bytes>, Empty<Bytes>);
    #[cfg(feature = "reqwest")]
    known!(reqwest::Body);
    slot.map_or_else(Body::empty, Body::stream)
}

pin_project! {
    /// Boxes the error of a body, and nothing else.
    pub(super) struct BoxedError<B> {
        #[pin]
        pub(super) body: B,
    }
}

impl<B> HttpBody for BoxedError<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
