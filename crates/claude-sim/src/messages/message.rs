//! The answer to a message: composed whole, and written as JSON.

use std::time::{Duration, SystemTime};

use fastrand::Rng;
use serde::{Serialize, Serializer};

use super::content::Content;
use super::reply::Reply;
use super::request::Asked;
use super::stop::{StopDetails, StopReason};
use super::usage::{Effect, Usage};
use super::writer::Writer;
use crate::{date, seed};

/// How long a container lives on; the API does not say.
const CONTAINER_LIFE: Duration = Duration::from_secs(3_600);

pub(super) struct Message {
    pub(super) id: String,
    /// The model that was asked.
    model: String,
    /// The model that wrote the end, if that is another one.
    served_by: Option<String>,
    pub(super) content: Vec<Written>,
    pub(super) stop: StopReason,
    /// As it stands when a stream begins: the input, and little output.
    pub(super) start: Usage,
    pub(super) usage: Usage,
    pub(super) container: Option<Container>,
    /// Whether a stream says after each block what has been used.
    pub(super) tells_usage: bool,
}

/// A block, and what it uses.
pub(super) struct Written {
    pub(super) content: Content,
    /// The output that it costs.
    pub(super) tokens: u64,
    /// What its beginning does to the usage.
    pub(super) effect: Option<Effect>,
}

impl Written {
    /// Whether its tokens are thinking.
    pub(super) const fn is_thinking(&self) -> bool {
        matches!(self.content, Content::Thinking { .. } | Content::RedactedThinking { .. })
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.content.serialize(serializer)
    }
}

/// Where code ran.
#[derive(Clone, Serialize)]
pub(super) struct Container {
    id: String,
    expires_at: String,
    skills: (),
}

impl Message {
    /// `start` is the usage of the input.
    pub(super) fn compose(
        asked: &Asked<'_>,
        reply: &Reply,
        start: Usage,
        now: SystemTime,
        rng: &mut Rng,
    ) -> Self {
        let id = seed::id("msg_01", 22, rng);
        let mut writer = Writer::new(asked, reply, start.clone(), rng);
        let stop = writer.write(reply);
        let Writer { content, usage, served_by, is_contained, .. } = writer;
        let container = is_contained.then(|| Container::new(now, rng));
        Self {
            id,
            model: asked.model.id().to_owned(),
            served_by,
            content,
            stop,
            start,
            usage,
            container,
            tells_usage: reply.tells_usage,
        }
    }

    /// Whether it stays off the bill.
    pub(super) fn is_free(&self) -> bool {
        self.content.is_empty() && self.stop.is_free_before_output()
    }

    pub(super) fn as_json(&self) -> impl Serialize {
        Envelope {
            model: self.served_by.as_deref().unwrap_or(&self.model),
            content: &self.content,
            container: self.container.as_ref(),
            stop_reason: Some(self.stop.name()),
            stop_sequence: self.stop.sequence(),
            stop_details: self.stop.details(),
            ..self.empty(&self.usage)
        }
    }

    /// As a stream shows it first: empty, and without an end.
    pub(super) fn as_start_json(&self) -> impl Serialize {
        self.empty(&self.start)
    }

    fn empty<'a>(&'a self, usage: &'a Usage) -> Envelope<'a> {
        Envelope {
            model: &self.model,
            id: &self.id,
            r#type: "message",
            role: "assistant",
            content: &[],
            container: None,
            stop_reason: None,
            stop_sequence: None,
            stop_details: None,
            usage,
            diagnostics: (),
        }
    }
}

impl Container {
    fn new(now: SystemTime, rng: &mut Rng) -> Self {
        let expires_at = now.checked_add(CONTAINER_LIFE).and_then(date::rfc_3339);
        let expires_at =
            expires_at.as_ref().and_then(|date| date.to_str().ok()).unwrap_or_default().to_owned();
        Self { id: seed::id("container_01", 22, rng), expires_at, skills: () }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    model: &'a str,
    id: &'a str,
    r#type: &'static str,
    role: &'static str,
    content: &'a [Written],
    container: Option<&'a Container>,
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    stop_details: Option<StopDetails>,
    usage: &'a Usage,
    diagnostics: (),
}
