//! The request body, what turns others into it and back, reading into memory, and the wrapper that knows how
//! bodies end.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use claude_wire::body::{
    Body, BodyLayer, BoxError, BufferError, ConvertBody, DEFAULT_BUFFER_CAP, FailingLate, IntoBody,
    IntoBodyLayer, More, Pace, Replayed, ResponseFuture, StreamedBody, Watch, Watched, WatchedEnd,
};
use claude_wire::call::Attempt;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, Empty, Full};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service};
use tower_test::mock;

// ---------------------------------------------------------------------------------------------------------
// A body that does as it is told

#[derive(Clone, Debug)]
enum Step {
    Data(Bytes),
    /// Not ready, but woken at once.
    Wait,
    Trailers,
    Fail,
}

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("x-sum"),
        HeaderValue::from_static("secret-trailer"),
    )])
}

#[derive(Debug, PartialEq, Eq)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl Error for Broken {}

#[derive(Clone, Debug, Default)]
struct Script {
    steps: VecDeque<Step>,
    /// Whether the body says so when it is at its end.
    knows_end: bool,
    /// Whether it says how long it is.
    knows_length: bool,
    polls: Arc<AtomicUsize>,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    fn knowing_end(mut self) -> Self {
        self.knows_end = true;
        self
    }

    fn knowing_length(mut self) -> Self {
        self.knows_length = true;
        self
    }

    fn length(&self) -> u64 {
        let data = |step: &Step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        };
        self.steps.iter().map(data).sum()
    }
}

impl HttpBody for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(trailers()))),
            Some(Step::Fail) => Some(Err(Broken)),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.knows_length { SizeHint::with_exact(self.length()) } else { SizeHint::new() }
    }
}

/// Drives a future whose waiting never depends on anybody else.
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("the future never ends");
}

/// All of a body: its bytes, its trailers, and its error.
#[derive(Debug, Default, PartialEq, Eq)]
struct Whole {
    bytes: Vec<u8>,
    trailers: Option<HeaderMap>,
    failed: bool,
}

fn whole(text: &str) -> Whole {
    Whole { bytes: text.into(), ..Whole::default() }
}

fn drain<B>(body: B) -> Whole
where
    B: HttpBody<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut whole = Whole::default();
    while let Some(frame) = finish(body.frame()) {
        match frame {
            Ok(frame) if frame.is_data() => whole.bytes.extend_from_slice(frame.data_ref().unwrap()),
            Ok(frame) => whole.trailers = frame.into_trailers().ok(),
            Err(_) => {
                whole.failed = true;
                break;
            }
        }
    }
    whole
}

fn hint(body: &impl HttpBody) -> (u64, Option<u64>) {
    (body.size_hint().lower(), body.size_hint().upper())
}

// ---------------------------------------------------------------------------------------------------------
// Body

#[test]
fn bytes_stay_bytes() {
    let shared = Bytes::from(b"text".to_vec());
    let bodies: Vec<(Body, &str)> = vec![
        (Body::from(shared.clone()), "text"),
        (Body::from(b"text".to_vec()), "text"),
        (Body::from("text".to_owned()), "text"),
        (Body::from("text"), "text"),
        (Body::from(Full::new(shared.clone())), "text"),
        (Body::new(Full::new(shared.clone())), "text"),
        (Body::new(Body::from("text")), "text"),
        (Body::new(Body::new(Full::from("text"))), "text"),
        (Body::empty(), ""),
        (Body::default(), ""),
        (Body::from(()), ""),
        (Body::from(""), ""),
        (Body::from(Empty::<Bytes>::new()), ""),
        (Body::new(Empty::<Bytes>::new()), ""),
        (Body::new(Full::<Bytes>::default()), ""),
        (Body::from(Full::new(Bytes::new())), ""),
    ];
    for (body, text) in bodies {
        assert!(!body.is_stream());
        assert_eq!(body.as_bytes().unwrap(), text);
        assert_eq!(hint(&body), (text.len() as u64, Some(text.len() as u64)));
        assert_eq!(body.is_end_stream(), text.is_empty());
        let clone = body.try_clone().unwrap();
        assert_eq!(clone.as_bytes().unwrap().as_ptr(), body.as_bytes().unwrap().as_ptr());
        assert_eq!(drain(clone), whole(text));
        assert_eq!(body.try_clone().unwrap().into_bytes().unwrap(), text);
        assert_eq!(drain(body), whole(text));
    }
    // Nothing was copied on the way.
    assert_eq!(Body::new(Full::new(shared.clone())).as_bytes().unwrap().as_ptr(), shared.as_ptr());
}

#[test]
fn anything_else_is_a_stream() {
    let full = || Full::new(Bytes::from_static(b"text"));
    let script = || Script::new([data("te"), Step::Wait, data(""), data("xt")]);
    let bodies: Vec<Body> = vec![
        Body::stream(full()),
        Body::stream(Body::from("text")),
        Body::new(script()),
        Body::stream(script()),
        Body::from(BoxBody::new(full())),
        Body::from(BoxBody::new(script())),
        Body::from(UnsyncBoxBody::new(script())),
        Body::new(BoxBody::new(script())),
        Body::new(Body::stream(script())),
    ];
    for body in bodies {
        assert!(body.is_stream());
        assert!(body.as_bytes().is_none());
        assert!(body.try_clone().is_none());
        assert!(!body.is_end_stream());
        let body = body.into_bytes().unwrap_err();
        assert_eq!(drain(body), whole("text"));
    }
}

#[test]
fn a_stream_is_passed_on_as_it_is() {
    let steps = [data("a"), data("bc"), Step::Trailers];
    let mut body = Body::new(Script::new(steps).knowing_length().knowing_end());
    assert_eq!(hint(&body), (3, Some(3)));
    assert_eq!(finish(body.frame()).unwrap().unwrap().into_data().unwrap(), "a");
    assert_eq!(hint(&body), (2, Some(2)));
    assert_eq!(finish(body.frame()).unwrap().unwrap().into_data().unwrap(), "bc");
    assert!(!body.is_end_stream());
    assert_eq!(finish(body.frame()).unwrap().unwrap().into_trailers().unwrap(), trailers());
    assert!(body.is_end_stream());
    assert!(finish(body.frame()).is_none());

    let mut body = Body::new(Script::new([Step::Fail]));
    let error = finish(body.frame()).unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Broken));
}

