//! Reading a stream into memory, up to a cap, without ever losing a byte of it.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use pin_project_lite::pin_project;

use super::{Body, BoxError, Kind};

/// 32 MiB: the API refuses larger Messages requests with 413 (its documentation, 2026-10).
pub const DEFAULT_BUFFER_CAP: usize = 32 * 1024 * 1024;

/// Why a body is not in memory now.
pub enum BufferError {
    /// It is longer than the cap. The body is whole: what was read, and then the rest as a stream.
    TooLarge {
        /// The whole body, as a stream.
        body: Body,
        /// The cap that it passed, in bytes.
        cap: usize,
    },
    /// It broke while it was read; nobody can have the rest.
    Read(BoxError),
}

impl fmt::Debug for BufferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { cap, .. } => {
                f.debug_struct("TooLarge").field("cap", cap).finish_non_exhaustive()
            }
            Self::Read(error) => f.debug_tuple("Read").field(error).finish(),
        }
    }
}

impl fmt::Display for BufferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { cap, .. } => write!(f, "the body is longer than {cap} bytes"),
            Self::Read(_) => f.write_str("the body broke while it was read"),
        }
    }
}

impl Error for BufferError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Read(error) => Some(&**error),
        }
    }
}

impl Body {
    /// Reads `body` into memory, `cap` bytes at the most ([`DEFAULT_BUFFER_CAP`] is the API's own limit). A
    /// body of one frame is not copied. One that ends in trailers stays a stream, since bytes in memory have
    /// no place for them; nothing of it is lost. Frames are joined at the end: for that moment it takes twice its length.
    ///
    /// # Errors
    ///
    /// [`BufferError::TooLarge`] gives the whole body back. [`BufferError::Read`] is the body's own failure.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: what was read is lost with the future, as the body is.
    pub async fn buffered<B>(body: B, cap: usize) -> Result<Self, BufferError>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let body = Self::new(body);
        let Kind::Streamed(stream) = body.kind else {
            return match body.as_bytes() {
                Some(bytes) if bytes.len() > cap => Err(BufferError::TooLarge { body, cap }),
                _ => Ok(body),
            };
        };
        // Reading sends nothing: whatever comes of the body, it is what the attempt will send.
        let attempt = body.attempt;
        let mut rest = stream.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut read = Read::default();
        let mut length = 0_usize;
        let mut too_large = rest.size_hint().lower() > cap as u64;
        let mut has_trailers = false;
        while !too_large && !has_trailers {
            let Some(frame) = pin!(rest.frame()).await else {
                return Ok(Self { attempt, ..Self::from(joined(read.into_frames(), length)) });
            };
            let frame = frame.map_err(BufferError::Read)?;
            let data = frame.data_ref().map(Bytes::len);
            has_trailers = data.is_none();
            length = length.saturating_add(data.unwrap_or_default());
            too_large = length > cap;
            read.push(frame);
        }
        let read = read.into_frames();
        let body = Self { attempt, ..Self::stream(Replayed { read, rest }) };
        if too_large { Err(BufferError::TooLarge { body, cap }) } else { Ok(body) }
    }
}

/// Frames smaller than this are joined as they come: each would weigh more than its bytes.
const SMALL: usize = 1024;

/// What has been read so far.
#[derive(Default)]
struct Read {
    frames: VecDeque<Frame<Bytes>>,
    /// Small frames behind those, joined.
    small: BytesMut,
}

impl Read {
    fn push(&mut self, frame: Frame<Bytes>) {
        let is_first = self.frames.is_empty() && self.small.is_empty();
        match frame.data_ref() {
            // Empty frames carry nothing, and an endless run of them would fill the queue.
            Some(data) if data.is_empty() => {}
            Some(data) if data.len() < SMALL && !is_first => self.small.extend_from_slice(data),
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

    fn into_frames(mut self) -> VecDeque<Frame<Bytes>> {
        self.flush();
        self.frames
    }
}

fn joined(mut frames: VecDeque<Frame<Bytes>>, length: usize) -> Bytes {
    if frames.len() == 1 {
        return frames.pop_front().and_then(|frame| frame.into_data().ok()).unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(length);
    for data in frames.into_iter().filter_map(|frame| frame.into_data().ok()) {
        whole.extend_from_slice(&data);
    }
    whole.freeze()
}

pin_project! {
    /// What has been read of a body, and then the rest of it.
    struct Replayed<B> {
        read: VecDeque<Frame<Bytes>>,
        #[pin]
        rest: B,
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for Replayed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match this.read.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => this.rest.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self.read.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}
