//! What a meter reads, whom it tells, and when it lets a body end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_wire::BoxError;
use claude_wire::meter::{
    BatchItem, EndFuture, Ending, Kind, Meter, MeteredBody, Progress, Reading, Subscriber, Unreadable,
};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","model":"claude-opus-5-5","usage":{"input_tokens":2068,"cache_creation_input_tokens":0,"cache_read_input_tokens":4000,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"}}   }

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hié"}  }

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"AAAA"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0 }

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":22397,"output_tokens":5}}

event: message_stop
data: {"type":"message_stop"}

"#;

const MESSAGE: &str = r#"{"model":"claude-sonnet-5-5","id":"msg_2","type":"message","content":[{"type":"text","text":"\"usage\":{"},{"usage":{"output_tokens":99}}],"stop_reason":"end_turn","usage":{"input_tokens":13,"output_tokens":20,"speed":"standard"},"diagnostics":null}"#;

const RESULTS: &str = r#"{"custom_id":"a1","result":{"type":"succeeded","message":{"id":"msg_3","model":"claude-sonnet-5-5","content":[{"text":"result"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":3,"service_tier":"batch"}}}}
{"custom_id":"a2","result":{"type":"errored","error":{"type":"error","error":{"type":"invalid_request_error","message":"no"}}}}

