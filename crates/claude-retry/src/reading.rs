//! Responses that are read before it is known what becomes of them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use claude_errors::{Classification, ErrorKind, Retry};
use claude_wire::BoxError;
use claude_wire::body::{More, Replayed};
use claude_wire::headers::should_retry;
use claude_wire::meter::{Ending, Kind, Meter, MeteredBody, Unreadable};
use http::{Response, StatusCode, response};
use http_body::Body as HttpBody;
use tokio::time::{Sleep, sleep};

use crate::course::Course;
use crate::error::GaveUp;
use crate::hold::MAX_FRAMES;
use crate::layer::ERROR_BODY_TIMEOUT;

/// A body that is read ahead, and can be moved after that.
pub(crate) type Held<B> = Replayed<MeteredBody<Pin<Box<B>>>>;

/// How long an error's body is waited for where another limit group or endpoint could be asked at once.
const HURRIED: Duration = Duration::from_millis(100);

/// After so many frames the task yields.
const FRAMES_AT_ONCE: u32 = 128;

/// A response, and as much of its body as has come.
pub(crate) struct Reading<B>
where
    B: HttpBody<Data = Bytes>,
{
    head: response::Parts,
    body: Held<B>,
    meter: Meter,
    /// Whether the meter is this layer's own.
    is_own: bool,
    aim: Aim,
}

/// What it is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// An error's body, to its end: what it says, and a connection that can be used again.
    Error,
    /// A stream, to its first content.
    Content,
    /// An answer, to its end.
    Answer,
}

/// What was found.
pub(crate) enum Found {
    /// A good answer, or one that is not to be judged any more.
    Good,
    /// A failure, and the error of the body if that is what it was.
    Failed(Classification, Option<BoxError>),
}

