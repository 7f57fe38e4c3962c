//! The steps of a stream: its events, when each is due, and what goes wrong between them.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;

use crate::encoding::GzipStream;
use crate::errors::ErrorBody;
use crate::faults::{End, ErrorEvent, Fault, LineEnds, Stall, message_of_type};
use crate::messages::{Event, EventStream, PING, Part, Usage};
use crate::pace::{Pace, Timetable};
use crate::plan::{Effect, Step};

/// What the API may send some day, and what proxies send to keep a connection alive.
const NOISES: [&[u8]; 3] = [
    b": keep-alive\n\n",
    b"event: weather\ndata: {\"type\":\"weather\",\"outlook\":\"fair\"}\n\n",
    b":\n\nevent: weather\ndata: {\"type\":\"weather\",\ndata: \"outlook\":\"fair\"}\n\n",
];

/// The steps of one stream, made as they are asked for.
pub(crate) struct EventPlan {
    events: EventStream,
    request_id: String,
    fault: Fault,
    pings: Option<Duration>,
    timetable: Timetable,
    gzip: Option<GzipStream>,
    noise: Rng,
    /// Made to see whether more content comes.
    ahead: VecDeque<(Event, Usage)>,
    /// What must pass before what is held.
    pauses: VecDeque<Stall>,
    held: Option<Held>,
    /// Made and not yet asked for.
    steps: VecDeque<Step>,
    /// Events that are out, and those of them that carry content.
    out: u32,
    content_out: u32,
    ended: bool,
}

/// What comes when its time has come.
enum Held {
    Event(Event, Usage),
    /// An event with half of its JSON, and what the whole message uses.
    Cut(Event, Usage),
    Error(Vec<u8>),
    Break,
}

impl EventPlan {
    pub(crate) fn new(
        events: EventStream,
        request_id: &str,
        fault: Fault,
        pace: Pace,
        gzip: Option<GzipStream>,
        noise: Rng,
    ) -> Self {
        Self {
            events,
            request_id: request_id.to_owned(),
            fault,
            pings: pace.pings(),
            timetable: Timetable::new(pace),
            gzip,
            noise,
            ahead: VecDeque::new(),
            pauses: VecDeque::new(),
            held: None,
            steps: VecDeque::new(),
            out: 0,
            content_out: 0,
            ended: false,
        }
    }

    /// No pings come while it stalls or is written.
    pub(crate) fn stop_pings(&mut self) {
        self.pings = None;
        let Fault { stall_first_event, stall_between_events, .. } = &mut self.fault;
        let between = stall_between_events.as_mut().map(|(_, stall)| stall);
        for stall in stall_first_event.as_mut().into_iter().chain(between) {
            stall.pings = None;
        }
    }

    pub(crate) fn next(&mut self) -> Option<Step> {
        while self.steps.is_empty() && !self.ended {
            if !self.pauses.is_empty() {
                self.pause();
            } else if let Some(held) = self.held.take() {
                self.release(held);
            } else {
                self.hold();
            }
        }
        self.steps.pop_front()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.ended && self.steps.is_empty()
    }

    /// Makes what comes next, and says what must pass before it.
    fn hold(&mut self) {
        let held = match &self.fault.end {
            Some(End::ResetAfterHeaders) => Held::Break,
            Some(End::Error(error)) if self.is_due(error) => self.error(error),
            _ => match self.next_event() {
                None => return self.end(),
                Some((event, usage)) => self.held(event, usage),
            },
        };
        if let Held::Event(event, usage) | Held::Cut(event, usage) = &held {
            let length = self.timetable.wait_for(event.part, usage.output());
            if !length.is_zero() {
                self.pauses.push_back(Stall { length, pings: self.pings });
            }
        }
        self.pauses.extend(self.fault.stall_first_event.filter(|_| self.out == 0));
        let is_last = self.is_over() || matches!(held, Held::Cut(..));
        let between = self.fault.stall_between_events;
        let due = between.filter(|&(after, _)| self.out == after || (self.out < after && is_last));
        self.pauses.extend(due.map(|(_, stall)| stall));
        self.held = Some(held);
    }

    /// The next event, and what has been used when it is out.
    fn next_event(&mut self) -> Option<(Event, Usage)> {
        self.ahead.pop_front().or_else(|| self.make())
    }

    fn make(&mut self) -> Option<(Event, Usage)> {
        self.events.next().map(|event| (event, self.events.usage_so_far()))
    }

    /// Whether all events have been asked for.
    fn is_over(&self) -> bool {
        self.ahead.is_empty() && self.events.is_done()
    }

    /// The event, or what comes in its place.
    fn held(&mut self, event: Event, usage: Usage) -> Held {
        let cut_at = match &self.fault.end {
            // There is less content than the error was to come after.
            Some(End::Error(error)) if event.part == Part::MessageStop => return self.error(error),
            Some(End::TruncatedJson(n)) => Some(*n),
            _ => None,
        };
        match cut_at {
            Some(n) if self.is_cut(&event, n) => Held::Cut(event, self.events.whole_usage().clone()),
            _ => Held::Event(event, usage),
        }
    }

