//! Reading the request body.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use claude_wire::BoxError;
use http_body::Body;
use http_body_util::BodyExt;

/// The API's limit for a Messages request; one byte more is a 413. The documentation on errors says 32 MB
/// (2026-08-22), which is read as MiB here.
pub const MAX_REQUEST_BYTES: usize = 32 * 1024 * 1024;

/// How far a body that is already too large is read on. A client that writes all of its request before it
/// reads would otherwise meet a reset connection and not the 413.
const MAX_DRAINED_BYTES: u64 = 2 * MAX_REQUEST_BYTES as u64;

pub(crate) enum Received {
    Whole(Bytes),
    TooLarge,
}

/// Reads a body to its end, and keeps no more of it than the API's limit.
pub(crate) async fn receive<B>(body: B) -> Result<Received, BoxError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    if body.size_hint().lower() > MAX_DRAINED_BYTES {
        return Ok(Received::TooLarge);
    }
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut length = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Into::into)?.into_data() else { continue };
        length = length.saturating_add(data.len() as u64);
        if length > MAX_DRAINED_BYTES {
            return Ok(Received::TooLarge);
        }
        if length > MAX_REQUEST_BYTES as u64 {
            first.clear();
            joined = BytesMut::new();
        } else if first.is_empty() {
            // A body of one frame is not copied.
            first = data;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&data);
        }
    }
    Ok(match length {
        length if length > MAX_REQUEST_BYTES as u64 => Received::TooLarge,
        _ if joined.is_empty() => Received::Whole(first),
        _ => Received::Whole(joined.freeze()),
    })
}