impl<B> Reading<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// What must be read before it is known whether it is a success. Anything else comes back.
    pub(crate) fn of(response: Response<B>, course: &Course) -> Result<Self, Response<B>> {
        let Some(aim) = Aim::of(&response, course) else {
            return Err(response);
        };
        Ok(Self::begin(response, aim))
    }

    /// A stream that is handed on at once, but has to be watched until its first content.
    pub(crate) fn unread(response: Response<B>) -> Self {
        Self::begin(response, Aim::Content)
    }

    fn begin(response: Response<B>, aim: Aim) -> Self {
        let kind = Meter::kind(response.headers());
        // Gateways leave the type of errors out.
        let kind = if aim == Aim::Error && kind == Kind::Other { Kind::Json } else { kind };
        let is_own = Meter::find(response.extensions()).is_none();
        let (response, meter) = Meter::attach_as(response.map(Box::pin), kind);
        let (head, body) = response.into_parts();
        let body = if aim == Aim::Content { Replayed::frame_by_frame(body) } else { Replayed::new(body) };
        Self { head, body, meter, is_own, aim }
    }

    pub(crate) const fn is_error(&self) -> bool {
        matches!(self.aim, Aim::Error)
    }

    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self.aim, Aim::Answer)
    }

    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.aim, Aim::Content)
    }

    /// Whether nothing more can come that a deadline could cut: all of it is here, or a stream has begun for good.
    pub(crate) fn is_settled(&self) -> bool {
        let progress = self.meter.progress();
        progress.has_ended || self.is_stream() && progress.has_content
    }

    /// Whether a layer of this kind below has given it up.
    pub(crate) fn was_given_up(&self) -> bool {
        GaveUp::of_response(&self.head.extensions).is_some()
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Reads on. `clock` is armed when there is nothing to read.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: &mut Option<Pin<Box<Sleep>>>,
        course: &Course,
    ) -> Poll<Found> {
        let mut frames = 0;
        loop {
            if let Some(found) = self.is_enough(course) {
                return Poll::Ready(found);
            }
            frames += 1;
            let more = match frames {
                0..=FRAMES_AT_ONCE => Pin::new(&mut self.body).poll_more(cx),
                _ => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            };
            match more {
                Poll::Ready(More::Data(_) | More::Other) => {}
                Poll::Ready(More::End | More::Failed) => return Poll::Ready(self.at_end(course)),
                Poll::Pending => {
                    let Some(patience) = self.patience(course) else {
                        return Poll::Pending;
                    };
                    let clock = clock.get_or_insert_with(|| Box::pin(sleep(patience)));
                    ready!(clock.as_mut().poll(cx));
                    return Poll::Ready(self.said().unwrap_or_else(|| self.by_head(course)));
                }
            }
        }
    }

    /// How long it is waited for; `None` if that is the deadline's affair alone.
    fn patience(&self, course: &Course) -> Option<Duration> {
        match self.aim {
            // What could go elsewhere at once does not wait for words.
            Aim::Error if course.has_alternative() => Some(HURRIED),
            Aim::Error => Some(ERROR_BODY_TIMEOUT),
            Aim::Content => Some(course.settings().hold.time),
            Aim::Answer => None,
        }
    }

    /// Whether no more has to be read, or may be.
    fn is_enough(&self, course: &Course) -> Option<Found> {
        let settings = course.settings();
        let progress = self.meter.progress();
        match self.aim {
            Aim::Error => {
                let cap = settings.error_body_cap;
                let is_too_long = cap == 0
                    || self.body.kept() > cap
                    || self.body.size_hint().lower() > u64::try_from(cap).unwrap_or(u64::MAX);
                is_too_long.then(|| self.by_head(course))
            }
            Aim::Answer => (self.body.kept() > settings.collect).then_some(Found::Good),
            Aim::Content if progress.has_content => Some(Found::Good),
            Aim::Content => {
                let hold = &settings.hold;
                let is_too_much = self.body.kept() > hold.bytes
                    || progress.events > hold.events
                    || self.body.kept_frames() > MAX_FRAMES;
                is_too_much.then_some(Found::Good)
            }
        }
        // What a stream says is known before its end.
        .or_else(|| self.event())
    }

    /// The server's own word on a failure behind a good head.
    fn heeded(&self, mut judged: Classification) -> Classification {
        match should_retry(&self.head.headers) {
            Some(true) => judged.retry = Retry::Yes,
            Some(false) => judged.retry = Retry::No,
            None => {}
        }
        judged
    }

    /// The failure that a stream says before any content, when its frame is here too: until then, somebody below may still
    /// be settling what it costs.
    fn event(&self) -> Option<Found> {
        let progress = self.meter.progress();
        let is_here = progress.has_ended && self.body.kept() as u64 >= progress.bytes;
        is_here.then(|| self.said()).flatten()
    }

    /// The same, as soon as it is known.
    fn said(&self) -> Option<Found> {
        if self.aim != Aim::Content {
            return None;
        }
        let said = self.meter.reading().error?;
        Some(Found::Failed(self.heeded(Classification::of_event(&said)), None))
    }

    /// Without its body, or with half of it, a response is judged by its head. What it does not say may be that a 429 is no
    /// matter of waiting.
    pub(crate) fn by_head(&self, course: &Course) -> Found {
        let mut found = self.judge_head(None, course);
        if let Found::Failed(judged, _) = &mut found
            && judged.kind == ErrorKind::RateLimited
            && judged.retry_after.is_none()
            && should_retry(&self.head.headers).is_none()
        {
            judged.retry = judged.retry.min(Retry::Once);
        }
        found
    }

    fn judge_head(&self, said: Option<&claude_wire::ErrorBody>, course: &Course) -> Found {
        let judged = Classification::of_response(self.head.status, &self.head.headers, said, course.now());
        judged.map_or(Found::Good, |judged| Found::Failed(judged, None))
    }

    /// All of the body is here, or it has failed.
    fn at_end(&mut self, course: &Course) -> Found {
        let reading = self.meter.reading();
        if self.aim == Aim::Error {
            return match reading.ending {
                Some(Ending::Complete) => self.judge_head(reading.error.as_ref(), course),
                // All of it is here, and it is not the API's.
                Some(Ending::Unreadable(Unreadable::Malformed)) => self.judge_head(None, course),
                _ => self.by_head(course),
            };
        }
        if let Some(said) = self.said() {
            return said;
        }
        // What fails behind a whole answer has not failed.
        if reading.ending == Some(Ending::Complete) {
            return Found::Good;
        }
        let failure = self.body.take_error().map(Into::into);
        let is_cut = failure.is_some() || course.is_message() && reading.ending == Some(Ending::Cut);
        if !is_cut {
            return Found::Good;
        }
        let judged = Classification::of_cut_answer(failure.as_deref().map(|failure| failure as _));
        Found::Failed(self.heeded(judged), failure)
    }

    pub(crate) fn into_parts(self) -> (response::Parts, Held<B>, Meter) {
        (self.head, self.body, self.meter)
    }

    /// The same, of a stream that nobody has to watch any more: reading what comes would cost far more than all else.
    pub(crate) fn into_unwatched(mut self) -> (response::Parts, Held<B>) {
        if self.is_own {
            Meter::detach(&mut self.head.extensions);
            self.body.rest_mut().stop();
        }
        (self.head, self.body)
    }
}

impl Aim {
    fn of<B>(response: &Response<B>, course: &Course) -> Option<Self> {
        let settings = course.settings();
        if response.status().as_u16() >= 400 {
            return Some(Self::Error);
        }
        match Meter::kind(response.headers()) {
            Kind::Events if settings.hold.is_on() && course.is_message() => {
                // What is coded cannot be read.
                let is_of_use = Meter::coding(response.headers()).is_none() && course.may_be_read_ahead();
                is_of_use.then_some(Self::Content)
            }
            Kind::Json if settings.collect > 0 => course.may_be_read_ahead().then_some(Self::Answer),
            _ => None,
        }
    }
}
