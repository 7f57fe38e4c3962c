//! Over the simulator: every kind of answer passes as it is, and every fault of a stream gives what it should.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use claude_retry::{GaveUp, Hold, MaybeExecuted, Reason, ResponseBody, RetryLayer};
use claude_sim::{DEFAULT_KEY, NamedReply, Reply, SimBody, Simulator};
use claude_wire::call::Call;
use claude_wire::{Body, BoxError};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::support::{Got, call_of, history, layer, millis, post, read_all, seconds};

fn request(fields: &Value) -> Request<Body> {
    let mut body = json!({
        "model": "claude-opus-5-5",
        "max_tokens": 4_096,
        "messages": [{"role": "user", "content": "One, “zwei”, три, 四, 🦀. Say it again, and at some length, please."}],
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mut request = post("/v1/messages");
    *request.body_mut() = Body::from(body.to_string());
    let headers = request.headers_mut();
    headers.insert("x-api-key", DEFAULT_KEY.parse().unwrap());
    headers.insert("anthropic-version", "2026-10-21".parse().unwrap());
    headers.insert("content-type", "application/json".parse().unwrap());
    request
}

fn named(kind: &NamedReply, stream: bool) -> Request<Body> {
    let mut fields = kind.fields.clone();
    fields["stream"] = json!(stream);
    let mut request = request(&fields);
    request.headers_mut().insert("x-sim-reply", kind.name.parse().unwrap());
    for beta in kind.betas {
        request.headers_mut().append("anthropic-beta", beta.parse().unwrap());
    }
    request
}

/// All that came of a response.
#[derive(Debug)]
struct Whole {
    status: StatusCode,
    headers: HeaderMap,
    frames: Vec<Bytes>,
    error: Option<String>,
}

impl Whole {
    fn new(status: StatusCode, headers: HeaderMap, got: Got) -> Self {
        Self { status, headers, error: got.error.map(|error| error.to_string()), frames: got.frames }
    }

    async fn of(response: Response<ResponseBody<SimBody>>) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self::new(status, headers, read_all(response).await)
    }

    /// As it comes without the layer.
    async fn plain(simulator: &Simulator, request: Request<Body>) -> Self {
        let response = simulator.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self::new(status, headers, read_all(response).await)
    }

    fn is_same_as(&self, other: &Self, shown: &str) {
        assert_eq!((self.status, &self.headers), (other.status, &other.headers), "{shown}");
        assert_eq!(self.frames.concat(), other.frames.concat(), "{shown}");
        assert_eq!(self.error, other.error, "{shown}");
    }
}

async fn send(
    layer: &RetryLayer,
    simulator: &Simulator,
    request: Request<Body>,
) -> Result<Response<ResponseBody<SimBody>>, BoxError> {
    layer.layer(simulator.clone()).oneshot(request).await
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_answer_passes_as_it_is() {
    let layers =
        [layer(), layer().with_hold(Hold::off()), layer().with_collect(1 << 20).with_timeout(seconds(9))];
    for kind in Reply::every_kind() {
        for stream in [true, false] {
            for cut in [None, NonZeroUsize::new(3), NonZeroUsize::new(1_000)] {
                let simulator = || {
                    let builder = Simulator::builder().with_seed(7).with_still_date();
                    cut.map_or(builder.clone(), |cut| builder.with_frame_bytes(cut)).build()
                };
                let plain = Whole::plain(&simulator(), named(&kind, stream)).await;
                assert_eq!((plain.status, &plain.error), (StatusCode::OK, &None));
                for (index, layer) in layers.iter().enumerate() {
                    let shown = format!("{} {stream} {cut:?} {index}", kind.name);
                    let upstream = simulator();
                    let request = named(&kind, stream);
                    let call = call_of(&request);
                    let got = Whole::of(send(layer, &upstream, request).await.unwrap()).await;
                    got.is_same_as(&plain, &shown);
                    if stream {
                        assert_eq!(got.frames, plain.frames, "{shown}");
                    }
                    assert_eq!(upstream.arrived(), 1, "{shown}");
                    assert_eq!(history(&call), [("ok", false, None)], "{shown}");
                }
            }
        }
    }
}

/// What the fault of a stream comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It is repeated: its code, and the wait.
    Again(&'static str, Duration),
    /// It is handed on as it is, with whatever is wrong with it.
    Passes,
    /// The same, and its head comes after this time.
    PassesAfter(Duration),
}

use Then::{Again, Passes, PassesAfter};

const OVERLOADED: Then = Again("OVERLOADED", seconds(1));
const CUT: Then = Again("INCOMPLETE_RESPONSE", millis(500));

const STREAM_FAULTS: [(&str, Then); 50] = [
    // Errors before content, however they are written.
    ("error-event=overloaded_error at-start", OVERLOADED),
    ("error-event=overloaded_error", OVERLOADED),
    ("error-event=overloaded_error no-request-id", OVERLOADED),
    ("error-event=overloaded_error, line-ends=crlf", OVERLOADED),
    ("error-event=overloaded_error, line-ends=cr, cut-randomly", OVERLOADED),
    ("error-event=overloaded_error at-start, noise", OVERLOADED),
    ("error-event=overloaded_error, noise, cut-randomly", OVERLOADED),
    ("error-event=overloaded_error, drip=64/10ms", OVERLOADED),
    ("error-event=overloaded_error, stall-first-event=4s", OVERLOADED),
    ("error-event=overloaded_error, stall-first-event=4s pings=1s", OVERLOADED),
    ("error-event=api_error", Again("SERVER_ERROR", millis(500))),
    ("error-event=rate_limit_error at-start", Again("RATE_LIMIT", millis(500))),
    ("error-event=timeout_error", Again("TIMEOUT", millis(500))),
    // No repeat helps against these.
    ("error-event=invalid_request_error", Passes),
    ("error-event=permission_error at-start", Passes),
    // Behind content.
    ("error-event=overloaded_error after=1", Passes),
    ("error-event=overloaded_error after=2", Passes),
    ("error-event=overloaded_error after=2, noise, cut-randomly, line-ends=crlf", Passes),
    ("error-event=overloaded_error after=1000", Passes),
    // Cut before content, and behind it.
    ("reset-after-headers", CUT),
    ("reset-mid-event=1", CUT),
    ("reset-mid-event=2", CUT),
    ("reset-mid-event=3, cut-randomly", CUT),
    ("reset-mid-event=2, line-ends=crlf, noise", CUT),
    ("reset-mid-event=6", Passes),
    ("reset-mid-event=1000", Passes),
    ("reset-mid-event=1000, cut-randomly", Passes),
    ("truncated-json=1", CUT),
    ("truncated-json=2", CUT),
    ("truncated-json=2, cut-randomly, line-ends=cr", CUT),
    ("truncated-json=6", Passes),
    ("truncated-json", Passes),
    ("no-message-stop", Passes),
    ("no-message-stop, noise, cut-randomly", Passes),
    // Slow ones, which are held no longer than 5 s, and not repeated after that.
    ("stall-first-event=4s", PassesAfter(seconds(4))),
    ("stall-first-event=4s pings=300ms", PassesAfter(seconds(4))),
    ("stall-first-event=30s", PassesAfter(seconds(5))),
    ("stall-first-event=30s pings=1s", PassesAfter(seconds(5))),
    ("stall-first-event=30s, error-event=overloaded_error", PassesAfter(seconds(5))),
    ("stall-first-event=30s pings=1s, reset-mid-event=1", PassesAfter(seconds(5))),
    ("stall-between-events=30s after=2, reset-mid-event=3", PassesAfter(seconds(5))),
    ("stall-between-events=600s after=6", PassesAfter(Duration::ZERO)),
    ("drip=1/100ms", PassesAfter(seconds(5))),
    ("drip=1/100ms, error-event=overloaded_error", PassesAfter(seconds(5))),
    // Odd, and sound.
    ("cut-randomly", PassesAfter(Duration::ZERO)),
    ("line-ends=crlf, cut-randomly", PassesAfter(Duration::ZERO)),
    ("line-ends=cr, cut-randomly", PassesAfter(Duration::ZERO)),
    ("noise, cut-randomly", PassesAfter(Duration::ZERO)),
    // Unreadable, so not held.
    ("gzip-unasked, error-event=overloaded_error", PassesAfter(Duration::ZERO)),
    ("gzip-unasked, stall-first-event=30s", PassesAfter(Duration::ZERO)),
];

/// One answer with this fault, and then good ones.
fn failing_once(seed: u64, fault: &str) -> Simulator {
    let simulator = Simulator::builder().with_seed(seed).with_still_date().build();
    simulator.fail_next(1, fault.parse().unwrap());
    simulator
}

async fn one_fault(layer: &RetryLayer, seed: u64, fault: &str, fields: &Value, then: Then) {
    let shown = format!("{fault} of seed {seed}");
    let plain = failing_once(seed, fault);
    let mut wanted = Whole::plain(&plain, request(fields)).await;
    if let Again(..) = then {
        wanted = Whole::plain(&plain, request(fields)).await;
    }
    let simulator = failing_once(seed, fault);
    let asked = request(fields);
    let call = call_of(&asked);
    let begun = Instant::now();
    let response = send(layer, &simulator, asked).await.unwrap();
    assert_eq!(GaveUp::of_response(response.extensions()), None, "{shown}");
    if let PassesAfter(time) = then {
        assert_eq!(Instant::now().saturating_duration_since(begun), time, "{shown}");
    }
    Whole::of(response).await.is_same_as(&wanted, &shown);
    let history = history(&call);
    match then {
        Again(code, wait) => {
            assert_eq!(history, [(code, true, Some(wait)), ("ok", false, None)], "{shown}");
        }
        Passes | PassesAfter(_) => assert_eq!(history.len(), 1, "{shown} {history:?}"),
    }
    assert_eq!(simulator.arrived(), history.len() as u64, "{shown}");
    assert_eq!(simulator.in_flight(), 0, "{shown}");
}

#[tokio::test(start_paused = true)]
async fn each_fault_of_a_stream_gives_what_it_should() {
    for (fault, then) in STREAM_FAULTS {
        for seed in 0..10 {
            one_fault(&layer(), seed, fault, &json!({"stream": true}), then).await;
        }
    }
}

/// With every kind of reply: whether it has failed before its first content does not depend on what content that is.
#[tokio::test(start_paused = true)]
async fn every_kind_of_stream_is_repeated_before_its_first_content() {
    for kind in Reply::every_kind() {
        for fault in [
            "error-event=overloaded_error at-start",
            "error-event=overloaded_error, noise",
            "reset-mid-event=1",
        ] {
            let plain = failing_once(3, fault);
            Whole::plain(&plain, named(&kind, true)).await;
            let wanted = Whole::plain(&plain, named(&kind, true)).await;
            let simulator = failing_once(3, fault);
            // Also where MCP servers may act twice.
            let layer = layer().with_maybe_executed(MaybeExecuted::RepeatAll);
            let got = Whole::of(send(&layer, &simulator, named(&kind, true)).await.unwrap()).await;
            got.is_same_as(&wanted, &format!("{} {fault}", kind.name));
            assert_eq!(simulator.arrived(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_fault_of_a_whole_answer_gives_what_it_should() {
    for (fault, then) in [
        ("reset-after-headers", CUT),
        ("reset-mid-event=1", CUT),
        ("reset-mid-event=1, cut-randomly", CUT),
        ("truncated-json", CUT),
        ("truncated-json, drip=16/10ms", CUT),
        ("no-message-stop", CUT),
        ("no-message-stop, cut-randomly", CUT),
        ("gzip-unasked, reset-mid-event=1", CUT),
        // It cannot be seen in a coding that half of it is missing.
        ("gzip-unasked, truncated-json", Passes),
        ("cut-randomly", PassesAfter(Duration::ZERO)),
        ("stall-first-event=30s", PassesAfter(seconds(30))),
        ("stall-between-events=30s after=1", PassesAfter(seconds(30))),
    ] {
        for seed in 0..10 {
            let layer = layer().with_collect(1 << 20);
            one_fault(&layer, seed, fault, &json!({"stream": false}), then).await;
        }
    }
}

/// Refused answers arrive as the simulator wrote them.
#[tokio::test(start_paused = true)]
async fn errors_by_status_arrive_as_they_are() {
    for (fault, reason) in [
        ("overloaded", Some(Reason::Attempts)),
        ("rate-limited=2", Some(Reason::Attempts)),
        ("rate-limited=3600", Some(Reason::LongWait)),
        ("internal", Some(Reason::Attempts)),
        ("internal body=html", Some(Reason::Attempts)),
        ("status=503 body=empty", Some(Reason::Attempts)),
        ("overloaded, cut-randomly", Some(Reason::Attempts)),
        ("overloaded, gzip-unasked", Some(Reason::Attempts)),
        ("overloaded should-retry=false", None),
        ("spend-cap", None),
        ("workspace-spend-limit", None),
        ("status=400", None),
        ("status=404, drip=16/100ms", None),
    ] {
        let attempts = if reason == Some(Reason::Attempts) { 2 } else { 1 };
        let simulator = || {
            let simulator = Simulator::builder().with_seed(7).with_still_date().build();
            simulator.fail_next(10, fault.parse().unwrap());
            simulator
        };
        let plain = simulator();
        let mut wanted = Whole::plain(&plain, request(&json!({"stream": true}))).await;
        for _ in 1..attempts {
            wanted = Whole::plain(&plain, request(&json!({"stream": true}))).await;
        }
        let simulator = simulator();
        let asked = request(&json!({"stream": true}));
        let call: Call = call_of(&asked);
        let response = send(&layer().with_max_retries(1), &simulator, asked).await.unwrap();
        let gave_up = GaveUp::of_response(response.extensions());
        assert_eq!(gave_up.map(|gave_up| gave_up.reason), reason, "{fault}");
        Whole::of(response).await.is_same_as(&wanted, fault);
        assert_eq!(
            (simulator.arrived(), call.attempts_begun()),
            (attempts, u32::try_from(attempts).unwrap())
        );
    }
}
