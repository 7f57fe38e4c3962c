//! What comes out is what went in, however it came.

use bytes::Bytes;
use claude_retry::{Reason, RetryLayer};
use http::Response;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{
    Answer, BLOCK, DELTA, ERROR, EVENTS, Got, JSON, MESSAGE, MESSAGE_DELTA, MESSAGES, OVERLOADED, PING,
    READERS, REDACTED, Reader, START, STOP, Script, Step, TOOL_RESULT, Upstream, answer, data, gave_up,
    layer, millis, post, read, seconds, send, stream,
};

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// The events of a stream, how they are written and cut, and how the body ends.
#[derive(Clone, Debug)]
struct Stream {
    events: Vec<&'static str>,
    line_end: &'static str,
    byte_order_mark: bool,
    /// So many bytes of the end are missing.
    missing: usize,
    cuts: Vec<usize>,
    between: Vec<Option<Step>>,
    end: Option<Step>,
    knows: bool,
}

fn pause() -> impl Strategy<Value = Option<Step>> {
    let pauses = vec![None, Some(Step::Wait), Some(data("")), Some(Step::Sleep(millis(20)))];
    select(pauses)
}

fn any_stream() -> impl Strategy<Value = Stream> {
    let quiet = select(vec![PING, START, BLOCK, ": comment\n\n", "event: new\ndata: {\"a\":\ndata: 1}\n\n"]);
    let loud = select(vec![DELTA, REDACTED, TOOL_RESULT, MESSAGE_DELTA, STOP, ERROR]);
    let events = vec(prop_oneof![3 => quiet, 1 => loud], 0..8);
    let line_ends = select(vec!["\n", "\r\n", "\r"]);
    let ends = select(vec![None, Some(Step::Trailers), Some(Step::Fail)]);
    let missing = prop_oneof![3 => Just(0), 1 => 1..60_usize];
    let cuts = (vec(0..1_000_usize, 0..20), vec(pause(), 21));
    (events, line_ends, any::<bool>(), missing, cuts, ends, any::<bool>()).prop_map(
        |(events, line_end, byte_order_mark, missing, (cuts, between), end, knows)| Stream {
            events,
            line_end,
            byte_order_mark,
            missing,
            cuts,
            between,
            end,
            knows,
        },
    )
}

impl Stream {
    fn bytes(&self) -> Vec<u8> {
        let mark = if self.byte_order_mark { "\u{feff}" } else { "" };
        let text = self.events.concat().replace('\n', self.line_end);
        let mut bytes = [mark, &text].concat().into_bytes();
        bytes.truncate(bytes.len().saturating_sub(self.missing));
        bytes
    }

    /// At any byte, so inside of characters and line ends too.
    fn script(&self) -> Script {
        let bytes = Bytes::from(self.bytes());
        let mut cuts: Vec<_> = self.cuts.iter().copied().filter(|cut| *cut < bytes.len()).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut steps = Vec::new();
        for (cut, pause) in cuts.windows(2).zip(&self.between) {
            steps.push(Step::Data(bytes.slice(cut[0]..cut[1])));
            steps.extend(pause.clone());
        }
        steps.extend(self.end.clone());
        Script::new(steps).knowing_if(self.knows)
    }

    /// Whether an `error` event, or the end, comes before any content.
    fn fails(&self) -> bool {
        let mut left = self.bytes().len().saturating_sub(if self.byte_order_mark { 3 } else { 0 });
        let (mut known, mut foreign) = (false, false);
        for event in &self.events {
            let mut length = event.replace('\n', self.line_end).len();
            // Behind the carriage return an event is whole.
            if self.line_end == "\r\n" {
                length -= 1;
            }
            if left < length {
                break;
            }
            left -= event.replace('\n', self.line_end).len().min(left);
            known |= [PING, START, BLOCK].contains(event);
            foreign |= event.starts_with("event: new");
            if *event == ERROR {
                return true;
            }
            if [DELTA, REDACTED, TOOL_RESULT, MESSAGE_DELTA, STOP].contains(event) {
                return false;
            }
        }
        // Of what is all in other terms nobody can say what is missing.
        !foreign || known || matches!(self.end, Some(Step::Fail))
    }
}

