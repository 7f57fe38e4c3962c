//! With the layer that reports errors, in both of its modes, above and below.

use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, Mutex};

use claude_errors::report::Report;
use claude_errors::{Error, ErrorKind, ErrorLayer};
use claude_retry::{GaveUp, Hold, Reason, RetryError, RetryLayer};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

use crate::support::{
    Broken, DELTA, ERROR, EVENTS, Got, JSON, MESSAGE, MESSAGES, OVERLOADED, READERS, Reader, START, STOP,
    Script, Step, Upstream, answer, call_of, data, good, good_text, history, layer, millis, post, read,
    read_all, seconds, stream,
};

/// What was reported: the code, of how many attempts by then, and whether any may have been executed.
type Heard = (&'static str, u32, bool);

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Heard>>>);

impl Ear {
    fn heard(&self) -> Vec<Heard> {
        self.0.lock().unwrap().clone()
    }
}

impl claude_errors::Reporter for Ear {
    fn report(&self, report: &Report<'_>) {
        let judged = report.classification();
        self.0.lock().unwrap().push((report.code(), report.attempts(), judged.maybe_executed));
    }
}

fn timed_out() -> BoxError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// The typed error that a program gets over the retry: of the call, or at the end of its body.
async fn typed_over(layer: &RetryLayer, upstream: &Upstream, reader: Reader) -> (Option<Error>, Got, Ear) {
    let ear = Ear::default();
    let service = ErrorLayer::typed().with_reporter(ear.clone()).layer(layer.layer(upstream.clone()));
    match service.oneshot(post(MESSAGES)).await {
        Ok(response) => {
            let got = read(response.into_body(), reader).await;
            let error = got.error.as_ref().map(|error| error.downcast_ref::<Error>().unwrap().clone());
            (error, got, ear)
        }
        Err(error) => (Some(error), Got { frames: Vec::new(), trailers: None, error: None }, ear),
    }
}

fn always(answer: impl Fn() -> Response<Script> + Send + 'static) -> Upstream {
    Upstream::new(move |_| Ok(answer()))
}