#[test]
fn a_body_that_was_read_is_not_an_empty_one() {
    let mut body = Body::from("text");
    assert_eq!(finish(body.frame()).unwrap().unwrap().into_data().unwrap(), "text");
    // To send this again would be to send nothing where something was.
    assert!(body.try_clone().is_none());
    assert!(body.as_bytes().is_none());
    assert!(!body.is_stream());
    assert!(body.is_end_stream());
    assert_eq!(hint(&body), (0, Some(0)));
    assert!(finish(body.frame()).is_none());
    assert_eq!(format!("{body:?}"), "Body(0 bytes)");

    let mut empty = Body::empty();
    assert!(finish(empty.frame()).is_none());
    assert!(finish(empty.frame()).is_none());
}

#[test]
fn into_other_bodies() {
    let text = Bytes::from_static(b"text");
    let body = || Body::from(text.clone());
    let stream = || Body::new(Script::new([data("te"), data("xt"), Step::Trailers]));
    let with_trailers = || Whole { trailers: Some(trailers()), ..whole("text") };

    assert_eq!(Bytes::try_from(body()).unwrap().as_ptr(), text.as_ptr());
    assert_eq!(drain(Full::try_from(body()).unwrap()), whole("text"));
    assert_eq!(drain(BoxBody::from(body())), whole("text"));
    assert_eq!(drain(UnsyncBoxBody::from(body())), whole("text"));
    assert_eq!(BoxBody::from(body()).size_hint().exact(), Some(4));
    assert_eq!(drain(BoxBody::from(stream())), with_trailers());
    assert_eq!(drain(UnsyncBoxBody::from(stream())), with_trailers());

    for refused in [Full::try_from(stream()).unwrap_err(), Bytes::try_from(stream()).unwrap_err()] {
        assert!(refused.source().is_none());
        assert!(refused.to_string().contains("a stream"));
        assert_eq!(drain(refused.into_body()), with_trailers());
    }
}

#[cfg(feature = "axum")]
#[test]
fn bodies_of_axum() {
    let theirs = || axum_core::body::Body::from("text");
    assert!(Body::from(theirs()).is_stream());
    assert_eq!(drain(Body::from(theirs())), whole("text"));
    assert_eq!(drain(Body::new(theirs())), whole("text"));
    let buffered = finish(Body::buffered(theirs(), 4)).unwrap();
    assert_eq!(buffered.as_bytes().unwrap(), "text");

    let ours = axum_core::body::Body::from(Body::from("text"));
    assert_eq!(hint(&ours), (4, Some(4)));
    assert_eq!(drain(ours), whole("text"));
    let stream = Body::new(Script::new([data("text"), Step::Trailers]));
    let expected = Whole { trailers: Some(trailers()), ..whole("text") };
    assert_eq!(drain(axum_core::body::Body::from(stream)), expected);
}

#[cfg(feature = "reqwest")]
#[test]
fn bodies_of_reqwest() {
    let text = Bytes::from(b"text".to_vec());
    for body in [Body::from(reqwest::Body::from(text.clone())), Body::new(reqwest::Body::from(text.clone()))]
    {
        assert_eq!(body.as_bytes().unwrap().as_ptr(), text.as_ptr());
    }
    assert_eq!(Body::from(reqwest::Body::from("")).as_bytes().unwrap(), "");
    let stream = || reqwest::Body::wrap(Script::new([data("te"), Step::Wait, data("xt")]));
    for body in [Body::from(stream()), Body::new(stream())] {
        assert!(body.is_stream());
        assert_eq!(drain(body), whole("text"));
    }

    // Not bytes to reqwest, which would send them a second time without anybody here knowing.
    let ours = reqwest::Body::from(Body::from(text));
    assert!(ours.as_bytes().is_none());
    assert_eq!(hint(&ours), (4, Some(4)));
    assert_eq!(drain(ours), whole("text"));
}

#[test]
fn debug_shows_no_content() {
    let secret = || Body::from("secret");
    let stream = || Body::new(Script::new([data("secret"), Step::Trailers]));
    let mut shown = vec![
        format!("{:?}", secret()),
        format!("{:?}", stream()),
        format!("{:?}", Full::try_from(stream()).unwrap_err()),
        format!("{:?}", finish(Body::buffered(stream(), 3)).unwrap_err()),
        format!("{:?}", finish(Body::buffered(secret(), 3)).unwrap_err()),
        format!("{:?}", finish(Body::buffered(stream(), 100)).unwrap()),
        format!("{:?}", More::Data(Bytes::from_static(b"secret"))),
        format!("{:?}", FailingLate::new(secret())),
        format!("{:?}", Watched::new(secret(), Probe::default())),
        format!("{:?}", BodyLayer::new().layer(Mutex::new(()))),
        format!("{:?}", IntoBodyLayer::<Full<Bytes>>::new()),
        format!("{:?}", IntoBodyLayer::<Full<Bytes>>::new().layer(())),
    ];
    let mut held = task::spawn(Watched::new(stream(), Probe::default().holding()));
    assert_pending!(held.enter(|cx, body| body.poll_frame(cx)));
    shown.push(format!("{:?}", *held));
    for shown in &shown {
        assert!(!shown.contains("secret") && !shown.is_empty(), "{shown}");
    }
    assert_eq!(shown[..2], ["Body(6 bytes)", "Body(stream)"]);
    assert!(shown.contains(&"Data(6 bytes)".to_owned()));
}