fn same(got: &Got, plain: &Got) {
    assert_eq!(got.full_frames(), plain.full_frames());
    assert_eq!(got.trailers, plain.trailers);
    assert_eq!((got.error.is_some(), got.is_broken()), (plain.error.is_some(), plain.is_broken()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// All that is in a stream comes out of it, in the same frames but for the empty ones; and whether it is repeated
    /// depends on its events alone.
    #[test]
    fn any_stream_in_any_pieces(any in any_stream(), trusting in any::<bool>()) {
        paused().block_on(async {
            let reader = if trusting { Reader::Trusting } else { Reader::Thorough };
            let again = any.clone();
            let upstream = Upstream::new(move |_| Ok(answer(200, EVENTS, again.script())));
            let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
            assert_eq!(upstream.calls(), if any.fails() { 4 } else { 1 });
            assert_eq!(gave_up(&response), any.fails().then_some((Reason::Attempts, 4)));
            let got = read(response.into_body(), reader).await;
            same(&got, &read(any.script(), reader).await);
            assert_eq!(got.bytes(), any.bytes());
        });
    }
}

/// Answers of all kinds, in any frames, sound or not.
#[derive(Clone, Debug)]
struct Any {
    path: &'static str,
    status: u16,
    kind: Option<&'static str>,
    coded: bool,
    steps: Vec<Step>,
    knows: bool,
}

fn any_answer() -> impl Strategy<Value = Any> {
    let texts = vec![START, STOP, ERROR, MESSAGE, OVERLOADED, "{", "event: mess", "data: x\n\n", ""];
    let step = prop_oneof![
        4 => select(texts).prop_map(data),
        1 => vec(any::<u8>(), 0..3_000).prop_map(data),
        2 => select(vec![Step::Wait, Step::Sleep(millis(900)), Step::Sleep(seconds(3))]),
    ];
    let paths = select(vec![MESSAGES, "/v1/complete", "/v1/models", "/v1/messages/count_tokens", "/"]);
    let statuses = prop_oneof![2 => Just(200_u16), 1 => Just(529), 1 => Just(429), 1 => 200..600_u16];
    let kinds = vec![Some(JSON), Some(EVENTS), Some("application/x-jsonl"), Some("text/html"), None];
    let ends = select(vec![None, Some(Step::Trailers), Some(Step::Fail)]);
    let coded = prop::bool::weighted(0.1);
    (paths, statuses, select(kinds), coded, vec(step, 0..6), ends, any::<bool>()).prop_map(
        |(path, status, kind, coded, mut steps, end, knows)| {
            steps.extend(end);
            Any { path, status, kind, coded, steps, knows }
        },
    )
}

impl Any {
    fn response(&self) -> Response<Script> {
        let mut response = Response::new(Script::new(self.steps.clone()).knowing_if(self.knows));
        *response.status_mut() = self.status.try_into().unwrap();
        let headers = response.headers_mut();
        if let Some(kind) = self.kind {
            headers.insert("content-type", kind.parse().unwrap());
        }
        if self.coded {
            headers.insert("content-encoding", "gzip".parse().unwrap());
        }
        headers.append("x-two", "one".parse().unwrap());
        headers.append("x-two", "two".parse().unwrap());
        response
    }
}

fn any_layer() -> impl Strategy<Value = RetryLayer> {
    let collect = select(vec![0, 10, 1_000_000]);
    let cap = select(vec![0, 10, 64 * 1024]);
    let retries = 0..2_u32;
    (collect, cap, retries).prop_map(|(collect, cap, retries)| {
        layer().with_collect(collect).with_error_body_cap(cap).with_max_retries(retries)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever it is, and whatever becomes of it: the head, all bytes, the trailers and the error of one answer.
    #[test]
    fn any_answer_of_any_kind(any in any_answer(), layer in any_layer(), trusting in any::<bool>()) {
        paused().block_on(async {
            let reader = if trusting { Reader::Trusting } else { Reader::Thorough };
            let again = any.clone();
            let upstream = Upstream::new(move |_| -> Answer { Ok(again.response()) });
            let response = send(&layer, &upstream, post(any.path)).await.unwrap();
            let plain = any.response();
            assert_eq!((response.status(), response.headers()), (plain.status(), plain.headers()));
            let is_read_ahead = any.status >= 400 || any.kind == Some(JSON) || any.kind == Some(EVENTS);
            let (got, plain) =
                (read(response.into_body(), reader).await, read(plain.into_body(), reader).await);
            assert_eq!(got.bytes(), plain.bytes());
            assert_eq!(got.trailers, plain.trailers);
            assert_eq!(got.error.is_some(), plain.error.is_some());
            if !is_read_ahead {
                assert_eq!(got.frames, plain.frames);
            }
        });
    }
}

/// Not one byte of a stream is copied: its frames are the very ones that came.
#[tokio::test(start_paused = true)]
async fn no_byte_of_a_held_stream_is_copied() {
    let large = format!(": {}\n\n", "x".repeat(5_000));
    let texts = [START, ":", "\n\n", PING, &large, BLOCK, &DELTA[..1], &DELTA[1..], STOP];
    let frames: Vec<_> = texts.map(|text| Bytes::copy_from_slice(text.as_bytes())).into();
    for reader in READERS {
        for ends in [vec![], vec![Step::Fail], vec![Step::Trailers]] {
            let steps = frames.iter().cloned().map(Step::Data).chain(ends);
            let upstream = Upstream::of([stream(steps)]);
            let response = send(&layer(), &upstream, post(MESSAGES)).await.unwrap();
            let got = read(response.into_body(), reader).await;
            let places = |frames: &[Bytes]| frames.iter().map(|f| (f.as_ptr(), f.len())).collect::<Vec<_>>();
            assert_eq!(places(&got.frames), places(&frames));
        }
    }
}
