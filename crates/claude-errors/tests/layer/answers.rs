//! Answers that began well, over the typed layer: those that end well stay as they are, the others end in one error.

use std::future::poll_fn;

use bytes::Bytes;
use claude_errors::typed::ResponseBody;
use claude_errors::{Error, ErrorKind, ErrorLayer};
use claude_wire::body::{More, Replayed};
use claude_wire::facts::Endpoint;
use claude_wire::meter::{Ending, Meter};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::StreamBody;
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{
    Answer, Broken, ERROR, EVENTS, Ear, Got, JSON, MESSAGE, MESSAGES, OVERLOADED, Probe, READERS, Reader,
    START, STOP, Script, Step, answer, data, finish, post, read, trailers,
};

fn call(request: Request<Body>, response: Response<Script>) -> (Response<ResponseBody<Script>>, Ear) {
    let ear = Ear::default();
    let mut response = Some(response);
    let probe = Probe::new(move |_: Request<Body>| -> Answer { Ok(response.take().unwrap()) });
    let service = ErrorLayer::typed().with_reporter(ear.clone()).layer(probe);
    (finish(service.oneshot(request)).unwrap(), ear)
}

fn end(request: Request<Body>, response: Response<Script>, reader: Reader) -> (Got<Error>, Ear) {
    let (response, ear) = call(request, response);
    (finish(read(response.into_body(), reader)), ear)
}

/// The steps of a body, and how it ends well: by `None`, by trailers, and by saying so behind its last frame.
fn good_ends(steps: &[Step]) -> Vec<Script> {
    let steps = || steps.iter().cloned();
    vec![
        Script::new(steps()),
        Script::new(steps()).knowing(),
        Script::new(steps().chain([Step::Trailers])),
        Script::new(steps().chain([Step::Trailers])).knowing(),
        Script::new(steps().chain([Step::Wait])),
    ]
}

#[test]
fn good_answers_stay_as_they_are() {
    let stream: Vec<_> = [START, STOP].map(data).into();
    let in_pieces: Vec<_> = MESSAGE.split_inclusive(',').flat_map(|part| [data(part), Step::Wait]).collect();
    for reader in READERS {
        for (path, kind, steps) in [
            (MESSAGES, JSON, vec![data(MESSAGE)]),
            (MESSAGES, JSON, in_pieces.clone()),
            (MESSAGES, EVENTS, stream.clone()),
            (MESSAGES, EVENTS, vec![data(START), data(STOP), data(": more\n\n")]),
            // Whole, and not what its content type promises.
            (MESSAGES, JSON, vec![data("<html>")]),
            (MESSAGES, JSON, vec![data(OVERLOADED)]),
            (MESSAGES, "text/plain", vec![data("hello")]),
            (MESSAGES, JSON, vec![]),
            // A stream in other terms, whose end nobody here would know.
            (MESSAGES, EVENTS, vec![data("data: {\"choices\":[]}\n\n"), data("data: [DONE]\n\n")]),
            (MESSAGES, EVENTS, vec![data("event: comple"), data("tion\ndata: {}\n\n")]),
            // How others end is not known.
            ("/v1/complete", EVENTS, vec![data("event: completion\n")]),
            ("/v1/models", JSON, vec![data("{\"data\":")]),
            ("/v1/files", "application/octet-stream", vec![data("x"), data("y")]),
            ("/", "text/html", vec![]),
        ] {
            for script in good_ends(&steps) {
                let shown = format!("{path} {kind} {script:?} {reader:?}");
                let wanted: Vec<_> = steps
                    .iter()
                    .filter_map(|step| match step {
                        Step::Data(data) => Some(data.clone()),
                        _ => None,
                    })
                    .collect();
                let has_trailers = shown.contains("Trailers");
                let (got, ear) = end(post(path), answer(200, kind, script), reader);
                assert_eq!(got.frames, wanted, "{shown}");
                assert!(got.error.is_none(), "{shown} {:?}", got.error);
                assert_eq!(got.trailers, has_trailers.then(trailers), "{shown}");
                assert!(ear.heard().is_empty(), "{shown}");
            }
        }
    }
}

