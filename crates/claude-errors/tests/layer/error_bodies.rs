//! The bodies of error responses, over the typed layer: read if they can be, and left whole if they cannot.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use claude_errors::typed::ResponseBody;
use claude_errors::{
    Classification, DEFAULT_BODY_CAP, DEFAULT_BODY_TIMEOUT, Error, ErrorKind, ErrorLayer, Retry, Typed,
};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::support::{
    Answer, EVENTS, Ear, JSON, MESSAGES, OVERLOADED, Probe, READERS, Reader, START, Script, Step, answer,
    data, error, post, read, trailers,
};

type Result<T> = std::result::Result<T, Error>;

async fn call(
    layer: ErrorLayer<Typed>,
    response: Response<Script>,
) -> (Result<Response<ResponseBody<Script>>>, Ear) {
    let ear = Ear::default();
    let mut response = Some(response);
    let probe = Probe::new(move |_: Request<Body>| -> Answer { Ok(response.take().unwrap()) });
    (layer.with_reporter(ear.clone()).layer(probe).oneshot(post(MESSAGES)).await, ear)
}

fn overloaded(script: Script) -> Response<Script> {
    answer(529, JSON, script)
}

/// One that is always ready, and never has anything, keeps no other task out.
#[test]
fn empty_frames_without_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let endless = Script::new(vec![data(""); 1_000_000]);
        let layer = ErrorLayer::typed().with_body_timeout(Duration::ZERO);
        let (result, ear) = call(layer, overloaded(endless)).await;
        assert_eq!((result.unwrap().status().as_u16(), ear.codes()), (529, vec!["OVERLOADED"]));
    });
}

/// An error with all that came.
async fn is_read(layer: ErrorLayer<Typed>, response: Response<Script>, text: &str) -> Error {
    let (headers, status) = (response.headers().clone(), response.status());
    let (result, ear) = call(layer, response).await;
    let error = error(result);
    let back = error.response().unwrap();
    assert_eq!((back.status(), back.headers(), &back.body()[..]), (status, &headers, text.as_bytes()));
    assert_eq!(ear.codes(), [error.code()]);
    let heard = &ear.heard()[0];
    assert_eq!((&heard.judged, heard.mid_stream), (error.classification(), false));
    error
}

/// An answer as it came, with what its head says.
async fn is_left(
    layer: ErrorLayer<Typed>,
    response: Response<Script>,
    code: &str,
) -> Response<ResponseBody<Script>> {
    let headers = response.headers().clone();
    let (result, ear) = call(layer, response).await;
    let response = result.unwrap();
    assert_eq!(response.headers(), &headers);
    let judged = response.extensions().get::<Classification>().unwrap();
    assert_eq!((judged.code(), judged.error_type.as_deref()), (code, None));
    assert_eq!(ear.codes(), [code]);
    assert_eq!(&ear.heard()[0].judged, judged);
    assert!(!ear.heard()[0].mid_stream);
    response
}

#[tokio::test(start_paused = true)]
async fn in_every_form() {
    let (left, right) = OVERLOADED.split_at(20);
    for (steps, text) in [
        (vec![data(OVERLOADED)], OVERLOADED),
        (vec![data(left), Step::Wait, data(""), data(right)], OVERLOADED),
        (
            vec![
                Step::Sleep(Duration::from_secs(2)),
                data(left),
                Step::Sleep(Duration::from_secs(2)),
                data(right),
            ],
            OVERLOADED,
        ),
        (vec![], ""),
        (vec![data("")], ""),
        (vec![data("<html>")], "<html>"),
    ] {
        for script in [Script::new(steps.clone()), Script::new(steps.clone()).knowing()] {
            let error = is_read(ErrorLayer::typed(), overloaded(script), text).await;
            assert_eq!((error.kind(), error.is_mid_stream()), (ErrorKind::Overloaded, false));
            let said = (text == OVERLOADED).then_some("Overloaded");
            assert_eq!(error.api_message(), said);
            assert_eq!(error.request_id(), said.map(|_| "req_1"));
            assert!(std::error::Error::source(&error).is_none());
        }
    }
}

/// The body decides where the head leaves it open, whatever its content type.
#[tokio::test]
async fn the_body_is_heard() {
    let spent =
        r#"{"error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    for kind in [JSON, EVENTS, "text/html"] {
        let error = is_read(ErrorLayer::typed(), answer(429, kind, Script::new([data(spent)])), spent).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::SpendLimit, false));
    }
}

