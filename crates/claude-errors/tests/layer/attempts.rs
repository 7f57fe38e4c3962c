//! Layers below that make several attempts, and above: which of them an error is about.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use claude_errors::{ErrorKind, ErrorLayer};
use claude_wire::call::{Attempt, Call, CallId, Outcome, dispatch};
use claude_wire::{Body, BoxError};
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt};

use crate::support::{
    Answer, Ear, JSON, MESSAGES, Probe, Reader, START, Script, answer, data, error, post, read,
};

/// What an attempt comes to, and what the layer that made it writes down.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Refused: nothing was sent.
    Unsent,
    Reset,
    Status(u16),
    Cut,
}

/// How much the layer that makes the attempts knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writes {
    Nothing,
    /// What the status says.
    Outcomes,
}

/// Makes one attempt after the other, until there are no more.
#[derive(Clone)]
struct Attempts<S> {
    inner: S,
    number: usize,
    writes: Writes,
}

impl<S> Service<Request<Body>> for Attempts<S>
where
    S: Service<Request<Body>, Response = Response<Script>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (number, writes) = (self.number, self.writes);
        let call = request.extensions().get::<Call>().unwrap().clone();
        Attempt::find(request.extensions()).unwrap().claim();
        Box::pin(async move {
            let mut last = Err("no attempt".into());
            for _ in 0..number {
                let mut again = post(MESSAGES);
                again.extensions_mut().insert(call.clone());
                let attempt = call.begin_attempt();
                attempt.put_into(&mut again);
                last = dispatch(inner.ready().await?, again).await;
                if writes == Writes::Outcomes {
                    let status = last.as_ref().map_or(StatusCode::OK, Response::status);
                    let outcome = Outcome::new("done", Duration::ZERO);
                    let perhaps = status == 500 || (last.is_err() && attempt.is_sent());
                    attempt.set_outcome(if perhaps { outcome.perhaps_executed() } else { outcome });
                }
            }
            last
        })
    }
}

/// A client that claims the mark, and does these deeds one after the other.
fn client(deeds: &[Deed]) -> Probe<impl FnMut(Request<Body>) -> Answer + use<>> {
    let mut deeds: VecDeque<_> = deeds.iter().copied().collect();
    Probe::new(move |request: Request<Body>| -> Answer {
        let attempt = Attempt::find(request.extensions()).unwrap();
        attempt.claim();
        let deed = deeds.pop_front().unwrap();
        if !matches!(deed, Deed::Unsent) {
            attempt.mark_sent();
        }
        match deed {
            Deed::Unsent => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
            Deed::Reset => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            Deed::Status(status) => Ok(answer(status, JSON, Script::new([]))),
            Deed::Cut => Ok(answer(200, "text/event-stream", Script::new([data(START)]))),
        }
    })
}

/// The kind of the last attempt's failure, and whether any of them was perhaps executed: the same in both modes.
async fn over(deeds: &[Deed], writes: Writes, request: impl Fn() -> Request<Body>) -> (ErrorKind, bool) {
    let attempts = || Attempts { inner: client(deeds), number: deeds.len(), writes };
    let ear = Ear::default();
    let typed = ErrorLayer::typed().with_reporter(ear.clone()).layer(attempts());
    let error = match typed.oneshot(request()).await {
        Ok(response) => read(response.into_body(), Reader::Thorough).await.error.unwrap(),
        Err(error) => error,
    };
    let observed = ErrorLayer::observe().with_reporter(ear.clone()).layer(attempts());
    if let Ok(response) = observed.oneshot(request()).await {
        read(response.into_body(), Reader::Thorough).await;
    }
    let heard = ear.heard();
    assert_eq!(heard.len(), 2);
    for heard in heard {
        assert_eq!(heard.judged.kind, error.kind(), "{deeds:?}");
        assert_eq!(heard.judged.maybe_executed, error.maybe_executed(), "{deeds:?} {writes:?}");
        assert_eq!(heard.attempts as usize, deeds.len());
    }
    (error.kind(), error.maybe_executed())
}

#[tokio::test]
async fn earlier_attempts_count() {
    use Deed::{Cut, Reset, Status, Unsent};
    use ErrorKind::{Connection, ConnectionLost, IncompleteResponse, NotFound, Overloaded, Server};
    use Writes::{Nothing, Outcomes};
    for (deeds, writes, kind, maybe_executed) in [
        (&[Unsent][..], Nothing, Connection, false),
        (&[Unsent, Unsent, Unsent], Nothing, Connection, false),
        (&[Reset], Nothing, ConnectionLost, true),
        (&[Status(529)], Outcomes, Overloaded, false),
        // What the layer that made an attempt wrote counts.
        (&[Status(500), Unsent], Outcomes, Connection, true),
        (&[Status(500), Status(529)], Outcomes, Overloaded, true),
        (&[Status(500), Status(529), Unsent], Outcomes, Connection, true),
        (&[Status(529), Unsent], Outcomes, Connection, false),
        (&[Status(529), Status(429), Status(404)], Outcomes, NotFound, false),
        (&[Reset, Unsent], Outcomes, Connection, true),
        (&[Unsent, Reset], Outcomes, ConnectionLost, true),
        // Of an attempt of which nobody wrote, the mark.
        (&[Status(529), Unsent], Nothing, Connection, true),
        (&[Unsent, Status(529)], Nothing, Overloaded, false),
        (&[Unsent, Unsent, Status(404)], Nothing, NotFound, false),
        (&[Status(500)], Outcomes, Server, true),
        (&[Unsent, Cut], Outcomes, IncompleteResponse, true),
    ] {
        assert_eq!(
            over(deeds, writes, || post(MESSAGES)).await,
            (kind, maybe_executed),
            "{deeds:?} {writes:?}"
        );
    }
}

