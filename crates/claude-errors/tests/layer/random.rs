//! Any answers, in any frames, with and without the layer.

use bytes::Bytes;
use claude_errors::ErrorLayer;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use tower::{Layer, ServiceExt};

use crate::support::{
    Answer, ERROR, EVENTS, Ear, Got, JSON, MESSAGE, OVERLOADED, Probe, Reader, START, STOP, Script, Step,
    data, finish, post, read,
};

fn step() -> impl Strategy<Value = Step> {
    let texts = vec![START, STOP, ERROR, MESSAGE, OVERLOADED, "{", "event: mess", "data: x\n\n", ""];
    prop_oneof![
        4 => prop::sample::select(texts).prop_map(data),
        2 => vec(any::<u8>(), 0..30).prop_map(|bytes| Step::Data(Bytes::from(bytes))),
        2 => Just(Step::Wait),
    ]
}

#[derive(Clone, Debug)]
struct Any {
    path: &'static str,
    status: u16,
    kind: Option<&'static str>,
    steps: Vec<Step>,
    knows: bool,
}

fn any_answer() -> impl Strategy<Value = Any> {
    let ends = prop::sample::select(vec![None, Some(Step::Trailers), Some(Step::Fail)]);
    let paths = prop::sample::select(vec!["/v1/messages", "/v1/complete", "/v1/models", "/"]);
    let statuses = prop_oneof![Just(200_u16), Just(529), Just(429), 200..600_u16];
    let kinds = prop::sample::select(vec![
        Some(JSON),
        Some(EVENTS),
        Some("application/x-jsonl"),
        Some("text/html"),
        None,
    ]);
    (paths, statuses, kinds, vec(step(), 0..6), ends, any::<bool>()).prop_map(
        |(path, status, kind, mut steps, end, knows)| {
            steps.extend(end);
            Any { path, status, kind, steps, knows }
        },
    )
}

impl Any {
    fn response(&self) -> Response<Script> {
        let script = Script::new(self.steps.clone());
        let mut response = Response::new(if self.knows { script.knowing() } else { script });
        *response.status_mut() = self.status.try_into().unwrap();
        if let Some(kind) = self.kind {
            response.headers_mut().insert("content-type", kind.parse().unwrap());
        }
        response
    }

    fn probe(&self) -> Probe<impl FnMut(Request<Body>) -> Answer> {
        let any = self.clone();
        Probe::new(move |_: Request<Body>| -> Answer { Ok(any.response()) })
    }
}

fn same<E, F>(one: &Got<E>, other: &Got<F>) {
    assert_eq!(one.frames, other.frames);
    assert_eq!(one.trailers, other.trailers);
    assert_eq!(one.error.is_some(), other.error.is_some());
}

proptest! {
    /// Observed: the same bytes in the same frames, the same end, and one report at the most.
    #[test]
    fn observed_answers_are_the_same(any in any_answer(), trusting in any::<bool>()) {
        let reader = if trusting { Reader::Trusting } else { Reader::Thorough };
        let ear = Ear::default();
        let service = ErrorLayer::observe().with_reporter(ear.clone()).layer(any.probe());
        let response = finish(service.oneshot(post(any.path))).unwrap();
        let bare = any.response();
        prop_assert_eq!((response.status(), response.headers()), (bare.status(), bare.headers()));
        let (got, bare): (Got<BoxError>, Got<BoxError>) =
            (finish(read(response.into_body(), reader)), finish(read(bare.into_body(), reader)));
        same(&got, &bare);
        let reports = ear.heard().len();
        prop_assert!(reports <= 1);
        if any.status >= 400 {
            prop_assert_eq!(reports, 1);
        }
    }

    /// Typed: an error response is an error that turns back into it; a good one has the same frames as far as they
    /// matter, and an error where the body has one.
    #[test]
    fn typed_answers_keep_their_bytes(any in any_answer(), trusting in any::<bool>()) {
        let reader = if trusting { Reader::Trusting } else { Reader::Thorough };
        let ear = Ear::default();
        let service = ErrorLayer::typed().with_reporter(ear.clone()).layer(any.probe());
        let bare = finish(read(any.response().into_body(), Reader::Thorough));
        // The clock that an error's body is read by belongs to a runtime.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        match runtime.block_on(service.oneshot(post(any.path))) {
            Ok(response) => {
                prop_assert!(any.status < 400);
                let got = finish(read(response.into_body(), reader));
                match (&got.error, &bare.error) {
                    (None, None) => same(&got, &bare),
                    // Only what comes behind a whole message may fail without an error.
                    (None, Some(_)) => prop_assert_eq!(&got.frames, &bare.frames),
                    (Some(_), _) => prop_assert!(bare.frames.starts_with(&got.frames)),
                }
                prop_assert_eq!(ear.heard().len(), usize::from(got.error.is_some()));
            }
            Err(error) => {
                prop_assert!(any.status >= 400);
                let back = error.response().unwrap();
                prop_assert_eq!(&back.body()[..], bare.frames.concat());
                let sent = any.response();
                prop_assert_eq!(back.headers(), sent.headers());
                prop_assert_eq!(ear.heard().len(), 1);
            }
        }
    }
}