/// What came before it broke, and why it did.
#[tokio::test]
async fn cut() {
    let half = &OVERLOADED[..30];
    let error = is_read(ErrorLayer::typed(), overloaded(Script::new([data(half), Step::Fail])), half).await;
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "broken");
    // The length is that of what is there.
    let mut response = overloaded(Script::new([data(half), Step::Fail]));
    response.headers_mut().insert("content-length", OVERLOADED.len().into());
    let back = error_of(response).await.to_response();
    assert_eq!(back.headers()["content-length"], half.len().to_string());
    // And of one that did not break it is not touched.
    let mut response = overloaded(Script::new([data(half)]));
    response.headers_mut().insert("content-length", 1.into());
    assert_eq!(error_of(response).await.to_response().headers()["content-length"], "1");
}

async fn error_of(response: Response<Script>) -> Error {
    error(call(ErrorLayer::typed(), response).await.0)
}

#[tokio::test]
async fn at_the_cap_and_over_it() {
    let cap = OVERLOADED.len();
    let layer = || ErrorLayer::typed().with_body_cap(cap);
    for script in [
        Script::new([data(OVERLOADED)]),
        Script::new([data(OVERLOADED), data("")]),
        Script::new([data(&OVERLOADED[..10]), data(&OVERLOADED[10..])]),
    ] {
        is_read(layer(), overloaded(script), OVERLOADED).await;
    }
    let more = format!("{OVERLOADED} ");
    for reader in READERS {
        for (script, trailers_are_there) in [
            (Script::new([data(&more)]), false),
            (Script::new([data(&more)]).knowing(), false),
            (Script::new([data(OVERLOADED), data(" "), Step::Trailers]), true),
        ] {
            let response = is_left(layer(), overloaded(script), "OVERLOADED").await;
            assert!(!response.body().is_end_stream());
            let got = read(response.into_body(), reader).await;
            assert_eq!(got.text(), more);
            assert_eq!(got.trailers, trailers_are_there.then(trailers));
            assert!(got.error.is_none());
        }
    }
    // The default.
    let large = "x".repeat(DEFAULT_BODY_CAP);
    is_read(ErrorLayer::typed(), overloaded(Script::new([data(&large)])), &large).await;
    let larger = Script::new([data(&large), data("x")]);
    is_left(ErrorLayer::typed(), overloaded(larger), "OVERLOADED").await;
}

/// No more of an endless body is read than it takes to see that it is too long.
#[tokio::test]
async fn endless() {
    let layer = ErrorLayer::typed().with_body_cap(100);
    let steps = (0..1_000_000).map(|_| data("0123456789"));
    let response = is_left(layer, overloaded(Script::new(steps).knowing()), "OVERLOADED").await;
    assert_eq!(response.body().size_hint().exact(), Some(10_000_000));
}

fn since(begun: Instant) -> Duration {
    Instant::now().saturating_duration_since(begun)
}

#[tokio::test(start_paused = true)]
async fn too_slow() {
    let slow = || [data(&OVERLOADED[..10]), Step::Sleep(Duration::from_secs(60)), data(&OVERLOADED[10..])];
    let drip = || (0..100).flat_map(|_| [data("x"), Step::Sleep(Duration::from_secs(1))]);
    for reader in READERS {
        for (script, text) in [
            (Script::new(slow()), OVERLOADED.to_owned()),
            (Script::new(slow()).knowing(), OVERLOADED.to_owned()),
            (Script::new(drip()), "x".repeat(100)),
        ] {
            let begun = Instant::now();
            let response = is_left(ErrorLayer::typed(), overloaded(script), "OVERLOADED").await;
            assert_eq!(since(begun), DEFAULT_BODY_TIMEOUT);
            let got = read(response.into_body(), reader).await;
            assert_eq!((got.text(), got.error.is_none()), (text, true));
        }
    }
    let begun = Instant::now();
    let layer = ErrorLayer::typed().with_body_timeout(Duration::from_millis(10));
    is_left(layer, overloaded(Script::new([Step::Never])), "OVERLOADED").await;
    assert_eq!(since(begun), Duration::from_millis(10));
}

