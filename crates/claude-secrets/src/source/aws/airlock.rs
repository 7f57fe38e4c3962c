//! Keeps answers from the SDK.
//!
//! The SDK logs what it receives at `TRACE` (1.125, 2026-11): `aws_smithy_runtime::client::orchestrator::http` the body, if
//! `LOG_SENSITIVE_BODIES` is set, and `aws_smithy_runtime::client::orchestrator` always the words of an error, and of an
//! answer the value that it could not read. It copies the secret, too, and wipes none of the copies. So what the server says
//! is taken off below it: the SDK gets an empty answer or the bare code of an error, which is all that it needs to decide
//! whether to send again.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_sdk_secretsmanager::config::http::{HttpRequest, HttpResponse};
use aws_sdk_secretsmanager::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_secretsmanager::error::ConnectorError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use claude_wire::shown;
use http_body::Body;
use zeroize::Zeroizing;

use super::error_code;

/// The longest answer that is read, in bytes. A secret holds up to 64 KiB (the service's quota, 2026-11), of which JSON may
/// make six times as much.
const MAX_LENGTH: usize = 512 * 1024;

/// What was heard of the last attempt of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sent: bool,
    answer: Option<Answer>,
}

/// What the server said.
pub(super) enum Answer {
    /// The body of a success, and the server's time.
    Whole { body: Zeroizing<Vec<u8>>, date: Option<SystemTime> },
    /// An error.
    Refused(Refused),
    /// More than is read.
    TooLong,
}

/// What is kept of an error. None of its words.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused {
    pub(super) status: u16,
    /// The name of the error.
    pub(super) code: Option<String>,
    /// The name of the request, for those who ask AWS.
    pub(super) request: Option<String>,
    /// It is said that the secret is about to be deleted. There is no code for that.
    pub(super) deleted: bool,
}

impl Heard {
    /// A request has been handed to the connection at all.
    pub(super) fn was_sent(&self) -> bool {
        self.state().sent
    }

    pub(super) fn take(&self) -> Option<Answer> {
        self.state().answer.take()
    }

    fn begin(&self) {
        *self.state() = State { sent: true, answer: None };
    }

    fn set(&self, answer: Answer) {
        self.state().answer = Some(answer);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client for one call, which keeps what it hears to itself.
#[derive(Debug)]
pub(super) struct Airlock {
    inner: SharedHttpClient,
    heard: Heard,
}

impl Airlock {
    pub(super) const fn new(inner: SharedHttpClient, heard: Heard) -> Self {
        Self { inner, heard }
    }
}

impl HttpClient for Airlock {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Lock { inner, heard: self.heard.clone() })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct Lock {
    inner: SharedHttpConnector,
    heard: Heard,
}

impl HttpConnector for Lock {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let heard = self.heard.clone();
        heard.begin();
        let response = self.inner.call(request);
        HttpConnectorFuture::new(async move { keep(response.await?, &heard).await })
    }
}

/// Reads the answer, keeps it, and gives what the SDK may see of it.
async fn keep(mut response: HttpResponse, heard: &Heard) -> Result<HttpResponse, ConnectorError> {
    let read = read(response.take_body()).await;
    let body = match read {
        Ok(Some(body)) => body,
        Ok(None) => {
            heard.set(Answer::TooLong);
            return Err(ConnectorError::other("the answer is too long".into(), None));
        }
        // The reason is the connection's, and holds nothing of the body; what it is called is of no use to anyone.
        Err(_) => return Err(ConnectorError::io("the answer broke off".into())),
    };
    let seen = if response.status().is_success() {
        let date = response.headers().get("date").and_then(time);
        heard.set(Answer::Whole { body, date });
        SdkBody::from("{}")
    } else {
        let refused = refused(&response, &body);
        let seen = error_code::body(refused.code.as_deref());
        heard.set(Answer::Refused(refused));
        SdkBody::from(seen)
    };
    *response.body_mut() = seen;
    // It was that of the answer, and the SDK can be told to count.
    response.headers_mut().remove("content-length");
    Ok(response)
}

/// The whole body, unless it is longer than what is read.
async fn read(body: SdkBody) -> Result<Option<Zeroizing<Vec<u8>>>, <SdkBody as Body>::Error> {
    let mut body = pin!(body);
    // A vector that grows leaves what it held where it was, so it begins with the room it needs.
    let expected = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut read = Zeroizing::new(Vec::with_capacity(expected.unwrap_or(0).clamp(8 * 1024, MAX_LENGTH)));
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if read.len() + data.len() > MAX_LENGTH {
            return Ok(None);
        }
        read.extend_from_slice(&data);
    }
    Ok(Some(read))
}

fn refused(response: &HttpResponse, body: &[u8]) -> Refused {
    let headers = response.headers();
    let request = headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id"));
    let said = error_code::read(headers.get("x-amzn-errortype"), body);
    Refused {
        status: response.status().as_u16(),
        code: said.code,
        request: request.and_then(shown::name).map(ToOwned::to_owned),
        deleted: said.deleted,
    }
}

fn time(text: &str) -> Option<SystemTime> {
    let time = DateTime::from_str(text, Format::HttpDate).ok()?;
    SystemTime::try_from(time).ok()
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("sent", &self.sent).finish_non_exhaustive()
    }
}
