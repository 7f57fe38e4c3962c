//! A whole message while it is being written.

use std::time::Duration;

use tokio::time::Instant;

use crate::messages::{EventStream, Usage};
use crate::pace::{Pace, Timetable};

/// A message that nobody sees before its end, and which has cost something before that.
pub(crate) struct Draft {
    /// What a stream of it would have brought.
    events: Box<EventStream>,
    pace: Pace,
    begun: Instant,
}

impl Draft {
    /// Its writing begins now.
    pub(crate) fn begin(events: Box<EventStream>, pace: Pace) -> Self {
        Self { events, pace, begun: Instant::now() }
    }

    /// What it has used when it is written.
    pub(crate) fn whole(&self) -> &Usage {
        self.events.whole_usage()
    }

    /// What it has used by now: the same as a stream that began at the same time.
    pub(crate) fn so_far(mut self) -> Usage {
        let passed = Instant::now().saturating_duration_since(self.begun);
        let mut timetable = Timetable::new(self.pace);
        let mut due = Duration::ZERO;
        let mut used = self.events.usage_so_far();
        while let Some(event) = self.events.next() {
            let usage = self.events.usage_so_far();
            due = due.saturating_add(timetable.wait_for(event.part, usage.output()));
            if due > passed {
                break;
            }
            used = usage;
        }
        used
    }
}
