//! The one meter of a response: found below, shared above, waited for, and complete at the end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_retry::{Hold, ResponseBody, RetryLayer};
use claude_wire::body::Body;
use claude_wire::meter::{EndFuture, Ending, Meter, MeteredBody, Reading, Subscriber};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceExt};

use crate::support::{
    BLOCK, DELTA, ERROR, EVENTS, JSON, MESSAGE, MESSAGE_DELTA, MESSAGES, PING, READERS, Reader, START, STOP,
    Script, Step, Upstream, answer, data, good, good_text, layer, post, read, read_all, seconds, send,
    stream,
};

/// Hears how a body ended, and holds its end back until it is allowed.
#[derive(Clone, Default)]
struct Books {
    heard: Arc<Mutex<Vec<Reading>>>,
    wait: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
}

impl Books {
    fn that_take_long() -> (Self, oneshot::Sender<()>) {
        let (done, wait) = oneshot::channel();
        (Self { wait: Arc::new(Mutex::new(Some(wait))), ..Self::default() }, done)
    }

    fn heard(&self) -> Vec<Reading> {
        self.heard.lock().unwrap().clone()
    }
}

impl Subscriber for Books {
    fn on_end(&mut self, reading: &Reading) -> Option<EndFuture> {
        self.heard.lock().unwrap().push(reading.clone());
        let wait = self.wait.lock().unwrap().take()?;
        Some(Box::pin(async { drop(wait.await) }))
    }
}

/// Meters of all answers of this layer below the retry.
type Below = Arc<Mutex<Vec<Meter>>>;

async fn over_a_meter(
    layer: &RetryLayer,
    upstream: &Upstream,
    request: Request<Body>,
) -> (Response<ResponseBody<MeteredBody<Script>>>, Below) {
    let below = Below::default();
    let meters = Arc::clone(&below);
    let metered = upstream.clone().map_response(move |response| {
        let (response, meter) = Meter::attach(response);
        meters.lock().unwrap().push(meter);
        response
    });
    let response = layer.layer(metered).oneshot(request).await.unwrap();
    (response, below)
}

fn is_whole(reading: &Reading, text: &str) {
    assert_eq!(reading.bytes, text.len() as u64, "scanned once");
    assert_eq!(reading.events, 5);
    assert_eq!(reading.message_id.as_deref(), Some("msg_1"));
    assert_eq!(reading.model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!(reading.stop_reason.as_deref(), Some("end_turn"));
    let usage = reading.usage.clone().unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(5), Some(9)));
    assert_eq!(reading.ending, Some(Ending::Complete));
}

#[tokio::test(start_paused = true)]
async fn a_meter_of_a_layer_below_is_found_and_shared() {
    let bad = || stream([data(START), data(ERROR)]);
    let upstream = Upstream::of([bad(), good()]);
    let (response, below) = over_a_meter(&layer(), &upstream, post(MESSAGES)).await;
    // One above finds it too.
    let (response, above) = Meter::attach(response);
    assert!(above.progress().has_content && !above.progress().has_ended);
    assert_eq!(read_all(response).await.text(), good_text());
    let below = below.lock().unwrap().clone();
    assert_eq!(below.len(), 2);
    assert_eq!(below[0].reading().ending, Some(Ending::Complete));
    assert!(below[0].reading().error.is_some());
    is_whole(&below[1].reading(), &good_text());
    is_whole(&above.reading(), &good_text());
}

#[tokio::test(start_paused = true)]
async fn a_layer_above_reads_a_held_stream_anew() {
    for reader in READERS {
        for knows in [false, true] {
            let steps = [START, BLOCK, DELTA, MESSAGE_DELTA, STOP].map(data);
            let upstream = Upstream::of([answer(200, EVENTS, Script::new(steps).knowing_if(knows))]);
            let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
            assert!(Meter::find(response.extensions()).is_none(), "it was for the beginning alone");
            let (response, above) = Meter::attach(response);
            let books = Books::default();
            above.subscribe(books.clone());
            assert_eq!(read(response.into_body(), reader).await.text(), good_text());
            is_whole(&above.reading(), &good_text());
            let heard = books.heard();
            assert_eq!(heard.len(), 1, "once");
            is_whole(&heard[0], &good_text());
        }
    }
}

/// However it came to be released, whoever is above sees all of it.
#[tokio::test(start_paused = true)]
async fn after_a_release_a_layer_above_reads_from_the_beginning() {
    for hold in [
        Hold::default(),
        Hold::default().with_bytes(10),
        Hold::default().with_events(1),
        Hold::default().with_time(seconds(1)),
    ] {
        let slow = Step::Sleep(seconds(6));
        let steps = [data(START), slow, data(BLOCK), data(DELTA), data(MESSAGE_DELTA), data(STOP)];
        let upstream = Upstream::of([stream(steps)]);
        let response = send(&layer().with_hold(hold), &upstream, post(MESSAGES)).await.unwrap();
        let (response, meter) = Meter::attach(response);
        assert_eq!(read_all(response).await.text(), good_text());
        is_whole(&meter.reading(), &good_text());
    }
}

