//! The same scripts through this layer and through `tower::retry` with a policy that says the same: where both have an
//! opinion, it is one.
//!
//! Where they differ, as the tests below show:
//!
//! | | tower | here |
//! | --- | --- | --- |
//! | the last failure | as it came | the same, and it says that it was given up, and why |
//! | the body of a failed answer | dropped unread, and its connection with it | read to its end before the wait |
//! | a stream that fails before its first content | passed on: its head was good | repeated |
//! | an attempt's marks, such as whether it was sent | one for all attempts, if any | one for each |
//! | a deadline | none | over the whole |
//! | chance in the waits | a policy's clones, so all calls, draw the same | every call draws its own |

use std::io::{self, ErrorKind};
use std::time::Duration;

use claude_retry::{Backoff, MaybeExecuted, RetryError, RetryLayer};
use claude_wire::call::{Attempt, CallId};
use claude_wire::{Body, BoxError};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::{Instant, Sleep, sleep};
use tower::retry::backoff::{Backoff as _, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::{Policy, RetryLayer as TowerLayer};
use tower::util::rng::HasherRng;
use tower::{Layer, Service, ServiceExt};

use crate::support::{
    Client, Deed, Ready, Script, Step, Strange, error, gave_up, io, millis, ok, plain, post, secs, status,
};

const WAIT: Duration = Duration::from_millis(100);
const RETRIES: u32 = 3;

fn ours() -> RetryLayer {
    let constant = Backoff::new(WAIT, WAIT).unwrap().with_jitter(0.0).unwrap();
    plain()
        .with_max_retries(RETRIES)
        .with_backoff(constant.with_overload_floor(Duration::ZERO))
        .with_maybe_executed(MaybeExecuted::RepeatAll)
}

/// What somebody would write who knew the same of the API.
#[derive(Clone)]
struct Equivalent {
    left: u32,
}

impl Policy<Request<Body>, Response<Script>, BoxError> for Equivalent {
    type Future = Sleep;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<Script>, BoxError>,
    ) -> Option<Sleep> {
        let again = match result {
            Ok(response) => match response.headers().get("x-should-retry").map(http::HeaderValue::as_bytes) {
                Some(b"true") => response.status().as_u16() >= 400,
                Some(b"false") => false,
                _ => matches!(response.status().as_u16(), 408 | 409 | 429 | 500..),
            },
            Err(error) => {
                error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() != ErrorKind::Other)
            }
        };
        if !again || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(sleep(WAIT))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut clone = Request::new(request.body().try_clone()?);
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.version_mut() = request.version();
        *clone.headers_mut() = request.headers().clone();
        *clone.extensions_mut() = request.extensions().clone();
        Some(clone)
    }
}

fn towers() -> TowerLayer<Equivalent> {
    TowerLayer::new(Equivalent { left: RETRIES })
}

/// What a caller sees of the end of a call.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Answer(StatusCode, Vec<(String, Vec<u8>)>, Vec<u8>),
    Io(ErrorKind),
    Strange,
}

impl End {
    async fn of<B>(result: Result<Response<B>, BoxError>) -> Self
    where
        B: http_body::Body<Data = bytes::Bytes, Error = BoxError>,
    {
        match result {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let headers = parts.headers.iter();
                let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
                let headers = headers.collect();
                Self::Answer(parts.status, headers, body.collect().await.unwrap().to_bytes().to_vec())
            }
            Err(error) if error.is::<Strange>() => Self::Strange,
            Err(error) => {
                let source = error.downcast_ref::<RetryError>().and_then(std::error::Error::source);
                let io = source.unwrap_or(&*error).downcast_ref::<io::Error>();
                Self::Io(io.expect("there is no other").kind())
            }
        }
    }
}

/// Everything that can be seen of a call from above and from below.
type Run = (End, Vec<Duration>, Vec<Vec<u8>>, Duration);

async fn run<S, B>(service: S, client: &Client) -> Run
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    B: http_body::Body<Data = bytes::Bytes, Error = BoxError>,
{
    let begun = Instant::now();
    let end = End::of(service.oneshot(post()).await).await;
    let bodies = client.seen().into_iter().map(|seen| seen.body).collect();
    (end, client.waits(), bodies, Instant::now() - begun)
}

async fn both(client: impl Fn() -> Client) -> (Run, Run) {
    let (one, two) = (client(), client());
    (run(ours().layer(one.clone()), &one).await, run(towers().layer(two.clone()), &two).await)
}

