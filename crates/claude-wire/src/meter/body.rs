//! The body of a metered response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Eye, Meter};
use crate::body::{Watch, Watched, WatchedEnd};

pin_project! {
    /// The body of a metered response: the same bytes in the same frames.
    ///
    /// The last frame waits for what subscribers asked to be waited for.
    pub struct MeteredBody<B>
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
        Scanned { #[pin] body: Watched<B, Eye> },
        Gated { #[pin] body: Watched<B, Gate> },
    }
}

/// Waits at the end for what late subscribers asked for, and sees nothing.
struct Gate {
    meter: Meter,
}

impl Watch for Gate {
    fn on_end(&mut self, _: WatchedEnd) {}

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.meter.poll_awaited(cx)
    }

    fn is_released(&self) -> bool {
        self.meter.lock().awaited.is_empty()
    }
}

impl<B> MeteredBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    pub(super) fn scanned(body: B, eye: Eye) -> Self {
        Self { inner: Inner::Scanned { body: Watched::new(body, eye) } }
    }

    pub(super) fn gated(body: B, meter: Meter) -> Self {
        Self { inner: Inner::Gated { body: Watched::new(body, Gate { meter }) } }
    }

    /// Reads no further, if it is this body that is read: what comes now is passed on unseen, and the reading stays as it is.
    /// For a layer that has to know a body's beginning alone. It also [detaches](Meter::detach) the meter that it has
    /// attached, so that whoever is above reads anew.
    pub fn stop(&mut self) {
        if let Inner::Scanned { body } = &mut self.inner {
            body.watch_mut().stop();
        }
    }
}

impl<B> fmt::Debug for MeteredBody<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeteredBody")
    }
}

impl<B> HttpBody for MeteredBody<B>
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
            InnerProj::Scanned { body } => body.poll_frame(cx),
            InnerProj::Gated { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Scanned { body } => body.is_end_stream(),
            Inner::Gated { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Scanned { body } => body.size_hint(),
            Inner::Gated { body } => body.size_hint(),
        }
    }
}
