//! An answer before it is encoded and sent: the status, the headers of its own, and what to send.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, SERVER, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::body::SimBody;
use crate::delivery::{Delivery, Excess};
use crate::draft::Draft;
use crate::encoding::{Coding, GzipStream};
use crate::event_plan::EventPlan;
use crate::execution::Execution;
use crate::frames::Frames;
use crate::messages::EventStream;
use crate::pace::Pace;
use crate::plan::Plan;
use crate::prompt_cache::Ticket;

pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
    execution: Option<Execution>,
    /// A message that is to be written before it is sent.
    unwritten: Option<Box<EventStream>>,
    of_edge: bool,
    prompt_cache: Option<Ticket>,
}

enum Content {
    Bytes(Bytes),
    Events(Box<EventStream>),
}

impl Answer {
    /// Bodies are structs, never maps: the order of a map's fields would depend on features of `serde_json` that
    /// others may turn on. Nothing in them can fail to be written.
    pub(crate) fn json<T: Serialize>(body: &T) -> Self {
        let json = serde_json::to_vec(body).unwrap_or_default();
        Self::bytes(Bytes::from(json), Some(HeaderValue::from_static("application/json")))
    }

    pub(crate) fn events(events: EventStream) -> Self {
        let content_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
        let mut answer = Self::new(Some(content_type), Content::Events(Box::new(events)));
        answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer
    }

    pub(crate) fn bytes(body: Bytes, content_type: Option<HeaderValue>) -> Self {
        Self::new(content_type, Content::Bytes(body))
    }

    /// A page of an edge, which knows nothing of the API.
    pub(crate) fn of_edge(page: Bytes) -> Self {
        let mut answer = Self::bytes(page, Some(HeaderValue::from_static("text/html")));
        answer.headers.insert(SERVER, HeaderValue::from_static("cloudflare"));
        Self { of_edge: true, ..answer }
    }

    fn new(content_type: Option<HeaderValue>, content: Content) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        Self {
            status: StatusCode::OK,
            headers,
            content,
            execution: None,
            unwritten: None,
            of_edge: false,
            prompt_cache: None,
        }
    }

    pub(crate) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// It is a whole message, which a stream would bring like this.
    pub(crate) fn writing(mut self, events: EventStream) -> Self {
        self.unwritten = Some(Box::new(events));
        self
    }

    /// It answers a message, which is being executed until the end of the body.
    pub(crate) fn execute(&mut self, execution: Execution) {
        self.execution = Some(execution);
    }

    /// Whether the API itself answers.
    pub(crate) const fn is_of_api(&self) -> bool {
        !self.of_edge
    }

    /// What its prompt leaves in the cache, from when the response begins.
    pub(crate) fn cache_prompt(&mut self, ticket: Ticket) {
        self.prompt_cache = Some(ticket);
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) const fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The output tokens of a message that is sent whole.
    pub(crate) fn whole_tokens(&self) -> Option<u64> {
        self.unwritten.as_ref().map(|events| events.whole_usage().output())
    }

    /// Makes a stream a message that was written to its end, for nobody.
    pub(crate) fn write_for_nobody(&mut self) {
        match std::mem::replace(&mut self.content, Content::Bytes(Bytes::new())) {
            Content::Events(events) => self.unwritten = Some(events),
            bytes @ Content::Bytes(_) => self.content = bytes,
        }
    }

    /// The writing of a whole message begins. If it is left before its end, it has cost what was written by then.
    pub(crate) fn write(&mut self, pace: Pace) {
        if let (Some(execution), Some(events)) = (&mut self.execution, self.unwritten.take()) {
            execution.write(Draft::begin(events, pace));
        }
    }

    /// A whole message has been written, and its head shows what that left of the limits.
    pub(crate) fn written(&mut self) {
        if let Some(execution) = &mut self.execution {
            execution.written();
            execution.show_limits(&mut self.headers);
        }
    }

    /// It was executed, and nobody gets it. Its prompt is in the cache all the same.
    pub(crate) fn lose(&mut self) {
        if let Some(ticket) = self.prompt_cache.take() {
            ticket.redeem();
        }
        if let Some(execution) = &mut self.execution {
            execution.lose_answer();
        }
    }

    /// It fails while it is being written.
    pub(crate) fn fail(&mut self) {
        if let Some(execution) = &mut self.execution {
            execution.fail_stream();
        }
    }

    pub(crate) fn into_response(self, delivery: &Delivery<'_>) -> Response<SimBody> {
        let Self { status, mut headers, content, execution, prompt_cache, .. } = self;
        if let Some(ticket) = prompt_cache {
            ticket.redeem();
        }
        let coding = match &content {
            Content::Bytes(bytes) if bytes.is_empty() => Coding::Identity,
            _ => delivery.coding,
        };
        coding.announce(&mut headers);
        let (plan, declared, mut hint) = match content {
            Content::Bytes(bytes) => {
                let whole = Plan::whole(bytes, delivery.fault, coding);
                (whole.plan, Some(whole.declared), whole.exact.then_some(whole.declared))
            }
            Content::Events(events) => {
                let gzip = (coding == Coding::Gzip).then(GzipStream::new);
                let (fault, noise) = (delivery.fault.clone(), delivery.noise());
                let events =
                    EventPlan::new(*events, delivery.request_id, fault, delivery.shared.pace, gzip, noise);
                (Plan::events(events), None, None)
            }
        };
        let (plan, declared, excess) = match delivery.wrong_length() {
            Some(off) => {
                let (wrong, excess) = plan.with_wrong_length(declared, off);
                hint = wrong.exact.then_some(wrong.declared);
                (wrong.plan, Some(wrong.declared), excess)
            }
            None => (plan, declared, Bytes::new()),
        };
        if let Some(declared) = declared {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(declared));
        }
        let body = SimBody::new(plan, Frames::new(delivery.cut()), hint);
        let mut response = Response::new(body.executing(execution));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if !excess.is_empty() {
            response.extensions_mut().insert(Excess(excess));
        }
        response
    }
}