{"custom_id":"a3","result":{"type":"expired"}}
not json
{"custom_id":"half","result":{"type":"succeeded","message":{"model":"claude-sonnet-5-5"
{"custom_id":"a4","result":{"type":"canceled"}}"#;

/// A body of given frames; what happens behind them is chosen.
struct Frames {
    frames: VecDeque<Bytes>,
    end: End,
    /// Whether the body says that it is at its end after its last frame, so that nobody polls again.
    tells: bool,
}

enum End {
    None,
    Error,
    Never,
}

impl Frames {
    fn new<'a>(frames: impl IntoIterator<Item = &'a [u8]>, end: End) -> Self {
        Self { frames: frames.into_iter().map(Bytes::copy_from_slice).collect(), end, tells: false }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match (self.frames.pop_front(), &self.end) {
            (Some(frame), _) => Poll::Ready(Some(Ok(Frame::data(frame)))),
            (None, End::None) => Poll::Ready(None),
            (None, End::Error) => Poll::Ready(Some(Err("cut".into()))),
            (None, End::Never) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.tells && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn metered<B: Body<Data = Bytes>>(content_type: &str, body: B) -> (MeteredBody<B>, Meter) {
    let response = Response::builder().header("content-type", content_type).body(body).unwrap();
    let (response, meter) = Meter::attach(response);
    (response.into_body(), meter)
}

async fn read(content_type: &str, body: Frames) -> (Vec<u8>, Reading) {
    let (mut body, meter) = metered(content_type, body);
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        bytes.extend_from_slice(frame.data_ref().unwrap());
    }
    (bytes, meter.reading())
}

const EVENTS: &str = "text/event-stream; charset=utf-8";

fn is_the_stream(reading: &Reading) {
    assert_eq!(reading.kind, Kind::Events);
    assert_eq!(reading.bytes, STREAM.len() as u64);
    assert_eq!(reading.message_id.as_deref(), Some("msg_1"));
    assert_eq!(reading.model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!(reading.stop_reason.as_deref(), Some("end_turn"));
    assert_eq!(reading.delta_bytes, "Hié".len() as u64);
    let usage = reading.usage.as_ref().unwrap();
    assert_eq!(usage.input_tokens, Some(22_397));
    assert_eq!(usage.cache_read_input_tokens, Some(4_000));
    assert_eq!(usage.output_tokens, Some(5));
    assert_eq!(usage.service_tier.as_deref(), Some("standard"));
    assert!(reading.has_content);
    assert!(reading.error.is_none());
    assert_eq!(reading.ending, Some(Ending::Complete));
}

#[tokio::test]
async fn a_stream_in_any_two_pieces() {
    for at in 0..=STREAM.len() {
        let (left, right) = STREAM.as_bytes().split_at(at);
        let (bytes, reading) = read(EVENTS, Frames::new([left, right], End::None)).await;
        assert_eq!(bytes, STREAM.as_bytes());
        is_the_stream(&reading);
    }
}

#[tokio::test]
async fn a_message_in_any_two_pieces() {
    for at in 0..=MESSAGE.len() {
        let (left, right) = MESSAGE.as_bytes().split_at(at);
        let (bytes, reading) = read("application/json", Frames::new([left, right], End::None)).await;
        assert_eq!(bytes, MESSAGE.as_bytes());
        assert_eq!(reading.kind, Kind::Json);
        assert_eq!(reading.model.as_deref(), Some("claude-sonnet-5-5"));
        assert_eq!(reading.message_id.as_deref(), Some("msg_2"));
        assert_eq!(reading.stop_reason.as_deref(), Some("end_turn"));
        let usage = reading.usage.unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(13), Some(20)));
        assert_eq!(reading.ending, Some(Ending::Complete), "split at {at}");
    }
}

#[derive(Default)]
struct Told {
    changes: Vec<Reading>,
    items: Vec<BatchItem>,
    ends: Vec<Reading>,
}

/// Writes down what it is told, and may ask to be waited for.
struct Listener {
    told: Arc<Mutex<Told>>,
    wait: Option<oneshot::Receiver<()>>,
}

impl Listener {
    fn new() -> (Self, Arc<Mutex<Told>>) {
        let told = Arc::<Mutex<Told>>::default();
        (Self { told: Arc::clone(&told), wait: None }, told)
    }

    fn waiting() -> (Self, Arc<Mutex<Told>>, oneshot::Sender<()>) {
        let (listener, told) = Self::new();
        let (go, wait) = oneshot::channel();
        (Self { wait: Some(wait), ..listener }, told, go)
    }
}

impl Subscriber for Listener {
    fn on_change(&mut self, reading: &Reading) {
        self.told.lock().unwrap().changes.push(reading.clone());
    }

    fn on_batch_item(&mut self, item: &BatchItem) {
        self.told.lock().unwrap().items.push(item.clone());
    }

    fn on_end(&mut self, reading: &Reading) -> Option<EndFuture> {
        self.told.lock().unwrap().ends.push(reading.clone());
        let wait = self.wait.take()?;
        Some(Box::pin(async move {
            wait.await.ok();
        }))
    }
}

#[tokio::test]
async fn results_of_a_batch_in_any_two_pieces() {
    for at in 0..=RESULTS.len() {
        let (left, right) = RESULTS.as_bytes().split_at(at);
        let (body, meter) = metered("application/x-jsonl", Frames::new([left, right], End::None));
        let (listener, told) = Listener::new();
        meter.subscribe(listener);
        assert_eq!(body.collect().await.unwrap().to_bytes(), RESULTS);
        let told = told.lock().unwrap();
        let results: Vec<_> = told.items.iter().map(|item| item.result.as_deref()).collect();
        let expected = [Some("succeeded"), Some("errored"), Some("expired"), None, None, Some("canceled")];
        assert_eq!(results, expected, "split at {at}");
        assert_eq!(told.items[0].model.as_deref(), Some("claude-sonnet-5-5"));
        assert_eq!(told.items[0].custom_id.as_deref(), Some("a1"));
        assert_eq!(told.items[0].message_id.as_deref(), Some("msg_3"));
        assert_eq!(told.items[0].usage.as_ref().unwrap().output_tokens, Some(3));
        assert!(told.items[1].usage.is_none());
        let batch = meter.reading().batch;
        assert_eq!(
            (batch.succeeded, batch.errored, batch.canceled, batch.expired, batch.other),
            (1, 1, 1, 1, 2)
        );
        assert_eq!(meter.reading().ending, Some(Ending::Complete));
    }
}

/// As in every other reading of JSON, the last of several equal keys wins.
#[tokio::test]
async fn usage_with_a_key_twice() {
    let body = br#"{"usage":{"output_tokens":1,"output_tokens":2}}"#;
    let (_, reading) = read("application/json", Frames::new([&body[..]], End::None)).await;
    assert_eq!(reading.usage.unwrap().output_tokens, Some(2));
}

/// Whatever stands twice: frames make no difference.
#[tokio::test]
async fn an_error_twice_in_any_two_pieces() {
    let body = br#"{"error":{"type":"a"},"request_id":"req_1","error":{"type":"b"}}"#;
    for at in 0..=body.len() {
        let (left, right) = body.split_at(at);
        let (_, reading) = read("application/json", Frames::new([left, right], End::None)).await;
        let error = reading.error.unwrap();
        assert_eq!(error.error_type.as_deref(), Some("b"), "split at {at}");
        assert_eq!(error.request_id.as_deref(), Some("req_1"), "split at {at}");
    }
}

#[tokio::test]
async fn any_coding_of_several_hides_the_body() {
    let response = Response::builder().header("content-type", "application/json");
    let response = response.header("content-encoding", "identity").header("content-encoding", "identity, br");
    let (response, meter) = Meter::attach(response.body(Full::new(Bytes::from(MESSAGE))).unwrap());
    response.into_body().collect().await.unwrap();
    assert_eq!(meter.reading().ending, Some(Ending::Unreadable(Unreadable::Coding("br".into()))));
}

/// Blocks that arrive whole are content, and one of them says who serves from here on.
#[tokio::test]
async fn blocks_that_arrive_whole() {
    let event = |block: &str| {
        format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{block}}}\n\n"
        )
    };
    let blocks = [
        (r#"{"type":"text","text":""}"#, false, None),
        (r#"{"type":"server_tool_use","input":{}}"#, false, None),
        (r#"{"content":[0,[0],{"type":"text"}],"type":"web_fetch_tool_result"}"#, true, None),
        (r#"{"type":"redacted_thinking","data":"x"}"#, true, None),
        (r#"{"type":"fallback","from":{"model":"a"},"to":{"model":"b"}}"#, true, Some("b")),
        (r#"{"type":5}"#, false, None),
        ("[]", false, None),
    ];
    for (block, is_content, model) in blocks {
        let (_, reading) = read(EVENTS, Frames::new([event(block).as_bytes()], End::None)).await;
        assert_eq!(reading.has_content, is_content, "{block}");
        assert_eq!(reading.model.as_deref(), model, "{block}");
    }
}

#[tokio::test]
async fn progress_without_the_whole_reading() {
    let (body, meter) = metered(EVENTS, Frames::new([STREAM.as_bytes()], End::None));
    assert_eq!(meter.progress(), Progress::default());
    body.collect().await.unwrap();
    let progress = meter.progress();
    assert_eq!((progress.bytes, progress.delta_bytes), (STREAM.len() as u64, "Hié".len() as u64));
    assert!(progress.has_content);
}

#[tokio::test]
async fn an_error_response() {
    let body = br#"{"type":"error","request_id":"req_1","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let (_, reading) = read("application/json", Frames::new([&body[..30], &body[30..]], End::None)).await;
    let error = reading.error.unwrap();
    assert_eq!(error.error_type.as_deref(), Some("overloaded_error"));
    assert_eq!(error.request_id.as_deref(), Some("req_1"));
    assert_eq!(reading.ending, Some(Ending::Complete));
}

#[tokio::test]
async fn an_error_event_ends_a_stream() {
    let start = STREAM.split_inclusive("\n\n").take(4).collect::<String>();
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    let (_, reading) = read(EVENTS, Frames::new([start.as_bytes(), error.as_bytes()], End::Error)).await;
    assert_eq!(reading.error.unwrap().error_type.as_deref(), Some("overloaded_error"));
    assert_eq!(reading.ending, Some(Ending::Complete));
    assert_eq!(reading.usage.unwrap().output_tokens, Some(1), "as the stream began");
}

#[tokio::test]
async fn the_ways_a_body_ends() {
    let cut = &STREAM.as_bytes()[..STREAM.len() - 60];
    let ending = |reading: Reading| reading.ending.unwrap();
    assert_eq!(ending(read(EVENTS, Frames::new([cut], End::None)).await.1), Ending::Cut);
    assert_eq!(ending(read(EVENTS, Frames::new([cut], End::Error)).await.1), Ending::Cut);
    let json = &MESSAGE.as_bytes()[..MESSAGE.len() - 1];
    assert_eq!(ending(read("application/json", Frames::new([json], End::None)).await.1), Ending::Cut);
    assert_eq!(ending(read("application/json", Frames::new([], End::None)).await.1), Ending::Complete);
    assert_eq!(ending(read("application/json", Frames::new([], End::Error)).await.1), Ending::Cut);
    assert_eq!(ending(read(EVENTS, Frames::new([], End::None)).await.1), Ending::Cut);
    assert_eq!(
        ending(read("application/json", Frames::new([b"<html>".as_slice()], End::None)).await.1),
        Ending::Unreadable(Unreadable::Malformed)
    );
    assert_eq!(
        ending(read("text/html", Frames::new([b"x".as_slice()], End::None)).await.1),
        Ending::Complete
    );
    assert_eq!(ending(read("text/html", Frames::new([b"x".as_slice()], End::Error)).await.1), Ending::Cut);

    let half = RESULTS.len() / 2;
    let results = Frames::new([&RESULTS.as_bytes()[..half]], End::None);
    assert_eq!(ending(read("application/x-jsonl", results).await.1), Ending::Cut);

    for frames in [0, 1] {
        let (mut body, meter) = metered(EVENTS, Frames::new([cut], End::Never));
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        assert_eq!(meter.reading().ending, None);
        drop(body);
        assert_eq!(meter.reading().ending, Some(Ending::Dropped));
    }
}

/// In whose terms nobody here knows, nobody can say that its end is missing.
#[tokio::test]
async fn a_stream_in_other_terms_is_not_cut_but_unreadable() {
    let malformed = Ending::Unreadable(Unreadable::Malformed);
    let (completion, ping) = ("event: completion\ndata: {}\n\n", "event: ping\ndata: {}\n\n");
    for (text, expected) in [
        ("data: {\"choices\":[]}\n\ndata: [DONE]\n\n".to_owned(), &malformed),
        (completion.repeat(2), &malformed),
        ("event: pings\ndata: {}\n\n".to_owned(), &malformed),
        // What comes behind the last event is none.
        (format!("{completion}event: message_start\ndata: {{"), &malformed),
        // One of the API's is enough, wherever it stands.
        (format!("{completion}{ping}"), &Ending::Cut),
        (format!("{ping}{completion}"), &Ending::Cut),
        (STREAM.split_inclusive("\n\n").take(3).collect(), &Ending::Cut),
        // Nothing has been said in any terms.
        (": nothing\n\n".to_owned(), &Ending::Cut),
        (completion[..completion.len() - 1].to_owned(), &Ending::Cut),
    ] {
        for at in 0..=text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            let (bytes, reading) = read(EVENTS, Frames::new([left, right], End::None)).await;
            assert_eq!((bytes, reading.ending.as_ref()), (text.clone().into_bytes(), Some(expected)), "{at}");
            assert!(!reading.has_content && reading.error.is_none());
            // What breaks off is cut, in whatever terms.
            let (_, reading) = read(EVENTS, Frames::new([left, right], End::Error)).await;
            assert_eq!(reading.ending, Some(Ending::Cut), "{at} {text}");
        }
    }
    // Each of the eight.
    let each = ["message_start", "message_delta", "message_stop", "ping", "error"].into_iter();
    for name in each.chain(["content_block_start", "content_block_delta", "content_block_stop"]) {
        let text = format!("event: {name}\ndata: {{}}\n\n");
        let (_, reading) = read(EVENTS, Frames::new([text.as_bytes()], End::None)).await;
        assert_ne!(reading.ending, Some(malformed.clone()), "{name}");
    }
    // Who leaves such a stream has left it.
    let (mut body, meter) = metered(EVENTS, Frames::new([completion.as_bytes()], End::Never));
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(meter.reading().ending, Some(Ending::Dropped));
}

#[tokio::test]
async fn a_caller_that_leaves_after_the_last_event_has_all_of_it() {
    let (mut body, meter) = metered(EVENTS, Frames::new([STREAM.as_bytes()], End::Never));
    body.frame().await.unwrap().unwrap();
    drop(body);
    is_the_stream(&meter.reading());
}

#[tokio::test]
async fn a_coded_body_passes_unread() {
    let response = Response::builder().header("content-type", EVENTS).header("content-encoding", "gzip");
    let (response, meter) =
        Meter::attach(response.body(Frames::new([STREAM.as_bytes()], End::None)).unwrap());
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), STREAM);
    let reading = meter.reading();
    assert_eq!(reading.ending, Some(Ending::Unreadable(Unreadable::Coding("gzip".into()))));
    assert!(reading.usage.is_none());

    let response = Response::builder().header("content-type", EVENTS).header("content-encoding", "identity");
    let (response, meter) =
        Meter::attach(response.body(Frames::new([STREAM.as_bytes()], End::None)).unwrap());
    response.into_body().collect().await.unwrap();
    is_the_stream(&meter.reading());
}

#[tokio::test]
async fn an_event_over_the_cap_hides_the_end_only_if_it_is_lost() {
    let huge = format!("event: x\ndata: {}\n\n", "y".repeat(claude_wire::sse::DEFAULT_EVENT_CAP));
    let frames = Frames::new([huge.as_bytes(), STREAM.as_bytes()], End::None);
    let (_, reading) = read(EVENTS, frames).await;
    assert_eq!(reading.ending, Some(Ending::Complete));
    let (_, reading) = read(EVENTS, Frames::new([huge.as_bytes()], End::None)).await;
    assert_eq!(reading.ending, Some(Ending::Unreadable(Unreadable::EventTooLarge)));
}

#[tokio::test]
async fn three_subscribers_one_scan() {
    let (left, right) = STREAM.as_bytes().split_at(700);
    let response = Response::builder().header("content-type", EVENTS);
    let response = response.body(Frames::new([left, right], End::None)).unwrap();
    // Three layers, each of which attaches.
    let (response, first) = Meter::attach(response);
    let (response, second) = Meter::attach(response);
    let (response, third) = Meter::attach(response);
    let (listeners, told): (Vec<_>, Vec<_>) = (0..3).map(|_| Listener::new()).unzip();
    let mut listeners = listeners.into_iter();
    first.subscribe(listeners.next().unwrap());
    second.subscribe(listeners.next().unwrap());

    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    // One that comes late hears first what is known.
    third.subscribe(listeners.next().unwrap());
    assert_eq!(told[2].lock().unwrap().changes[0].model.as_deref(), Some("claude-opus-5-5"));
    while body.frame().await.is_some() {}

    // The bytes were counted by the one scan that there was: three would have counted three times as many.
    assert_eq!(third.reading().bytes, STREAM.len() as u64);
    for told in told {
        let told = told.lock().unwrap();
        is_the_stream(told.changes.last().unwrap());
        assert_eq!(told.ends.len(), 1);
        is_the_stream(&told.ends[0]);
    }
}

#[tokio::test]
async fn a_subscriber_after_the_end_hears_all() {
    let (body, meter) = metered(EVENTS, Frames::new([STREAM.as_bytes()], End::None));
    body.collect().await.unwrap();
    let (listener, told) = Listener::new();
    meter.subscribe(listener);
    let told = told.lock().unwrap();
    is_the_stream(&told.changes[0]);
    is_the_stream(&told.ends[0]);
}

/// What has been read before the last event, for a caller that acts on it.
fn up_to_the_last_event() -> usize {
    STREAM.find("event: message_stop").unwrap()
}

#[test]
fn the_last_event_waits_for_the_subscribers() {
    let (most, last) = STREAM.as_bytes().split_at(up_to_the_last_event());
    let (mut body, meter) = metered(EVENTS, Frames::new([most, last], End::Never));
    let (listener, told, go) = Listener::waiting();
    meter.subscribe(listener);

    assert_ready!(task::spawn(body.frame()).poll()).unwrap().unwrap();
    {
        let mut frame = task::spawn(body.frame());
        assert_pending!(frame.poll());
        assert_eq!(told.lock().unwrap().ends.len(), 1);
        go.send(()).unwrap();
        assert!(frame.is_woken());
        let frame = assert_ready!(frame.poll()).unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), last);
    }
}

#[test]
fn the_frame_on_which_a_body_ends_waits_too() {
    let mut frames = Frames::new([MESSAGE.as_bytes()], End::None);
    frames.tells = true;
    let (mut body, meter) = metered("application/json", frames);
    let (listener, _, go) = Listener::waiting();
    meter.subscribe(listener);
    let mut frame = task::spawn(body.frame());
    assert_pending!(frame.poll());
    go.send(()).unwrap();
    assert!(frame.is_woken());
    assert_ready!(frame.poll()).unwrap().unwrap();
    drop(frame);
    assert!(body.is_end_stream());
}

/// Nobody could subscribe before the end here: the body has none of its own.
#[test]
fn a_body_without_a_byte_waits_too() {
    for content_type in ["application/json", EVENTS, "text/plain"] {
        let (mut body, meter) = metered(content_type, Full::new(Bytes::new()));
        let (listener, told, go) = Listener::waiting();
        assert!(body.is_end_stream());
        meter.subscribe(listener);
        assert!(!body.is_end_stream(), "whoever reads it must poll once more");
        let mut end = task::spawn(body.frame());
        assert_pending!(end.poll());
        assert_eq!(told.lock().unwrap().ends.len(), 1);
        go.send(()).unwrap();
        assert!(assert_ready!(end.poll()).is_none());
        drop(end);
        assert!(body.is_end_stream());
    }
}

#[test]
fn what_a_late_subscriber_asks_for_is_waited_for() {
    let response = Response::builder().header("content-type", EVENTS);
    let (response, _) = Meter::attach(response.body(Frames::new([STREAM.as_bytes()], End::None)).unwrap());
    let (response, meter) = Meter::attach(response);
    let mut body = response.into_body();
    // The one frame holds the whole message, as when a layer below held its head back.
    assert_ready!(task::spawn(body.frame()).poll()).unwrap().unwrap();
    let (listener, _, go) = Listener::waiting();
    meter.subscribe(listener);
    let mut end = task::spawn(body.frame());
    assert_pending!(end.poll());
    go.send(()).unwrap();
    assert!(assert_ready!(end.poll()).is_none());
}

#[test]
fn a_dropped_body_waits_for_nobody() {
    let (body, meter) = metered(EVENTS, Frames::new([STREAM.as_bytes()], End::None));
    let (listener, told, mut go) = Listener::waiting();
    meter.subscribe(listener);
    drop(body);
    assert_eq!(told.lock().unwrap().ends[0].ending, Some(Ending::Dropped));
    drop(meter);
    assert_ready!(task::spawn(go.closed()).poll());
}

#[tokio::test]
async fn a_subscriber_may_use_the_meter() {
    struct Curious(Meter);
    impl Subscriber for Curious {
        fn on_change(&mut self, reading: &Reading) {
            assert_eq!(self.0.reading().bytes, reading.bytes);
        }

        fn on_end(&mut self, _: &Reading) -> Option<EndFuture> {
            let (listener, _) = Listener::new();
            self.0.subscribe(listener);
            None
        }
    }
    let (body, meter) = metered(EVENTS, Frames::new([STREAM.as_bytes()], End::None));
    meter.subscribe(Curious(meter.clone()));
    body.collect().await.unwrap();
    is_the_stream(&meter.reading());
}

#[test]
fn detached_is_read_anew() {
    let response = Response::builder().header("content-type", "application/json");
    let (mut response, first) = Meter::attach(response.body(Full::new(Bytes::from(MESSAGE))).unwrap());
    assert!(Meter::find(response.extensions()).is_some());
    Meter::detach(response.extensions_mut()).unwrap();
    let (response, second) = Meter::attach(response);
    let mut body = response.into_body();
    assert_ready!(task::spawn(body.frame()).poll()).unwrap().unwrap();
    assert_eq!(first.reading().bytes, second.reading().bytes);
}

/// What comes after the stop passes unseen, and so does the end.
#[tokio::test]
async fn one_that_has_stopped_reads_no_further() {
    let (head, rest) = STREAM.split_at(STREAM.find("event: ping").unwrap());
    let (mut body, meter) = metered(EVENTS, Frames::new([head.as_bytes(), rest.as_bytes()], End::None));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), head);
    let before = meter.progress();
    assert_eq!((before.bytes, before.events), (head.len() as u64, 2));
    body.stop();
    assert_eq!(body.collect().await.unwrap().to_bytes(), rest);
    assert_eq!(meter.progress(), before);
    assert_eq!(meter.reading().ending, None);
}

