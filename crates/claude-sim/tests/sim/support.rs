//! Requests and answers, shortened.

use bytes::Bytes;
use claude_sim::{DEFAULT_KEY, SimBody, Simulator};
use http::request::Builder;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

pub(crate) const MODEL: &str = "claude-opus-5-5";

/// A model that may be forced to use a tool.
pub(crate) const FORCED: &str = "claude-haiku-5-5";

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn read(response: Response<SimBody>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: head.status, headers: head.headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn get(uri: &str) -> Builder {
    with_headers(Request::get(uri))
}

pub(crate) fn post(uri: &str) -> Builder {
    with_headers(Request::post(uri)).header("content-type", "application/json")
}

fn with_headers(builder: Builder) -> Builder {
    builder.header("x-api-key", DEFAULT_KEY).header("anthropic-version", "2026-10-21")
}

pub(crate) fn full(request: Builder, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    request.body(Full::new(body.into())).unwrap()
}

pub(crate) async fn send(simulator: &Simulator, request: Request<Full<Bytes>>) -> Answer {
    Answer::read(simulator.clone().oneshot(request).await.unwrap()).await
}

/// A Messages request with these fields over the usual ones.
pub(crate) fn ask(fields: &Value) -> Request<Full<Bytes>> {
    full(post("/v1/messages"), body(fields).to_string())
}

pub(crate) fn body(fields: &Value) -> Value {
    let mut body = json!({
        "model": MODEL,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Hello, 世界"}],
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) async fn message(simulator: &Simulator, fields: &Value) -> Value {
    let answer = send(simulator, ask(fields)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()
}

pub(crate) fn weather() -> Value {
    json!([{
        "name": "get_weather",
        "description": "The weather somewhere",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city"],
        },
    }])
}
