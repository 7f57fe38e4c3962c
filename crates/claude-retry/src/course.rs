//! One call, from its first attempt to its last.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use claude_errors::{Classification, Error, ErrorKind, Retry};
use claude_wire::call::{Attempt, Call, CallId, Clock, Deadline, Outcome, Refusal, RefusalKind, Template};
use claude_wire::headers::client_retry_count;
use claude_wire::{Body, BoxError};
use http::{HeaderValue, Method, Request, StatusCode};

use crate::error::{GaveUp, Reason, RetryError};
use crate::layer::{MaybeExecuted, Settings};
use crate::metrics;
use crate::quota::{Permit, Quota};
use crate::template::{costs_only_an_answer, is_message};

const CLOCK: Clock = || tokio::time::Instant::now().into_std();

/// What is known of a call while it runs, and who decides what becomes of it.
pub(crate) struct Course {
    settings: Arc<Settings>,
    call: Call,
    attempt: Attempt,
    /// `None` if the request can be sent only once.
    template: Option<Template>,
    deadline: Option<Deadline>,
    /// Of a request without a template, which has no other place to say it.
    is_streamed_message: bool,
    is_client_retry: bool,
    /// Whether there was quota for it, if it is.
    is_funded: bool,
    /// Attempts made.
    made: u32,
    /// One that makes sense only once has been made.
    once: bool,
    /// For the running extra attempt, or the one that is waited for.
    permit: Option<Permit>,
    /// What the last attempt failed with, and the wait after it.
    failure: Option<Box<(Classification, Duration)>>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not polled yet: nothing counts.
    Fresh,
    Running,
    Finished,
}

/// What becomes of a failure.
pub(crate) enum Verdict {
    /// Another attempt, after this wait.
    Again(Duration),
    /// It is the caller's.
    Final(Option<GaveUp>),
}

impl Course {
    /// Makes the call and its first attempt, and puts them into the request; no attempt if the deadline is past.
    pub(crate) fn begin(settings: &Arc<Settings>, request: &mut Request<Body>) -> Self {
        let deadline = deadline(settings, request);
        let template = Template::of(request);
        let call = Call::find(request.extensions()).cloned();
        let call = call.unwrap_or_else(|| Call::new(CallId(fastrand::u128(..)), CLOCK));
        let is_streamed = template.is_none();
        let is_too_late = is_past(deadline);
        let attempt = if is_too_late {
            // Nothing is called, so that nothing below marks what stands above as sent; and nor does its layer.
            Attempt::find(request.extensions()).inspect(|above| above.claim());
            Attempt::new(0, CLOCK)
        } else {
            call.begin_attempt()
        };
        let mut course = Self {
            settings: Arc::clone(settings),
            call,
            attempt,
            template,
            deadline,
            is_streamed_message: is_streamed && is_message(request.method(), request.uri()),
            is_client_retry: client_retry_count(request.headers()).is_some_and(|count| count > 0),
            is_funded: true,
            made: 0,
            once: false,
            permit: None,
            failure: None,
            stage: Stage::Fresh,
        };
        if !is_too_late {
            course.prepare(request);
        }
        course
    }

    fn prepare(&mut self, request: &mut Request<Body>) {
        self.attempt.put_into(request);
        // Only the first of a call leads to it.
        if self.attempt.call().is_none() {
            request.extensions_mut().insert(self.call.clone());
        }
        if let Some(name) = &self.settings.count_header {
            // On top of what the caller has counted.
            let counted =
                request.headers().get(name).and_then(|count| count.to_str().ok()?.parse::<u32>().ok());
            let count = counted.unwrap_or_default().saturating_add(self.made);
            request.headers_mut().insert(name, HeaderValue::from(count));
        }
        self.made += 1;
    }

    /// The request of the next attempt, which begins now.
    pub(crate) fn next_attempt(&mut self) -> Request<Body> {
        let template = self.template.as_ref().expect("only a request that can be sent again is");
        let mut request = template.to_request();
        self.attempt = self.call.begin_attempt();
        self.prepare(&mut request);
        if let Some(permit) = &mut self.permit {
            permit.spend();
        }
        if let Some((judged, wait)) = self.failure.as_deref() {
            metrics::retry(judged, *wait, &self.settings.quota);
        }
        request
    }