#[test]
fn nothing_said_aloud() {
    let canary = "canary-prompt";
    let body = format!(r#"{{"error":{{"type":"invalid_request_error","message":"{canary}"}},"model":"m"}}"#);
    let (mut body, meter) = metered("application/json", Full::new(Bytes::from(body)));
    assert_ready!(task::spawn(body.frame()).poll()).unwrap().unwrap();
    assert_eq!(meter.reading().error.unwrap().message.as_deref(), Some(canary));
    assert!(!format!("{meter:?} {body:?} {:?}", meter.reading()).contains(canary));
}

/// A name is shown wherever one belongs, and nothing else is.
#[tokio::test]
async fn only_names_are_said() {
    let usage = r#"{"input_tokens":1,"service_tier":"WORD","inference_geo":"WORD","speed":"WORD","new":"WORD","fallback_credit":"WORD","iterations":[{"type":"WORD","model":"WORD","new":"WORD"}],"cache_creation":{"new":"WORD"},"output_tokens_details":{"new":"WORD"},"server_tool_use":{"new":"WORD"}}"#;
    let message = format!(r#""id":"WORD","model":"WORD","stop_reason":"WORD","usage":{usage}"#);
    let error = r#"{"type":"WORD","message":"secret","details":{"error_code":"WORD"}}"#;
    let answer = format!(r#"{{{message},"error":{error},"request_id":"WORD"}}"#);
    let result = format!(r#"{{"custom_id":"WORD","result":{{"type":"WORD","message":{{{message}}}}}}}"#);
    for (word, said) in [("a_name", "a_name"), ("a secret", "(not shown)"), ("sk-ant-secret", "(not shown)")]
    {
        let answer = answer.replace("WORD", word);
        let (_, reading) = read("application/json", Frames::new([answer.as_bytes()], End::None)).await;
        let result = result.replace("WORD", word);
        let (body, meter) = metered("application/x-jsonl", Frames::new([result.as_bytes()], End::None));
        let (listener, told) = Listener::new();
        meter.subscribe(listener);
        body.collect().await.unwrap();
        let item = told.lock().unwrap().items.remove(0);
        let ending = Ending::Unreadable(Unreadable::Coding(word.into()));
        let expected = format!("{said:?}");
        for (shown, pretty, words) in [
            // Three of the message, three of the error, three of the usage, two of its iteration.
            (format!("{reading:?}"), format!("{reading:#?}"), 11),
            (format!("{item:?}"), format!("{item:#?}"), 10),
            (format!("{ending:?}"), format!("{ending:#?}"), 1),
        ] {
            assert_eq!(shown.matches(&expected).count(), words, "{shown}");
            assert!(!shown.contains("secret") && !pretty.contains("secret"), "{pretty}");
        }
        assert!(format!("{reading:?}").contains("input_tokens: Some(1)"));
    }
}

proptest! {
    /// However a stream is cut, the reading is the same, and the bytes are.
    #[test]
    fn a_stream_in_any_pieces(cuts in proptest::collection::vec(0..STREAM.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.extend([0, STREAM.len()]);
        cuts.sort_unstable();
        let frames: Vec<_> = cuts.windows(2).map(|cut| &STREAM.as_bytes()[cut[0]..cut[1]]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (bytes, reading) = runtime.block_on(read(EVENTS, Frames::new(frames, End::None)));
        prop_assert_eq!(bytes, STREAM.as_bytes());
        is_the_stream(&reading);
    }

    /// No bytes make a meter fail, and all of them pass.
    #[test]
    fn any_bytes_pass(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..5),
        kind in prop::sample::select(vec![EVENTS, "application/json", "application/x-jsonl", "text/plain"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = Frames::new(frames.iter().map(Vec::as_slice), End::None);
        let (bytes, reading) = runtime.block_on(read(kind, body));
        prop_assert_eq!(bytes, frames.concat());
        prop_assert!(reading.ending.is_some());
    }
}