#[tokio::test(start_paused = true)]
async fn a_program_hears_nothing_of_what_was_recovered() {
    for reader in READERS {
        for bad in [
            || stream([data(START), data(ERROR)]),
            || stream([data(START), Step::Fail]),
            || answer(529, JSON, Script::new([data(OVERLOADED)])),
            || answer(200, JSON, Script::new([data(&MESSAGE[..30])])),
        ] {
            let upstream = Upstream::of([bad(), bad(), good()]);
            let (error, got, ear) = typed_over(&layer().with_collect(10_000), &upstream, reader).await;
            assert!(error.is_none(), "{error:?}");
            assert_eq!((got.text(), ear.heard()), (good_text(), vec![]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_gets_one_error_when_all_attempts_have_failed() {
    for reader in READERS {
        for (upstream, kind, executed, text) in [
            (
                always(|| answer(529, JSON, Script::new([data(OVERLOADED)]))),
                ErrorKind::Overloaded,
                false,
                String::new(),
            ),
            (
                always(|| stream([data(START), data(ERROR)])),
                ErrorKind::Overloaded,
                true,
                [START, ERROR].concat(),
            ),
            (always(|| stream([data(START)])), ErrorKind::IncompleteResponse, true, START.to_owned()),
            (always(|| stream([])), ErrorKind::IncompleteResponse, true, String::new()),
            (
                always(|| answer(200, JSON, Script::new([data(&MESSAGE[..30])]))),
                ErrorKind::IncompleteResponse,
                true,
                MESSAGE[..30].to_owned(),
            ),
        ] {
            let (error, got, ear) = typed_over(&layer().with_collect(10_000), &upstream, reader).await;
            let error = error.expect("all failed");
            assert_eq!((error.kind(), error.maybe_executed(), got.text()), (kind, executed, text));
            assert_eq!(ear.heard(), [(error.code(), 4, executed)], "one report");
        }
    }
}

/// What the body failed with is the cause still, although it was met while the head was held.
#[tokio::test(start_paused = true)]
async fn what_a_stream_failed_with_is_known_above() {
    for reader in READERS {
        for steps in [
            vec![],
            vec![data(START)],
            vec![data(START), Step::Wait],
            vec![data(START), Step::Wait, data(START)],
        ] {
            for layer in [layer().with_max_retries(0), layer().with_hold(Hold::off())] {
                let again = steps.clone();
                let upstream = always(move || stream(again.iter().cloned().chain([Step::Fail])));
                let (error, _, _) = typed_over(&layer, &upstream, reader).await;
                let error = error.unwrap();
                assert_eq!(error.kind(), ErrorKind::IncompleteResponse);
                let source = error.source().expect("it is behind what was read ahead");
                assert!(source.is::<Broken>(), "{steps:?}");

                // The clock of a layer below.
                let again = steps.clone();
                let upstream =
                    always(move || stream(again.iter().cloned().chain([Step::FailWith(timed_out)])));
                let (error, _, _) = typed_over(&layer, &upstream, reader).await;
                assert_eq!(error.unwrap().kind(), ErrorKind::Timeout, "{steps:?}");
                let ear = Ear::default();
                let observed = ErrorLayer::observe().with_reporter(ear.clone()).layer(layer.layer(upstream));
                let response = observed.oneshot(post(MESSAGES)).await.unwrap();
                read(response.into_body(), reader).await;
                assert_eq!(ear.heard(), [("TIMEOUT", 1, true)], "{steps:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_a_timeout_above() {
    let layer = layer().with_timeout(seconds(10));
    for hold in [Hold::default(), Hold::default().with_time(seconds(60)), Hold::off()] {
        let upstream = always(|| stream([data(START), Step::Never]));
        let (error, _, ear) = typed_over(&layer.clone().with_hold(hold), &upstream, Reader::Thorough).await;
        let error = error.unwrap();
        assert_eq!((error.kind(), error.maybe_executed()), (ErrorKind::Timeout, true));
        let gave_up = GaveUp::find(&error).expect("in its chain");
        assert_eq!((gave_up.reason, gave_up.attempts), (Reason::Deadline, 1));
        assert_eq!(ear.heard(), [("TIMEOUT", 1, true)]);
    }
}

#[tokio::test(start_paused = true)]
async fn behind_content_the_error_is_of_the_one_attempt() {
    for (tail, kind) in [
        (vec![data(ERROR)], ErrorKind::Overloaded),
        (vec![], ErrorKind::IncompleteResponse),
        (vec![Step::Fail], ErrorKind::IncompleteResponse),
    ] {
        for reader in READERS {
            let bad = answer(529, JSON, Script::new([data(OVERLOADED)]));
            let upstream =
                Upstream::of([bad, stream([data(START), data(DELTA)].into_iter().chain(tail.clone()))]);
            let (error, got, ear) = typed_over(&layer(), &upstream, reader).await;
            let error = error.unwrap();
            assert_eq!((error.kind(), error.maybe_executed()), (kind, true));
            assert!(got.text().starts_with(&[START, DELTA].concat()));
            assert_eq!(ear.heard(), [(error.code(), 2, true)]);
        }
    }
}

/// An answer, what is reported of it, and whether it is repeated.
struct Case {
    steps: Vec<Step>,
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    again: bool,
}

fn cases() -> Vec<Case> {
    let case = |status, kind, steps, code, again| Case { steps, status, kind, code, again };
    let stream = |steps: &[Step], code, again| case(200, EVENTS, steps.to_vec(), code, again);
    let (overloaded, cut) = (Some("OVERLOADED"), Some("INCOMPLETE_RESPONSE"));
    vec![
        stream(&[data(START), data(DELTA), data(STOP)], None, false),
        stream(&[data(START), data(DELTA), data(ERROR)], overloaded, false),
        stream(&[data(START), data(DELTA), Step::Fail], cut, false),
        stream(&[data(START), data(ERROR)], overloaded, true),
        stream(&[data(START), data(ERROR), Step::Fail], overloaded, true),
        stream(&[data(START), Step::Wait, Step::Fail], cut, true),
        stream(&[data(START)], cut, true),
        stream(&[], cut, true),
        case(200, JSON, vec![data(MESSAGE)], None, false),
        case(200, JSON, vec![data(&MESSAGE[..30])], cut, true),
        case(529, JSON, vec![data(OVERLOADED)], overloaded, true),
        case(529, JSON, vec![data(&OVERLOADED[..30]), Step::Fail], overloaded, true),
        case(404, "text/html", vec![data("<html>")], Some("NOT_FOUND"), false),
    ]
}

#[tokio::test(start_paused = true)]
async fn observers_above_and_below_hear_of_the_call_and_of_each_attempt() {
    for Case { steps, status, kind, code, again } in cases() {
        for reader in READERS {
            let shown = format!("{steps:?} {status}");
            let (above, below) = (Ear::default(), Ear::default());
            let made = steps.clone();
            let upstream = always(move || answer(status, kind, Script::new(made.clone())));
            let observed = ErrorLayer::observe().with_reporter(below.clone()).layer(upstream.clone());
            let retry = layer().with_collect(10_000).layer(observed);
            let service = ErrorLayer::observe().with_reporter(above.clone()).layer(retry);
            let response = service.oneshot(post(MESSAGES)).await.unwrap();
            assert_eq!(response.status(), status);
            let got = read(response.into_body(), reader).await;
            let plain = read_all(answer(status, kind, Script::new(steps.clone()))).await;
            assert_eq!((got.bytes(), got.is_broken()), (plain.bytes(), plain.is_broken()), "{shown}");
            let attempts = if again { 4 } else { 1 };
            assert_eq!(upstream.calls(), attempts, "{shown}");
            let codes = |ear: &Ear| ear.heard().iter().map(|heard| heard.0).collect::<Vec<_>>();
            assert_eq!(codes(&above), code.into_iter().collect::<Vec<_>>(), "{shown}");
            assert_eq!(codes(&below), code.map_or(vec![], |code| vec![code; attempts]), "{shown}");
        }
    }
}

/// Errors that were typed on the way are judged as what they were made of.
#[tokio::test(start_paused = true)]
async fn over_typed_errors_the_same_is_repeated() {
    for Case { steps, status, kind, code, again } in cases() {
        for reader in READERS {
            let shown = format!("{steps:?} {status} {reader:?}");
            let made = steps.clone();
            let upstream = always(move || answer(status, kind, Script::new(made.clone())));
            let retry = layer().with_collect(10_000).layer(ErrorLayer::typed().layer(upstream.clone()));
            let request = post(MESSAGES);
            let call = call_of(&request);
            let result = retry.oneshot(request).await;
            assert_eq!(upstream.calls(), if again { 4 } else { 1 }, "{shown}");
            if again {
                assert_eq!(history(&call)[0].0, code.unwrap(), "{shown}");
                let wait = if code == Some("OVERLOADED") { seconds(1) } else { millis(500) };
                assert_eq!(history(&call)[0].2, Some(wait), "{shown}");
            }
            let error = match result {
                Ok(response) => {
                    let got = read(response.into_body(), reader).await;
                    let plain = read_all(answer(status, kind, Script::new(steps.clone()))).await;
                    assert_eq!(got.bytes(), plain.bytes(), "{shown}");
                    got.error
                }
                Err(error) => {
                    assert!(status >= 400);
                    assert_eq!(error.is::<RetryError>(), again, "{shown}");
                    Some(error)
                }
            };
            let error = error.map(|error| Error::find(&*error).expect("it was typed").code());
            assert_eq!(error, code, "{shown}");
        }
    }
}

/// The waits that a server asks for are in typed errors too.
#[tokio::test(start_paused = true)]
async fn over_typed_errors_a_server_is_heard() {
    let mut limited = answer(429, JSON, Script::new([]));
    limited.headers_mut().insert("retry-after", 7.into());
    let upstream = Upstream::of([limited, good()]);
    let retry = layer().layer(ErrorLayer::typed().layer(upstream.clone()));
    let response = retry.oneshot(post(MESSAGES)).await.unwrap();
    assert_eq!(read_all(response).await.text(), good_text());
    assert_eq!(upstream.times()[1], seconds(7));
}

/// The stack of both: nothing is said twice, nothing is lost, and it is a service like any other.
#[tokio::test(start_paused = true)]
async fn typed_above_and_below() {
    let upstream = always(|| stream([data(START), data(ERROR)]));
    let ear = Ear::default();
    let mut service = ErrorLayer::typed()
        .with_reporter(ear.clone())
        .layer(layer().layer(ErrorLayer::typed().layer(upstream.clone())));
    for call in 1..3 {
        let service: &mut _ = service.ready().await.unwrap();
        let response = Service::<Request<Body>>::call(service, post(MESSAGES)).await.unwrap();
        let got = read_all(response).await;
        assert_eq!(got.text(), [START, ERROR].concat());
        let error = got.error.unwrap();
        assert_eq!(error.downcast_ref::<Error>().unwrap().kind(), ErrorKind::Overloaded);
        assert_eq!((upstream.calls(), ear.heard().len()), (4 * call, call));
    }
}