/// Where nothing is read ahead, nothing is read.
#[tokio::test(start_paused = true)]
async fn what_is_not_read_ahead_gets_no_meter() {
    for (layer, response) in
        [(layer(), answer(200, JSON, Script::new([data(MESSAGE)]))), (layer().with_hold(Hold::off()), good())]
    {
        let response = send(&layer, &Upstream::of([response]), post(MESSAGES)).await.unwrap();
        assert!(Meter::find(response.extensions()).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_meter_of_a_collected_answer_is_at_its_end() {
    let upstream = Upstream::of([answer(200, JSON, Script::new([data(MESSAGE)]))]);
    let response = send(&layer().with_collect(10_000), &upstream, post(MESSAGES)).await.unwrap();
    let (response, meter) = Meter::attach(response);
    let reading = meter.reading();
    assert_eq!((reading.bytes, reading.ending), (MESSAGE.len() as u64, Some(Ending::Complete)));
    assert_eq!(reading.usage.unwrap().output_tokens, Some(3));
    assert_eq!(read_all(response).await.text(), MESSAGE);
    assert_eq!(meter.reading().bytes, MESSAGE.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn the_meter_of_a_failed_answer_has_what_it_said() {
    let text = r#"{"error":{"type":"invalid_request_error"}}"#;
    for kind in [JSON, "text/html"] {
        let upstream = Upstream::of([answer(400, kind, Script::new([data(text)]))]);
        let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
        let (response, meter) = Meter::attach(response);
        let said = meter.reading().error.unwrap();
        assert_eq!(said.error_type.as_deref(), Some("invalid_request_error"));
        assert_eq!(read_all(response).await.text(), text);
    }
}

/// Streams whose scan is over, or is not, when their head is handed on.
fn streams() -> Vec<Vec<Step>> {
    vec![
        vec![data(good_text())],
        vec![data([START, BLOCK, MESSAGE_DELTA, STOP].concat())],
        vec![data(START), data(BLOCK), data(DELTA), data(MESSAGE_DELTA), data(STOP)],
    ]
}

/// Polls a body until it waits, or to its end: how many frames came, and whether it has ended.
fn come<B: HttpBody + Unpin>(body: &mut B, reader: Reader) -> (usize, bool) {
    let mut frames = 0;
    loop {
        if reader == Reader::Trusting && body.is_end_stream() {
            return (frames, true);
        }
        let mut next = task::spawn(http_body_util::BodyExt::frame(body));
        match next.poll() {
            std::task::Poll::Pending => return (frames, false),
            std::task::Poll::Ready(None) => return (frames, true),
            std::task::Poll::Ready(Some(_)) => frames += 1,
        }
    }
}

/// What a caller has seen is in the books.
#[tokio::test(start_paused = true)]
async fn one_that_subscribes_late_is_waited_for() {
    for steps in streams() {
        for reader in READERS {
            for knows in [false, true] {
                let shown = format!("{steps:?} {reader:?} {knows}");
                let script = Script::new(steps.clone()).knowing_if(knows);
                let upstream = Upstream::of([answer(200, EVENTS, script)]);
                let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
                let (response, meter) = Meter::attach(response);
                let (books, done) = Books::that_take_long();
                meter.subscribe(books.clone());
                let mut body = response.into_body();
                let (before, is_end) = come(&mut body, reader);
                assert!(!is_end, "{shown}");
                assert_eq!(books.heard().len(), 1, "{shown}");
                done.send(()).unwrap();
                let (after, is_end) = come(&mut body, reader);
                assert!(is_end, "{shown}");
                assert_eq!(before + after, steps.len(), "{shown}");
            }
        }
    }
}

/// One below that has subscribed before is waited for before the head comes, if the end is in it.
#[tokio::test(start_paused = true)]
async fn one_below_is_waited_for_before_what_ends_the_stream() {
    let (books, done) = Books::that_take_long();
    let upstream = Upstream::of([stream([data(START), data(PING), data([BLOCK, STOP].concat())])]);
    let subscriber = books.clone();
    let metered = upstream.map_response(move |response| {
        let (response, meter) = Meter::attach(response);
        meter.subscribe(subscriber);
        response
    });
    let retry = layer();
    let mut call = task::spawn(retry.layer(metered).oneshot(post(MESSAGES)));
    assert_pending!(call.poll());
    assert_eq!(books.heard().len(), 1);
    done.send(()).unwrap();
    assert!(call.is_woken());
    let response = assert_ready!(call.poll()).unwrap();
    assert_eq!(read_all(response).await.text(), [START, PING, BLOCK, STOP].concat());
}

/// What a failed attempt has cost is in the books before it is repeated.
#[tokio::test(start_paused = true)]
async fn one_below_is_waited_for_before_a_stream_that_failed_is_repeated() {
    let (books, done) = Books::that_take_long();
    let upstream = Upstream::of([stream([data(START), data(ERROR)]), good()]);
    let subscriber = books.clone();
    let metered = upstream.clone().map_response(move |response| {
        let (response, meter) = Meter::attach(response);
        meter.subscribe(subscriber);
        response
    });
    let retry = layer();
    let mut call = task::spawn(retry.layer(metered).oneshot(post(MESSAGES)));
    for _ in 0..3 {
        assert_pending!(call.poll());
        assert!(upstream.is_alive(0), "it is not settled yet");
    }
    assert_eq!(books.heard().len(), 1);
    done.send(()).unwrap();
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert!(!upstream.is_alive(0));
    assert_eq!(read_all(call.await.unwrap()).await.text(), good_text());
}

/// Books that are settled at the second look at them.
#[derive(Clone, Default)]
struct Settled {
    begun: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
}

impl Settled {
    fn both(&self) -> (usize, usize) {
        (self.begun.load(Ordering::Relaxed), self.finished.load(Ordering::Relaxed))
    }
}

impl Subscriber for Settled {
    fn on_end(&mut self, _: &Reading) -> Option<EndFuture> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let finished = Arc::clone(&self.finished);
        Some(Box::pin(async move {
            tokio::task::yield_now().await;
            finished.fetch_add(1, Ordering::Relaxed);
        }))
    }
}

/// However the failure comes, no attempt begins while the books of the one before are open.
#[tokio::test(start_paused = true)]
async fn no_attempt_begins_before_the_last_one_is_settled() {
    let failures = [
        vec![data(START), data(ERROR)],
        vec![data(ERROR)],
        vec![data([START, PING, ERROR].concat())],
        vec![data(START), data([PING, ERROR].concat()), Step::Never],
        vec![data(START), data(&ERROR[..30]), Step::Wait, data(&ERROR[30..]), Step::Fail],
        vec![data(START), Step::Sleep(seconds(4)), data(ERROR), data(DELTA)],
        vec![data(START)],
        vec![data(START), Step::Trailers],
        vec![data(START), Step::Fail],
    ];
    for knows in [false, true] {
        for steps in &failures {
            let shown = format!("{steps:?} {knows}");
            let books = Settled::default();
            let (again, subscriber, seen) = (steps.clone(), books.clone(), books.clone());
            let upstream =
                Upstream::new(move |_| Ok(answer(200, EVENTS, Script::new(again.clone()).knowing_if(knows))));
            let metered = upstream.clone().map_response(move |response| {
                let (response, meter) = Meter::attach(response);
                meter.subscribe(subscriber);
                response
            });
            let metered = metered.map_request(move |request: Request<Body>| {
                let (begun, finished) = seen.both();
                assert_eq!(begun, finished, "an attempt begins");
                request
            });
            let response = layer().layer(metered).oneshot(post(MESSAGES)).await.unwrap();
            assert_eq!((upstream.calls(), books.both()), (4, (4, 4)), "{shown}");
            drop(response);
            assert_eq!(books.both(), (4, 4), "{shown}");
        }
    }
}

/// Takes longer than anybody waits.
struct Slow;

impl Subscriber for Slow {
    fn on_end(&mut self, _: &Reading) -> Option<EndFuture> {
        Some(Box::pin(tokio::time::sleep(seconds(60))))
    }
}

/// What failed has not succeeded because somebody is slow to write it down.
#[tokio::test(start_paused = true)]
async fn books_that_take_too_long_hide_no_failure() {
    let upstream = Upstream::of([stream([data(START), data(ERROR)]), good()]);
    let metered = upstream.clone().map_response(|response| {
        let (response, meter) = Meter::attach(response);
        meter.subscribe(Slow);
        response
    });
    let response = layer().layer(metered).oneshot(post(MESSAGES)).await.unwrap();
    assert_eq!(read_all(response).await.text(), good_text());
    // The hold's five seconds, and the wait after an overload.
    assert_eq!(upstream.times(), [Duration::ZERO, seconds(6)]);
}

/// The books of an attempt that failed are closed before the next one begins, and none waits for those that were dropped.
#[tokio::test(start_paused = true)]
async fn each_failed_attempt_has_its_end() {
    let books = Books::default();
    let bad = [stream([data(START), data(ERROR)]), stream([data(START)]), stream([data(START), Step::Fail])];
    let upstream = Upstream::of(bad.into_iter().chain([good()]));
    let subscriber = books.clone();
    let metered = upstream.map_response(move |response| {
        let (response, meter) = Meter::attach(response);
        meter.subscribe(subscriber);
        response
    });
    let response = layer().layer(metered).oneshot(post(MESSAGES)).await.unwrap();
    let endings = || books.heard().into_iter().map(|reading| reading.ending.unwrap()).collect::<Vec<_>>();
    assert_eq!(endings(), [Ending::Complete, Ending::Cut, Ending::Cut]);
    drop(response);
    assert_eq!(endings()[3], Ending::Dropped);
}
