//! A whole response through a meter: the frames pass unchanged, everybody hears of the end once, and no way of
//! cutting the body changes what is read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use claude_wire::ErrorBody;
use claude_wire::meter::{BatchItem, EndFuture, Ending, Kind, Meter, Reading, Subscriber, Unreadable};
use claude_wire::sse::Scanner;
use claude_wire::usage::Usage;
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::input::{Choices, header_map};

/// The bytes are the headers of a response, a blank line, and its body.
pub fn meter(data: &[u8]) {
    let mut choices = Choices::of(data);
    let end_of_head = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let headers = header_map(&data[..end_of_head]);
    let body = data.get(end_of_head + 2..).unwrap_or_default();
    for end in [End::None, End::Told, End::Trailers, End::Error, End::Drop] {
        let whole = pass(&headers, vec![body], end, &mut choices);
        is_sound(&whole, body, end);
        let longest = [1, 8, 64, 512][choices.below(4)];
        let cut = choices.pieces(body, longest);
        assert_eq!(pass(&headers, cut, end, &mut choices), whole, "in pieces up to {longest}, {end:?}");
    }
    // Dropped anywhere: nothing but what `pass` itself asks for.
    let mut pieces = choices.pieces(body, 64);
    pieces.truncate(choices.below(pieces.len() + 1));
    pass(&headers, pieces, End::Drop, &mut choices);

    if let Ok(tree @ Value::Object(_)) = serde_json::from_slice(body) {
        // As serde prints it, no key stands twice and none is escaped.
        let read = pass(&headers, vec![tree.to_string().as_bytes()], End::None, &mut choices);
        if read.kind == Kind::Json && !is_coded(&read) {
            is_the_message(&read, &tree);
        }
    }
}

/// What a body does behind its last data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    None,
    /// It says with its last frame that it is at its end.
    Told,
    Trailers,
    Error,
    /// It is dropped by the caller.
    Drop,
}

/// All that a meter says of a response, in a form that can be compared.
#[derive(Debug, PartialEq)]
struct Read {
    kind: Kind,
    bytes: u64,
    head: [Option<Arc<str>>; 3],
    usage: Option<Usage>,
    error: Option<ErrorBody>,
    content: (bool, u64),
    totals: [u64; 5],
    ending: Option<Ending>,
    items: Vec<BatchItem>,
}

impl Read {
    fn new(reading: Reading, items: Vec<BatchItem>) -> Self {
        let batch = reading.batch;
        Self {
            kind: reading.kind,
            bytes: reading.bytes,
            head: [reading.message_id, reading.model, reading.stop_reason],
            usage: reading.usage,
            error: reading.error,
            content: (reading.has_content, reading.delta_bytes),
            totals: [batch.succeeded, batch.errored, batch.canceled, batch.expired, batch.other],
            ending: reading.ending,
            items,
        }
    }
}

/// What holds whatever is in the body.
fn is_sound(read: &Read, body: &[u8], end: End) {
    assert_eq!(read.totals.iter().sum::<u64>(), read.items.len() as u64);
    let ending = read.ending.as_ref();
    let complete = Some(&Ending::Complete);
    match read.kind {
        _ if is_coded(read) => {}
        Kind::Events => assert_eq!(ending == complete, has_last_event(body), "{ending:?}"),
        Kind::BatchResults => {
            let lines =
                body.split(|byte| *byte == b'\n').map(|line| line.iter().any(|byte| !is_space(*byte)));
            let lines: Vec<bool> = lines.collect();
            let whole = lines.iter().rev().skip(1).filter(|has_text| **has_text).count();
            assert!((whole..=whole + 1).contains(&read.items.len()), "one for each line");
        }
        Kind::Json => {
            let is_object = body.iter().find(|byte| !is_space(**byte)) == Some(&b'{');
            if is_object && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
                assert_eq!(ending, complete);
            }
        }
        _ => {
            let expected = match end {
                End::Error => Ending::Cut,
                End::Drop => Ending::Dropped,
                End::None | End::Told | End::Trailers => Ending::Complete,
            };
            assert_eq!(ending, Some(&expected));
        }
    }
}