/// Every status that is no error's.
#[test]
fn heads_stay_as_they_are() {
    for status in [200, 201, 204, 304, 399] {
        let mut response = answer(status, JSON, Script::new([]).knowing());
        response.headers_mut().append("x-two", "one".parse().unwrap());
        response.headers_mut().append("x-two", "two".parse().unwrap());
        response.extensions_mut().insert(Broken);
        let headers = response.headers().clone();
        let (response, ear) = call(post(MESSAGES), response);
        assert_eq!((response.status().as_u16(), response.headers()), (status, &headers));
        assert_eq!(response.extensions().get(), Some(&Broken));
        assert!(ear.heard().is_empty());
    }
}

/// A refusal of the model is an answer.
#[test]
fn a_refusal_of_the_model_is_no_error() {
    let refusal = r#"{"id":"msg_1","type":"message","stop_reason":"refusal","content":[]}"#;
    let (got, ear) = end(post(MESSAGES), answer(200, JSON, Script::new([data(refusal)])), Reader::Thorough);
    assert!(got.error.is_none() && ear.heard().is_empty());
}

/// All bytes first, then one error, then nothing.
fn fails(path: &str, kind: &str, script: Script, text: &str, reader: Reader) -> Error {
    let shown = format!("{path} {kind} {script:?} {reader:?}");
    let (got, ear) = end(post(path), answer(200, kind, script), reader);
    assert_eq!(got.text(), text, "{shown}");
    let error = got.error.unwrap_or_else(|| panic!("{shown}"));
    let heard = ear.heard();
    assert_eq!(heard.len(), 1, "{shown}");
    assert_eq!(&heard[0].judged, error.classification());
    assert!(heard[0].mid_stream && error.is_mid_stream() && error.maybe_executed(), "{shown}");
    assert_eq!(
        heard[0].model.as_deref(),
        Some("claude-opus-5-5").filter(|_| heard[0].endpoint != Endpoint::Other)
    );
    error
}

#[test]
fn an_error_event() {
    let both = format!("{START}{ERROR}");
    for reader in READERS {
        for path in [MESSAGES, "/v1/complete", "/elsewhere"] {
            for script in [
                Script::new([data(START), data(ERROR)]),
                Script::new([data(START), data(ERROR)]).knowing(),
                Script::new([data(&both)]).knowing(),
                Script::new([data(START), data(&ERROR[..30]), Step::Wait, data(&ERROR[30..]), Step::Fail]),
                Script::new([data(START), data(ERROR), Step::Fail]),
                Script::new([data(START), data(ERROR), Step::Never]),
            ] {
                let error = fails(path, EVENTS, script, &both, reader);
                assert_eq!((error.kind(), error.code()), (ErrorKind::Overloaded, "OVERLOADED"));
                assert_eq!(error.api_message(), Some("Overloaded"));
                assert_eq!(error.request_id(), Some("req_9"));
                assert_eq!(error.status(), None);
            }
        }
    }
}

/// The stream is over at its `error` event: what comes behind it is nobody's.
#[test]
fn an_error_event_has_the_last_word() {
    for reader in READERS {
        let script = Script::new([data(START), data(ERROR), data(START), Step::Trailers]);
        let error = fails(MESSAGES, EVENTS, script, &format!("{START}{ERROR}"), reader);
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        // What shares its frame is passed on.
        let frame = format!("{START}{ERROR}event: ping\ndata: {{}}\n\n");
        let error = fails(MESSAGES, EVENTS, Script::new([data(&frame)]), &frame, reader);
        assert_eq!(error.kind(), ErrorKind::Overloaded);
    }
}

#[test]
fn answers_that_end_too_soon() {
    for reader in READERS {
        for (kind, text) in
            [(EVENTS, START), (EVENTS, "event: mess"), (EVENTS, ""), (JSON, &MESSAGE[..40]), (JSON, "{")]
        {
            let steps = || (!text.is_empty()).then(|| data(text)).into_iter();
            for script in good_ends(&steps().collect::<Vec<_>>()) {
                let error = fails(MESSAGES, kind, script, text, reader);
                assert_eq!(
                    (error.kind(), error.code()),
                    (ErrorKind::IncompleteResponse, "INCOMPLETE_RESPONSE")
                );
                assert!(error.is_retryable() && std::error::Error::source(&error).is_none());
            }
            // Not even half of an answer, and with an error of its own.
            for tail in [vec![Step::Fail], vec![Step::Wait, Step::Fail]] {
                let error = fails(MESSAGES, kind, Script::new(steps().chain(tail)), text, reader);
                assert_eq!(error.kind(), ErrorKind::IncompleteResponse);
                assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "broken");
            }
        }
    }
}

