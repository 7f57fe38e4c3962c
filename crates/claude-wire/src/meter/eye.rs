//! What looks at the frames, whatever their form.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::batch::BatchScan;
use super::events::EventScan;
use super::message::MessageScan;
use super::{BatchItem, Changed, Ending, Kind, Meter, Reading, Unreadable};
use crate::body::{Pace, Watch, WatchedEnd};

/// The watch of a metered body.
pub(super) struct Eye {
    meter: Meter,
    scan: Scan,
}

/// One reader for each kind of body.
enum Scan {
    Message(Box<MessageScan>),
    Events(Box<EventScan>),
    Batch(Box<BatchScan>),
    Other,
    Coded(Box<str>),
    /// Nothing any more.
    Stopped,
}

impl Eye {
    pub(super) fn new(meter: Meter, kind: Kind, coding: Option<Box<str>>) -> Self {
        let scan = match (kind, coding) {
            (_, Some(coding)) => Scan::Coded(coding),
            (Kind::Json, None) => Scan::Message(Box::default()),
            (Kind::Events, None) => Scan::Events(Box::default()),
            (Kind::BatchResults, None) => Scan::Batch(Box::default()),
            (Kind::Other, None) => Scan::Other,
        };
        Self { meter, scan }
    }

    pub(super) fn stop(&mut self) {
        self.scan = Scan::Stopped;
    }

    const fn is_stopped(&self) -> bool {
        matches!(self.scan, Scan::Stopped)
    }
}

impl Scan {
    fn data(&mut self, data: &[u8], reading: &mut Reading, items: &mut Vec<BatchItem>) -> Changed {
        match self {
            Self::Message(scan) => scan.data(data, reading),
            Self::Events(scan) => scan.data(data, reading),
            Self::Batch(scan) => scan.data(data, reading, items),
            Self::Other | Self::Coded(_) | Self::Stopped => Changed::No,
        }
    }

    /// What an end of the body means for what was read.
    fn ending(&mut self, end: WatchedEnd, reading: &mut Reading, items: &mut Vec<BatchItem>) -> Ending {
        let read = match self {
            Self::Coded(coding) => return Ending::Unreadable(Unreadable::Coding(coding.clone())),
            Self::Message(scan) => scan.ending(end),
            Self::Events(scan) => scan.ending(end, reading),
            Self::Batch(scan) => scan.ending(end, reading, items),
            Self::Other | Self::Stopped => (end == WatchedEnd::Complete).then_some(Ending::Complete),
        };
        read.unwrap_or(match end {
            WatchedEnd::Dropped => Ending::Dropped,
            WatchedEnd::Complete | WatchedEnd::Failed => Ending::Cut,
        })
    }
}

impl Watch for Eye {
    fn on_data(&mut self, data: &Bytes) -> Pace {
        if self.is_stopped() {
            return Pace::Pass;
        }
        let scan = &mut self.scan;
        let mut pace = Pace::Pass;
        self.meter.update(|reading, items| {
            reading.bytes = reading.bytes.saturating_add(data.len() as u64);
            if reading.ending.is_some() {
                return Changed::No;
            }
            let changed = scan.data(data, reading, items);
            if reading.ending.is_some() {
                pace = Pace::Hold;
            }
            changed
        });
        pace
    }

    fn on_end(&mut self, end: WatchedEnd) {
        if self.is_stopped() {
            return;
        }
        let scan = &mut self.scan;
        self.meter.update(|reading, items| {
            if reading.ending.is_some() {
                return Changed::No;
            }
            reading.ending = Some(scan.ending(end, reading, items));
            Changed::Yes
        });
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.meter.poll_awaited(cx)
    }

    fn is_released(&self) -> bool {
        self.meter.lock().awaited.is_empty()
    }
}