#[test]
fn everything_travels() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    fn sync<T: Send + Sync>() {}
    check::<Body>();
    check::<BoxError>();
    check::<BufferError>();
    check::<StreamedBody>();
    check::<BodyLayer>();
    check::<ConvertBody<()>>();
    check::<WatchedEnd>();
    check::<FailingLate<Body>>();
    check::<Pace>();
    check::<Watched<Body, Probe>>();
    check::<ResponseFuture<std::future::Ready<()>>>();
    // The layer and the service are as free as they would be without their `B`, of which they hold none.
    check::<IntoBodyLayer<std::rc::Rc<()>>>();
    check::<IntoBody<(), std::rc::Rc<()>>>();
    sync::<ResponseFuture<futures_util::future::Map<std::future::Pending<()>, fn(())>>>();
    // A stream that is not `Sync` makes a body that is.
    drop(Body::stream(UnsyncBoxBody::<Bytes, BoxError>::new(Body::empty())));
}

// ---------------------------------------------------------------------------------------------------------
// Reading into memory

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Plain,
    Trailers,
    Fail,
}

fn script() -> impl Strategy<Value = (Script, End)> {
    let step = prop_oneof![
        4 => vec(any::<u8>(), 0..20).prop_map(|bytes| Step::Data(bytes.into())),
        1 => Just(Step::Wait),
        1 => Just(data("")),
    ];
    let end = prop_oneof![3 => Just(End::Plain), 1 => Just(End::Trailers), 1 => Just(End::Fail)];
    (vec(step, 0..10), end, any::<bool>(), any::<bool>()).prop_map(
        |(mut steps, end, knows_end, knows_length)| {
            // A body that knows its end does not find it while it waits.
            while knows_end && matches!(steps.last(), Some(Step::Wait)) {
                steps.pop();
            }
            match end {
                End::Plain => {}
                End::Trailers => steps.push(Step::Trailers),
                End::Fail => steps.push(Step::Fail),
            }
            (Script { knows_end, knows_length, ..Script::new(steps) }, end)
        },
    )
}

proptest! {
    #[test]
    fn reading_loses_nothing((script, end) in script(), cap in 0_usize..120) {
        let expected = drain(Script { polls: Arc::default(), ..script.clone() });
        let length = script.length();
        let too_large = length > cap as u64;
        match finish(Body::buffered(script.clone(), cap)) {
            Ok(body) => {
                prop_assert!(!too_large);
                // Bytes in memory have no place for trailers.
                prop_assert_eq!(body.is_stream(), end == End::Trailers);
                prop_assert_ne!(end, End::Fail);
                if end == End::Plain || script.knows_length {
                    prop_assert_eq!(hint(&body), (length, Some(length)));
                }
                prop_assert_eq!(drain(body), expected);
            }
            Err(BufferError::TooLarge { body, cap: told }) => {
                prop_assert!(too_large);
                prop_assert_eq!(told, cap);
                prop_assert!(!body.is_end_stream());
                if script.knows_length {
                    prop_assert_eq!(hint(&body), (length, Some(length)));
                    prop_assert_eq!(script.polls.load(Ordering::Relaxed), 0);
                } else {
                    prop_assert!(body.size_hint().lower() > cap as u64);
                    prop_assert_eq!(body.size_hint().upper(), None);
                }
                prop_assert_eq!(drain(body), expected);
            }
            Err(BufferError::Read(error)) => {
                prop_assert_eq!(end, End::Fail);
                prop_assert!(!too_large);
                prop_assert_eq!(error.downcast_ref(), Some(&Broken));
            }
        }
    }
}

proptest! {
    /// Read ahead by any number of frames, and any number more after some of it was replayed.
    #[test]
    fn a_replay_is_the_same_body((script, end) in script(), ahead in vec(0_usize..12, 1..4)) {
        let expected = drain(Script { polls: Arc::default(), ..script.clone() });
        let length = script.length();
        let (mut body, mut seen) = (Replayed::new(script), Vec::new());
        let mut context = Context::from_waker(Waker::noop());
        for frames in ahead {
            for _ in 0..frames {
                let before = body.kept();
                match Pin::new(&mut body).poll_more(&mut context) {
                    Poll::Ready(More::Data(data)) => prop_assert_eq!(body.kept(), before + data.len()),
                    Poll::Ready(More::Failed) => prop_assert_eq!(end, End::Fail),
                    Poll::Ready(More::End | More::Other) | Poll::Pending => {}
                }
            }
            let kept = body.to_bytes();
            prop_assert_eq!(kept.len(), body.kept());
            prop_assert!(body.size_hint().lower() >= kept.len() as u64);
            prop_assert!(body.size_hint().upper().is_none_or(|upper| upper >= kept.len() as u64));
            if !kept.is_empty() {
                prop_assert!(!body.is_end_stream());
                if let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
                    let data = frame.into_data().unwrap_or_default();
                    prop_assert!(kept.starts_with(&data));
                    seen.extend_from_slice(&data);
                }
            }
        }
        let mut whole = drain(body);
        whole.bytes.splice(0..0, seen);
        prop_assert_eq!(whole.bytes.len() as u64, length);
        prop_assert_eq!(whole, expected);
    }
}

#[test]
fn exactly_the_cap() {
    let read = |steps: &[Step], cap| finish(Body::buffered(Script::new(steps.to_vec()), cap));
    for steps in [&[data("abcd")][..], &[data("ab"), data("cd")], &[data("abcd"), data("")]] {
        assert_eq!(read(steps, 4).unwrap().as_bytes().unwrap(), "abcd");
        assert_eq!(read(steps, 5).unwrap().as_bytes().unwrap(), "abcd");
        let error = read(steps, 3).unwrap_err();
        assert_eq!(error.to_string(), "the body is longer than 3 bytes");
        assert!(error.source().is_none());
        let BufferError::TooLarge { body, cap: 3 } = error else { panic!("{error:?}") };
        assert_eq!(drain(body), whole("abcd"));
    }
    assert_eq!(read(&[], 0).unwrap().as_bytes().unwrap(), "");
    assert_eq!(read(&[data("")], 0).unwrap().as_bytes().unwrap(), "");
    assert!(read(&[data("a")], 0).is_err());
    assert_eq!(DEFAULT_BUFFER_CAP, 32 << 20);
}

