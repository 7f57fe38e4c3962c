//! The response future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use claude_wire::call::dispatch;
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tokio::time::sleep_until;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::clock::tokio_instant;
use crate::errand::{Errand, Verdict};
use crate::error::SecretsError;
use crate::metrics;
use crate::pool::{Choice, Taken};
use crate::reading::Reading;

/// Something that is waited for: a fetch, or a turn.
pub(crate) type Wait = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

pin_project! {
    /// The future of [`Secrets`](crate::Secrets). Dropping it drops the request or its wait; a fetch that others may wait for
    /// goes on, and a place in a slow start is free again.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<Body>>,
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        state: State<S::Future, B>,
        service: S,
        // None for a request that needs no key of ours.
        errand: Option<Errand>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B>
    where
        B: HttpBody<Data = Bytes>,
    {
        Refused { error: Option<SecretsError> },
        // For a key, before the request is sent.
        Waiting { wait: Wait, request: Option<Request<Body>> },
        Readying { request: Option<Request<Body>> },
        Calling { #[pin] future: F },
        Reading { answer: Option<Box<Reading<B>>> },
        // For another key, after the one was refused.
        Renewing { wait: Option<Wait>, answer: Option<Box<Reading<B>>> },
        Done,
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<Body>>,
    B: HttpBody<Data = Bytes>,
{
    pub(crate) const fn as_it_is(future: S::Future, service: S) -> Self {
        Self { state: State::Calling { future }, service, errand: None }
    }

    pub(crate) const fn refused(error: SecretsError, service: S) -> Self {
        Self { state: State::Refused { error: Some(error) }, service, errand: None }
    }

    pub(crate) const fn calling(future: S::Future, service: S, errand: Errand) -> Self {
        Self { state: State::Calling { future }, service, errand: Some(errand) }
    }

    pub(crate) fn waiting(choice: Choice, request: Request<Body>, service: S, mut errand: Errand) -> Self {
        let state = match wait(choice, &mut errand) {
            Ok(Next::Wait(wait)) => State::Waiting { wait, request: Some(request) },
            Ok(Next::Take(taken)) => {
                let mut request = request;
                errand.put_on(taken, request.headers_mut());
                State::Readying { request: Some(request) }
            }
            Err(error) => State::Refused { error: Some(error) },
        };
        Self { state, service, errand: Some(errand) }
    }
}

/// What a choice comes to.
enum Next {
    Take(Taken),
    Wait(Wait),
}

fn wait(choice: Choice, errand: &mut Errand) -> Result<Next, SecretsError> {
    Ok(match choice {
        Choice::Take(taken) => Next::Take(taken),
        Choice::Fetch(held, flight) => {
            errand.waited();
            Next::Wait(errand.until_deadline(async move { held.keeper.landed(flight).await }))
        }
        Choice::Wait(slot) => {
            let sleep = sleep_until(tokio_instant(slot.at));
            errand.queue(slot);
            Next::Wait(Box::pin(sleep))
        }
        Choice::Refuse(error) => return Err(error),
    })
}

type Output<B> = Result<Response<ResponseBody<B>>, BoxError>;

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
{
    type Output = Output<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output<B>> {
        let output = ready!(self.as_mut().advance(cx));
        // Whoever still holds this holds no key with it.
        let mut this = self.project();
        this.state.set(State::Done);
        *this.errand = None;
        Poll::Ready(output)
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
{
    fn advance(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output<B>> {
        loop {
            let mut this = self.as_mut().project();
            let next = match this.state.as_mut().project() {
                StateProj::Refused { error } => {
                    let error = error.take().expect("polled after it was ready");
                    metrics::refused(error.code());
                    return Poll::Ready(Err(error.into()));
                }
                StateProj::Waiting { wait: waited, request } => {
                    ready!(waited.as_mut().poll(cx));
                    let mut request = request.take().expect("it is taken out once");
                    let errand = this.errand.as_mut().expect("only what has an errand waits");
                    let chosen = errand.in_time().and_then(|()| wait(errand.choose(), errand));
                    match chosen {
                        Ok(Next::Take(taken)) => {
                            errand.put_on(taken, request.headers_mut());
                            State::Readying { request: Some(request) }
                        }
                        Ok(Next::Wait(wait)) => State::Waiting { wait, request: Some(request) },
                        Err(error) => State::Refused { error: Some(error) },
                    }
                }
                StateProj::Readying { request } => {
                    ready!(this.service.poll_ready(cx)).map_err(Into::into)?;
                    let request = request.take().expect("it is taken out once");
                    State::Calling { future: dispatch(this.service, request) }
                }
                StateProj::Calling { future } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    if !this.errand.as_ref().is_some_and(|errand| errand.answered(&response)) {
                        return Poll::Ready(Ok(response.map(ResponseBody::passed)));
                    }
                    State::Reading { answer: Some(Box::new(Reading::new(response))) }
                }
                StateProj::Reading { answer } => {
                    ready!(answer.as_mut().expect("it is taken out once").poll(cx));
                    let answer = answer.take().expect("it was there above");
                    let errand = this.errand.as_mut().expect("only what has an errand is read");
                    match errand.read(&answer) {
                        Verdict::Renew(flight) => {
                            let wait = flight.and_then(|flight| errand.settled(flight));
                            State::Renewing { wait, answer: Some(answer) }
                        }
                        Verdict::Final => {
                            return Poll::Ready(Ok(answer.into_response()));
                        }
                    }
                }
                StateProj::Renewing { wait: waited, answer } => {
                    if let Some(wait) = waited {
                        ready!(wait.as_mut().poll(cx));
                    }
                    let answer = answer.take().expect("it is taken out once");
                    let errand = this.errand.as_mut().expect("only what has an errand is renewed");
                    let chosen = errand.in_time().and_then(|()| wait(errand.choose(), errand));
                    match chosen {
                        Ok(Next::Take(taken)) => {
                            // What the refused attempt held goes first.
                            drop(answer);
                            State::Readying { request: errand.replay(taken) }
                        }
                        Ok(Next::Wait(wait)) => State::Renewing { wait: Some(wait), answer: Some(answer) },
                        // There is no other.
                        Err(_) => {
                            return Poll::Ready(Ok(answer.into_response()));
                        }
                    }
                }
                StateProj::Done => panic!("polled after it was ready"),
            };
            this.state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<Body>>,
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
