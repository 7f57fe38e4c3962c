//! What travels with a call: above all, whether an attempt counts as sent, in every stack that can stand below.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use claude_wire::body::{Body, BoxError, BufferError, IntoBodyLayer};
use claude_wire::call::{
    Attempt, Books, BooksHandle, Call, CallId, Caller, Clock, Deadline, Entry, EntryKind, MAX_HISTORY,
    Outcome, Priority, Refusal, RefusalKind, dispatch, find_in_chain,
};
use claude_wire::usage::Usage;
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service};

// ---------------------------------------------------------------------------------------------------------
// A clock that goes when it is told to, one for each test's thread

thread_local! {
    static NOW: Cell<Instant> = Cell::new(tokio::time::Instant::now().into_std());
}

fn clock() -> Instant {
    NOW.get()
}

fn advance(seconds: u64) -> Instant {
    NOW.set(NOW.get() + Duration::from_secs(seconds));
    NOW.get()
}

fn attempt() -> Attempt {
    Attempt::new(0, clock)
}

fn request(body: impl Into<Body>) -> (Request<Body>, Attempt) {
    let mut request = Request::new(body.into());
    let attempt = attempt();
    attempt.put_into(&mut request);
    (request, attempt)
}

fn poll_body(body: &mut (impl HttpBody + Unpin)) {
    let mut cx = Context::from_waker(Waker::noop());
    drop(Pin::new(body).poll_frame(&mut cx));
}

// ---------------------------------------------------------------------------------------------------------
// The mark

#[test]
fn only_the_first_mark_counts() {
    let begun = clock();
    let attempt = Attempt::new(3, clock);
    let clone = attempt.clone();
    assert_eq!((attempt.number(), attempt.begun()), (3, begun));
    let at = advance(5);
    assert!(!attempt.is_sent());
    assert_eq!(attempt.sent_at(), None);
    clone.mark_sent();
    advance(5);
    attempt.mark_sent();
    assert!(attempt.is_sent());
    assert_eq!(attempt.sent_at(), Some(at));
    assert_eq!(attempt.begun(), begun);
}

#[test]
fn everybody_who_waits_is_woken_once() {
    let attempt = attempt();
    let waiting = || task::spawn(attempt.sent());
    let mut tasks = [waiting(), waiting(), waiting()];
    for task in &mut tasks {
        assert_pending!(task.poll());
        let holders = task.waker_ref_count();
        // Asking again is not waiting twice.
        assert_pending!(task.poll());
        assert_eq!(task.waker_ref_count(), holders);
    }
    let at = advance(1);
    attempt.mark_sent();
    for task in &mut tasks {
        assert!(task.is_woken());
        assert_ready_eq!(task.poll(), at);
    }
    advance(1);
    attempt.mark_sent();
    for task in &mut tasks {
        assert!(!task.is_woken());
    }
    // Who comes late does not wait.
    assert_ready_eq!(waiting().poll(), at);
}

#[test]
fn a_wait_that_is_dropped_leaves_nothing() {
    let attempt = attempt();
    let mut kept = task::spawn(attempt.sent());
    assert_pending!(kept.poll());
    for _ in 0..100 {
        let mut dropped = task::spawn(attempt.sent());
        assert_pending!(dropped.poll());
        let holders = dropped.waker_ref_count();
        let waker = dropped.enter(|cx, _| cx.waker().clone());
        drop(dropped);
        // Only this clone is left.
        assert!(holders > 1 && !attempt.is_sent());
        drop(waker);
    }
    attempt.mark_sent();
    assert!(kept.is_woken());
    assert_ready!(kept.poll());
}

/// A waker may do anything, also look at the attempt.
#[test]
fn wakers_run_outside_the_lock() {
    struct Looks(Attempt, Mutex<Vec<bool>>);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0.is_sent());
        }
    }
    let attempt = attempt();
    let looks = Arc::new(Looks(attempt.clone(), Mutex::default()));
    let waker = Waker::from(Arc::clone(&looks));
    let mut waiting = Box::pin(attempt.sent());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    attempt.mark_sent();
    assert_eq!(*looks.1.lock().unwrap(), [true]);
}

