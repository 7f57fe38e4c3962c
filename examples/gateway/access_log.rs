//! One line for each request, when its answer has ended: no credentials, no query, no bodies.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use claude_tower::wire::body::{Pace, Watch, WatchedEnd};
use claude_tower::wire::headers;
use http::{Method, StatusCode};
use tokio::time::Instant;

/// What is known of a request. It is logged when it is dropped: with the body of the answer, or before if the
/// caller leaves.
pub(crate) struct Line {
    method: Method,
    path: String,
    client: Option<Arc<str>>,
    begun: Instant,
    head: Option<Duration>,
    status: Option<StatusCode>,
    request_id: Option<String>,
    bytes: u64,
    end: &'static str,
}

impl Line {
    pub(crate) fn begin(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            client: None,
            begun: Instant::now(),
            head: None,
            status: None,
            request_id: None,
            bytes: 0,
            end: "left before the answer",
        }
    }

    /// The name of the client, from the configuration.
    pub(crate) fn admitted(&mut self, client: Arc<str>) {
        self.client = Some(client);
    }

    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.head = Some(self.elapsed());
        self.status = Some(response.status());
        self.request_id = headers::request_id(response.headers()).map(str::to_owned);
    }

    fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.begun)
    }
}

impl Watch for Line {
    fn on_data(&mut self, data: &Bytes) -> Pace {
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        Pace::Pass
    }

    fn on_end(&mut self, end: WatchedEnd) {
        self.end = match end {
            WatchedEnd::Complete => "complete",
            WatchedEnd::Failed => "cut by the upstream",
            WatchedEnd::Dropped => "left by the caller",
        };
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        tracing::info!(
            method = %self.method,
            path = self.path,
            client = self.client.as_deref(),
            status = self.status.map(|status| status.as_u16()),
            request_id = self.request_id,
            head_ms = self.head.map(|head| head.as_millis()),
            total_ms = self.elapsed().as_millis(),
            bytes = self.bytes,
            end = self.end,
            "request"
        );
    }
}
