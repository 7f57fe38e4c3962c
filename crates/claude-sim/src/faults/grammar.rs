//! Faults as text.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};

use super::error_answer::{Content, ErrorAnswer, Kind};
use super::fault::{End, ErrorEvent, Fault, Instead, LineEnds, Pieces, Stall};
use super::words::{self, Quoted, Word, Written};

/// A text that says no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFaultError {
    complaint: String,
}

impl ParseFaultError {
    pub(super) fn new(complaint: impl Into<String>) -> Self {
        Self { complaint: complaint.into() }
    }
}

impl fmt::Display for ParseFaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a fault: {}", self.complaint)
    }
}

impl Error for ParseFaultError {}

impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        let parts = words::parts(text)?;
        parts.iter().try_fold(Self::none(), |fault, words| Ok(fault.and(part(words)?)))
    }
}

/// One part: what it is, and its modifiers.
fn part(words: &[Word]) -> Result<Fault, ParseFaultError> {
    let (word, modifiers) = words.split_first().ok_or_else(|| ParseFaultError::new("no fault at all"))?;
    let mut fault = named(word)?;
    if is_preset(word) {
        word.alone()?;
    }
    for modifier in modifiers {
        fault = modified(fault, modifier)?
            .ok_or_else(|| ParseFaultError::new(format!("{} has no {:?}", word.name, modifier.name)))?;
    }
    Ok(fault)
}

/// Whether it is a name that never takes a value.
fn is_preset(word: &Word) -> bool {
    !matches!(
        word.name.as_str(),
        "status"
            | "rate-limited"
            | "ramp-limit"
            | "reset-mid-event"
            | "truncated-json"
            | "stall-headers"
            | "stall-first-event"
            | "stall-between-events"
            | "error-event"
            | "wrong-length"
            | "drip"
            | "line-ends"
    )
}

fn named(word: &Word) -> Result<Fault, ParseFaultError> {
    Ok(match word.name.as_str() {
        "none" => Fault::none(),
        "status" => {
            let wrong = |_| ParseFaultError::new("a status has three digits, of which the first is not 0");
            Fault::status(StatusCode::from_bytes(word.bytes()?).map_err(wrong)?)
        }
        "rate-limited" => Fault::rate_limited(word.number()?),
        "ramp-limit" => Fault::ramp_limit(word.number()?),
        "spend-cap" => Fault::spend_cap(),
        "contract-spend-cap" => Fault::contract_spend_cap(),
        "organization-spend-limit" => Fault::organization_spend_limit(),
        "workspace-spend-limit" => Fault::workspace_spend_limit(),
        "gateway-spend-limit" => Fault::gateway_spend_limit(),
        "internal" => Fault::internal(),
        "overloaded" => Fault::overloaded(),
        "refuse" => Fault::refuse(),
        "reset-before-headers" => Fault::reset_before_headers(),
        "reset-after-headers" => Fault::reset_after_headers(),
        "reset-mid-event" => Fault::reset_mid_event(word.number()?),
        "stall-headers" => Fault::stall_headers(word.duration()?),
        "stall-first-event" => Fault::stall_first_event(word.duration()?),
        "stall-between-events" => Fault::stall_between_events(1, word.duration()?),
        "error-event" => Fault::error_event(word.text()?),
        "truncated-json" if word.alone().is_ok() => Fault::truncated_json(),
        "truncated-json" => Fault::truncated_json_in_event(word.number()?),
        "no-message-stop" => Fault::no_message_stop(),
        "wrong-length" => Fault::wrong_length(word.number()?),
        "drip" => {
            let (bytes, every) = drip(word.text()?)
                .ok_or_else(|| ParseFaultError::new("drip is written as bytes/duration, such as 16/100ms"))?;
            Fault::drip(bytes, every)
        }
        "cut-randomly" => Fault::cut_randomly(),
        "line-ends" => match word.text()? {
            "crlf" => Fault::line_ends(LineEnds::CrLf),
            "cr" => Fault::line_ends(LineEnds::Cr),
            _ => return Err(ParseFaultError::new("line-ends are crlf or cr")),
        },
        "noise" => Fault::noise(),
        "gzip-unasked" => Fault::gzip_unasked(),
        unknown => return Err(ParseFaultError::new(format!("there is none by the name of {unknown:?}"))),
    })
}