#[tokio::test(start_paused = true)]
async fn the_mark_follows_a_paused_clock() {
    let attempt = Attempt::new(0, || tokio::time::Instant::now().into_std());
    let waiting = tokio::spawn(attempt.sent());
    tokio::time::sleep(Duration::from_secs(600)).await;
    attempt.mark_sent();
    let sent_at = waiting.await.unwrap();
    assert_eq!(sent_at - attempt.begun(), Duration::from_secs(600));
}

#[test]
fn the_first_poll_of_the_body_marks() {
    let bodies: [fn() -> Body; 3] =
        [|| Body::from("text"), || Body::stream(Full::<Bytes>::from("text")), Body::empty];
    for body in bodies {
        let (request, attempt) = request(body());
        let mut body = request.into_body();
        // To look at it is not to send it.
        let looked = (body.size_hint(), body.is_end_stream(), body.as_bytes().is_some(), body.try_clone());
        assert!(!attempt.is_sent());
        let at = advance(1);
        poll_body(&mut body);
        assert_eq!(attempt.sent_at(), Some(at));
        advance(1);
        poll_body(&mut body);
        assert_eq!(attempt.sent_at(), Some(at));
        drop(looked);
    }
}

#[test]
fn a_body_that_nobody_polls_marks_nothing() {
    let (dropped, attempt) = request("text");
    drop(dropped);
    assert!(!attempt.is_sent());

    // A copy belongs to another attempt, which has not begun yet.
    let (copied, attempt) = request("text");
    let mut copy = copied.body().try_clone().unwrap();
    poll_body(&mut copy);
    assert!(!attempt.is_sent());

    let (streamed, attempt) = request(Body::stream(Full::<Bytes>::from("text")));
    let body = streamed.into_body().into_bytes().unwrap_err();
    assert!(!attempt.is_sent());
    let mut body = Body::new(body);
    assert!(!attempt.is_sent());
    poll_body(&mut body);
    assert!(attempt.is_sent());
}

#[test]
fn taking_the_bytes_out_marks() {
    let (taken, attempt) = request("text");
    assert_eq!(taken.into_body().into_bytes().unwrap(), "text");
    assert!(attempt.is_sent());
}

#[test]
fn a_body_says_it_of_its_latest_attempt() {
    let (mut request, first) = request("text");
    let second = Attempt::new(1, clock);
    second.put_into(&mut request);
    assert_eq!(Attempt::find(request.extensions()).unwrap().number(), 1);
    poll_body(request.body_mut());
    assert!(second.is_sent() && !first.is_sent());
}

#[test]
fn the_attempt_of_a_request() {
    let mut request = Request::new(Body::from("text"));
    assert!(Attempt::find(request.extensions()).is_none());
    let made = Attempt::of(&mut request, clock);
    assert_eq!(made.number(), 0);
    let found = Attempt::of(&mut request, clock);
    found.set_endpoint("eu");
    assert_eq!(made.endpoint().as_deref(), Some("eu"));
    assert_eq!(Attempt::find(request.extensions()).unwrap().endpoint().as_deref(), Some("eu"));
    poll_body(request.body_mut());
    assert!(made.is_sent());
}

/// A layer that changes bytes puts in a new body, which knows of no attempt.
#[test]
fn the_attempt_of_a_request_is_tied_to_the_body_that_is_there() {
    let (mut request, attempt) = request("text");
    *request.body_mut() = Body::from("other text");
    assert!(!Attempt::of(&mut request, clock).is_sent());
    poll_body(request.body_mut());
    assert!(attempt.is_sent());
}

// ---------------------------------------------------------------------------------------------------------
// Dispatch: every stack of layers over every bottom

type Answer = Pin<Box<dyn Future<Output = Result<Response<()>, BoxError>>>>;
type AnyService = Box<dyn Service<Request<Body>, Response = Response<()>, Error = BoxError, Future = Answer>>;

/// A service that is always ready, made of what its `call` does.
struct Called<F>(F);

impl<B, F> Service<Request<B>> for Called<F>
where
    F: FnMut(Request<B>) -> Answer,
{
    type Response = Response<()>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        (self.0)(request)
    }
}

