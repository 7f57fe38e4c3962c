//! The response body.

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use claude_wire::BoxError;
use http_body::{Body, Frame, SizeHint};

use crate::encoding::{Coding, GzipStream};
use crate::execution::Execution;
use crate::in_flight::InFlightGuard;
use crate::messages::EventStream;

/// The body of a simulated response. It is always ready, and makes its bytes as they are asked for.
///
/// A stream gives one event per frame, unless
/// [`Builder::with_frame_bytes`](crate::Builder::with_frame_bytes) cuts it differently.
pub struct SimBody {
    source: Source,
    /// Made and not yet given out.
    ready: BytesMut,
    frame_bytes: Option<NonZeroUsize>,
    /// Settled at the end of the response, and before the request counts as ended.
    execution: Option<Execution>,
    /// The request counts as in flight until the end of its response.
    in_flight: Option<InFlightGuard>,
}

enum Source {
    Whole(Bytes),
    Events(Box<EventStream>, Option<GzipStream>),
    Done,
}

impl SimBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::new(Source::Whole(bytes))
    }

    pub(crate) fn events(events: EventStream, coding: Coding) -> Self {
        let gzip = (coding == Coding::Gzip).then(GzipStream::new);
        Self::new(Source::Events(Box::new(events), gzip))
    }

    fn new(source: Source) -> Self {
        Self { source, ready: BytesMut::new(), frame_bytes: None, in_flight: None, execution: None }
    }

    pub(crate) fn with_frame_bytes(mut self, frame_bytes: Option<NonZeroUsize>) -> Self {
        self.frame_bytes = frame_bytes;
        self
    }

    pub(crate) fn executing(mut self, execution: Option<Execution>) -> Self {
        self.execution = execution.filter(|_| !self.is_end_stream());
        self
    }

    pub(crate) fn counted_by(mut self, guard: InFlightGuard) -> Self {
        self.in_flight = (!self.is_end_stream()).then_some(guard);
        self
    }

    /// The next bytes as they are made: a whole answer, or one event.
    fn make(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.source, Source::Done) {
            Source::Done => None,
            Source::Whole(bytes) => Some(bytes),
            Source::Events(mut events, mut gzip) => {
                let event = events.next()?.bytes;
                if let Some(execution) = &mut self.execution {
                    execution.progress(events.usage_so_far());
                }
                let last = events.is_done();
                let mut made = match &mut gzip {
                    Some(gzip) => gzip.flushed(&event),
                    None => event,
                };
                match (last, gzip) {
                    (true, Some(gzip)) => made.extend_from_slice(&gzip.finish()),
                    (true, None) => {}
                    (false, gzip) => self.source = Source::Events(events, gzip),
                }
                Some(Bytes::from(made))
            }
        }
    }

    fn next_frame(&mut self) -> Option<Bytes> {
        let Some(size) = self.frame_bytes.map(NonZeroUsize::get) else {
            return self.make();
        };
        while self.ready.len() < size {
            let Some(made) = self.make() else { break };
            self.ready.extend_from_slice(&made);
        }
        let frame = self.ready.split_to(size.min(self.ready.len())).freeze();
        (!frame.is_empty()).then_some(frame)
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = self.next_frame();
        // Nobody need poll again after the last frame, so the count goes down with it.
        if self.is_end_stream() {
            self.execution = None;
            self.in_flight = None;
        }
        Poll::Ready(frame.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        let made_all = match &self.source {
            Source::Done => true,
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Events(..) => false,
        };
        made_all && self.ready.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.len() as u64;
        match &self.source {
            Source::Done => SizeHint::with_exact(ready),
            Source::Whole(bytes) => SizeHint::with_exact(ready + bytes.len() as u64),
            Source::Events(..) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for SimBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.source {
            Source::Events(..) => "SimBody(events)",
            Source::Whole(_) | Source::Done => "SimBody(bytes)",
        })
    }
}
