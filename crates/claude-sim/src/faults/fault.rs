//! What goes wrong with one request.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;

use super::error_answer::ErrorAnswer;

/// What goes wrong with one request. How one is chosen is said in the [crate docs](crate#faults).
///
/// | as text | a whole answer | a stream |
/// | --- | --- | --- |
/// | `status=503`, `overloaded`, `rate-limited=12`, `spend-cap` … | an error by status in its place | the same |
/// | `refuse` | no connection: nothing is read | the same |
/// | `reset-before-headers` | read, then reset | the same |
/// | `reset-after-headers` | the head, then reset | the same |
/// | `reset-mid-event=3` | half of its bytes, then reset | half of the third event, then reset |
/// | `stall-headers=30s` | the head comes later | the same |
/// | `stall-first-event=30s` | the first byte comes later | `message_start` comes later |
/// | `stall-between-events=30s after=3` | it stalls after half of its bytes | it stalls after three events |
/// | `error-event=overloaded_error` | the error of the status that goes with the type | an `error` event, and the end |
/// | `truncated-json`, `truncated-json=3` | half of its JSON, with the right length | half of the JSON of its last event with content, or of the third, and the end |
/// | `no-message-stop` | its last byte is missing | its last event is missing |
/// | `wrong-length=-5` | `content-length` is wrong | it has a `content-length`, which is wrong |
/// | `drip=16/100ms` | 16 bytes every 100 ms | the same |
/// | `cut-randomly` | cut into frames anywhere | the same |
/// | `line-ends=crlf`, `line-ends=cr` | – | other line ends |
/// | `noise` | – | comments and unknown events between its own |
/// | `gzip-unasked` | gzip, whatever is accepted | the same |
///
/// Words after the first modify: `status=503 type=… message="…" code=… retry-after=… retry-after-ms=…
/// should-retry=false header="name: value" body=html` (or `body=empty`, or `bytes="…" content-type=…`),
/// `reset-before-headers executed` (errors by status too), `stall-first-event=forever pings=5s`, `error-event=… after=2
/// no-request-id` (or `at-start`). Texts with spaces, commas or other bytes than ASCII stand in quotes, where `\"`,
/// `\\` and `\x0a` are escapes.
///
/// One fault may have several parts: [`and`](Self::and) puts them together, a comma in the text. Its
/// [`Display`](std::fmt::Display) is that text, and [`FromStr`](std::str::FromStr) reads it.
///
/// Modifiers change a part that is there: [`with_pings`](Self::with_pings) does nothing to a fault that does not
/// stall. Durations of [`Duration::MAX`] are for ever. Damage is done to whatever the answer is, errors of the API's
/// own included.
///
/// An error by status, a refusal or a reset in place of the answer draws nothing from limits and bill, unless it
/// comes [after the execution](Self::after_execution); see
/// [`with_lost_answers_billed`](crate::Builder::with_lost_answers_billed). What breaks off later, or ends in an
/// `error` event, is billed for what it used until then; see
/// [`with_failed_streams_billed`](crate::Builder::with_failed_streams_billed). Other faults change nothing of the
/// bill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    pub(crate) instead: Option<Instead>,
    pub(crate) stall_headers: Option<Duration>,
    pub(crate) stall_first_event: Option<Stall>,
    /// After so many events.
    pub(crate) stall_between_events: Option<(u32, Stall)>,
    pub(crate) end: Option<End>,
    pub(crate) wrong_length: Option<i64>,
    pub(crate) pieces: Option<Pieces>,
    pub(crate) line_ends: Option<LineEnds>,
    pub(crate) noise: bool,
    pub(crate) gzip: bool,
}

/// What comes in place of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    Error(Box<ErrorAnswer>),
    Refuse,
    Reset { executed: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) length: Duration,
    pub(crate) pings: Option<Duration>,
}

/// How a body ends that does not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    ResetAfterHeaders,
    ResetMidEvent(u32),
    Error(ErrorEvent),
    /// In the event of this number, from 1; `None` is the last one with content.
    TruncatedJson(Option<u32>),
    NoMessageStop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorEvent {
    pub(crate) kind: String,
    /// After so many events with content; `None` is in place of `message_start`.
    pub(crate) after: Option<u32>,
    pub(crate) request_id: bool,
}

/// Into which frames a body is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    Random,
    Drip(NonZeroUsize, Duration),
}