fn drip(text: &str) -> Option<(NonZeroUsize, Duration)> {
    let (bytes, every) = text.split_once('/')?;
    Some((bytes.parse().ok()?, words::duration(every)?))
}

/// `None` if this fault cannot be modified like that.
fn modified(mut fault: Fault, word: &Word) -> Result<Option<Fault>, ParseFaultError> {
    match word.name.as_str() {
        "executed" if matches!(fault.instead, Some(Instead::Error(_) | Instead::Reset { .. })) => {
            word.alone()?;
            return Ok(Some(fault.after_execution()));
        }
        "pings" if fault.stall_first_event.is_some() || fault.stall_between_events.is_some() => {
            return Ok(Some(fault.with_pings(word.duration()?)));
        }
        _ => {}
    }
    if let Some((after, _)) = fault.stall_between_events.as_mut().filter(|_| word.name == "after") {
        *after = word.number::<u32>()?.max(1);
        return Ok(Some(fault));
    }
    match (&fault.instead, &fault.end) {
        (Some(Instead::Error(_)), _) => error_modified(fault, word),
        (_, Some(End::Error(_))) => event_modified(fault, word),
        _ => Ok(None),
    }
}

fn event_modified(fault: Fault, word: &Word) -> Result<Option<Fault>, ParseFaultError> {
    Ok(Some(match word.name.as_str() {
        "after" => fault.after_content_events(word.number()?),
        "at-start" => word.alone().map(|()| fault.at_the_start())?,
        "no-request-id" => word.alone().map(|()| fault.without_request_id())?,
        _ => return Ok(None),
    }))
}

fn error_modified(fault: Fault, word: &Word) -> Result<Option<Fault>, ParseFaultError> {
    Ok(Some(match word.name.as_str() {
        "type" => fault.with_error_type(word.text()?),
        "no-type" => word.alone().map(|()| fault.without_error_type())?,
        "message" => fault.with_message(word.text()?),
        "code" => fault.with_error_code(word.text()?),
        "retry-after" => fault.with_header(RETRY_AFTER, header_value(word.bytes()?)?),
        "retry-after-ms" => {
            fault.with_header(HeaderName::from_static("retry-after-ms"), header_value(word.bytes()?)?)
        }
        "should-retry" => match word.text()? {
            "true" => fault.with_should_retry(true),
            "false" => fault.with_should_retry(false),
            _ => return Err(ParseFaultError::new("should-retry is true or false")),
        },
        "header" => {
            let (name, value) = header(word.bytes()?)?;
            fault.with_header(name, value)
        }
        "body" => match word.text()? {
            "html" => fault.without_json(),
            "empty" => fault.with_empty_body(),
            _ => return Err(ParseFaultError::new("body is html or empty; others are bytes=\"...\"")),
        },
        "bytes" => fault.with_body(Bytes::copy_from_slice(word.bytes()?), "text/plain"),
        "content-type" => return typed(fault, word.text()?),
        _ => return Ok(None),
    }))
}

/// The type of a body that was given.
fn typed(mut fault: Fault, content_type: &str) -> Result<Option<Fault>, ParseFaultError> {
    match fault.error_mut().map(|error| &mut error.content) {
        Some(Content::Given(_, given)) => content_type.clone_into(given),
        _ => return Err(ParseFaultError::new("content-type stands after bytes=\"...\"")),
    }
    Ok(Some(fault))
}

fn header(bytes: &[u8]) -> Result<(HeaderName, HeaderValue), ParseFaultError> {
    let wrong = || ParseFaultError::new("a header is written as \"name: value\"");
    let colon = bytes.windows(2).position(|two| two == b": ").ok_or_else(wrong)?;
    let name = HeaderName::from_bytes(&bytes[..colon]).map_err(|_| wrong())?;
    Ok((name, header_value(&bytes[colon + 2..])?))
}

