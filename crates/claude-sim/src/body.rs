//! The response body.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use claude_wire::BoxError;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::execution::Execution;
use crate::frames::Frames;
use crate::in_flight::InFlightGuard;
use crate::plan::{Effect, Plan, Step};

/// The body of a simulated response. It makes its bytes as they are asked for, and is always ready unless a
/// [`Pace`](crate::Pace) or a [`Fault`](crate::Fault) makes it wait.
///
/// A stream gives one event per frame, unless
/// [`Builder::with_frame_bytes`](crate::Builder::with_frame_bytes) or a fault cuts it differently.
///
/// # Errors
///
/// Only a fault breaks it off: with an [`io::Error`] of [`ConnectionReset`](io::ErrorKind::ConnectionReset).
///
/// # Cancel safety
///
/// Dropping it, while it waits too, ends the request, which is billed for what this had given until then.
pub struct SimBody {
    plan: Plan,
    /// A step that was to come before what is ready is out.
    next: Option<Step>,
    frames: Frames,
    /// What is said of the bytes that are to come.
    hint: Option<u64>,
    /// When what comes next was planned for.
    due: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Settled at the end of the response, and before the request counts as ended.
    execution: Option<Execution>,
    /// The request counts as in flight until the end of its response.
    in_flight: Option<InFlightGuard>,
}

impl SimBody {
    /// The timetable begins now.
    pub(crate) fn new(plan: Plan, frames: Frames, hint: Option<u64>) -> Self {
        Self {
            plan,
            next: None,
            frames,
            hint,
            due: Instant::now(),
            sleep: None,
            execution: None,
            in_flight: None,
        }
    }

    pub(crate) fn executing(mut self, execution: Option<Execution>) -> Self {
        self.execution = execution.filter(|_| !self.is_end_stream());
        self
    }

    pub(crate) fn counted_by(mut self, guard: InFlightGuard) -> Self {
        self.in_flight = (!self.is_end_stream()).then_some(guard);
        self
    }

    fn wait(&mut self, length: Duration) {
        match self.due.checked_add(length) {
            Some(due) => {
                self.due = due;
                self.sleep = Some(Box::pin(sleep_until(due)));
            }
            None => self.next = Some(Step::Never),
        }
    }

    fn take_effect(&mut self, effect: Effect) {
        match (&mut self.execution, effect) {
            (Some(execution), Effect::Used(usage)) => execution.progress(*usage),
            (Some(execution), Effect::Failed) => execution.fail_stream(),
            (None, _) | (_, Effect::None) => {}
        }
    }

    fn end(&mut self) {
        self.execution = None;
        self.in_flight = None;
    }

    fn give(&mut self, frame: Bytes) -> Frame<Bytes> {
        self.hint = self.hint.map(|left| left.saturating_sub(frame.len() as u64));
        // Nobody need poll again after the last frame, so the count goes down with it.
        if self.is_end_stream() {
            self.end();
        } else if !self.frames.pause().is_zero() {
            self.wait(self.frames.pause());
        }
        Frame::data(frame)
    }

    fn break_off(&mut self) -> BoxError {
        self.plan = Plan::Made([].into());
        self.take_effect(Effect::Failed);
        self.end();
        reset()
    }
}

/// The connection is refused, as a client sees it.
pub(crate) fn refused() -> BoxError {
    io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused by the simulator").into()
}

/// The connection is reset, as a client sees it.
pub(crate) fn reset() -> BoxError {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by the simulator").into()
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            let is_last = self.next.is_some() || self.plan.is_done();
            if let Some(frame) = self.frames.next(is_last) {
                return Poll::Ready(Some(Ok(self.give(frame))));
            }
            match self.next.take().or_else(|| self.plan.next()) {
                Some(Step::Bytes(bytes, effect)) => {
                    self.take_effect(effect);
                    self.frames.push(bytes);
                }
                // What is ready does not wait for more.
                Some(step) if !self.frames.is_empty() => self.next = Some(step),
                Some(Step::Wait(length)) => self.wait(length),
                Some(Step::Never) => {
                    self.next = Some(Step::Never);
                    return Poll::Pending;
                }
                Some(Step::Break) => return Poll::Ready(Some(Err(self.break_off()))),
                None => {
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.plan.is_done() && self.next.is_none() && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.hint {
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

impl fmt::Debug for SimBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.plan {
            Plan::Events(_) => "SimBody(events)",
            Plan::Made(_) => "SimBody(bytes)",
        })
    }
}