/// How the lines of a stream end, instead of with a line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineEnds {
    /// A carriage return and a line feed.
    CrLf,
    /// A carriage return alone.
    Cr,
}

/// Faults of the connection.
impl Fault {
    /// Nothing goes wrong. In a script it lets one request pass, in a header it overrides the other ways to choose.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The connection is refused: nothing of the request is read. For a socket that is really closed see
    /// [`Server::refuse`](crate::Server::refuse).
    #[must_use]
    pub fn refuse() -> Self {
        Self::instead(Instead::Refuse)
    }

    /// The connection is reset when the request has been read. [`after_execution`](Self::after_execution) makes it
    /// an answer that is lost.
    #[must_use]
    pub fn reset_before_headers() -> Self {
        Self::instead(Instead::Reset { executed: false })
    }

    /// The connection is reset after the head of the answer.
    #[must_use]
    pub fn reset_after_headers() -> Self {
        Self::ending(End::ResetAfterHeaders)
    }

    /// The connection is reset inside the bytes of the n-th event, counted from 1, or of the last one if there are
    /// fewer.
    #[must_use]
    pub fn reset_mid_event(n: u32) -> Self {
        Self::ending(End::ResetMidEvent(n))
    }
}

/// Faults that take time.
impl Fault {
    /// The head comes so much later.
    #[must_use]
    pub fn stall_headers(length: Duration) -> Self {
        Self { stall_headers: Some(length), ..Self::default() }
    }

    /// The first event, or the first byte of a whole answer, comes so much later.
    #[must_use]
    pub fn stall_first_event(length: Duration) -> Self {
        Self { stall_first_event: Some(Stall { length, pings: None }), ..Self::default() }
    }

    /// After `n` events (at least one) nothing comes for so long. A stream of fewer stalls before its last event.
    #[must_use]
    pub fn stall_between_events(n: u32, length: Duration) -> Self {
        Self { stall_between_events: Some((n.max(1), Stall { length, pings: None })), ..Self::default() }
    }

    /// Pings come so often while a stream stalls; never more than one a millisecond. There are none before the
    /// head, none in a whole answer, and none with a [wrong length](Self::wrong_length).
    #[must_use]
    pub fn with_pings(mut self, every: Duration) -> Self {
        let stalls =
            [self.stall_first_event.as_mut(), self.stall_between_events.as_mut().map(|(_, stall)| stall)];
        for stall in stalls.into_iter().flatten() {
            stall.pings = Some(every.max(Duration::from_millis(1)));
        }
        self
    }

    /// The body comes in pieces of so many bytes, with so much time between them.
    #[must_use]
    pub fn drip(bytes: NonZeroUsize, every: Duration) -> Self {
        Self { pieces: Some(Pieces::Drip(bytes, every)), ..Self::default() }
    }
}

/// Faults of what the answer says, and how.
impl Fault {
    /// A stream ends in an `error` event of this type, such as `overloaded_error`, after `message_start` and before
    /// content. A whole message becomes an error of the status that goes with the type. Whether what was used is
    /// billed is a setting of the simulator.
    pub fn error_event(kind: impl Into<String>) -> Self {
        Self::ending(End::Error(ErrorEvent { kind: kind.into(), after: Some(0), request_id: true }))
    }

    /// The `error` event comes after `n` events with content (`content_block_delta`), or before the last event
    /// if there are fewer.
    #[must_use]
    pub fn after_content_events(mut self, n: u32) -> Self {
        if let Some(End::Error(event)) = &mut self.end {
            event.after = Some(n);
        }
        self
    }

    /// The `error` event is the first of the stream; there is no `message_start`.
    #[must_use]
    pub fn at_the_start(mut self) -> Self {
        if let Some(End::Error(event)) = &mut self.end {
            event.after = None;
        }
        self
    }

    /// The `error` event says nothing of the request's id.
    #[must_use]
    pub fn without_request_id(mut self) -> Self {
        if let Some(End::Error(event)) = &mut self.end {
            event.request_id = false;
        }
        self
    }

    /// The JSON breaks off, and the body ends in good order: a whole answer after half of its bytes, a stream with
    /// its last `content_block_delta`, which has half of its data and its empty line. A message without content is
    /// cut in its `message_delta`.
    #[must_use]
    pub fn truncated_json() -> Self {
        Self::ending(End::TruncatedJson(None))
    }