/// One that was too long or too slow, and then fails: the failure was reported, and that its answer broke off is one of the
/// reader's own.
#[tokio::test(start_paused = true)]
async fn left_and_then_cut() {
    let layer = ErrorLayer::typed().with_body_cap(3);
    let script = Script::new([data("12345"), Step::Fail]);
    let (result, ear) = call(layer, answer(500, JSON, script)).await;
    let got = read(result.unwrap().into_body(), Reader::Thorough).await;
    assert_eq!(got.text(), "12345");
    let error = got.error.unwrap();
    assert_eq!((error.kind(), error.is_mid_stream()), (ErrorKind::IncompleteResponse, true));
    assert_eq!(ear.codes(), ["SERVER_ERROR"], "once for each failure");
}

/// Bytes in memory have no place for trailers.
#[tokio::test]
async fn with_trailers() {
    for script in [
        Script::new([data(OVERLOADED), Step::Trailers]),
        Script::new([data(OVERLOADED), Step::Trailers]).knowing(),
    ] {
        let error = is_read(ErrorLayer::typed(), overloaded(script), OVERLOADED).await;
        assert_eq!(error.kind(), ErrorKind::Overloaded);
    }
}

/// Judged by its head, and whole.
#[tokio::test]
async fn coded() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let spent =
        r#"{"error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    gzip.write_all(spent.as_bytes()).unwrap();
    let gzip = Bytes::from(gzip.finish().unwrap());
    let mut response = answer(429, JSON, Script::new([Step::Data(gzip.clone())]));
    response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    let error = error_of(response).await;
    assert_eq!((error.kind(), error.api_message()), (ErrorKind::RateLimited, None));
    // Who cannot read that it is a spend limit does not take it for a rate limit either.
    assert_eq!(error.classification().retry, Retry::Once);
    let back = error.to_response();
    assert_eq!(
        (back.body(), &back.headers()["content-encoding"]),
        (&gzip, &"gzip".parse::<http::HeaderValue>().unwrap())
    );
}

/// A date needs a clock, and this layer has the one that it was given.
#[tokio::test]
async fn a_wall_clock_of_ones_own() {
    let clock = || std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_696_004_797);
    let with = |body: Script| {
        let mut response = answer(500, JSON, body);
        response.headers_mut().insert("retry-after", "Fri, 29 Sep 2023 16:26:57 GMT".parse().unwrap());
        response
    };
    let layer = || ErrorLayer::typed().with_wall_clock(clock);
    let read = error(call(layer(), with(Script::new([]))).await.0);
    assert_eq!(read.retry_after(), Some(Duration::from_secs(20)));
    let left = is_left(layer().with_body_cap(1), with(Script::new([data("ab")])), "SERVER_ERROR").await;
    let judged = left.extensions().get::<Classification>().unwrap();
    assert_eq!(judged.retry_after, Some(Duration::from_secs(20)));
    // By the system's, that date is long past.
    let read = error(call(ErrorLayer::typed(), with(Script::new([]))).await.0);
    assert_eq!(read.retry_after(), None);
}

/// An error response that is a stream is none of an answer.
#[tokio::test]
async fn a_stream_of_an_error() {
    let error = is_read(ErrorLayer::typed(), answer(500, EVENTS, Script::new([data(START)])), START).await;
    assert_eq!(error.kind(), ErrorKind::Server);
}

/// What was boxed on the way is boxed, and errors of other types are taken too.
#[tokio::test]
async fn any_body_and_any_error() {
    let service = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, std::io::Error>(Response::builder().status(404).body(Body::from("gone")).unwrap())
    });
    let error = error(ErrorLayer::typed().layer(service).oneshot(post(MESSAGES)).await);
    let boxed: BoxError = error.into();
    assert_eq!(Error::find(&*boxed).unwrap().kind(), ErrorKind::NotFound);
}

/// An error whose body failed with another of ours is the outer one, wherever it is looked for.
#[tokio::test]
async fn an_error_in_the_body_of_an_error() {
    let inner = || {
        let response = Response::builder().status(404).body(Bytes::new()).unwrap();
        Error::from_response(response, std::time::SystemTime::UNIX_EPOCH).unwrap()
    };
    let service = tower::service_fn(|_: Request<Body>| async {
        let frames = futures_util::stream::iter([Err::<http_body::Frame<Bytes>, _>(inner())]);
        let body = http_body_util::StreamBody::new(frames);
        Ok::<_, BoxError>(Response::builder().status(500).body(body).unwrap())
    });
    let outer = error(ErrorLayer::typed().layer(service).oneshot(post(MESSAGES)).await);
    assert_eq!(outer.kind(), ErrorKind::Server);
    assert_eq!(Error::find(std::error::Error::source(&outer).unwrap()).unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(Error::find(&outer).unwrap().kind(), ErrorKind::Server);
}
