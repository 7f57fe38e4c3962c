//! What the layer remembers of a request until its end.

use std::sync::Arc;
use std::time::SystemTime;

use claude_wire::call::{Attempt, Call, CallId, Clock};
use claude_wire::facts::{Endpoint, RequestFacts, facts};
use claude_wire::headers::names;
use claude_wire::shown::name;
use claude_wire::{Body, BoxError};
use http::{HeaderMap, HeaderValue, Method, Request};

use crate::classify::Classification;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::layer::Settings;
use crate::report::Report;

const CLOCK: Clock = || tokio::time::Instant::now().into_std();

#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) settings: Arc<Settings>,
    call: Call,
    /// The request's own attempt: the only one, unless a layer below makes others.
    attempt: Attempt,
    /// How many attempts the call had by then. Those are not about this request.
    made_above: u32,
    facts: RequestFacts,
    /// Whether a good answer ends in a way that is known: `POST /v1/messages`.
    is_message: bool,
    /// That of the response's head.
    request_id: Option<HeaderValue>,
}

impl Context {
    /// Puts the call and an attempt into the request, if nobody has.
    pub(crate) fn begin(settings: &Arc<Settings>, request: &mut Request<Body>) -> Self {
        let call = match Call::find(request.extensions()) {
            Some(call) => call.clone(),
            None => {
                let call = Call::new(CallId(fastrand::u128(..)), CLOCK);
                request.extensions_mut().insert(call.clone());
                call
            }
        };
        let made_above = call.attempts_begun();
        let attempt = Attempt::of(request, CLOCK);
        let facts = facts(request);
        let is_message = facts.endpoint() == Endpoint::Messages && request.method() == Method::POST;
        let settings = Arc::clone(settings);
        Self { settings, call, attempt, made_above, facts, is_message, request_id: None }
    }

    /// Once there is a head.
    pub(crate) fn with_head(mut self, headers: &HeaderMap) -> Self {
        self.request_id = headers.get(names::REQUEST_ID).cloned();
        self
    }

    /// The same for what follows a failure that was reported: it is no second one.
    pub(crate) fn reported(mut self) -> Self {
        Arc::make_mut(&mut self.settings).reporters.clear();
        self
    }

    pub(crate) const fn is_message(&self) -> bool {
        self.is_message
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.settings.wall_clock)()
    }

    /// Whether the attempt that failed was sent.
    pub(crate) fn sent(&self) -> Option<bool> {
        Some(self.attempts_below().last().unwrap_or(&self.attempt).is_sent())
    }

    /// The attempts that layers below have made of this request.
    fn attempts_below(&self) -> Vec<Attempt> {
        let mut attempts = self.call.attempts();
        attempts.retain(|attempt| attempt.number() >= self.made_above);
        attempts
    }

    /// Adds what the classifier cannot know: the head's request id, where only the end failed, and whether any other
    /// attempt of the call may have been executed.
    pub(crate) fn settle(&self, mut judged: Classification) -> Classification {
        if judged.request_id.is_none() {
            let head = self.request_id.as_ref().and_then(|id| id.to_str().ok());
            judged.request_id = head.and_then(name).map(Into::into);
        }
        judged.maybe_executed |= self.attempts_maybe_executed(matches!(judged.kind, ErrorKind::Refused(_)));
        judged
    }

    /// Whether an attempt below may have been executed. The last one is judged by the failure itself, unless that is a
    /// refusal: who refuses may have left an attempt that is on its way.
    fn attempts_maybe_executed(&self, refused: bool) -> bool {
        let attempts = self.attempts_below();
        let made = self.call.attempts_begun() - self.made_above;
        let is_forgotten = made as usize > attempts.len();
        let last = if refused { attempts.len() } else { attempts.len().saturating_sub(1) };
        is_forgotten
            || attempts.iter().enumerate().any(|(index, attempt)| match attempt.outcome() {
                Some(outcome) => outcome.maybe_executed,
                None => index < last && attempt.is_sent(),
            })
    }

    /// The last touches to an error, and the report of it.
    pub(crate) fn finish(&self, error: Error) -> Error {
        let error = error.settled_by(|judged| self.settle(judged)).with_messages(&self.settings.messages);
        self.report(error.classification(), error.is_mid_stream());
        error
    }

    pub(crate) fn finish_service_error(&self, error: BoxError) -> Error {
        self.finish(Error::from_service(error, self.sent()))
    }

    pub(crate) fn report(&self, classification: &Classification, mid_stream: bool) {
        if self.settings.reporters.is_empty() {
            return;
        }
        let now = CLOCK();
        let report = Report {
            classification,
            model: self.facts.model().and_then(name),
            endpoint: self.facts.endpoint(),
            attempts: self.call.attempts_begun().max(1),
            duration: now.saturating_duration_since(self.call.begun()),
            mid_stream,
        };
        for reporter in &self.settings.reporters {
            reporter.report(&report);
        }
    }
}