    /// The JSON breaks off in the n-th event of a stream, counted from 1, or in the last one if there are fewer.
    #[must_use]
    pub fn truncated_json_in_event(n: u32) -> Self {
        Self::ending(End::TruncatedJson(Some(n)))
    }

    /// A stream ends, in good order, without its last event. A whole answer lacks its last byte.
    #[must_use]
    pub fn no_message_stop() -> Self {
        Self::ending(End::NoMessageStop)
    }

    /// The head has a `content-length` that is so many bytes too large or, if negative, too small. All of the body
    /// is made beforehand, to know its length, and without the pings of stalls and paces.
    #[must_use]
    pub fn wrong_length(off: i64) -> Self {
        Self { wrong_length: Some(off), ..Self::default() }
    }

    /// The body is cut into frames at random places, of which many are inside a character or a line end.
    #[must_use]
    pub fn cut_randomly() -> Self {
        Self { pieces: Some(Pieces::Random), ..Self::default() }
    }

    /// The lines of a stream end differently.
    #[must_use]
    pub fn line_ends(line_ends: LineEnds) -> Self {
        Self { line_ends: Some(line_ends), ..Self::default() }
    }

    /// Comments and unknown events stand between the events of a stream.
    #[must_use]
    pub fn noise() -> Self {
        Self { noise: true, ..Self::default() }
    }

    /// The answer is gzip, whatever the request accepts, and says so.
    #[must_use]
    pub fn gzip_unasked() -> Self {
        Self { gzip: true, ..Self::default() }
    }
}

impl Fault {
    /// Both. Where they say something of the same part, the other one is right.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            instead: other.instead.or(self.instead),
            stall_headers: other.stall_headers.or(self.stall_headers),
            stall_first_event: other.stall_first_event.or(self.stall_first_event),
            stall_between_events: other.stall_between_events.or(self.stall_between_events),
            end: other.end.or(self.end),
            wrong_length: other.wrong_length.or(self.wrong_length),
            pieces: other.pieces.or(self.pieces),
            line_ends: other.line_ends.or(self.line_ends),
            noise: other.noise || self.noise,
            gzip: other.gzip || self.gzip,
        }
    }

    /// The message was executed before its answer was lost. It is for errors by status and for
    /// [`reset_before_headers`](Self::reset_before_headers), which draw nothing from limits and bill otherwise. A
    /// request that the API would refuse is not executed, and its answer is lost all the same.
    #[must_use]
    pub fn after_execution(mut self) -> Self {
        match &mut self.instead {
            Some(Instead::Error(error)) => error.executed = true,
            Some(Instead::Reset { executed }) => *executed = true,
            Some(Instead::Refuse) | None => {}
        }
        self
    }

    /// Whether a whole and right answer cannot come of a request with this fault, however long its caller waits and
    /// however well it reads.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.instead.is_some()
            || self.end.is_some()
            || self.wrong_length.is_some_and(|off| off != 0)
            || self.is_endless()
    }

    /// Whether the answer stands still for ever somewhere.
    pub(crate) fn is_endless(&self) -> bool {
        let between = self.stall_between_events.map(|(_, stall)| stall.length);
        let first = self.stall_first_event.map(|stall| stall.length);
        [self.stall_headers, first, between].contains(&Some(Duration::MAX))
    }

    /// Whether the request is executed although an error comes in place of its answer, or an answer comes.
    pub(crate) fn executes(&self) -> bool {
        match &self.instead {
            Some(Instead::Error(error)) => error.executed,
            Some(Instead::Reset { executed }) => *executed,
            Some(Instead::Refuse) => false,
            None => true,
        }
    }

    pub(super) fn instead(instead: Instead) -> Self {
        Self { instead: Some(instead), ..Self::default() }
    }

    fn ending(end: End) -> Self {
        Self { end: Some(end), ..Self::default() }
    }

    pub(super) fn error_mut(&mut self) -> Option<&mut ErrorAnswer> {
        match &mut self.instead {
            Some(Instead::Error(error)) => Some(error),
            _ => None,
        }
    }

    /// An answer of this status.
    pub(super) fn answering(status: StatusCode) -> Self {
        Self::instead(Instead::Error(Box::new(ErrorAnswer::new(status))))
    }
}