/// What is at the very bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bottom {
    /// A client that has never heard of attempts and looks at no body before its future is polled.
    Stranger,
    /// A client adapter: it claims the mark, and sets it when it has a connection.
    Adapter,
    /// An adapter that never gets a connection.
    AdapterInVain,
    /// The layer into another body, over a client that reads the body in its future.
    OtherBody,
    /// The same with a body that is never polled, since there is nothing in it.
    OtherBodyEmpty,
    /// The layer into bytes, which cannot tell when they are read.
    OtherBodyOfBytes,
}

/// One layer of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Middle {
    /// Calls its inner service in its own call.
    Straight,
    /// Claims, and calls its inner service when the gate is open.
    Waiting,
}

/// Lets a waiting layer go on.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waiting = std::mem::take(&mut state.1);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            return Poll::Ready(());
        }
        state.1.push(cx.waker().clone());
        Poll::Pending
    }
}

fn answer() -> Result<Response<()>, BoxError> {
    Ok(Response::new(()))
}

async fn read<B: HttpBody<Error: fmt::Debug> + Unpin>(mut body: B) -> Result<Response<()>, BoxError> {
    while body.frame().await.is_some() {}
    answer()
}

/// A service behind whatever layer, with its own kind of future boxed.
fn boxed<S>(mut service: S) -> AnyService
where
    S: Service<Request<Body>, Response = Response<()>, Error = BoxError, Future: 'static> + 'static,
{
    Box::new(Called(move |request| Box::pin(service.call(request)) as Answer))
}

fn bottom(kind: Bottom) -> AnyService {
    match kind {
        Bottom::Stranger => Box::new(Called(|_: Request<Body>| Box::pin(async { answer() }) as Answer)),
        Bottom::Adapter | Bottom::AdapterInVain => Box::new(Called(move |request: Request<Body>| {
            let attempt = Attempt::find(request.extensions()).unwrap().clone();
            attempt.claim();
            Box::pin(async move {
                if kind == Bottom::AdapterInVain {
                    return Err("no connection".into());
                }
                attempt.mark_sent();
                answer()
            }) as Answer
        })),
        Bottom::OtherBody | Bottom::OtherBodyEmpty => {
            let client = Called(|request: Request<BoxBody<Bytes, BoxError>>| {
                Box::pin(async {
                    let body = request.into_body();
                    // As hyper does: what is at its end is not asked for more.
                    if body.is_end_stream() { answer() } else { read(body).await }
                }) as Answer
            });
            boxed(IntoBodyLayer::new().layer(client))
        }
        Bottom::OtherBodyOfBytes => {
            let client = Called(|request: Request<Full<Bytes>>| {
                Box::pin(async { read(request.into_body()).await }) as Answer
            });
            boxed(IntoBodyLayer::new().layer(client))
        }
    }
}

fn stack(middles: &[Middle], kind: Bottom, gate: &Gate) -> AnyService {
    middles.iter().rev().fold(bottom(kind), |mut inner, middle| match middle {
        Middle::Straight => Box::new(Called(move |request| dispatch(&mut inner, request))),
        Middle::Waiting => {
            let inner = Rc::new(RefCell::new(inner));
            let gate = gate.clone();
            Box::new(Called(move |request: Request<Body>| {
                if let Some(attempt) = Attempt::find(request.extensions()) {
                    attempt.claim();
                }
                let (gate, inner) = (gate.clone(), Rc::clone(&inner));
                Box::pin(async move {
                    poll_fn(|cx| gate.poll(cx)).await;
                    let answer = dispatch(&mut *inner.borrow_mut(), request);
                    answer.await
                }) as Answer
            }))
        }
    })
}