fn is_coded(read: &Read) -> bool {
    matches!(read.ending, Some(Ending::Unreadable(Unreadable::Coding(_))))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn has_last_event(body: &[u8]) -> bool {
    let mut scanner = Scanner::new();
    let mut events = scanner.push(body);
    while let Some(event) = events.next() {
        if event.is_ok_and(|event| matches!(event.name(), b"message_stop" | b"error")) {
            return true;
        }
    }
    false
}

/// What a tree of the same message says.
fn is_the_message(read: &Read, tree: &Value) {
    let text = |name: &str| tree[name].as_str();
    let [id, model, stop_reason] = read.head.each_ref().map(Option::as_deref);
    assert_eq!((id, model, stop_reason), (text("id"), text("model"), text("stop_reason")));
    assert_eq!(read.usage, serde_json::from_value(tree["usage"].clone()).ok());
    assert_eq!(read.error, ErrorBody::read(tree.to_string().as_bytes()));
}

// ---------------------------------------------------------------------------------------------------------
// One pass of a body

/// Passes these pieces through two meters, which find each other, with a subscriber that is waited for.
fn pass(headers: &HeaderMap, pieces: Vec<&[u8]>, end: End, choices: &mut Choices) -> Read {
    let sent: VecDeque<Bytes> = pieces.into_iter().map(Bytes::copy_from_slice).collect();
    let mut response = Response::new(Frames { frames: sent.clone(), end, polls: 0, stall: choices.below(4) });
    response.headers_mut().clone_from(headers);
    let (response, meter) = Meter::attach(response);
    let (response, same) = Meter::attach(response);
    let early = Ear::listening(&meter, choices.below(3));

    let mut body = Box::pin(response.into_body());
    let mut passed = VecDeque::new();
    let (mut trailers, mut failed) = (false, false);
    while !(body.is_end_stream() || end == End::Drop && passed.len() == sent.len()) {
        let frame = step(body.as_mut());
        early.with(|told| assert!(told.ends.is_empty() || told.released, "the end was not waited for"));
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => passed.push_back(data),
            Some(Ok(Err(_))) => trailers = true,
            Some(Err(Broken)) => failed = true,
            None => break,
        }
        if failed {
            break;
        }
    }
    drop(body);
    assert_eq!(passed, sent, "the same bytes in the same frames");
    assert_eq!((trailers, failed), (end == End::Trailers, end == End::Error));

    let late = Ear::listening(&same, 1);
    let [early, late] = [early, late].map(|told| told.with(std::mem::take));
    let read = Read::new(meter.reading(), early.items);
    assert_eq!(read.bytes, passed.iter().map(|data| data.len() as u64).sum::<u64>());
    drop(format!("{meter:?}"));
    assert!(read.ending.is_some());
    for ends in [early.ends, late.ends] {
        let [mut end] = <[Reading; 1]>::try_from(ends).expect("exactly one end");
        // What follows the last event is counted, and nobody is told.
        end.bytes = read.bytes;
        assert_eq!(Read::new(end, read.items.clone()), read, "what a subscriber hears of the end");
    }
    read
}

/// Polls until a frame is there.
fn step<B: Body<Data = Bytes>>(mut body: Pin<&mut B>) -> Option<Result<Frame<Bytes>, B::Error>> {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..32 {
        if let Poll::Ready(frame) = body.as_mut().poll_frame(&mut cx) {
            return frame;
        }
    }
    panic!("hangs");
}

/// A body of given frames. At some polls it has nothing yet.
struct Frames {
    frames: VecDeque<Bytes>,
    end: End,
    polls: usize,
    stall: usize,
}

#[derive(Debug)]
struct Broken;

impl Body for Frames {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.polls += 1;
        if self.polls.checked_rem(self.stall + 1) == Some(1) {
            return Poll::Pending;
        }
        if let Some(data) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(match std::mem::replace(&mut self.end, End::None) {
            End::Trailers => Some(Ok(Frame::trailers(HeaderMap::new()))),
            End::Error => Some(Err(Broken)),
            End::None | End::Told | End::Drop => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.end == End::Told && self.frames.is_empty()
    }
}

/// What a subscriber was told.
#[derive(Default)]
struct Told {
    items: Vec<BatchItem>,
    ends: Vec<Reading>,
    /// Whether what it asked to be waited for is done.
    released: bool,
}

/// Writes down what it is told, and asks to be waited for, this many polls long.
struct Ear {
    told: Notes,
    patience: usize,
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Told>>);

impl Notes {
    fn with<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ear {
    fn listening(meter: &Meter, patience: usize) -> Notes {
        let told = Notes::default();
        meter.subscribe(Self { told: told.clone(), patience });
        told
    }
}

impl Subscriber for Ear {
    fn on_change(&mut self, _: &Reading) {
        self.told.with(|told| assert!(told.ends.is_empty(), "nothing changes behind the end"));
    }

    fn on_batch_item(&mut self, item: &BatchItem) {
        self.told.with(|told| told.items.push(item.clone()));
    }

    fn on_end(&mut self, reading: &Reading) -> Option<EndFuture> {
        self.told.with(|told| told.ends.push(reading.clone()));
        let (told, mut left) = (self.told.clone(), self.patience);
        Some(Box::pin(poll_fn(move |_| {
            if let Some(less) = left.checked_sub(1) {
                left = less;
                return Poll::Pending;
            }
            told.with(|told| told.released = true);
            Poll::Ready(())
        })))
    }
}
