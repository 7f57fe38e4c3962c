//! The error.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use claude_wire::{BoxError, ErrorBody};
use http::{Response, StatusCode, response};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::classify::{Classification, Retry, walk};
use crate::kind::{Blame, ErrorKind};
use crate::messages::Messages;

/// Why a call failed. Opaque, cheap to clone (a clone shares everything), and safe to show: neither `Display` nor `Debug`
/// nor what it serialises to holds a key, a prompt or a completion.
///
/// * `Display` is the message: plain words, the same for every error of a code, replaceable by [`Messages`].
/// * It serialises as `{"code": "RATE_LIMIT", "message": "…", "retryable": true}`.
/// * One that was made from a response [turns back](Self::to_response) into that response, byte for byte; any other
///   becomes the API's own shape of an error.
/// * [`source`](StdError::source) is the error it was made from, if it was.
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    classification: Classification,
    message: Option<Cow<'static, str>>,
    response: Option<(response::Parts, Bytes)>,
    api_message: Option<String>,
    mid_stream: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    fn new(classification: Classification) -> Self {
        let inner = Inner {
            classification,
            message: None,
            response: None,
            api_message: None,
            mid_stream: false,
            source: None,
        };
        Self { inner: Arc::new(inner) }
    }

    /// From an error of a service. `sent` is what the attempt's mark says, if there is one. An error of this type comes
    /// back as it is, wherever in the chain it stands.
    pub fn from_service(error: impl Into<BoxError>, sent: Option<bool>) -> Self {
        let error = error.into();
        if let Some(found) = Self::find(&*error) {
            return found.clone();
        }
        Self::new(Classification::of_error(&*error, sent)).with_source(error)
    }

    /// From a response and the whole of its body.
    ///
    /// # Errors
    ///
    /// If the response is none of an error (its status is below 400) it comes back.
    #[expect(clippy::result_large_err, reason = "the caller's own response, moved in and out")]
    pub fn from_response(
        response: Response<Bytes>,
        now: std::time::SystemTime,
    ) -> Result<Self, Response<Bytes>> {
        let body = ErrorBody::read(response.body());
        match Classification::of_response(response.status(), response.headers(), body.as_ref(), now) {
            Some(classification) => {
                let mut error = Self::new(classification);
                let inner = error.inner_mut();
                inner.api_message = body.and_then(|body| body.message);
                inner.response = Some(response.into_parts());
                Ok(error)
            }
            None => Err(response),
        }
    }

    /// From the `error` event of a stream.
    #[must_use]
    pub fn from_event(event: &ErrorBody) -> Self {
        let mut error = Self::new(Classification::of_event(event));
        let inner = error.inner_mut();
        inner.api_message = event.message.clone();
        inner.mid_stream = true;
        error
    }

    /// From an answer that broke off, with the error of its body if it had one.
    pub(crate) fn from_cut_answer(source: Option<BoxError>) -> Self {
        if let Some(found) = source.as_deref().and_then(|source| Self::find(source)) {
            return found.clone();
        }
        let cause = source.as_deref().map(|source| source as &(dyn StdError + 'static));
        let mut error = Self::new(Classification::of_cut_answer(cause));
        let inner = error.inner_mut();
        inner.mid_stream = true;
        inner.source = source.map(Arc::from);
        error
    }

    /// The error of this type in a chain, if there is one.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut found = None;
        walk(error, &mut |error| {
            if found.is_none() {
                found = error.downcast_ref();
            }
        });
        found
    }

    pub(crate) fn with_source(mut self, source: BoxError) -> Self {
        self.inner_mut().source = Some(Arc::from(source));
        self
    }

    /// Says it in other words, if there are any for its code.
    #[must_use]
    pub fn with_messages(mut self, messages: &Messages) -> Self {
        if let Some(message) = messages.get(self.code()).or_else(|| messages.get(self.kind().code())) {
            self.inner_mut().message = Some(message.to_owned().into());
        }
        self
    }

    /// Judged anew by somebody who knows more.
    pub(crate) fn settled_by(mut self, settle: impl FnOnce(Classification) -> Classification) -> Self {
        let inner = self.inner_mut();
        inner.classification = settle(inner.classification.clone());
        self
    }

    fn inner_mut(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.inner)
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.classification.kind
    }

    /// The stable name of what happened, for programs: `RATE_LIMIT`, `AUTH_ERROR`, `CONNECTION_ERROR`, … ([`ErrorKind`]
    /// has the list); a layer's refusal has its own, such as `BUDGET_EXCEEDED`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.inner.classification.code()
    }

    /// All that the classifier said.
    #[must_use]
    pub fn classification(&self) -> &Classification {
        &self.inner.classification
    }

    /// The status of the response, if there was one. An `error` event in a stream has none of its own.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.classification.status
    }

    /// The API's `request-id`, for support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.inner.classification.request_id.as_deref()
    }

    /// How long to wait before another attempt, if the server or a layer said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.classification.retry_after
    }

    /// Whether another attempt of the same request makes sense. The classification says whether just one does
    /// ([`Retry::Once`]).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.inner.classification.retry != Retry::No
    }

    /// Whether the request may have been executed, and billed, all the same: this attempt or an earlier one of the call.
    #[must_use]
    pub fn maybe_executed(&self) -> bool {
        self.inner.classification.maybe_executed
    }

    /// Whose fault it was.
    #[must_use]
    pub fn blame(&self) -> Blame {
        self.inner.classification.blame
    }

    /// Whether a layer of this stack did not let the request through.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind(), ErrorKind::Refused(_))
    }

    /// Whether part of the answer had come already.
    #[must_use]
    pub fn is_mid_stream(&self) -> bool {
        self.inner.mid_stream
    }

    /// What the API said, in its own words. **It may quote the request**: it is in nothing else that this type shows.
    #[must_use]
    pub fn api_message(&self) -> Option<&str> {
        self.inner.api_message.as_deref()
    }

    /// The response that it was made from, body included.
    #[must_use]
    pub fn response(&self) -> Option<Response<Bytes>> {
        let (parts, body) = self.inner.response.as_ref()?;
        Some(Response::from_parts(parts.clone(), body.clone()))
    }

    /// The plain words.
    #[must_use]
    pub fn message(&self) -> &str {
        let classification = &self.inner.classification;
        match (&self.inner.message, &classification.refusal) {
            (Some(message), _) => message,
            (None, Some(refusal)) => refusal.message(),
            (None, None) => classification.kind.traits().message,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// From what has been judged, where nothing else is left of the failure.
impl From<Classification> for Error {
    fn from(classification: Classification) -> Self {
        Self::new(classification)
    }
}

/// Leaves out what the API said, the response's headers and bytes, and the source.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("classification", &self.inner.classification)
            .field("mid_stream", &self.inner.mid_stream)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// `{code, message, retryable}`.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Error", 3)?;
        fields.serialize_field("code", self.code())?;
        fields.serialize_field("message", self.message())?;
        fields.serialize_field("retryable", &self.is_retryable())?;
        fields.end()
    }
}
