//! A body whose beginning has been read ahead.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

/// What [`Replayed::poll_more`] has read.
#[derive(Clone, PartialEq, Eq)]
pub enum More {
    /// Data.
    Data(Bytes),
    /// Trailers, or a frame of a kind that is not known here.
    Other,
    /// The end: all of the body has been read.
    End,
    /// The body failed. Whoever reads the replay gets its error after the data.
    Failed,
}

/// Shows how long the data is, never the bytes.
impl fmt::Debug for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(data) => write!(f, "Data({} bytes)", data.len()),
            Self::Other => f.write_str("Other"),
            Self::End => f.write_str("End"),
            Self::Failed => f.write_str("Failed"),
        }
    }
}

pin_project! {
    /// A body whose beginning may be read ahead without taking it from whoever reads the body: that comes
    /// first, then the rest, then the end or the error that was met. Nothing is lost, and nothing twice.
    ///
    /// It keeps what was read ahead in memory; the cap is the business of whoever reads. Frames of less than
    /// 1 KiB are joined, since each would weigh more than its bytes; [`frame_by_frame`](Self::frame_by_frame)
    /// copies nothing instead, and whoever reads caps the number of frames too.
    pub struct Replayed<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        rest: B,
        read: Read,
        ended: Option<Result<(), B::Error>>,
    }
}

impl<B> Replayed<B>
where
    B: HttpBody<Data = Bytes>,
{
    /// Nothing is read ahead yet.
    pub fn new(body: B) -> Self {
        Self { rest: body, read: Read::default(), ended: None }
    }

    /// The same, but frames stay as they come, however small: no byte is copied.
    pub fn frame_by_frame(body: B) -> Self {
        let read = Read { joins: false, ..Read::default() };
        Self { rest: body, read, ended: None }
    }

    /// Reads one frame more, and keeps it.
    pub fn poll_more(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<More> {
        let mut this = self.project();
        match this.ended {
            Some(Ok(())) => return Poll::Ready(More::End),
            Some(Err(_)) => return Poll::Ready(More::Failed),
            None => {}
        }
        Poll::Ready(match ready!(this.rest.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => {
                let more = frame.data_ref().cloned().map_or(More::Other, More::Data);
                this.read.push(frame);
                more
            }
            Some(Err(error)) => {
                *this.ended = Some(Err(error));
                More::Failed
            }
            None => {
                *this.ended = Some(Ok(()));
                More::End
            }
        })
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.read.length
    }

    /// How many frames are kept.
    #[must_use]
    pub fn kept_frames(&self) -> usize {
        self.read.frames.len() + usize::from(!self.read.small.is_empty())
    }

    /// The bytes that are kept, in one piece. They stay where they are.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.read.to_bytes()
    }

    /// The body behind what was read ahead.
    pub const fn rest_mut(&mut self) -> &mut B {
        &mut self.rest
    }

    /// The error that was met, if one was. It is not replayed then.
    pub fn take_error(&mut self) -> Option<B::Error> {
        match self.ended.take() {
            Some(Err(error)) => {
                self.ended = Some(Ok(()));
                Some(error)
            }
            other => {
                self.ended = other;
                None
            }
        }
    }
}

impl<B> HttpBody for Replayed<B>
where
    B: HttpBody<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if let Some(frame) = this.read.pop() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match this.ended.replace(Ok(())) {
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            Some(Ok(())) => Poll::Ready(None),
            None => {
                *this.ended = None;
                this.rest.poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let ended = match &self.ended {
            Some(end) => end.is_ok(),
            None => self.rest.is_end_stream(),
        };
        ended && self.read.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.read.length as u64;
        let rest = match &self.ended {
            Some(Ok(())) => SizeHint::with_exact(0),
            Some(Err(_)) => SizeHint::default(),
            None => self.rest.size_hint(),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}

/// Shows how much is kept, never the bytes.
impl<B> fmt::Debug for Replayed<B>
where
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replayed").field("kept", &self.read.length).finish_non_exhaustive()
    }
}

/// Frames smaller than this are joined as they come.
const SMALL: usize = 1024;

/// What has been read so far.
struct Read {
    /// Whether small frames are joined.
    joins: bool,
    frames: VecDeque<Frame<Bytes>>,
    /// Small frames behind those, joined.
    small: BytesMut,
    /// Bytes of data in both.
    length: usize,
}

impl Default for Read {
    fn default() -> Self {
        Self { joins: true, frames: VecDeque::new(), small: BytesMut::new(), length: 0 }
    }
}

impl Read {
    fn push(&mut self, frame: Frame<Bytes>) {
        let is_first = self.frames.is_empty() && self.small.is_empty();
        let data = frame.data_ref();
        self.length += data.map_or(0, Bytes::len);
        match data {
            // Empty frames carry nothing, and an endless run of them would fill the queue.
            Some(data) if data.is_empty() => {}
            Some(data) if self.joins && data.len() < SMALL && !is_first => self.small.extend_from_slice(data),
            _ => {
                self.flush();
                self.frames.push_back(frame);
            }
        }
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.frames.push_back(Frame::data(self.small.split().freeze()));
        }
    }

    fn pop(&mut self) -> Option<Frame<Bytes>> {
        if self.frames.is_empty() {
            self.flush();
        }
        let frame = self.frames.pop_front()?;
        self.length -= frame.data_ref().map_or(0, Bytes::len);
        Some(frame)
    }

    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.small.is_empty()
    }

    fn to_bytes(&self) -> Bytes {
        let mut data = self.frames.iter().filter_map(Frame::data_ref);
        if self.small.is_empty() && self.frames.len() == 1 {
            return data.next().cloned().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.length);
        data.for_each(|data| whole.extend_from_slice(data));
        whole.extend_from_slice(&self.small);
        whole.freeze()
    }
}