/// Small frames too keep their place in memory, and come out one by one.
#[test]
fn frame_by_frame_copies_nothing() {
    let whole = Bytes::from_static(b"abcdefgh");
    let frames: Vec<Bytes> = (0..8).map(|at| whole.slice(at..=at)).collect();
    let stream = futures_util::stream::iter(
        frames.clone().into_iter().map(|data| Ok::<_, BoxError>(Frame::data(data))),
    );
    let mut body = Replayed::frame_by_frame(http_body_util::StreamBody::new(stream));
    let mut cx = Context::from_waker(Waker::noop());
    for kept in 1..=8 {
        let more = assert_ready!(Pin::new(&mut body).poll_more(&mut cx));
        assert!(matches!(more, More::Data(_)));
        assert_eq!((body.kept(), body.kept_frames()), (kept, kept));
    }
    for frame in &frames {
        let data =
            assert_ready!(Pin::new(&mut body).poll_frame(&mut cx)).unwrap().unwrap().into_data().unwrap();
        assert_eq!(data.as_ptr(), frame.as_ptr());
    }
    assert_eq!(body.kept_frames(), 0);
    assert!(assert_ready!(Pin::new(&mut body).poll_frame(&mut cx)).is_none());
}

#[test]
fn bytes_in_memory_are_measured_and_kept() {
    let body = finish(Body::buffered(Body::from("abcd"), 4)).unwrap();
    assert_eq!(body.as_bytes().unwrap(), "abcd");
    let Err(BufferError::TooLarge { body, .. }) = finish(Body::buffered(Full::<Bytes>::from("abcd"), 3))
    else {
        panic!("the body is longer than the cap");
    };
    assert_eq!(body.as_bytes().unwrap(), "abcd");
    assert_eq!(finish(Body::buffered(Empty::<Bytes>::new(), 0)).unwrap().as_bytes().unwrap(), "");
}

#[test]
fn one_frame_is_not_copied() {
    let frame = Bytes::from(b"abcd".to_vec());
    for steps in [
        vec![Step::Data(frame.clone())],
        vec![data(""), Step::Wait, Step::Data(frame.clone()), data(""), Step::Wait],
    ] {
        let body = finish(Body::buffered(Script::new(steps), 4)).unwrap();
        assert_eq!(body.as_bytes().unwrap().as_ptr(), frame.as_ptr());
    }
}

#[test]
fn nothing_is_read_that_is_known_to_be_too_long() {
    let script = Script::new([data("ab"), data("cd"), Step::Trailers]).knowing_length();
    let polls = Arc::clone(&script.polls);
    let Err(BufferError::TooLarge { body, .. }) = finish(Body::buffered(script, 3)) else {
        panic!("the body is longer than the cap");
    };
    assert_eq!(polls.load(Ordering::Relaxed), 0);
    assert_eq!(drain(body), Whole { trailers: Some(trailers()), ..whole("abcd") });
}

/// No more is read of a body than shows that it is too long.
#[test]
fn reading_stops_at_the_cap() {
    let script = Script::new((0..100).map(|_| data("abcd")));
    let polls = Arc::clone(&script.polls);
    let Err(BufferError::TooLarge { body, .. }) = finish(Body::buffered(script, 10)) else {
        panic!("the body is longer than the cap");
    };
    assert_eq!(polls.load(Ordering::Relaxed), 3);
    assert_eq!(drain(body), whole(&"abcd".repeat(100)));
}

/// A body of frames with nothing in them, without end.
struct Nothing {
    frames: usize,
}

impl HttpBody for Nothing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.frames += 1;
        // As a connection does: some frames, then none for a while.
        if self.frames.is_multiple_of(1000) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

#[test]
fn empty_frames_without_end_can_be_left() {
    let mut reading = task::spawn(Body::buffered(Nothing { frames: 0 }, 10));
    for _ in 0..200 {
        assert_pending!(reading.poll());
        assert!(reading.is_woken());
    }
    drop(reading);
}

#[test]
fn empty_frames_are_not_kept() {
    let empty = (0..100_000).map(|_| data(""));
    let body = finish(Body::buffered(Script::new(empty.clone()), 0)).unwrap();
    assert_eq!(body.as_bytes().unwrap(), "");

    // What is replayed goes through their frames one by one, so that they can be counted.
    let steps = empty.chain([data("ab"), Step::Trailers]);
    let mut body = finish(Body::buffered(Script::new(steps), 10)).unwrap();
    assert_eq!(finish(body.frame()).unwrap().unwrap().into_data().unwrap(), "ab");
    assert!(finish(body.frame()).unwrap().unwrap().is_trailers());
    assert!(finish(body.frame()).is_none());
}

#[test]
fn a_body_that_breaks() {
    let error = finish(Body::buffered(Script::new([data("ab"), Step::Fail]), 10)).unwrap_err();
    assert_eq!(error.to_string(), "the body broke while it was read");
    assert!(error.source().unwrap().is::<Broken>());
    assert!(matches!(error, BufferError::Read(_)));
    // Behind the cap it is the reader's to find.
    let Err(BufferError::TooLarge { body, .. }) =
        finish(Body::buffered(Script::new([data("ab"), Step::Fail]), 1))
    else {
        panic!("the body is longer than the cap");
    };
    assert_eq!(drain(body), Whole { failed: true, ..whole("ab") });
}