/// A body that fails is an error wherever it goes.
#[test]
fn bodies_that_fail() {
    for reader in READERS {
        for (path, kind) in
            [("/v1/files", "application/octet-stream"), ("/v1/complete", EVENTS), ("/v1/models", JSON)]
        {
            let script = Script::new([data("half"), Step::Wait, Step::Fail]);
            let (got, ear) = end(post(path), answer(200, kind, script), reader);
            assert_eq!(got.text(), "half");
            let error = got.error.unwrap();
            assert_eq!((error.kind(), error.is_mid_stream()), (ErrorKind::IncompleteResponse, true));
            assert_eq!(ear.codes(), ["INCOMPLETE_RESPONSE"]);
        }
    }
}

/// What fails behind a whole message has not failed.
#[test]
fn whole_messages_whose_bodies_fail() {
    for reader in READERS {
        for (kind, steps) in
            [(EVENTS, vec![data(START), data(STOP)]), (JSON, vec![data(MESSAGE), Step::Wait])]
        {
            let script = Script::new(steps.into_iter().chain([Step::Fail]));
            let (got, ear) = end(post(MESSAGES), answer(200, kind, script), reader);
            assert!(got.error.is_none(), "{:?}", got.error);
            assert!(!got.frames.is_empty() && ear.codes().is_empty());
        }
    }
}

/// A GET below `/v1/messages` is none of its answers.
#[test]
fn only_a_post_is_a_message() {
    let request = Request::get(MESSAGES).body(Body::empty()).unwrap();
    let (got, ear) = end(request, answer(200, JSON, Script::new([data("{")])), Reader::Thorough);
    assert!(got.error.is_none() && ear.heard().is_empty());
}

/// In a content coding the end cannot be seen, and the body's own is believed.
#[test]
fn coded_answers_pass() {
    for reader in READERS {
        let mut response = answer(200, EVENTS, Script::new([data("\u{1f}gzip")]));
        response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        let (got, ear) = end(post(MESSAGES), response, reader);
        assert!(got.error.is_none() && ear.heard().is_empty());
    }
}

/// A meter that is attached below is used, and not another one: behind its end, too.
#[tokio::test]
async fn a_meter_from_below() {
    for (text, kind) in [
        (format!("{START}{ERROR}"), ErrorKind::Overloaded),
        (START.to_owned(), ErrorKind::IncompleteResponse),
    ] {
        let ear = Ear::default();
        let body = text.clone();
        let metered = service_fn(move |_: Request<Body>| {
            let response = answer(200, EVENTS, Script::new([data(&body), Step::Wait]));
            async { Ok::<_, BoxError>(Meter::attach(response).0) }
        });
        let service = ErrorLayer::typed().with_reporter(ear.clone()).layer(metered);
        let response = service.oneshot(post(MESSAGES)).await.unwrap();
        let meter = Meter::find(response.extensions()).unwrap().clone();
        let got = read(response.into_body(), Reader::Thorough).await;
        assert_eq!((got.text(), got.error.unwrap().kind()), (text.clone(), kind));
        assert_eq!(meter.reading().bytes, text.len() as u64, "read once");
        assert_eq!(ear.codes().len(), 1);
    }
    // One whose answer was over before the layer saw it.
    let over = service_fn(|_: Request<Body>| async {
        let (response, meter) = Meter::attach(answer(200, EVENTS, Script::new([]).knowing()));
        assert_eq!(meter.reading().ending, Some(Ending::Cut));
        Ok::<_, BoxError>(response)
    });
    let body = ErrorLayer::typed().layer(over).oneshot(post(MESSAGES)).await.unwrap().into_body();
    assert!(!body.is_end_stream());
    let error = read(body, Reader::Trusting).await.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::IncompleteResponse);
}