    /// At the first poll: what was never polled has not happened.
    pub(crate) fn run(&mut self) {
        if self.stage != Stage::Fresh {
            return;
        }
        self.stage = Stage::Running;
        // What came too late was no try.
        if self.made == 0 {
            return;
        }
        if self.is_client_retry {
            self.permit = self.settings.quota.draw_one();
            self.is_funded = self.permit.is_some();
            metrics::client_retry(self.is_funded);
            if let Some(permit) = &mut self.permit {
                permit.spend();
            }
        } else {
            self.settings.quota.deposit();
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) const fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Whether an attempt that begins now would be sent for nothing.
    pub(crate) fn is_too_late(&self) -> bool {
        is_past(self.deadline)
    }

    /// Whether it is a `POST /v1/messages`, whose streams are known to have content.
    pub(crate) fn is_message(&self) -> bool {
        match &self.template {
            Some(template) => is_message(template.method(), template.uri()),
            None => self.is_streamed_message,
        }
    }

    /// Whether there is use in reading a good answer ahead: it has a body, and the request could be sent again although it
    /// has been executed.
    pub(crate) fn may_be_read_ahead(&self) -> bool {
        let is_of_use =
            |template: &Template| template.method() != Method::HEAD && self.may_be_executed_twice(template);
        self.is_funded && self.settings.max_retries > 0 && self.template.as_ref().is_some_and(is_of_use)
    }

    /// Whether another attempt would go to another limit group or endpoint.
    pub(crate) fn has_alternative(&self) -> bool {
        self.attempt.alternative_left()
    }

    /// What is needed to cut the body of the answer that is handed on now.
    pub(crate) fn cutter(&self) -> Cutter {
        Cutter { attempt: self.attempt.clone(), attempts: self.made, quota: self.settings.quota.clone() }
    }

    /// How many attempts were made.
    pub(crate) const fn attempts(&self) -> u32 {
        self.made
    }

    /// Whether the running attempt was sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.attempt.is_sent()
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.settings.wall_clock)()
    }

    /// The attempt has succeeded, and the call with it.
    pub(crate) fn succeeded(&mut self, status: StatusCode) {
        self.attempt.set_outcome(Outcome::new("ok", elapsed(&self.attempt)).with_status(status));
        if let Some(permit) = self.permit.take() {
            permit.succeeded();
        }
        let is_first = self.made == 1;
        self.finish(if is_first { metrics::Outcome::Ok } else { metrics::Outcome::Recovered });
    }

    /// The attempt has failed.
    pub(crate) fn failed(&mut self, judged: &Classification) -> Verdict {
        match self.weigh(judged) {
            Ok((wait, permit)) => {
                settle(&self.attempt, judged, Some(wait));
                tell(judged, wait, self.made);
                self.once |= judged.retry == Retry::Once;
                self.permit = Some(permit);
                self.failure = Some(Box::new((judged.clone(), wait)));
                Verdict::Again(wait)
            }
            Err(None) => {
                settle(&self.attempt, judged, None);
                self.finish(metrics::Outcome::Failed);
                Verdict::Final(None)
            }
            Err(Some(reason)) => {
                settle(&self.attempt, judged, None);
                Verdict::Final(Some(self.give_up(reason, judged)))
            }
        }
    }

    /// How long to wait before another attempt, and what pays for it; or why there is none.
    fn weigh(&self, judged: &Classification) -> Result<(Duration, Permit), Option<Reason>> {
        if !judged.is_retryable() || matches!(judged.kind, ErrorKind::Refused(_)) {
            return Err(None);
        }
        self.afford(judged).map_err(Some)
    }

    fn afford(&self, judged: &Classification) -> Result<(Duration, Permit), Reason> {
        let Some(template) = &self.template else {
            return Err(Reason::StreamedRequest);
        };
        if judged.maybe_executed && !self.may_be_executed_twice(template) {
            return Err(Reason::MaybeExecuted);
        }
        let had_its_once = judged.retry == Retry::Once && self.once;
        if self.made > self.settings.max_retries || had_its_once {
            return Err(Reason::Attempts);
        }
        let wait = self.wait(judged)?;
        let permit = self.is_funded.then(|| self.settings.quota.draw(judged)).flatten();
        permit.map(|permit| (wait, permit)).ok_or(Reason::Quota)
    }

    fn may_be_executed_twice(&self, template: &Template) -> bool {
        match self.settings.maybe_executed {
            MaybeExecuted::Leave => false,
            MaybeExecuted::RepeatAnswers => costs_only_an_answer(template),
            MaybeExecuted::RepeatAll => true,
        }
    }

    /// Whether a wait is too long is not left to chance: what is judged is the shortest that it can be. Chance may then
    /// take half of the time that is left after that.
    fn wait(&self, judged: &Classification) -> Result<Duration, Reason> {
        let Settings { backoff, max_wait, .. } = &*self.settings;
        let retries = self.made.saturating_sub(1);
        // Another limit group knows nothing of this failure; and who has paused the bucket below makes the call wait there.
        let is_at_once = self.attempt.alternative_left() || self.attempt.wait_handled();
        let wait = |random| match judged.retry_after {
            _ if is_at_once => Duration::ZERO,
            Some(asked) => backoff.wait_asked_for(asked, retries, random),
            None if judged.kind == ErrorKind::Overloaded => {
                backoff.wait(retries, backoff.overload_floor(), random)
            }
            None => backoff.wait(retries, Duration::ZERO, random),
        };
        let least = wait(0.0);
        if least > *max_wait {
            return Err(Reason::LongWait);
        }
        let mut most = *max_wait;
        if let Some(remaining) = self.deadline.map(|deadline| deadline.remaining(CLOCK())) {
            if remaining <= least {
                return Err(Reason::Deadline);
            }
            most = most.min(least + (remaining - least) / 2);
        }
        Ok(wait(self.settings.random()).min(most))
    }

    /// The inner service was not ready for the next attempt.
    pub(crate) fn not_ready(&mut self) -> BoxError {
        self.give_up_waiting(Reason::NotReady)
    }

    /// The deadline has passed.
    pub(crate) fn out_of_time(&mut self, runs: bool) -> BoxError {
        if !runs {
            return self.give_up_waiting(Reason::Deadline);
        }
        if self.is_sent() {
            let error = self.cutter().cut();
            self.finish(metrics::Outcome::GaveUp);
            return error.into();
        }
        // It stood in a queue of a layer below.
        let judged = Classification::of_refusal(&too_late());
        settle(&self.attempt, &judged, None);
        self.give_up_waiting(Reason::Deadline)
    }

    /// The deadline has passed while the body of this failure was read.
    pub(crate) fn give_up_late(&mut self, judged: &Classification) -> Option<GaveUp> {
        match self.failed(judged) {
            Verdict::Final(gave_up) => gave_up,
            // No wait, not even none, ends before a deadline that is past.
            Verdict::Again(_) => None,
        }
    }

    /// There is no attempt that could be judged: what the last one failed with, if there was one.
    fn give_up_waiting(&mut self, reason: Reason) -> BoxError {
        match self.failure.take() {
            Some(failure) => {
                let (judged, _) = *failure;
                let gave_up = self.give_up(reason, &judged);
                RetryError::new(gave_up, Error::from(judged)).into()
            }
            None => {
                let refusal = too_late();
                let gave_up = self.give_up(reason, &Classification::of_refusal(&refusal));
                RetryError::new(gave_up, refusal).into()
            }
        }
    }

    /// The inner service failed when it was to become ready, which is the end of it.
    pub(crate) fn broken(&mut self) {
        self.finish(metrics::Outcome::Failed);
    }

    fn give_up(&mut self, reason: Reason, judged: &Classification) -> GaveUp {
        // The gauge is to see what this gives back.
        self.permit = None;
        let gave_up = give_up(reason, judged, self.made, &self.settings.quota);
        self.finish(metrics::Outcome::GaveUp);
        gave_up
    }

    fn finish(&mut self, outcome: metrics::Outcome) {
        self.stage = Stage::Finished;
        self.permit = None;
        metrics::call(outcome, self.made);
    }
}