/// Reading into memory sends nothing, and what comes of it still belongs to its attempt.
#[test]
fn what_was_read_keeps_its_attempt() {
    let read = |steps: &[Step], cap: usize| {
        let attempt = Attempt::new(0, clock);
        let mut body = Body::new(Script::new(steps.to_vec()));
        body.watched_by(attempt.clone());
        let body = match finish(Body::buffered(body, cap)) {
            Ok(body) | Err(BufferError::TooLarge { body, .. }) => body,
            Err(BufferError::Read(error)) => panic!("{error}"),
        };
        (body, attempt)
    };
    for (steps, cap) in [
        (&[data("abcd")][..], 4),
        (&[data("ab"), data("cd")], 4),
        (&[data("ab"), data("cd")], 3),
        (&[data("abcd"), Step::Trailers], 4),
    ] {
        let (body, attempt) = read(steps, cap);
        assert!(!attempt.is_sent(), "{steps:?}");
        drain(body);
        assert!(attempt.is_sent(), "{steps:?} {cap}");
    }
    let attempt = Attempt::new(0, clock);
    let mut body = Body::from("abcd");
    body.watched_by(attempt.clone());
    let body = finish(Body::buffered(body, 4)).unwrap();
    assert!(!attempt.is_sent());
    drain(body);
    assert!(attempt.is_sent());
}

fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

// ---------------------------------------------------------------------------------------------------------
// How bodies end

#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Data(Bytes),
    Trailers(HeaderMap),
    End(WatchedEnd),
}

/// Writes down what it hears, and holds what it is told to until its gate opens.
#[derive(Clone, Debug, Default)]
struct Probe {
    heard: Arc<Mutex<Vec<Heard>>>,
    holds_data: bool,
    gate: Arc<Mutex<Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    closed: bool,
    asked: usize,
    waiting: Option<Waker>,
}

impl Probe {
    /// Holds every data frame, behind a closed gate.
    fn holding(mut self) -> Self {
        self.holds_data = true;
        self.closed()
    }

    fn closed(self) -> Self {
        self.gate.lock().unwrap().closed = true;
        self
    }

    fn open(&self) {
        let waiting = {
            let mut gate = self.gate.lock().unwrap();
            gate.closed = false;
            gate.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    fn asked(&self) -> usize {
        self.gate.lock().unwrap().asked
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    fn ends(&self) -> Vec<WatchedEnd> {
        let end = |heard| match heard {
            Heard::End(end) => Some(end),
            Heard::Data(_) | Heard::Trailers(_) => None,
        };
        self.heard().into_iter().filter_map(end).collect()
    }
}

impl Watch for Probe {
    fn on_data(&mut self, data: &Bytes) -> Pace {
        self.heard.lock().unwrap().push(Heard::Data(data.clone()));
        if self.holds_data { Pace::Hold } else { Pace::Pass }
    }

    fn on_trailers(&mut self, trailers: &HeaderMap) {
        self.heard.lock().unwrap().push(Heard::Trailers(trailers.clone()));
    }

    fn on_end(&mut self, end: WatchedEnd) {
        self.heard.lock().unwrap().push(Heard::End(end));
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.gate.lock().unwrap();
        gate.asked += 1;
        if gate.closed {
            gate.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn is_released(&self) -> bool {
        !self.gate.lock().unwrap().closed
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, Broken>>>;

fn watch(script: Script) -> (task::Spawn<Watched<Script, Probe>>, Probe) {
    watch_with(script, Probe::default())
}

fn watch_with(script: Script, probe: Probe) -> (task::Spawn<Watched<Script, Probe>>, Probe) {
    (task::spawn(Watched::new(script, probe.clone())), probe)
}

fn poll(body: &mut task::Spawn<Watched<Script, Probe>>) -> Polled {
    body.enter(|cx, body| body.poll_frame(cx))
}

fn heard_data(text: &'static str) -> Heard {
    Heard::Data(Bytes::from_static(text.as_bytes()))
}

#[test]
fn ends_with_none() {
    let (mut body, probe) = watch(Script::new([data("ab")]));
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert_eq!(probe.heard(), [heard_data("ab")]);
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    let expected = [heard_data("ab"), Heard::End(WatchedEnd::Complete)];
    assert_eq!(probe.heard(), expected);
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    drop(body);
    assert_eq!(probe.heard(), expected);
}

#[test]
fn ends_with_trailers() {
    let (mut body, probe) = watch(Script::new([data("ab"), Step::Trailers]));
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(frame))) if frame.is_trailers()));
    let expected = [heard_data("ab"), Heard::Trailers(trailers()), Heard::End(WatchedEnd::Complete)];
    assert_eq!(probe.heard(), expected);
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    drop(body);
    assert_eq!(probe.heard(), expected);
}

#[test]
fn ends_with_an_error() {
    let (mut body, probe) = watch(Script::new([data("ab"), Step::Fail]));
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(Broken)))));
    assert_eq!(probe.ends(), [WatchedEnd::Failed]);
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    drop(body);
    assert_eq!(probe.ends(), [WatchedEnd::Failed]);
}

/// Whoever has got `content-length` bytes does not ask again.
#[test]
fn ends_with_a_last_frame() {
    let (mut body, probe) = watch(Script::new([data("ab"), data("cd")]).knowing_end());
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert_eq!(probe.ends(), []);
    assert!(!body.is_end_stream());
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert_eq!(probe.ends(), [WatchedEnd::Complete]);
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(probe.heard(), [heard_data("ab"), heard_data("cd"), Heard::End(WatchedEnd::Complete)]);
}

#[test]
fn ends_with_a_drop() {
    for polls in 0..3 {
        let (mut body, probe) = watch(Script::new([data("ab"), Step::Wait, data("cd")]));
        for _ in 0..polls {
            drop(poll(&mut body));
        }
        assert_eq!(probe.ends(), []);
        drop(body);
        assert_eq!(probe.ends(), [WatchedEnd::Dropped], "{polls}");
        // Nobody is waited for then.
        assert_eq!(probe.asked(), 0);
    }
}

