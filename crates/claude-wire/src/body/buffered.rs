//! Reading a stream into memory, up to a cap, without ever losing a byte of it.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::PoisonError;

use bytes::Bytes;
use http_body::Body as HttpBody;

use super::{Body, BoxError, Kind, More, Replayed};

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
        let rest = stream.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut too_large = rest.size_hint().lower() > cap as u64;
        let mut has_trailers = false;
        let mut replayed = Replayed::new(rest);
        while !too_large && !has_trailers {
            match poll_fn(|cx| Pin::new(&mut replayed).poll_more(cx)).await {
                More::Data(_) => too_large = replayed.kept() > cap,
                More::Other => has_trailers = true,
                More::End => return Ok(Self { attempt, ..Self::from(replayed.to_bytes()) }),
                More::Failed => {
                    let error = replayed.take_error();
                    return Err(BufferError::Read(error.unwrap_or_else(|| "the body failed".into())));
                }
            }
        }
        let body = Self { attempt, ..Self::stream(replayed) };
        if too_large { Err(BufferError::TooLarge { body, cap }) } else { Ok(body) }
    }
}