#[test]
fn sent_in_every_stack() {
    use Bottom::{Adapter, AdapterInVain, OtherBody, OtherBodyEmpty, OtherBodyOfBytes, Stranger};
    use Middle::{Straight, Waiting};

    let middles: [&[Middle]; 9] = [
        &[Straight],
        &[Straight, Straight],
        &[Straight, Straight, Straight],
        &[Waiting],
        &[Waiting, Straight],
        &[Straight, Waiting],
        &[Waiting, Waiting],
        &[Straight, Waiting, Straight],
        &[Waiting, Straight, Waiting],
    ];
    for middles in middles {
        for kind in [Stranger, Adapter, AdapterInVain, OtherBody, OtherBodyEmpty, OtherBodyOfBytes] {
            let what = format!("{middles:?} over {kind:?}");
            let body = || if kind == OtherBodyEmpty { "" } else { "text" };
            // Where nobody waits, the call itself reaches the bottom; and there some must be taken to have sent.
            let waits = middles.contains(&Waiting);
            let sends_in_call = matches!(kind, Stranger | OtherBodyEmpty | OtherBodyOfBytes);

            // Called and dropped before anybody polled.
            let gate = Gate::default();
            let mut service = stack(middles, kind, &gate);
            let (dropped, attempt) = request(body());
            drop(service.call(dropped));
            assert_eq!(attempt.is_sent(), sends_in_call && !waits, "{what}, dropped at once");

            // Dropped while it waits.
            if waits {
                let (dropped, attempt) = request(body());
                let mut answer = task::spawn(service.call(dropped));
                assert_pending!(answer.poll(), "{what}");
                assert!(!attempt.is_sent(), "{what}, waiting");
                drop(answer);
                assert!(!attempt.is_sent(), "{what}, dropped while waiting");
            }

            // Through to the end, and marked then, not at the begin.
            let (sent, attempt) = request(body());
            let begun = clock();
            let mut answer = task::spawn(service.call(sent));
            if waits {
                assert_pending!(answer.poll(), "{what}");
            }
            let later = advance(10);
            gate.open();
            let answer = assert_ready!(answer.poll(), "{what}");
            assert_eq!(answer.is_err(), kind == AdapterInVain, "{what}");
            let expected = match kind {
                AdapterInVain => None,
                _ if sends_in_call && !waits => Some(begun),
                _ => Some(later),
            };
            assert_eq!(attempt.sent_at(), expected, "{what}, at the end");
        }
    }
}

/// A request of somebody who counts no attempts.
#[test]
fn dispatch_without_an_attempt_just_calls() {
    let gate = Gate::default();
    gate.open();
    for middles in [&[Middle::Straight][..], &[Middle::Waiting], &[Middle::Straight, Middle::Waiting]] {
        for kind in [Bottom::Stranger, Bottom::OtherBody, Bottom::OtherBodyOfBytes] {
            let mut service = stack(middles, kind, &gate);
            let mut answer = task::spawn(service.call(Request::new(Body::from("text"))));
            assert_ready_ok!(answer.poll());
        }
    }
}

/// The second attempt of a request is as new as the first was.
#[test]
fn one_stack_sends_attempts_one_by_one() {
    let gate = Gate::default();
    let mut service = stack(&[Middle::Straight, Middle::Waiting], Bottom::Adapter, &gate);
    gate.open();
    let call = Call::new(CallId(1), clock);
    for _ in 0..3 {
        let mut request = Request::new(Body::from("text"));
        let attempt = call.begin_attempt();
        attempt.put_into(&mut request);
        let mut answer = task::spawn(service.call(request));
        assert!(!attempt.is_sent());
        assert_ready_ok!(answer.poll());
        assert!(attempt.is_sent());
    }
}

#[test]
fn what_is_refused_at_the_bottom_was_not_sent() {
    let client = Called(|_: Request<Full<Bytes>>| -> Answer { unreachable!("a stream is no bytes") });
    let mut service = IntoBodyLayer::<Full<Bytes>>::new().layer(client);
    for stream in [Body::stream(Full::<Bytes>::from("text")), Body::stream(Full::<Bytes>::default())] {
        let (refused, attempt) = request(stream);
        let mut answer = task::spawn(dispatch(&mut service, refused));
        assert_ready_err!(answer.poll());
        drop(answer);
        assert!(!attempt.is_sent());
    }
}

