//! An answer before it is encoded and sent: the status, the headers of its own, and what to send.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::body::SimBody;
use crate::encoding::Coding;
use crate::execution::Execution;
use crate::messages::EventStream;

pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
    execution: Option<Execution>,
}

enum Content {
    Json(Bytes),
    Events(Box<EventStream>),
}

impl Answer {
    /// Bodies are structs, never maps: the order of a map's fields would depend on features of `serde_json` that
    /// others may turn on. Nothing in them can fail to be written.
    pub(crate) fn json<T: Serialize>(body: &T) -> Self {
        let json = serde_json::to_vec(body).unwrap_or_default();
        Self::new("application/json", Content::Json(Bytes::from(json)))
    }

    pub(crate) fn events(events: EventStream) -> Self {
        let mut answer = Self::new("text/event-stream; charset=utf-8", Content::Events(Box::new(events)));
        answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer
    }

    fn new(content_type: &'static str, content: Content) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        Self { status: StatusCode::OK, headers, content, execution: None }
    }

    pub(crate) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// It answers a message, which is being executed until the end of the body.
    pub(crate) fn execute(&mut self, execution: Execution) {
        self.execution = Some(execution);
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) const fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    pub(crate) fn into_response(self, coding: Coding) -> Response<SimBody> {
        let Self { status, mut headers, content, execution } = self;
        coding.announce(&mut headers);
        let body = match content {
            Content::Json(json) => {
                let json = coding.encode(json);
                headers.insert(CONTENT_LENGTH, HeaderValue::from(json.len()));
                SimBody::whole(json)
            }
            Content::Events(events) => SimBody::events(*events, coding),
        };
        let mut response = Response::new(body.executing(execution));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}
