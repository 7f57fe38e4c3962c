//! The observing layer: every failure is reported once, with what its body says, and nothing else is.

use std::time::Duration;

use bytes::Bytes;
use claude_errors::observe::ResponseBody;
use claude_errors::{Classification, ErrorKind, ErrorLayer, Retry};
use claude_wire::facts::Endpoint;
use claude_wire::meter::Meter;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{
    Answer, ERROR, EVENTS, Ear, Heard, JSON, MESSAGE, MESSAGES, OVERLOADED, Probe, READERS, Reader, START,
    STOP, Script, Step, answer, data, finish, post, read,
};

fn call(request: Request<Body>, response: Response<Script>) -> (Response<ResponseBody<Script>>, Ear) {
    let ear = Ear::default();
    let mut response = Some(response);
    let probe = Probe::new(move |_: Request<Body>| -> Answer { Ok(response.take().unwrap()) });
    let service = ErrorLayer::observe().with_reporter(ear.clone()).layer(probe);
    (finish(service.oneshot(request)).unwrap(), ear)
}

fn heard(path: &str, response: Response<Script>, reader: Reader) -> Vec<Heard> {
    let (response, ear) = call(post(path), response);
    drop(finish(read(response.into_body(), reader)));
    ear.heard()
}

#[test]
fn error_responses() {
    let spent =
        r#"{"error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    for reader in READERS {
        for (status, kind, text, code) in [
            (529, JSON, OVERLOADED, "OVERLOADED"),
            (529, JSON, "", "OVERLOADED"),
            (404, "text/html", "<html>", "NOT_FOUND"),
            (429, JSON, "", "RATE_LIMIT"),
            (429, JSON, spent, "SPEND_LIMIT"),
            // What is not of the form that its content type promises is judged by its head.
            (429, JSON, "<html>", "RATE_LIMIT"),
            // Gateways give JSON other types, or none.
            (429, "text/plain", spent, "SPEND_LIMIT"),
        ] {
            let steps = || (!text.is_empty()).then(|| data(text)).into_iter();
            for script in [
                Script::new(steps()),
                Script::new(steps()).knowing(),
                Script::new(steps().chain([Step::Wait, Step::Trailers])),
                Script::new(steps().chain([Step::Fail])),
            ] {
                let shown = format!("{status} {script:?}");
                let heard = heard(MESSAGES, answer(status, kind, script), reader);
                assert_eq!(heard.len(), 1, "{shown}");
                assert_eq!((heard[0].code, heard[0].mid_stream), (code, false), "{shown}");
                assert_eq!(heard[0].judged.status.unwrap(), status);
                let error_type = heard[0].judged.error_type.as_deref();
                assert_eq!(error_type.is_some(), text.starts_with('{'), "{shown}");
            }
        }
    }
}

/// The head alone, for whoever acts before the body is there.
#[test]
fn the_head_is_judged_at_once() {
    let mut response = answer(429, JSON, Script::new([data(OVERLOADED)]));
    response.headers_mut().insert("retry-after", "12".parse().unwrap());
    response.headers_mut().insert("request-id", "req_7".parse().unwrap());
    let (response, ear) = call(post(MESSAGES), response);
    assert!(ear.heard().is_empty(), "not before its body has ended");
    let judged = response.extensions().get::<Classification>().unwrap();
    assert_eq!((judged.kind, judged.retry), (ErrorKind::RateLimited, Retry::Yes));
    assert_eq!(judged.retry_after, Some(Duration::from_secs(12)));
    assert_eq!(judged.request_id.as_deref(), Some("req_7"));
    let (good, _) = call(post(MESSAGES), answer(200, JSON, Script::new([])));
    assert!(good.extensions().get::<Classification>().is_none());
}

#[test]
fn a_wall_clock_of_ones_own() {
    let clock = || std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_696_004_797);
    let probe = Probe::new(|_: Request<Body>| -> Answer {
        let mut response = answer(500, JSON, Script::new([]));
        response.headers_mut().insert("retry-after", "Fri, 29 Sep 2023 16:26:57 GMT".parse().unwrap());
        Ok(response)
    });
    let ear = Ear::default();
    let layer = ErrorLayer::observe().with_wall_clock(clock).with_reporter(ear.clone());
    let response = finish(layer.layer(probe).oneshot(post(MESSAGES))).unwrap();
    let judged = response.extensions().get::<Classification>().unwrap();
    assert_eq!(judged.retry_after, Some(Duration::from_secs(20)));
    drop(response);
    assert_eq!(ear.heard()[0].judged.retry_after, Some(Duration::from_secs(20)));
}