/// An error response whose body is not read says so in its extensions too.
#[tokio::test]
async fn of_a_response_that_is_left() {
    use claude_errors::Classification;
    let deeds = [Deed::Status(500), Deed::Status(529)];
    let attempts = || Attempts { inner: client(&deeds), number: 2, writes: Writes::Outcomes };
    let observed = ErrorLayer::observe().layer(attempts()).oneshot(post(MESSAGES)).await.unwrap();
    assert_eq!(observed.status(), 529);
    assert!(observed.extensions().get::<Classification>().unwrap().maybe_executed);
    let typed = ErrorLayer::typed().with_body_timeout(Duration::ZERO);
    let left = Attempts {
        inner: Probe::new({
            let mut number = 0;
            move |request: Request<Body>| -> Answer {
                Attempt::find(request.extensions()).unwrap().claim();
                number += 1;
                let status = if number == 1 { 500 } else { 529 };
                Ok(answer(status, JSON, Script::new([crate::support::Step::Never])))
            }
        }),
        number: 2,
        writes: Writes::Outcomes,
    };
    let left = typed.layer(left).oneshot(post(MESSAGES)).await.unwrap();
    assert!(left.extensions().get::<Classification>().unwrap().maybe_executed);
}

/// A request whose call had attempts before: those are not about it, whether it belongs to one of them or not.
#[tokio::test]
async fn attempts_made_above() {
    let clock = || tokio::time::Instant::now().into_std();
    let above = || {
        let call = Call::new(CallId(1), clock);
        call.begin_attempt().mark_sent();
        let mut request = post(MESSAGES);
        request.extensions_mut().insert(call.clone());
        (request, call)
    };
    for layer_makes_its_own in [false, true] {
        let request = || {
            let (mut request, call) = above();
            if layer_makes_its_own {
                call.begin_attempt().put_into(&mut request);
            }
            request
        };
        for (deed, kind, maybe_executed) in [
            (Deed::Unsent, ErrorKind::Connection, false),
            (Deed::Reset, ErrorKind::ConnectionLost, true),
            (Deed::Status(529), ErrorKind::Overloaded, false),
        ] {
            let ear = Ear::default();
            let typed = ErrorLayer::typed().with_reporter(ear.clone()).layer(client(&[deed]));
            let error = error(typed.oneshot(request()).await);
            assert_eq!((error.kind(), error.maybe_executed()), (kind, maybe_executed));
            assert_eq!(ear.heard()[0].attempts, 1 + u32::from(layer_makes_its_own));
        }
    }
}

/// Without a layer that makes attempts there is one, and it was sent if whoever claimed the mark says so.
#[tokio::test]
async fn the_mark_of_the_only_attempt() {
    let strange = |sent: bool| {
        Probe::new(move |request: Request<Body>| -> Answer {
            let attempt = Attempt::find(request.extensions()).unwrap();
            attempt.claim();
            if sent {
                attempt.mark_sent();
            }
            Err("strange".into())
        })
    };
    for sent in [false, true] {
        let error = error(ErrorLayer::typed().layer(strange(sent)).oneshot(post(MESSAGES)).await);
        assert_eq!((error.kind(), error.maybe_executed()), (ErrorKind::Unknown, sent));
    }
}

/// From the call's begin, by the call's own clock.
#[tokio::test(start_paused = true)]
async fn how_long_it_took() {
    let slow = tower::service_fn(|_: Request<Body>| async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        Err::<Response<Script>, BoxError>("strange".into())
    });
    let ear = Ear::default();
    let layer = ErrorLayer::typed().with_reporter(ear.clone());
    drop(error(layer.layer(slow).oneshot(post(MESSAGES)).await));
    assert_eq!(ear.heard()[0].duration, Duration::from_secs(7));
}

/// Every reporter hears, in order, and clones of the layer share them.
#[tokio::test]
async fn several_reporters() {
    let heard: Arc<std::sync::Mutex<Vec<&str>>> = Arc::default();
    let (one, two) = (Arc::clone(&heard), Arc::clone(&heard));
    let layer = ErrorLayer::typed()
        .with_reporter(move |_: &claude_errors::report::Report<'_>| one.lock().unwrap().push("one"))
        .with_reporter(move |_: &claude_errors::report::Report<'_>| two.lock().unwrap().push("two"));
    drop(error(layer.clone().layer(client(&[Deed::Unsent])).oneshot(post(MESSAGES)).await));
    drop(error(layer.layer(client(&[Deed::Unsent])).oneshot(post(MESSAGES)).await));
    assert_eq!(*heard.lock().unwrap(), ["one", "two", "one", "two"]);
}