/// The caller has left.
impl Drop for Course {
    fn drop(&mut self) {
        if self.stage == Stage::Running {
            self.finish(metrics::Outcome::Dropped);
        }
    }
}

/// Writes down what the deadline ends after it was sent.
pub(crate) struct Cutter {
    attempt: Attempt,
    attempts: u32,
    quota: Quota,
}

impl Cutter {
    pub(crate) fn cut(&self) -> RetryError {
        let judged = Classification::of_error(&timed_out(), Some(true));
        settle(&self.attempt, &judged, None);
        RetryError::new(give_up(Reason::Deadline, &judged, self.attempts, &self.quota), timed_out())
    }
}

/// Writes down how an attempt ended.
fn settle(attempt: &Attempt, judged: &Classification, wait: Option<Duration>) {
    let mut outcome = Outcome::new(judged.code(), elapsed(attempt));
    outcome.status = judged.status;
    outcome.wait = wait;
    outcome.maybe_executed = judged.maybe_executed;
    attempt.set_outcome(outcome);
}

fn elapsed(attempt: &Attempt) -> Duration {
    CLOCK().saturating_duration_since(attempt.begun())
}

/// The one event of a call that is given up.
fn give_up(reason: Reason, judged: &Classification, attempts: u32, quota: &Quota) -> GaveUp {
    metrics::gave_up(reason, judged, quota);
    let code = judged.code();
    tracing::info!(target: "claude_retry", code, attempts, reason = reason.as_str(), "gave up");
    GaveUp::new(reason, attempts)
}

/// The earlier of the request's own deadline and that of the settings, for the layers below to find.
fn deadline(settings: &Settings, request: &mut Request<Body>) -> Option<Deadline> {
    let own = request.extensions().get::<Deadline>().copied();
    let configured = settings.timeout.and_then(|timeout| Deadline::after(CLOCK(), timeout));
    let Some(configured) = configured else {
        return own;
    };
    let deadline = own.map_or(configured, |own| own.earlier(configured));
    request.extensions_mut().insert(deadline);
    Some(deadline)
}

fn is_past(deadline: Option<Deadline>) -> bool {
    deadline.is_some_and(|deadline| deadline.is_past(CLOCK()))
}

/// The one event of a retry.
fn tell(judged: &Classification, wait: Duration, attempts: u32) {
    tracing::info!(
        target: "claude_retry",
        code = judged.code(),
        status = judged.status.map(|status| status.as_u16()),
        request_id = judged.request_id.as_deref(),
        cause = judged.cause,
        maybe_executed = judged.maybe_executed,
        attempts,
        wait_ms = wait.as_millis(),
        "retry"
    );
}

pub(crate) fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

fn too_late() -> Refusal {
    Refusal::new(RefusalKind::DeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline is past")
}