#[test]
fn good_answers() {
    for reader in READERS {
        for (path, kind, steps) in [
            (MESSAGES, JSON, vec![data(MESSAGE)]),
            (MESSAGES, EVENTS, vec![data(START), Step::Wait, data(STOP)]),
            // What comes behind the end of a message changes nothing.
            (MESSAGES, EVENTS, vec![data(START), data(STOP), Step::Fail]),
            (MESSAGES, JSON, vec![]),
            (MESSAGES, JSON, vec![data("<html>")]),
            (MESSAGES, JSON, vec![data(OVERLOADED)]),
            ("/v1/complete", EVENTS, vec![data("event: completion\n")]),
            ("/v1/files", "application/octet-stream", vec![data("x")]),
        ] {
            let heard = heard(path, answer(200, kind, Script::new(steps.clone())), reader);
            assert!(heard.is_empty(), "{path} {steps:?} {heard:?}");
        }
    }
}

#[test]
fn answers_that_fail() {
    let both = format!("{START}{ERROR}");
    for reader in READERS {
        for (path, kind, steps, code) in [
            (MESSAGES, EVENTS, vec![data(&both)], "OVERLOADED"),
            (MESSAGES, EVENTS, vec![data(START), data(ERROR), data(START), Step::Fail], "OVERLOADED"),
            ("/v1/complete", EVENTS, vec![data(ERROR)], "OVERLOADED"),
            (MESSAGES, EVENTS, vec![data(START)], "INCOMPLETE_RESPONSE"),
            (MESSAGES, EVENTS, vec![], "INCOMPLETE_RESPONSE"),
            (MESSAGES, EVENTS, vec![data(START), Step::Fail], "INCOMPLETE_RESPONSE"),
            (MESSAGES, JSON, vec![data("{")], "INCOMPLETE_RESPONSE"),
            (MESSAGES, JSON, vec![Step::Fail], "INCOMPLETE_RESPONSE"),
            ("/v1/files", "application/octet-stream", vec![data("x"), Step::Fail], "INCOMPLETE_RESPONSE"),
        ] {
            for script in [Script::new(steps.clone()), Script::new(steps.clone()).knowing()] {
                let shown = format!("{path} {script:?}");
                let heard = heard(path, answer(200, kind, script), reader);
                assert_eq!(heard.len(), 1, "{shown}");
                assert_eq!((heard[0].code, heard[0].mid_stream), (code, true), "{shown}");
                assert!(heard[0].judged.maybe_executed && heard[0].judged.status.is_none(), "{shown}");
                assert_eq!(heard[0].endpoint, Endpoint::from_path(path));
            }
        }
    }
}

/// A meter from below is used; one whose body was over before is heard too.
#[tokio::test]
async fn a_meter_from_below() {
    for knows in [false, true] {
        for (status, text, code) in [
            (200, format!("{START}{ERROR}"), "OVERLOADED"),
            (200, String::new(), "INCOMPLETE_RESPONSE"),
            (500, String::new(), "SERVER_ERROR"),
        ] {
            let ear = Ear::default();
            let body = text.clone();
            let metered = service_fn(move |_: Request<Body>| {
                let steps = (!body.is_empty()).then(|| data(&body));
                let script = Script::new(steps);
                let script = if knows { script.knowing() } else { script };
                async move { Ok::<_, BoxError>(Meter::attach(answer(status, EVENTS, script)).0) }
            });
            let service = ErrorLayer::observe().with_reporter(ear.clone()).layer(metered);
            let response = service.oneshot(post(MESSAGES)).await.unwrap();
            let meter = Meter::find(response.extensions()).unwrap().clone();
            assert_eq!(read(response.into_body(), Reader::Thorough).await.text(), text);
            assert_eq!(meter.reading().bytes, text.len() as u64, "read once");
            assert_eq!(ear.codes(), [code], "{knows}");
        }
    }
}

/// Reporters or not, the bytes and their hints are those of the body.
#[test]
fn hints_pass() {
    let (response, _) = call(post(MESSAGES), answer(200, JSON, Script::new([data(MESSAGE)]).knowing()));
    assert_eq!(response.body().size_hint().exact(), Some(MESSAGE.len() as u64));
    assert!(!response.body().is_end_stream());
    let (response, _) = call(post(MESSAGES), answer(404, JSON, Script::new([]).knowing()));
    assert!(response.body().is_end_stream());
    assert_eq!(Bytes::new(), finish(read(response.into_body(), Reader::Trusting)).frames.concat());
}