/// A layer that puts in another body may leave it to the bottom to tie it to the attempt.
#[test]
fn the_bottom_ties_the_body_to_the_attempt() {
    let mut service = stack(&[Middle::Straight], Bottom::OtherBody, &Gate::default());
    let (mut sent, attempt) = request("text");
    *sent.body_mut() = Body::from("other text");
    let mut answer = task::spawn(service.call(sent));
    assert!(!attempt.is_sent());
    assert_ready_ok!(answer.poll());
    assert!(attempt.is_sent());
}

/// An inner service that reads the body in its call has sent, whatever it claims.
#[test]
fn a_body_that_is_polled_in_the_call() {
    let mut service = Called(|mut request: Request<Body>| {
        Attempt::find(request.extensions()).unwrap().claim();
        poll_body(request.body_mut());
        Box::pin(async { answer() }) as Answer
    });
    let (sent, attempt) = request("text");
    drop(dispatch(&mut service, sent));
    assert!(attempt.is_sent());
}

// ---------------------------------------------------------------------------------------------------------
// The rest of an attempt

#[test]
fn facts_of_an_attempt() {
    type Fact = (fn(&Attempt, &str), fn(&Attempt) -> Option<Arc<str>>);
    let facts: [Fact; 4] = [
        (|attempt, text| attempt.set_endpoint(text), Attempt::endpoint),
        (|attempt, text| attempt.set_origin(text), Attempt::origin),
        (|attempt, text| attempt.set_key_fingerprint(text), Attempt::key_fingerprint),
        (|attempt, text| attempt.set_limit_group(text), Attempt::limit_group),
    ];
    let attempt = attempt();
    for (number, (set, get)) in facts.iter().enumerate() {
        assert_eq!(get(&attempt), None);
        set(&attempt, "first");
        set(&attempt.clone(), &format!("fact {number}"));
    }
    for (number, (_, get)) in facts.iter().enumerate() {
        assert_eq!(get(&attempt), Some(format!("fact {number}").into()));
    }

    assert!(!attempt.alternative_left() && !attempt.wait_handled());
    attempt.offer_alternative();
    assert!(attempt.alternative_left() && !attempt.wait_handled());
    attempt.set_wait_handled(true);
    assert!(attempt.alternative_left() && attempt.wait_handled());

    assert_eq!(attempt.outcome(), None);
    let plain = Outcome::new("ok", Duration::from_secs(2));
    assert_eq!((plain.kind, plain.status, plain.wait, plain.maybe_executed), ("ok", None, None, false));
    let outcome = Outcome::new("overloaded", Duration::from_secs(3))
        .with_status(StatusCode::from_u16(529).unwrap())
        .with_wait(Duration::from_secs(1))
        .perhaps_executed();
    attempt.set_outcome(plain);
    attempt.set_outcome(outcome.clone());
    assert_eq!(attempt.outcome(), Some(outcome));
}

// ---------------------------------------------------------------------------------------------------------
// Call

#[test]
fn a_call_remembers_its_latest_attempts() {
    let begun = clock();
    let call = Call::new(CallId(7), clock);
    assert_eq!((call.id(), call.begun(), call.attempts_begun()), (CallId(7), begun, 0));
    assert!(call.attempts().is_empty());
    let numbers = |call: &Call| -> Vec<u32> { call.attempts().iter().map(Attempt::number).collect() };
    for number in 0..40 {
        let now = advance(1);
        let attempt = call.clone().begin_attempt();
        assert_eq!((attempt.number(), attempt.begun()), (number, now));
        let first = (number + 1).saturating_sub(u32::try_from(MAX_HISTORY).unwrap());
        assert_eq!(numbers(&call), (first..=number).collect::<Vec<_>>());
        assert_eq!(call.attempts_begun(), number + 1);
        // What is written later, somewhere below, is seen here.
        attempt.set_endpoint(format!("endpoint {number}"));
        attempt.mark_sent();
    }
    assert_eq!(call.attempts().len(), 32);
    assert_eq!(call.begun(), begun);
    for attempt in call.attempts() {
        assert_eq!(attempt.endpoint(), Some(format!("endpoint {}", attempt.number()).into()));
        assert!(attempt.is_sent());
    }
}