#[test]
fn ends_before_it_begins() {
    let (mut body, probe) = watch(Script::default().knowing_end());
    assert_eq!(probe.heard(), [Heard::End(WatchedEnd::Complete)]);
    assert!(body.is_end_stream());
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    drop(body);
    assert_eq!(probe.heard(), [Heard::End(WatchedEnd::Complete)]);
}

#[test]
fn a_body_that_does_not_know_its_end_ends_when_it_says_so() {
    let (mut body, probe) = watch(Script::default());
    assert_eq!(probe.heard(), []);
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    assert_eq!(probe.heard(), [Heard::End(WatchedEnd::Complete)]);
}

proptest! {
    #[test]
    fn what_is_watched_is_passed_on_and_ends_once(
        (script, end) in script(),
        polls in 0_usize..16,
        holds in any::<bool>(),
    ) {
        let mut bare = script.clone();
        let mut bare = Pin::new(&mut bare);
        let probe = Probe { holds_data: holds, ..Probe::default() };
        let mut watched = Watched::new(script, probe.clone());
        let mut watched = Pin::new(&mut watched);
        let mut cx = Context::from_waker(Waker::noop());
        let mut over = bare.is_end_stream();
        for _ in 0..polls {
            prop_assert_eq!(hint(&*watched), hint(&*bare));
            prop_assert_eq!(watched.is_end_stream(), bare.is_end_stream());
            let expected = bare.as_mut().poll_frame(&mut cx);
            over |= bare.is_end_stream() || match &expected {
                Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
                Poll::Ready(Some(Err(_)) | None) => true,
                Poll::Pending => false,
            };
            let seen = watched.as_mut().poll_frame(&mut cx);
            prop_assert_eq!(format!("{seen:?}"), format!("{expected:?}"));
            prop_assert_eq!(probe.ends().len(), usize::from(over));
        }
        let ends = probe.ends();
        if over {
            let failed = ends == [WatchedEnd::Failed];
            prop_assert!(failed || ends == [WatchedEnd::Complete]);
            prop_assert!(!failed || end == End::Fail);
        }
    }

    #[test]
    fn every_body_ends_exactly_once((script, end) in script(), polls in 0_usize..16) {
        let (mut body, probe) = watch(script.clone());
        let mut over = script.is_end_stream();
        for _ in 0..polls {
            over |= match poll(&mut body) {
                Poll::Ready(Some(Ok(frame))) => frame.is_trailers() || body.is_end_stream(),
                Poll::Ready(_) => true,
                Poll::Pending => false,
            };
        }
        drop(body);
        let expected = match end {
            _ if !over => WatchedEnd::Dropped,
            End::Fail => WatchedEnd::Failed,
            End::Plain | End::Trailers => WatchedEnd::Complete,
        };
        prop_assert_eq!(probe.ends(), [expected]);
    }
}

// ---------------------------------------------------------------------------------------------------------
// Frames that are held

#[test]
fn a_held_frame_waits_for_its_release() {
    let script = Script::new([data("ab"), data("c")]).knowing_end().knowing_length();
    let polls = Arc::clone(&script.polls);
    let (mut body, probe) = watch_with(script, Probe::default().holding());
    assert_pending!(poll(&mut body));
    assert_pending!(poll(&mut body));
    // The frame is neither read again nor told again, and it still counts.
    assert_eq!((polls.load(Ordering::Relaxed), probe.asked()), (1, 2));
    assert_eq!(probe.heard(), [heard_data("ab")]);
    assert_eq!(hint(&*body), (3, Some(3)));
    assert!(!body.is_end_stream());
    assert!(!body.is_woken());

    probe.open();
    assert!(body.is_woken());
    let frame = assert_ready!(poll(&mut body)).unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "ab");
    assert_eq!(hint(&*body), (1, Some(1)));

    // The last one: its end is told while it is held, but the body is not at its end before it has gone.
    let probe = probe.closed();
    assert_pending!(poll(&mut body));
    assert_eq!(probe.ends(), [WatchedEnd::Complete]);
    assert!(!body.is_end_stream());
    assert_eq!(hint(&*body), (1, Some(1)));
    probe.open();
    assert_eq!(assert_ready!(poll(&mut body)).unwrap().unwrap().into_data().unwrap(), "c");
    assert!(body.is_end_stream());
    assert_eq!(hint(&*body), (0, Some(0)));
    drop(body);
    assert_eq!(probe.ends(), [WatchedEnd::Complete]);
}

#[test]
fn a_held_frame_of_a_body_without_a_length() {
    let (mut body, _probe) = watch_with(Script::new([data("ab")]), Probe::default().holding());
    assert_eq!(hint(&*body), (0, None));
    assert_pending!(poll(&mut body));
    assert_eq!(hint(&*body), (2, None));
}

#[test]
fn a_drop_while_a_frame_is_held() {
    for (script, expected) in [
        (Script::new([data("ab"), data("c")]).knowing_end(), WatchedEnd::Dropped),
        (Script::new([data("ab")]), WatchedEnd::Dropped),
        // It was all there; that nobody took it is another matter.
        (Script::new([data("ab")]).knowing_end(), WatchedEnd::Complete),
    ] {
        let (mut body, probe) = watch_with(script, Probe::default().holding());
        assert_pending!(poll(&mut body));
        drop(body);
        assert_eq!(probe.ends(), [expected]);
    }
}

/// Whatever the end is, it waits; and nothing but held frames and ends does.
#[test]
fn every_end_waits_for_its_release() {
    for (script, end) in [
        (Script::new([data("ab")]), WatchedEnd::Complete),
        (Script::new([data("ab"), Step::Trailers]), WatchedEnd::Complete),
        (Script::new([data("ab"), Step::Fail]), WatchedEnd::Failed),
        (Script::new([data("ab"), data("cd")]).knowing_end(), WatchedEnd::Complete),
    ] {
        let expected = drain(script.clone());
        let polls = Arc::clone(&script.polls);
        let (mut body, probe) = watch_with(script, Probe::default().closed());
        let first = assert_ready!(poll(&mut body)).unwrap().unwrap().into_data().unwrap();
        assert_eq!((probe.asked(), probe.ends().len()), (0, 0));
        assert_pending!(poll(&mut body));
        let polled = polls.load(Ordering::Relaxed);
        assert_pending!(poll(&mut body));
        assert_eq!(polls.load(Ordering::Relaxed), polled);
        assert_eq!(probe.ends(), [end]);
        assert!(!body.is_end_stream());
        assert!(!body.is_woken());
        probe.open();
        assert!(body.is_woken());
        let mut seen = drain(body.into_inner());
        seen.bytes.splice(..0, first);
        assert_eq!(seen, expected);
        assert_eq!(probe.ends(), [end]);
    }
}

