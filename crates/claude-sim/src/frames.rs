//! Into which frames a body is cut.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fastrand::Rng;

/// The longest frame of a body that is cut at random, in bytes.
const MAX_RANDOM: usize = 48;

/// Bytes that are made and not yet given out.
pub(crate) struct Frames {
    cut: Cut,
    ready: BytesMut,
    /// The next frame, if frames are as they are made.
    whole: Bytes,
}

pub(crate) enum Cut {
    AsMade,
    Every(NonZeroUsize),
    /// With so much time between them.
    Drip(NonZeroUsize, Duration),
    Random(Box<Rng>),
}

impl Frames {
    pub(crate) fn new(cut: Cut) -> Self {
        Self { cut, ready: BytesMut::new(), whole: Bytes::new() }
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        match self.cut {
            Cut::AsMade if self.is_empty() => self.whole = bytes,
            _ => self.ready.extend_from_slice(&bytes),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.ready.is_empty()
    }

    /// The next frame. If more bytes may follow at once, it must be full.
    pub(crate) fn next(&mut self, is_last: bool) -> Option<Bytes> {
        if !self.whole.is_empty() {
            return Some(std::mem::take(&mut self.whole));
        }
        let most = match &self.cut {
            Cut::AsMade => self.ready.len(),
            Cut::Every(size) | Cut::Drip(size, _) => size.get(),
            Cut::Random(_) => MAX_RANDOM,
        };
        if self.ready.is_empty() || (self.ready.len() < most && !is_last) {
            return None;
        }
        let most = most.min(self.ready.len());
        let size = match &mut self.cut {
            Cut::Random(rng) => random_size(&self.ready[..most], rng),
            _ => most,
        };
        Some(self.ready.split_to(size).freeze())
    }

    /// The time between two frames.
    pub(crate) const fn pause(&self) -> Duration {
        match self.cut {
            Cut::Drip(_, every) => every,
            _ => Duration::ZERO,
        }
    }
}

/// Half of the time where it hurts, if there is such a place: inside a character, or in the middle of a line end.
fn random_size(bytes: &[u8], rng: &mut Rng) -> usize {
    let hurts = |at: usize| matches!(bytes[at], 0x80..=0xbf | b'\n' | b'\r');
    let size = rng.usize(1..=bytes.len());
    match (1..bytes.len()).filter(|&at| hurts(at)).collect::<Vec<_>>().as_slice() {
        places if !places.is_empty() && rng.bool() => places[rng.usize(..places.len())],
        _ => size,
    }
}
