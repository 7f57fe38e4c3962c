//! What is reported is the same in both modes, however an answer ends, and carries the request id of its head.

use std::pin::Pin;
use std::time::Duration;

use claude_errors::{Error, ErrorLayer};
use claude_wire::body::{More, Replayed};
use claude_wire::call::{Attempt, Call, Outcome, Refusal, RefusalKind};
use claude_wire::meter::Meter;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{
    Answer, ERROR, EVENTS, Ear, JSON, MESSAGE, MESSAGES, OVERLOADED, Probe, Reader, START, STOP, Script,
    Step, answer, data, error, post, read,
};

/// Reads an answer to its end, whatever that is.
async fn end<S, B>(service: S, path: &str)
where
    S: Service<Request<Body>, Response = Response<B>>,
    B: HttpBody<Data = bytes::Bytes>,
{
    if let Ok(response) = service.oneshot(post(path)).await {
        drop(read(response.into_body(), Reader::Thorough).await);
    }
}

/// Code, whether perhaps executed, request id, and whether in the stream: in one mode and in the other.
type Told = (&'static str, bool, Option<String>, bool);

async fn told(path: &str, response: impl Fn() -> Response<Script> + Clone) -> [Vec<Told>; 2] {
    let ears = [Ear::default(), Ear::default()];
    let probe = || {
        let response = response.clone();
        Probe::new(move |_: Request<Body>| -> Answer { Ok(response()) })
    };
    end(ErrorLayer::typed().with_reporter(ears[0].clone()).layer(probe()), path).await;
    end(ErrorLayer::observe().with_reporter(ears[1].clone()).layer(probe()), path).await;
    ears.map(|ear| {
        let tell = |heard: crate::support::Heard| {
            let request_id = heard.judged.request_id.as_deref().map(str::to_owned);
            (heard.code, heard.judged.maybe_executed, request_id, heard.mid_stream)
        };
        ear.heard().into_iter().map(tell).collect()
    })
}

#[tokio::test]
async fn the_same_is_reported() {
    let spent = r#"{"type":"error","error":{"type":"billing_error"}}"#;
    for (path, status, kind, coded, steps, expected) in [
        (MESSAGES, 200, EVENTS, false, vec![data(START), data(STOP)], None),
        (MESSAGES, 200, EVENTS, false, vec![data(START), data(STOP), Step::Fail], None),
        (MESSAGES, 200, JSON, false, vec![data(MESSAGE), Step::Fail], None),
        (MESSAGES, 200, EVENTS, false, vec![data(START), Step::Fail], Some("INCOMPLETE_RESPONSE")),
        (MESSAGES, 200, EVENTS, false, vec![data(START)], Some("INCOMPLETE_RESPONSE")),
        (MESSAGES, 200, EVENTS, true, vec![data("\u{1f}"), Step::Fail], Some("INCOMPLETE_RESPONSE")),
        (MESSAGES, 200, EVENTS, true, vec![data("\u{1f}")], None),
        (MESSAGES, 200, EVENTS, false, vec![data("event: new\ndata: {}\n\n")], None),
        (
            MESSAGES,
            200,
            EVENTS,
            false,
            vec![data("event: new\ndata: {}\n\n"), Step::Fail],
            Some("INCOMPLETE_RESPONSE"),
        ),
        (MESSAGES, 200, JSON, false, vec![data("<html>"), Step::Fail], Some("INCOMPLETE_RESPONSE")),
        (MESSAGES, 200, JSON, false, vec![data("{")], Some("INCOMPLETE_RESPONSE")),
        ("/v1/files/file_1/content", 200, JSON, false, vec![data("{")], None),
        (
            "/v1/files/file_1/content",
            200,
            JSON,
            false,
            vec![data("{"), Step::Fail],
            Some("INCOMPLETE_RESPONSE"),
        ),
        ("/v1/complete", 200, EVENTS, false, vec![data("event: completion\n")], None),
        (MESSAGES, 503, JSON, false, vec![data(&OVERLOADED[..60]), Step::Fail], Some("SERVER_ERROR")),
        (MESSAGES, 503, JSON, false, vec![data(OVERLOADED)], Some("OVERLOADED")),
        (MESSAGES, 429, "text/plain", false, vec![data(spent)], Some("SPEND_LIMIT")),
        (MESSAGES, 529, JSON, true, vec![data("\u{1f}")], Some("OVERLOADED")),
    ] {
        let response = || {
            let mut response = answer(status, kind, Script::new(steps.clone()));
            response.headers_mut().insert("request-id", "req_77".parse().unwrap());
            if coded {
                response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            }
            response
        };
        let [typed, observed] = told(path, response).await;
        assert_eq!(typed, observed, "{path} {status} {kind} {steps:?}");
        assert_eq!(typed.first().map(|told| told.0), expected, "{path} {status} {kind} {steps:?}");
        assert!(typed.len() <= 1);
        assert!(typed.iter().all(|told| told.2.as_deref() == Some("req_77")), "{typed:?}");
    }
}

/// What a clock of a layer below says of a body.
#[tokio::test(start_paused = true)]
async fn a_clock_in_the_body() {
    let (typed, observed) = (Ear::default(), Ear::default());
    end(ErrorLayer::typed().with_reporter(typed.clone()).layer(slow()), MESSAGES).await;
    end(ErrorLayer::observe().with_reporter(observed.clone()).layer(slow()), MESSAGES).await;
    assert_eq!((typed.codes(), observed.codes()), (vec!["TIMEOUT"], vec!["TIMEOUT"]));
}

/// Answers with a body that is too slow for the clock around it.
fn slow() -> impl Service<Request<Body>, Response = Response<Body>, Error = BoxError> {
    service_fn(|_: Request<Body>| async {
        let pieces = futures_util::stream::once(async {
            let never = std::future::pending::<http_body::Frame<bytes::Bytes>>();
            tokio::time::timeout(Duration::from_secs(1), never).await
        });
        let response = Response::builder().header("content-type", EVENTS);
        Ok::<_, BoxError>(response.body(Body::stream(http_body_util::StreamBody::new(pieces))).unwrap())
    })
}

/// A layer below may hold the head of a stream back, and know its end before anybody has had the beginning.
#[tokio::test]
async fn all_bytes_come_before_the_error_that_was_read_ahead() {
    for text in [format!("{START}{ERROR}"), START.to_owned()] {
        for ahead in 1..4 {
            let body = text.clone();
            let holding = service_fn(move |_: Request<Body>| {
                let (one, other) = body.split_at(40);
                let response = answer(200, EVENTS, Script::new([data(one), data(other)]));
                async move {
                    let (head, body) = Meter::attach(response).0.into_parts();
                    let mut body = Replayed::new(Box::pin(body));
                    for _ in 0..ahead {
                        let more = std::future::poll_fn(|cx| Pin::new(&mut body).poll_more(cx)).await;
                        assert!(matches!(more, More::Data(_) | More::End));
                    }
                    Ok::<_, BoxError>(Response::from_parts(head, body))
                }
            });
            let service = ErrorLayer::typed().layer(holding);
            let response = service.oneshot(post(MESSAGES)).await.unwrap();
            let got = read(response.into_body(), Reader::Trusting).await;
            assert_eq!(got.text(), text, "{ahead}");
            assert!(got.error.is_some());
        }
    }
}

/// Makes attempts, and then refuses.
async fn refused(outcomes: &'static [Option<bool>]) -> Error {
    let service = service_fn(move |request: Request<Body>| async move {
        let call = request.extensions().get::<Call>().unwrap().clone();
        Attempt::find(request.extensions()).unwrap().claim();
        for outcome in outcomes {
            let attempt = call.begin_attempt();
            attempt.mark_sent();
            if let Some(perhaps) = outcome {
                let outcome = Outcome::new("done", Duration::ZERO);
                attempt.set_outcome(if *perhaps { outcome.perhaps_executed() } else { outcome });
            }
        }
        let refusal = Refusal::new(RefusalKind::DeadlineExceeded, "DEADLINE_EXCEEDED", "too late");
        Err::<Response<Body>, BoxError>(refusal.into())
    });
    error(ErrorLayer::typed().layer(service).oneshot(post(MESSAGES)).await)
}

/// A refusal sends nothing; what was sent before it stays sent.
#[tokio::test]
async fn a_refusal_after_attempts() {
    static MANY: [Option<bool>; 40] = {
        let mut outcomes = [Some(false); 40];
        outcomes[0] = Some(true);
        outcomes
    };
    assert!(!refused(&[]).await.maybe_executed());
    assert!(!refused(&[Some(false)]).await.maybe_executed());
    assert!(refused(&[Some(true)]).await.maybe_executed());
    assert!(refused(&[None]).await.maybe_executed(), "it is still on its way");
    assert!(refused(&MANY).await.maybe_executed(), "what is forgotten may have been executed");
}