/// A step of a script, as data.
#[derive(Clone, Copy, Debug)]
enum Does {
    Status(u16),
    Asks(u16, &'static str),
    Io(ErrorKind),
    Strange,
}

fn deed(does: Does, takes: u64) -> Deed {
    let deed = match does {
        Does::Status(code) => status(code).header("x-which", code.to_string()).saying(format!("{code}")),
        Does::Asks(code, word) => status(code).header("x-should-retry", word).saying(word),
        Does::Io(kind) => io(kind),
        Does::Strange => error(|| Strange),
    };
    deed.after(millis(takes))
}

fn does() -> impl Strategy<Value = Does> {
    let codes = [200, 204, 301, 400, 401, 404, 408, 409, 413, 429, 429, 500, 501, 502, 503, 504, 529, 529];
    let words = ["true", "false", "TRUE", ""];
    let kinds = [
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::TimedOut,
        ErrorKind::BrokenPipe,
        ErrorKind::Other,
    ];
    prop_oneof![
        6 => prop::sample::select(codes.to_vec()).prop_map(Does::Status),
        2 => (prop::sample::select(codes.to_vec()), prop::sample::select(words.to_vec()))
            .prop_map(|(code, word)| Does::Asks(code, word)),
        2 => prop::sample::select(kinds.to_vec()).prop_map(Does::Io),
        1 => Just(Does::Strange),
    ]
}

fn readiness() -> impl Strategy<Value = Ready> {
    prop_oneof![
        6 => Just(Ready::Now),
        2 => (1..500_u64).prop_map(|time| Ready::After(millis(time))),
        1 => Just(Ready::Broken),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// As many calls, at the same times, with the same bodies, and the same end at the same time.
    #[test]
    fn the_same_calls_and_the_same_end(
        script in prop::collection::vec((does(), 0..300_u64), 1..7),
        ready in prop::collection::vec(readiness(), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let client = || {
            let deeds = script.iter().map(|&(does, takes)| deed(does, takes));
            Client::new(deeds).ready_as(ready.iter().copied())
        };
        let (ours, towers) = runtime.block_on(both(client));
        prop_assert_eq!(ours, towers);
    }
}

/// A request that cannot be sent twice goes once, in both.
#[tokio::test(start_paused = true)]
async fn streamed_requests() {
    let request = || Request::post("/v1/messages").body(Body::stream(Body::from("{}"))).unwrap();
    let (one, two) = (Client::new([status(529), ok()]), Client::new([status(529), ok()]));
    assert_eq!(ours().layer(one.clone()).oneshot(request()).await.unwrap().status(), 529);
    assert_eq!(towers().layer(two.clone()).oneshot(request()).await.unwrap().status(), 529);
    assert_eq!((one.calls(), two.calls()), (1, 1));
}

// Where they differ.

#[tokio::test(start_paused = true)]
async fn the_last_failure_says_that_it_is() {
    let client = || Client::new([status(529)]);
    let response = ours().layer(client()).oneshot(post()).await.unwrap();
    assert!(gave_up(&response).is_some());
    let response = towers().layer(client()).oneshot(post()).await.unwrap();
    assert!(response.extensions().is_empty());
    let client = || Client::new([io(ErrorKind::ConnectionReset)]);
    assert!(ours().layer(client()).oneshot(post()).await.unwrap_err().is::<RetryError>());
    assert!(towers().layer(client()).oneshot(post()).await.unwrap_err().is::<io::Error>());
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_is_read_before_the_wait() {
    let slow = || {
        let body = [Step::Data("{".into()), Step::Sleep(secs(2)), Step::Data("}".into())];
        Client::new([status(500).streaming(body), ok()])
    };
    let (ours, towers) = both(slow).await;
    assert_eq!((ours.1, towers.1), (vec![secs(2) + WAIT], vec![WAIT]));
    assert_eq!(ours.0, towers.0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_stream_is_repeated() {
    let event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    let streams =
        || Client::new([status(200).header("content-type", "text/event-stream").saying(event), ok()]);
    let (ours, towers) = both(streams).await;
    assert_eq!((ours.2.len(), towers.2.len()), (2, 1));
}

/// Here each attempt has its own; a cloned request has its original's.
#[tokio::test(start_paused = true)]
async fn attempts_are_told_apart() {
    let request = || {
        let call = claude_wire::call::Call::new(CallId(1), || Instant::now().into_std());
        let mut request = post();
        call.begin_attempt().put_into(&mut request);
        request
    };
    let numbers = |client: &Client| {
        let seen = client.seen();
        seen.iter().map(|seen| Attempt::find(&seen.parts.extensions).unwrap().number()).collect::<Vec<_>>()
    };
    let client = Client::new([status(529), ok()]);
    drop(ours().layer(client.clone()).oneshot(request()).await.unwrap());
    assert_eq!(numbers(&client), [1, 2]);
    let client = Client::new([status(529), ok()]);
    drop(towers().layer(client.clone()).oneshot(request()).await.unwrap());
    assert_eq!(numbers(&client), [0, 0]);
}

/// That ours do not is in `jitter`.
#[tokio::test(start_paused = true)]
async fn clones_of_towers_backoff_wait_the_same() {
    let (least, most) = (millis(100), secs(10));
    let mut maker = ExponentialBackoffMaker::new(least, most, 0.5, HasherRng::default()).unwrap();
    let (mut one, mut two) = (maker.make_backoff(), maker.make_backoff());
    for _ in 0..5 {
        let begun = Instant::now();
        one.next_backoff().await;
        let first = Instant::now() - begun;
        two.next_backoff().await;
        assert_eq!(Instant::now() - begun, first * 2);
    }
}