#[test]
fn an_end_at_the_begin_waits_for_its_release() {
    let (mut body, probe) = watch_with(Script::default().knowing_end(), Probe::default().closed());
    assert_eq!(probe.ends(), [WatchedEnd::Complete]);
    // It may be all that there is, but it is not over: else nobody would wait for it.
    assert!(!body.is_end_stream());
    assert_eq!(hint(&*body), (0, None));
    assert_pending!(poll(&mut body));
    probe.open();
    assert!(body.is_woken());
    assert!(assert_ready!(poll(&mut body)).is_none());
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(probe.ends(), [WatchedEnd::Complete]);
}

#[test]
fn accessors_of_a_watched_body() {
    let body = Watched::new(Script::new([data("ab")]), Probe::default());
    assert_eq!(body.get_ref().length(), 2);
    assert_eq!(body.watch().ends(), []);
}

/// A watch that overrides nothing but what it must.
#[test]
fn a_watch_of_ends_only() {
    struct Ends(Arc<Mutex<Vec<WatchedEnd>>>);
    impl Watch for Ends {
        fn on_end(&mut self, end: WatchedEnd) {
            self.0.lock().unwrap().push(end);
        }
    }
    let ends = Arc::new(Mutex::new(Vec::new()));
    let body = Watched::new(Script::new([data("ab"), Step::Trailers]), Ends(Arc::clone(&ends)));
    assert_eq!(drain(body), Whole { trailers: Some(trailers()), ..whole("ab") });
    assert_eq!(*ends.lock().unwrap(), [WatchedEnd::Complete]);
}

// ---------------------------------------------------------------------------------------------------------
// A failure that comes late

#[test]
fn a_failure_comes_one_poll_later() {
    let script = Script::new([data("ab"), Step::Fail]).knowing_end().knowing_length();
    let polls = Arc::clone(&script.polls);
    let mut body = task::spawn(FailingLate::new(script));
    assert_eq!((hint(&*body), body.is_end_stream()), ((2, Some(2)), false));
    let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx))).unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "ab");

    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(body.is_woken());
    // The script is at its end, but its failure has not been told.
    assert_eq!((hint(&*body), body.is_end_stream()), ((0, Some(0)), false));
    assert_eq!(format!("{:?}", *body), "FailingLate { fails: true, .. }");
    assert_eq!(assert_ready!(body.enter(|cx, body| body.poll_frame(cx))).unwrap().unwrap_err(), Broken);
    assert_eq!(polls.load(Ordering::Relaxed), 2);

    assert!(body.is_end_stream());
    assert!(assert_ready!(body.enter(|cx, body| body.poll_frame(cx))).is_none());
}

proptest! {
    /// Frame by frame and poll by poll, but for one poll before the failure.
    #[test]
    fn what_does_not_fail_is_passed_on_as_it_comes((script, end) in script(), polls in 0_usize..16) {
        let mut bare = script.clone();
        let mut bare = Pin::new(&mut bare);
        let mut late = FailingLate::new(script.clone());
        let mut late = Pin::new(&mut late);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            prop_assert_eq!(hint(&*late), hint(&*bare));
            prop_assert_eq!(late.is_end_stream(), bare.is_end_stream());
            let expected = bare.as_mut().poll_frame(&mut cx);
            if matches!(expected, Poll::Ready(Some(Err(_)))) {
                prop_assert_eq!(end, End::Fail);
                prop_assert!(late.as_mut().poll_frame(&mut cx).is_pending());
                prop_assert!(!late.is_end_stream());
            }
            let seen = late.as_mut().poll_frame(&mut cx);
            prop_assert_eq!(format!("{seen:?}"), format!("{expected:?}"));
        }
        prop_assert_eq!(drain(FailingLate::new(script.clone())), drain(script));
    }
}

// ---------------------------------------------------------------------------------------------------------
// The layers

#[test]
fn body_layer_converts_and_delegates() {
    type Any = Request<Full<Bytes>>;
    let (mut service, mut handle) =
        mock::spawn_with::<Request<Body>, Response<&'static str>, _, _>(|mock| BodyLayer::new().layer(mock));
    handle.allow(0);
    assert_pending!(service.poll_ready::<Any>());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready::<Any>());

    let request =
        Request::post("/v1/messages").header("x-a", "1").extension(7_u8).body(Full::from("text")).unwrap();
    let mut response = task::spawn(service.call(request));
    assert_pending!(response.poll());
    let (request, send) = assert_ready!(handle.poll_request()).unwrap();
    assert_eq!(request.uri(), "/v1/messages");
    assert_eq!(request.headers()["x-a"], "1");
    assert_eq!(request.extensions().get(), Some(&7_u8));
    assert_eq!(request.body().as_bytes().unwrap(), "text");
    send.send_response(Response::new("answer"));
    assert_eq!(*assert_ready_ok!(response.poll()).body(), "answer");

    // Readiness is used up, as the inner service says.
    handle.allow(0);
    assert_pending!(service.poll_ready::<Any>());
    // Any body will do, one after another.
    handle.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<Script>>());
    let mut response = task::spawn(service.call(Request::new(Script::new([data("te"), data("xt")]))));
    let (request, send) = assert_ready!(handle.poll_request()).unwrap();
    assert!(request.body().is_stream());
    assert_eq!(drain(request.into_body()), whole("text"));
    send.send_error("broken");
    assert_eq!(assert_ready_err!(response.poll()).to_string(), "broken");

    handle.send_error("closed");
    assert_eq!(assert_ready_err!(service.poll_ready::<Any>()).to_string(), "closed");
}

