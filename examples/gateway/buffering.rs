//! Which requests are read into memory before they go on: only those can be sent a second time.

use axum::extract::Request;
use claude_tower::config::Config;
use claude_tower::wire::body::BufferError;
use claude_tower::wire::call::{Refusal, RefusalKind};
use claude_tower::wire::facts::Endpoint;
use claude_tower::wire::{Body, BoxError};
use http_body::Body as _;

/// How much of a request may be in memory.
#[derive(Clone, Copy)]
pub(crate) struct Buffering {
    /// `None` if nothing is ever sent again.
    cap: Option<usize>,
}

impl Buffering {
    pub(crate) fn new(config: &Config) -> Self {
        let cap = usize::try_from(config.gateway.max_buffered_request).unwrap_or(usize::MAX);
        Self { cap: config.retry.enabled.then_some(cap) }
    }

    /// The request with its body in memory, or as a stream where that is better.
    ///
    /// # Errors
    ///
    /// If the body breaks off while it is read. Nothing of it was sent.
    pub(crate) async fn read(self, request: Request) -> Result<http::Request<Body>, BoxError> {
        let Some(cap) = self.cap else {
            return Ok(request.map(Body::from));
        };
        let (head, body) = request.into_parts();
        let body = if body.is_end_stream() {
            Body::empty()
        } else if cap == 0 || carries_files(&head) {
            Body::from(body)
        } else {
            match Body::buffered(body, cap).await {
                // One that is too large goes on from where it is. If its length was declared, nothing has been read.
                Ok(body) | Err(BufferError::TooLarge { body, .. }) => body,
                Err(BufferError::Read(error)) => return Err(broken_off(&error)),
            }
        };
        Ok(http::Request::from_parts(head, body))
    }
}

/// These may be of hundreds of megabytes, and are no JSON.
fn carries_files(head: &http::request::Parts) -> bool {
    matches!(Endpoint::from_path(head.uri.path()), Endpoint::Files | Endpoint::Skills)
}

/// In the words of a request that broke off on its way up.
fn broken_off(error: &BoxError) -> BoxError {
    tracing::debug!(%error, "a request broke off");
    Refusal::new(RefusalKind::Policy, "UNSENDABLE_REQUEST", "the request could not be sent").into()
}