/// A layer below may have met the end before those bytes are here, and why comes behind them.
#[tokio::test]
async fn why_an_answer_that_was_read_ahead_broke_off() {
    let half = |end: Option<Step>| Script::new([data(START)].into_iter().chain(end));
    for (script, source) in [
        (half(Some(Step::Fail)), Some("broken")),
        (half(None), None),
        (half(None).knowing(), None),
        (half(Some(Step::Trailers)), None),
    ] {
        let mut script = Some(script);
        let ahead = service_fn(move |_: Request<Body>| {
            let (response, _) = Meter::attach(answer(200, EVENTS, script.take().unwrap()));
            let mut response = response.map(|body| Box::pin(Replayed::new(body)));
            async {
                loop {
                    match poll_fn(|cx| response.body_mut().as_mut().poll_more(cx)).await {
                        More::Data(_) | More::Other => {}
                        More::End | More::Failed => return Ok::<_, BoxError>(response),
                    }
                }
            }
        });
        let response = ErrorLayer::typed().layer(ahead).oneshot(post(MESSAGES)).await.unwrap();
        let got = read(response.into_body(), Reader::Trusting).await;
        assert_eq!(got.text(), START);
        let error = got.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::IncompleteResponse);
        let caused_by = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(caused_by.as_deref(), source);
    }
}

/// A clock or a rule of a layer below says more than that the answer broke off; an error of ours has said all.
#[tokio::test]
async fn errors_of_bodies_that_are_known() {
    use claude_wire::call::{Refusal, RefusalKind};
    let not_found = || {
        let response = Response::builder().status(404).body(Bytes::new()).unwrap();
        Error::from_response(response, std::time::SystemTime::UNIX_EPOCH).unwrap()
    };
    let cases: Vec<(BoxError, ErrorKind, Option<&str>)> = vec![
        (Box::new(tower::timeout::error::Elapsed::new()), ErrorKind::Timeout, Some("timed out")),
        (
            Refusal::new(RefusalKind::DeadlineExceeded, "DEADLINE_EXCEEDED", "too late").into(),
            ErrorKind::Refused(RefusalKind::DeadlineExceeded),
            None,
        ),
        (
            std::io::Error::from(std::io::ErrorKind::ConnectionReset).into(),
            ErrorKind::IncompleteResponse,
            Some("connection reset"),
        ),
        (
            std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
            ErrorKind::IncompleteResponse,
            Some("connection refused"),
        ),
        (Broken.into(), ErrorKind::IncompleteResponse, None),
        (not_found().into(), ErrorKind::NotFound, None),
    ];
    for (failure, kind, cause) in cases {
        let is_typed = kind == ErrorKind::NotFound;
        let mut failure = Some(failure);
        let service = service_fn(move |_: Request<Body>| {
            let failure = failure.take().unwrap();
            let frames = [Ok(Frame::data(Bytes::from_static(b"{"))), Err(failure)];
            let body = StreamBody::new(futures_util::stream::iter(frames));
            async { Ok::<_, BoxError>(Response::new(body)) }
        });
        let response = ErrorLayer::typed().layer(service).oneshot(post(MESSAGES)).await.unwrap();
        let error = read(response.into_body(), Reader::Thorough).await.error.unwrap();
        assert_eq!((error.kind(), error.classification().cause), (kind, cause));
        assert_eq!((error.maybe_executed(), error.is_mid_stream()), (!is_typed, !is_typed));
    }
}

proptest! {
    /// However the frames are cut, all bytes come, and one error behind them.
    #[test]
    fn an_error_event_in_any_pieces(cuts in proptest::collection::vec(0..400_usize, 0..12), knows in any::<bool>()) {
        let text = format!("{START}{ERROR}");
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        for reader in READERS {
            let steps = cuts.windows(2).map(|cut| data(&text[cut[0]..cut[1]]));
            let script = Script::new(steps);
            let script = if knows { script.knowing() } else { script };
            let (got, ear) = end(post(MESSAGES), answer(200, EVENTS, script), reader);
            prop_assert_eq!(got.text(), text.clone());
            prop_assert_eq!(got.error.unwrap().kind(), ErrorKind::Overloaded);
            prop_assert_eq!(ear.codes(), ["OVERLOADED"]);
        }
    }
}
