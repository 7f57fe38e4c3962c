//! What a response body does, step by step.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::encoding::Coding;
use crate::event_plan::EventPlan;
use crate::faults::{End, Fault};
use crate::messages::Usage;

/// One step of a body.
pub(crate) enum Step {
    Bytes(Bytes, Effect),
    /// Nothing comes until so much later than planned so far.
    Wait(Duration),
    /// Nothing comes any more, and no end either.
    Never,
    /// The connection breaks.
    Break,
}

/// What bytes mean for the execution, when they are out.
pub(crate) enum Effect {
    None,
    /// So much has been used, in all.
    Used(Box<Usage>),
    /// The stream has failed.
    Failed,
}

/// The steps of one body.
pub(crate) enum Plan {
    /// All steps are known.
    Made(VecDeque<Step>),
    /// They are made as they are asked for.
    Events(Box<EventPlan>),
}

/// A plan for a body that has a length.
pub(crate) struct Measured {
    pub(crate) plan: Plan,
    /// What the head says of its length.
    pub(crate) declared: u64,
    /// Whether that is what comes, unless the reader leaves.
    pub(crate) exact: bool,
}

impl Plan {
    /// The body of a whole answer.
    pub(crate) fn whole(mut body: Bytes, fault: &Fault, coding: Coding) -> Measured {
        match fault.end {
            Some(End::TruncatedJson(_)) => body.truncate(body.len() / 2),
            Some(End::NoMessageStop) => body.truncate(body.len().saturating_sub(1)),
            _ => {}
        }
        let body = coding.encode(body);
        let declared = body.len() as u64;
        let mut steps = VecDeque::new();
        if let Some(stall) = fault.stall_first_event {
            steps.push_back(Step::stall(stall.length));
        }
        let breaks = match fault.end {
            Some(End::ResetAfterHeaders) => Some(0),
            Some(End::ResetMidEvent(_)) => Some(body.len() / 2),
            _ => None,
        };
        let stall = fault.stall_between_events.map(|(_, stall)| stall.length);
        let second = match (breaks, stall) {
            (Some(at), _) => body.slice(at.min(body.len() / 2)..),
            (None, Some(_)) => body.slice(body.len() / 2..),
            (None, None) => Bytes::new(),
        };
        steps.push_back(Step::Bytes(body.slice(..body.len() - second.len()), Effect::None));
        if breaks != Some(0) {
            steps.extend(stall.map(Step::stall));
        }
        steps.push_back(if breaks.is_some() { Step::Break } else { Step::Bytes(second, Effect::None) });
        // A step without bytes would be an end that is not seen as one.
        steps.retain(|step| !matches!(step, Step::Bytes(bytes, _) if bytes.is_empty()));
        Measured { plan: Self::Made(steps), declared, exact: breaks.is_none() && !fault.is_endless() }
    }

    pub(crate) fn events(events: EventPlan) -> Self {
        Self::Events(Box::new(events))
    }

    pub(crate) fn next(&mut self) -> Option<Step> {
        match self {
            Self::Made(steps) => steps.pop_front(),
            Self::Events(events) => events.next(),
        }
    }

    /// Whether there are no more steps.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Made(steps) => steps.is_empty(),
            Self::Events(events) => events.is_done(),
        }
    }

    /// Makes all steps at once, and a declared length that is off by so many bytes; with the bytes that come after
    /// that length, if there are any. The plan must have an end. There are no pings while it stalls, or a long stall
    /// would be any number of steps.
    pub(crate) fn with_wrong_length(mut self, declared: Option<u64>, off: i64) -> (Measured, Bytes) {
        if let Self::Events(events) = &mut self {
            events.stop_pings();
        }
        let steps: VecDeque<Step> = std::iter::from_fn(|| self.next()).collect();
        let mut all = BytesMut::new();
        for step in &steps {
            if let Step::Bytes(bytes, _) = step {
                all.extend_from_slice(bytes);
            }
        }
        let declared = declared.unwrap_or(all.len() as u64).saturating_add_signed(off);
        let within = usize::try_from(declared).unwrap_or(usize::MAX).min(all.len());
        let excess = all.freeze().slice(within..);
        (Measured { plan: Self::Made(steps), declared, exact: true }, excess)
    }
}

impl Step {
    pub(crate) const fn stall(length: Duration) -> Self {
        match length {
            Duration::MAX => Self::Never,
            length => Self::Wait(length),
        }
    }
}
