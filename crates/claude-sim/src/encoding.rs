//! Content codings: what the client accepts, and gzip for whole answers and for streams.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue};

/// The coding of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// gzip if the client accepts it at least as much as no coding at all, else none.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let (mut gzip, mut any, mut identity) = (None, None, None);
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for item in values.flat_map(|value| value.split(',')) {
            let mut parts = item.split(';').map(str::trim);
            let slot = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => &mut gzip,
                "*" => &mut any,
                "identity" => &mut identity,
                _ => continue,
            };
            *slot = Some(parts.find_map(weight).unwrap_or(1.0));
        }
        match gzip.or(any) {
            Some(weight) if weight > 0.0 && weight >= identity.unwrap_or(0.0) => Self::Gzip,
            _ => Self::Identity,
        }
    }

    pub(crate) fn announce(self, headers: &mut HeaderMap) {
        if self == Self::Gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }

    pub(crate) fn encode(self, body: Bytes) -> Bytes {
        match self {
            Self::Identity => body,
            Self::Gzip => {
                let mut stream = GzipStream::new();
                stream.push(&body);
                Bytes::from(stream.finish())
            }
        }
    }
}

fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    // A weight that is no number counts as a refusal: who wrote it did not mean "everything".
    name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(0.0))
}

/// gzip, piece by piece.
pub(crate) struct GzipStream {
    encoder: GzEncoder<Vec<u8>>,
}

impl GzipStream {
    pub(crate) fn new() -> Self {
        Self { encoder: GzEncoder::new(Vec::new(), Compression::fast()) }
    }

    /// The encoder writes to memory, which takes everything.
    fn push(&mut self, piece: &[u8]) {
        let written = self.encoder.write_all(piece);
        debug_assert!(written.is_ok(), "memory took less than everything");
    }

    /// The piece, coded and flushed: a decoder has all of it at once.
    pub(crate) fn flushed(&mut self, piece: &[u8]) -> Vec<u8> {
        self.push(piece);
        let flushed = self.encoder.flush();
        debug_assert!(flushed.is_ok(), "memory has nothing to flush");
        std::mem::take(self.encoder.get_mut())
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.encoder.finish().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_decide() {
        for (accept, expected) in [
            ("gzip", Coding::Gzip),
            ("gzip, deflate, br, zstd", Coding::Gzip),
            ("GZip;Q=0.5", Coding::Gzip),
            ("*", Coding::Gzip),
            ("", Coding::Identity),
            ("br", Coding::Identity),
            ("identity", Coding::Identity),
            ("gzip;q=0", Coding::Identity),
            ("gzip; q=0.0, *", Coding::Identity),
            ("*;q=0", Coding::Identity),
            ("gzip;q=0.5, identity;q=0.8", Coding::Identity),
            ("gzip;q=0.5, identity;q=0", Coding::Gzip),
            ("gzip;q=lots", Coding::Identity),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap())]);
            assert_eq!(Coding::accepted(&headers), expected, "{accept:?}");
        }
        assert_eq!(Coding::accepted(&HeaderMap::new()), Coding::Identity);
    }
}