fn header_value(bytes: &[u8]) -> Result<HeaderValue, ParseFaultError> {
    HeaderValue::from_bytes(bytes).map_err(|_| ParseFaultError::new("a value that cannot stand in a header"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match &self.instead {
            Some(Instead::Error(error)) => parts.push(error.to_string()),
            Some(Instead::Refuse) => parts.push("refuse".into()),
            Some(Instead::Reset { executed }) => {
                parts.push(format!("reset-before-headers{}", if *executed { " executed" } else { "" }));
            }
            None => {}
        }
        if let Some(length) = self.stall_headers {
            parts.push(format!("stall-headers={}", Written(length)));
        }
        if let Some(stall) = self.stall_first_event {
            parts.push(format!("stall-first-event={stall}"));
        }
        if let Some((after, stall)) = self.stall_between_events {
            parts.push(format!("stall-between-events={stall} after={after}"));
        }
        match &self.end {
            Some(End::ResetAfterHeaders) => parts.push("reset-after-headers".into()),
            Some(End::ResetMidEvent(n)) => parts.push(format!("reset-mid-event={n}")),
            Some(End::Error(event)) => parts.push(event.to_string()),
            Some(End::TruncatedJson(None)) => parts.push("truncated-json".into()),
            Some(End::TruncatedJson(Some(n))) => parts.push(format!("truncated-json={n}")),
            Some(End::NoMessageStop) => parts.push("no-message-stop".into()),
            None => {}
        }
        if let Some(off) = self.wrong_length {
            parts.push(format!("wrong-length={off}"));
        }
        match self.pieces {
            Some(Pieces::Random) => parts.push("cut-randomly".into()),
            Some(Pieces::Drip(bytes, every)) => parts.push(format!("drip={bytes}/{}", Written(every))),
            None => {}
        }
        match self.line_ends {
            Some(LineEnds::CrLf) => parts.push("line-ends=crlf".into()),
            Some(LineEnds::Cr) => parts.push("line-ends=cr".into()),
            None => {}
        }
        for (there, name) in [(self.noise, "noise"), (self.gzip, "gzip-unasked")] {
            if there {
                parts.push(name.into());
            }
        }
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Written(self.length))?;
        self.pings.map_or(Ok(()), |every| write!(f, " pings={}", Written(every)))
    }
}

impl fmt::Display for ErrorEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error-event={}", Quoted(self.kind.as_bytes()))?;
        match self.after {
            None => f.write_str(" at-start")?,
            Some(0) => {}
            Some(after) => write!(f, " after={after}")?,
        }
        f.write_str(if self.request_id { "" } else { " no-request-id" })
    }
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status={}", self.status.as_u16())?;
        match &self.kind {
            Kind::OfStatus => {}
            Kind::None => f.write_str(" no-type")?,
            Kind::Given(kind) => write!(f, " type={}", Quoted(kind.as_bytes()))?,
        }
        for (name, text) in [("code", &self.code), ("message", &self.message)] {
            if let Some(text) = text {
                write!(f, " {name}={}", Quoted(text.as_bytes()))?;
            }
        }
        for (name, value) in &self.headers {
            match (name.as_str(), value.as_bytes()) {
                ("x-should-retry", b"true") => f.write_str(" should-retry=true")?,
                ("x-should-retry", b"false") => f.write_str(" should-retry=false")?,
                (name @ ("retry-after" | "retry-after-ms"), value) => write!(f, " {name}={}", Quoted(value))?,
                (name, value) => {
                    let header = [name.as_bytes(), b": ", value].concat();
                    write!(f, " header={}", Quoted(&header))?;
                }
            }
        }
        match &self.content {
            Content::Json => {}
            Content::Html => f.write_str(" body=html")?,
            Content::Empty => f.write_str(" body=empty")?,
            Content::Given(body, content_type) => {
                write!(f, " bytes={} content-type={}", Quoted(body), Quoted(content_type.as_bytes()))?;
            }
        }
        f.write_str(if self.executed { " executed" } else { "" })
    }
}