#[test]
fn charges_add_up_and_stop_at_the_end() {
    let call = Call::new(CallId(1), clock);
    assert_eq!(call.charge(), 0);
    let clone = call.clone();
    call.add_charge(5);
    clone.add_charge(7);
    assert_eq!(call.charge(), 12);
    call.add_charge(u128::MAX - 12);
    assert_eq!(call.charge(), u128::MAX);
    for more in [1, 5, u128::MAX] {
        call.add_charge(more);
        assert_eq!(call.charge(), u128::MAX);
    }
}

#[test]
fn attempts_begun_at_once_have_numbers_of_their_own() {
    fn fixed() -> Instant {
        static AT: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *AT.get_or_init(|| tokio::time::Instant::now().into_std())
    }
    let call = Call::new(CallId(1), fixed);
    let numbers: Vec<u32> = std::thread::scope(|scope| {
        let begin = || (0..100).map(|_| call.begin_attempt().number()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 400);
    assert_eq!(call.attempts_begun(), 400);
    assert!(call.attempts().is_sorted_by_key(Attempt::number));
}

#[test]
fn the_name_of_a_call() {
    assert_eq!(CallId(0xab).to_string(), "000000000000000000000000000000ab");
    assert_eq!(format!("{:?}", CallId(u128::MAX)), "CallId(ffffffffffffffffffffffffffffffff)");
}

// ---------------------------------------------------------------------------------------------------------
// Deadline, caller, priority

#[test]
fn arithmetic_of_deadlines() {
    let now = clock();
    let second = Duration::from_secs(1);
    let deadline = Deadline::after(now, 10 * second).unwrap();
    assert_eq!(deadline, Deadline::at(now + 10 * second));
    assert_eq!(deadline.instant(), now + 10 * second);
    for (passed, remaining, is_past) in [(0, 10, false), (9, 1, false), (10, 0, true), (11, 0, true)] {
        let now = now + passed * second;
        assert_eq!(
            (deadline.remaining(now), deadline.is_past(now)),
            (remaining * second, is_past),
            "{passed}"
        );
    }
    assert!(!deadline.is_past(now + 10 * second - Duration::from_nanos(1)));

    let later = Deadline::at(now + 11 * second);
    assert_eq!((deadline.earlier(later), later.earlier(deadline)), (deadline, deadline));
    assert!(deadline < later);

    assert_eq!(Deadline::after(now, Duration::ZERO), Some(Deadline::at(now)));
    assert!(Deadline::at(now).is_past(now));
    // As good as none.
    assert_eq!(Deadline::after(now, Duration::MAX), None);
}

#[test]
fn callers_and_priorities() {
    let caller = Caller::new().with_environment("prod").with_line("search").with_user("u1".to_owned());
    assert_eq!(caller.environment.as_deref(), Some("prod"));
    assert_eq!(caller.line.as_deref(), Some("search"));
    assert_eq!(caller.user.as_deref(), Some("u1"));
    assert_ne!(caller, Caller::new());
    assert_eq!(Caller::new(), Caller::default());
    assert!(Priority::Low < Priority::Normal && Priority::Normal < Priority::High);
    assert_eq!(Priority::default(), Priority::Normal);
}

// ---------------------------------------------------------------------------------------------------------
// Refusal

/// A layer's error: says one thing and has a cause.
#[derive(Debug)]
struct Because(BoxError);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("because")
    }
}

