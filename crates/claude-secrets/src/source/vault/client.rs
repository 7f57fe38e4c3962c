//! One request, one answer: within a time and a size.
//!
//! Over hyper's client and not over a library for Vault: of `vaultrs` 0.8 (2026-11) the errors hold the bodies of answers, which are
//! read however long they are, and its TLS takes the provider of the process or panics.
//!
//! What is wiped from memory is what is made here. The buffers of a connection, and the header with the token in them, are not
//! ours to wipe.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use super::address::redirected;
use super::answer::{Answer, Json};
use super::failure::Failure;
use crate::source::SourceErrorKind;

/// The longest answer that is read, in bytes. A secret of Vault is at most 512 KiB (the default `max_entry_size` of its storage
/// is 1 MiB, as of 2026-11).
const MAX_ANSWER: usize = 1024 * 1024;

/// For how long a connection is kept for the next request. The two or three requests of one fetch share one; a later fetch does
/// not come upon one that the server is about to close.
const IDLE: Duration = Duration::from_secs(5);

/// Speaks HTTP/1.1 to the server. Not through proxies: a secret takes the straight way.
pub(super) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What is asked.
#[derive(Clone)]
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) namespace: Option<&'a str>,
    pub(super) token: Option<&'a SecretString>,
    /// JSON; empty for none.
    pub(super) body: Bytes,
}

impl Client {
    pub(super) fn new(tls: rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { pool }
    }

    /// The answer, whatever its status. All of it, its body too, is to be there in this time.
    pub(super) async fn ask(&self, question: Question<'_>, within: Duration) -> Result<Answer, Failure> {
        match tokio::time::timeout(within, self.follow(question)).await {
            Ok(answer) => answer,
            Err(_) => {
                let detail = format!("did not answer within {within:?}");
                Err(Failure::new(SourceErrorKind::TimedOut, detail))
            }
        }
    }

    /// Follows one redirect: that of a standby which does not forward what it is asked. It has this status alone.
    async fn follow(&self, mut question: Question<'_>) -> Result<Answer, Failure> {
        let response = self.send(&question).await?;
        if !response.status().is_redirection() {
            return read(response).await;
        }
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.filter(|_| response.status() == StatusCode::TEMPORARY_REDIRECT);
        let to = location.and_then(|location| redirected(&question.uri, location));
        let nowhere =
            || Failure::new(SourceErrorKind::Unavailable, "answers with a redirect that cannot be followed");
        question.uri = to.ok_or_else(nowhere)?;
        let response = self.send(&question).await?;
        if response.status().is_redirection() {
            return Err(nowhere());
        }
        read(response).await
    }

    async fn send(&self, question: &Question<'_>) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(Full::new(question.body.clone()));
        *request.method_mut() = question.method.clone();
        *request.uri_mut() = question.uri.clone();
        set_headers(request.headers_mut(), question)?;
        self.pool.request(request).await.map_err(|error| failed(&error))
    }
}

fn set_headers(headers: &mut HeaderMap, question: &Question<'_>) -> Result<(), Failure> {
    headers
        .insert(USER_AGENT, HeaderValue::from_static(concat!("claude-secrets/", env!("CARGO_PKG_VERSION"))));
    // An agent may be set to refuse what does not say this, so that nobody is talked into asking it by a plain URL.
    headers.insert("x-vault-request", HeaderValue::from_static("true"));
    let bad = |detail| Failure::new(SourceErrorKind::Misconfigured, detail);
    if let Some(namespace) = question.namespace {
        let value =
            HeaderValue::from_str(namespace).map_err(|_| bad("the namespace cannot be put into a header"))?;
        headers.insert("x-vault-namespace", value);
    }
    if let Some(token) = question.token {
        let value = HeaderValue::from_str(token.expose_secret());
        let mut value = value.map_err(|_| bad("the token cannot be put into a header"))?;
        value.set_sensitive(true);
        headers.insert("x-vault-token", value);
    }
    if !question.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(())
}

async fn read(response: Response<Incoming>) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    let date = head.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let json = parse(&text(head.status, body).await?);
    Ok(Answer { status: head.status, date, json })
}

async fn text(status: StatusCode, mut body: Incoming) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(MAX_ANSWER).clamp(4096, MAX_ANSWER);
    // As long as it is going to be, where that is known: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(expected));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        if text.len() + data.len() > MAX_ANSWER {
            let detail = format!("answers {} with more than {MAX_ANSWER} bytes", status.as_u16());
            return Err(Failure::new(SourceErrorKind::Malformed, detail));
        }
        text.extend_from_slice(data);
    }
    Ok(text)
}

fn parse(text: &[u8]) -> Option<Json> {
    serde_json::from_slice::<Value>(text).ok().map(Json::from)
}

/// Why there is no answer, by the types in the chain of causes.
fn failed(error: &(dyn Error + 'static)) -> Failure {
    let unavailable = |detail: String| Failure::new(SourceErrorKind::Unavailable, detail);
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return unavailable(tls_words(error));
        }
        cause = match error.downcast_ref::<io::Error>() {
            // The `source()` of such a one leaves out what it wraps.
            Some(io) => match io.get_ref() {
                Some(inner) => Some(inner),
                None => return unavailable(format!("cannot be reached: {}", io.kind())),
            },
            None => error.source(),
        };
    }
    unavailable("cannot be reached, or the connection broke".to_owned())
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        // Names of hosts, dates and what is wrong with them.
        rustls::Error::InvalidCertificate(why) => format!("its certificate is not trusted: {why}"),
        _ => "TLS failed".to_owned(),
    }
}

/// The clock of the server at its answer, if it says.
pub(super) type ServerTime = Option<SystemTime>;