#[test]
fn into_body_layer_converts_and_delegates() {
    let (mut service, mut handle) =
        mock::spawn_with::<Request<Full<Bytes>>, Response<&'static str>, _, _>(|mock| {
            IntoBodyLayer::<Full<Bytes>>::new().layer(mock)
        });
    handle.allow(0);
    assert_pending!(service.poll_ready::<Request<Body>>());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready::<Request<Body>>());

    let request =
        Request::post("/v1/messages").header("x-a", "1").extension(7_u8).body(Body::from("text")).unwrap();
    let mut response = task::spawn(service.call(request));
    assert_pending!(response.poll());
    let (request, send) = assert_ready!(handle.poll_request()).unwrap();
    assert_eq!(request.uri(), "/v1/messages");
    assert_eq!(request.headers()["x-a"], "1");
    assert_eq!(request.extensions().get(), Some(&7_u8));
    assert_eq!(drain(request.into_body()), whole("text"));
    send.send_response(Response::new("answer"));
    assert!(response.is_woken());
    assert_eq!(*assert_ready_ok!(response.poll()).body(), "answer");

    handle.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<Body>>());
    let mut response = task::spawn(service.call(Request::new(Body::empty())));
    let (request, send) = assert_ready!(handle.poll_request()).unwrap();
    assert!(request.into_body().is_end_stream());
    send.send_error("broken");
    assert_eq!(assert_ready_err!(response.poll()).to_string(), "broken");

    handle.send_error("closed");
    assert_eq!(assert_ready_err!(service.poll_ready::<Request<Body>>()).to_string(), "closed");
}

#[test]
fn a_stream_is_refused_before_the_client_is_called() {
    let (mut service, mut handle) = mock::spawn_with::<Request<Full<Bytes>>, Response<()>, _, _>(|mock| {
        IntoBodyLayer::<Full<Bytes>>::new().layer(mock)
    });
    handle.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<Body>>());
    let attempt = Attempt::new(0, clock);
    let mut request = Request::new(Body::new(Script::new([data("te"), data("xt"), Step::Trailers])));
    attempt.put_into(&mut request);
    let mut response = task::spawn(service.call(request));
    let error = assert_ready_err!(response.poll());
    assert_pending!(handle.poll_request());
    assert!(!attempt.is_sent());
    // The body is unharmed.
    let refused = error.downcast::<StreamedBody>().unwrap();
    assert_eq!(drain(refused.into_body()), Whole { trailers: Some(trailers()), ..whole("text") });

    // The readiness that was not used is still there.
    assert_ready_ok!(service.poll_ready::<Request<Body>>());
    let _response = service.call(Request::new(Body::from("text")));
    assert!(assert_ready!(handle.poll_request()).is_some());
}

#[test]
fn into_bodies_that_take_streams() {
    let (mut service, mut handle) =
        mock::spawn_with::<Request<BoxBody<Bytes, BoxError>>, Response<()>, _, _>(|mock| {
            IntoBodyLayer::<BoxBody<Bytes, BoxError>>::new().layer(mock)
        });
    handle.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<Body>>());
    let script = Script::new([data("te"), Step::Wait, data("xt"), Step::Trailers]);
    let _response = service.call(Request::new(Body::new(script)));
    let (request, _) = assert_ready!(handle.poll_request()).unwrap();
    assert_eq!(drain(request.into_body()), Whole { trailers: Some(trailers()), ..whole("text") });
}

/// A clone has readiness of its own to ask for: the mock panics when an instance is called that was never
/// ready.
#[test]
fn clones_share_what_the_inner_service_shares() {
    let (mut service, mut handle) = mock::spawn_with::<Request<Full<Bytes>>, Response<()>, _, _>(|mock| {
        let layer = IntoBodyLayer::<Full<Bytes>>::default();
        let copy = layer;
        BodyLayer::new().layer(copy.layer(layer.layer(mock).into_inner()))
    });
    handle.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<Body>>());
    let _response = service.call(Request::new(Body::from("text")));
    let mut clone = service.clone();
    assert_pending!(clone.poll_ready::<Request<Body>>());
    handle.allow(2);
    assert_ready_ok!(clone.poll_ready::<Request<Body>>());
    let mut second = task::spawn(clone.call(Request::new(Body::from("text"))));
    assert!(assert_ready!(handle.poll_request()).is_some());
    let (_, send) = assert_ready!(handle.poll_request()).unwrap();
    send.send_response(Response::new(()));
    assert_ready_ok!(second.poll());
}

#[test]
fn accessors_of_the_services() {
    let mut converting = BodyLayer::new().layer(vec![1]);
    converting.get_mut().push(2);
    assert_eq!(*converting.get_ref(), [1, 2]);
    assert_eq!(converting.into_inner(), [1, 2]);
    let mut converting = IntoBodyLayer::<Bytes>::new().layer(vec![1]);
    converting.get_mut().push(2);
    assert_eq!(*converting.get_ref(), [1, 2]);
    assert_eq!(converting.clone().into_inner(), [1, 2]);
}

/// Both layers around a stack that is somebody else's.
#[tokio::test]
async fn a_round_trip() {
    let client = tower::service_fn(|request: Request<Full<Bytes>>| async move {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, std::convert::Infallible>(Response::new(body))
    });
    let mut client = BodyLayer::new().layer(IntoBodyLayer::<Full<Bytes>>::new().layer(client));
    let response = client.call(Request::new(Full::<Bytes>::from("text"))).await.unwrap();
    assert_eq!(*response.body(), "text");
    let error = client.call(Request::new(Script::new([data("text")]))).await.unwrap_err();
    assert!(error.is::<StreamedBody>());
}