impl Error for Because {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Another, whose cause is always a refusal.
#[derive(Debug)]
struct Refused(Refusal);
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}
impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_refusal_is_found_at_any_depth() {
    let refusal = || {
        Refusal::new(RefusalKind::BudgetExceeded, "BUDGET_EXCEEDED", "the budget is spent")
            .with_retry_after(Duration::from_secs(60))
    };
    let mut error: BoxError = refusal().into();
    for depth in 0..10 {
        let found = Refusal::find(&*error).unwrap();
        assert_eq!(found, &refusal(), "{depth}");
        assert_eq!(found.kind(), RefusalKind::BudgetExceeded);
        assert_eq!(found.code(), "BUDGET_EXCEEDED");
        assert_eq!(found.retry_after(), Some(Duration::from_secs(60)));
        assert_eq!(found.to_string(), "the budget is spent");
        error = Because(error).into();
    }
    // Through an error of this crate, and through one that several callers share.
    assert!(Refusal::find(&BufferError::Read(refusal().into())).is_some());
    assert!(Refusal::find(&Arc::new(Because(refusal().into()))).is_some());
    assert!(Refusal::find(&std::io::Error::other(Because(refusal().into()))).is_some());
    // Behind what shows only what its content came from.
    assert!(Refusal::find(&std::io::Error::other(refusal())).is_some());
    assert!(Refusal::find(&Because(Box::new(std::io::Error::other(refusal())))).is_some());
    assert!(Refusal::find(&Box::new(refusal())).is_some());
    assert!(Refusal::find(&Because(Box::new(Arc::new(refusal())))).is_some());
    assert_eq!(Refusal::find(&std::io::Error::other("refused")), None);

    // And as the field of a layer's own error.
    let refused = Refused(Refusal::new(RefusalKind::Policy, "POLICY", String::from("no")));
    let found = Refusal::find(&refused).unwrap();
    assert_eq!((found.kind(), found.code(), found.retry_after()), (RefusalKind::Policy, "POLICY", None));
}

#[test]
fn what_is_no_refusal() {
    let error: BoxError = "refused".into();
    assert_eq!(Refusal::find(&*error), None);
    assert_eq!(Refusal::find(&Because(Because(error).into())), None);
    assert!(Refusal::new(RefusalKind::Policy, "POLICY", "no").source().is_none());
}

// ---------------------------------------------------------------------------------------------------------
// Chains

#[test]
fn an_error_is_found_wherever_it_stands_in_a_chain() {
    let found = |error: BoxError| find_in_chain::<BufferError>(&*error).map(ToString::to_string);
    let it = || BufferError::Read("cut".into());
    let name = Some(it().to_string());
    let holders: [fn(BufferError) -> BoxError; 8] = [
        |it| Box::new(it),
        |it| Because(it.into()).into(),
        |it| std::io::Error::other(it).into(),
        |it| std::io::Error::other(std::io::Error::other(Because(it.into()))).into(),
        |it| Because(std::io::Error::other(it).into()).into(),
        // As errors of their own.
        |it| Box::new(Box::new(it)),
        |it| Box::new(Arc::new(it)),
        |it| std::io::Error::other(Because(Box::new(Arc::new(it)))).into(),
    ];
    for (number, hold) in holders.into_iter().enumerate() {
        assert_eq!(found(hold(it())), name, "{number}");
        // Whoever stands above it, and what it is itself the cause of.
        assert_eq!(found(BufferError::Read(hold(it())).into()), name, "{number}");
        assert_eq!(found(Because(Because(hold(it())).into()).into()), name, "{number}");
    }
    for without in [Because("refused".into()).into(), std::io::Error::from_raw_os_error(1).into()] {
        assert_eq!(found(without), None);
    }
    // The outermost one.
    let two = Because(BufferError::Read(BufferError::Read("cut".into()).into()).into());
    assert!(find_in_chain::<BufferError>(&two).unwrap().source().unwrap().is::<BufferError>());
}

/// The cause of itself.
#[derive(Debug)]
struct Circle;

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("circle")
    }
}

