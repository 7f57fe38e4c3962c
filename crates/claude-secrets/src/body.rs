//! The body of what leaves the layer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_wire::body::Replayed;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of [`Secrets`](crate::Secrets): the inner service's own, unchanged. What says something of the key (400, 401, 402,
    /// 429) has been read ahead, up to 64 KiB and for 5 seconds; small frames of those are joined.
    pub struct ResponseBody<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        Passed { #[pin] body: B },
        Read { body: Replayed<Pin<Box<B>>> },
    }
}

impl<B> ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    pub(crate) const fn passed(body: B) -> Self {
        Self { inner: Inner::Passed { body } }
    }

    pub(crate) const fn read(body: Replayed<Pin<Box<B>>>) -> Self {
        Self { inner: Inner::Read { body } }
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().inner.project() {
            InnerProj::Passed { body } => body.poll_frame(cx),
            InnerProj::Read { body } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Passed { body } => body.is_end_stream(),
            Inner::Read { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Passed { body } => body.size_hint(),
            Inner::Read { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}