    /// Whether this event is the n-th, or the last one with content.
    fn is_cut(&mut self, event: &Event, n: Option<u32>) -> bool {
        match (n, event.part) {
            (Some(n), _) => self.out + 1 >= n || self.is_over(),
            (None, Part::Delta) => !self.has_ahead(|part| part == Part::Delta),
            (None, Part::MessageDelta) if self.content_out == 0 => {
                !self.has_ahead(|part| matches!(part, Part::Delta | Part::MessageDelta))
            }
            (None, _) => false,
        }
    }

    /// Whether such an event is still to come. No more are made than it takes to know it: those between two
    /// pieces of content, which are few.
    fn has_ahead(&mut self, is_wanted: impl Fn(Part) -> bool) -> bool {
        if self.ahead.iter().any(|(event, _)| is_wanted(event.part)) {
            return true;
        }
        while let Some(made) = self.make() {
            let found = is_wanted(made.0.part);
            self.ahead.push_back(made);
            if found {
                return true;
            }
        }
        false
    }

    fn is_due(&self, error: &ErrorEvent) -> bool {
        match error.after {
            None => self.out == 0,
            Some(0) => self.out == 1,
            Some(after) => self.content_out == after,
        }
    }

    fn error(&self, error: &ErrorEvent) -> Held {
        let request_id = error.request_id.then_some(self.request_id.as_str());
        let body = ErrorBody::new(Some(&error.kind), message_of_type(&error.kind), None, request_id);
        let data = serde_json::to_string(&body).unwrap_or_default();
        Held::Error(format!("event: error\ndata: {data}\n\n").into_bytes())
    }

    /// A part of the pause that is first: up to its next ping, or all of it.
    fn pause(&mut self) {
        let Some(pause) = self.pauses.front_mut() else { return };
        match pause.pings {
            Some(every) if every < pause.length => {
                if pause.length != Duration::MAX {
                    pause.length -= every;
                }
                self.steps.push_back(Step::Wait(every));
                self.push(PING, Effect::None);
            }
            _ => {
                self.steps.push_back(Step::stall(pause.length));
                self.pauses.pop_front();
            }
        }
    }

    fn release(&mut self, held: Held) {
        if self.fault.noise && !matches!(held, Held::Break) {
            let noise = self.noise.usize(..2 * NOISES.len());
            NOISES.get(noise).inspect(|noise| self.push(**noise, Effect::None));
        }
        match held {
            Held::Event(event, usage) => self.release_event(event, usage),
            Held::Cut(event, usage) => {
                self.push(with_half_its_json(event.bytes), Effect::Used(Box::new(usage)));
                self.end();
            }
            Held::Error(event) => {
                self.push(event, Effect::Failed);
                self.end();
            }
            Held::Break => self.break_off(),
        }
    }

    fn release_event(&mut self, event: Event, usage: Usage) {
        let is_last = self.is_over();
        match self.fault.end {
            Some(End::ResetMidEvent(n)) if self.out + 1 >= n || is_last => {
                self.push(&event.bytes[..event.bytes.len() / 2], Effect::None);
                return self.break_off();
            }
            Some(End::NoMessageStop) if is_last => return self.end(),
            _ => {}
        }
        self.push(event.bytes, Effect::Used(Box::new(usage)));
        self.out = self.out.saturating_add(1);
        self.content_out = self.content_out.saturating_add(u32::from(event.part == Part::Delta));
        if is_last {
            self.end();
        }
    }

    fn push(&mut self, bytes: impl Into<Vec<u8>>, effect: Effect) {
        let bytes = match self.fault.line_ends {
            None => bytes.into(),
            Some(LineEnds::CrLf) => with_line_ends(&bytes.into(), b"\r\n"),
            Some(LineEnds::Cr) => with_line_ends(&bytes.into(), b"\r"),
        };
        let coded = match &mut self.gzip {
            Some(gzip) => gzip.flushed(&bytes),
            None => bytes,
        };
        self.steps.push_back(Step::Bytes(Bytes::from(coded), effect));
    }

    /// The stream ends in good order, and with it its coding.
    fn end(&mut self) {
        self.ended = true;
        let Some(gzip) = self.gzip.take() else { return };
        let trailer = gzip.finish();
        match self.steps.back_mut() {
            Some(Step::Bytes(last, _)) => *last = [last, trailer.as_slice()].concat().into(),
            _ => self.steps.push_back(Step::Bytes(Bytes::from(trailer), Effect::None)),
        }
    }

    fn break_off(&mut self) {
        self.ended = true;
        self.steps.push_back(Step::Break);
    }
}

/// The event with half of its data, cut between two characters, so that it is its JSON that cannot be read.
fn with_half_its_json(mut event: Vec<u8>) -> Vec<u8> {
    let brace = event.iter().position(|&byte| byte == b'{').unwrap_or_default();
    let mut end = brace.midpoint(event.len());
    while event.get(end).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {
        end -= 1;
    }
    event.truncate(end);
    event.extend_from_slice(b"\n\n");
    event
}

fn with_line_ends(bytes: &[u8], line_end: &[u8]) -> Vec<u8> {
    bytes.split(|&byte| byte == b'\n').collect::<Vec<_>>().join(line_end)
}