impl Error for Circle {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn a_chain_that_goes_in_a_circle_has_an_end() {
    assert!(find_in_chain::<Refusal>(&Circle).is_none());
    assert!(Refusal::find(&Because(Circle.into())).is_none());
    assert!(find_in_chain::<Circle>(&Because(Circle.into())).is_some());
    // No chain that anybody makes is as long as that.
    let long = (0..30).fold(BoxError::from(Circle), |error, _| Because(error).into());
    assert!(find_in_chain::<Circle>(&*long).is_some());
}

// ---------------------------------------------------------------------------------------------------------
// Books

#[test]
fn books_take_reports() {
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Entry>>>);
    impl Books for Kept {
        fn post(&self, entry: Entry) {
            self.0.lock().unwrap().push(entry);
        }
    }
    let kept = Kept::default();
    let books = BooksHandle::new(kept.clone());
    let mut usage = Usage::default();
    usage.input_tokens = Some(12);
    let mut entry = Entry::new(EntryKind::Saved, "cache_hit", usage.clone());
    assert!(entry.model.is_none() && entry.call.is_none() && entry.caller.is_none() && !entry.estimated);
    entry.model = Some("claude-opus-5-5".into());
    entry.call = Some(Call::new(CallId(1), clock));
    entry.caller = Some(Caller::new().with_line("search"));
    let clone = books.clone();
    clone.post(entry);
    books.post(Entry::new(EntryKind::Extra, "repeated", Usage::default()));
    let posted = kept.0.lock().unwrap();
    let [saved, extra] = &posted[..] else { panic!("{posted:?}") };
    assert_eq!((saved.kind, saved.reason, &saved.usage), (EntryKind::Saved, "cache_hit", &usage));
    assert_eq!(saved.call.as_ref().map(Call::id), Some(CallId(1)));
    assert_eq!((extra.kind, extra.reason), (EntryKind::Extra, "repeated"));
    assert_eq!(format!("{books:?}"), "BooksHandle");
}

// ---------------------------------------------------------------------------------------------------------
// All of it

/// A request is cloned with all that travels with it, and shown in logs.
#[test]
fn debug_of_what_travels_shows_no_prompt() {
    let call = Call::new(CallId(1), clock);
    let mut request = Request::new(Body::from("secret prompt"));
    let attempt = call.begin_attempt();
    attempt.set_key_fingerprint("fp_1");
    attempt.set_outcome(Outcome::new("ok", Duration::ZERO));
    attempt.put_into(&mut request);
    request.extensions_mut().insert(call.clone());
    request.extensions_mut().insert(Caller::new().with_line("search"));
    request.extensions_mut().insert(Deadline::at(clock()));
    drop(claude_wire::facts::facts(&mut request));
    let mut waiting = task::spawn(attempt.sent());
    assert_pending!(waiting.poll());
    let entry = Entry::new(EntryKind::Extra, "repeated", Usage::default());
    let shown = format!("{request:?} {call:?} {attempt:?} {entry:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("fp_1") && shown.contains("CallId(00000000000000000000000000000001)"), "{shown}");
    // Whoever looks at one must be able to tell the other.
    assert!(format!("{attempt:?}").contains("sent: false"));
    attempt.mark_sent();
    assert!(format!("{attempt:?}").contains("sent: true"));
}

#[test]
fn everything_travels() {
    fn check<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn moves<T: Send + Sync + Unpin>() {}
    check::<Attempt>();
    check::<Outcome>();
    check::<Call>();
    check::<CallId>();
    check::<Caller>();
    check::<Priority>();
    check::<Deadline>();
    check::<Refusal>();
    check::<RefusalKind>();
    check::<BooksHandle>();
    check::<Entry>();
    check::<EntryKind>();
    check::<Clock>();
    check::<claude_wire::ErrorBody>();
    check::<claude_wire::headers::RateLimitHeaders>();
    check::<claude_wire::headers::Limit>();
    check::<claude_wire::sse::EventTooLarge>();
    check::<claude_wire::sse::Event<'static>>();
    moves::<claude_wire::sse::Scanner>();
    moves::<claude_wire::sse::Events<'static>>();
}

#[test]
fn the_first_attempt_leads_to_its_call() {
    let call = Call::new(CallId(7), clock);
    let mut request = Request::new(Body::from("{}"));
    assert!(Call::find(request.extensions()).is_none());
    let first = call.begin_attempt();
    first.put_into(&mut request);
    assert_eq!(Call::find(request.extensions()).unwrap().id(), call.id());
    assert_eq!(first.call().unwrap().id(), call.id());

    let second = call.begin_attempt();
    assert!(second.call().is_none(), "the call would hold itself");
    second.put_into(&mut request);
    assert!(Call::find(request.extensions()).is_none());
    request.extensions_mut().insert(call.clone());
    assert_eq!(Call::find(request.extensions()).unwrap().id(), call.id());
}
