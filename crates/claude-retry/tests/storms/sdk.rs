//! What the official SDKs do, as a plain loop (Python 2.12.0, TypeScript 1.12.0; read on 2026-11-23).

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use claude_wire::headers::names::X_STAINLESS_RETRY_COUNT;
use claude_wire::headers::{retry_after, should_retry};
use claude_wire::{Body, BoxError};
use fastrand::Rng;
use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::time::sleep;
use tower::{Service, ServiceExt};

use crate::support::{Client, ask, is_stream, is_whole};

/// Two retries after 0.5 s · 2ⁿ, up to 8 s and minus up to a quarter, or after what `retry-after` says; of 408, 409, 429,
/// 500 and above, and of connections that break before the head. Never of an error in a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sdk {
    /// The one for Python reads whole answers before it calls them received, and repeats those that break; the one for
    /// TypeScript does not.
    pub(crate) reads_answers: bool,
    /// Whether it heeds `x-should-retry`. They all do; others' clients do not.
    pub(crate) heeds: bool,
}

const RETRIES: u32 = 2;

impl Sdk {
    pub(crate) const PYTHON: Self = Self { reads_answers: true, heeds: true };
    pub(crate) const TYPESCRIPT: Self = Self { reads_answers: false, heeds: true };
    pub(crate) const OFFICIAL: [(&'static str, Self); 2] =
        [("as the SDK for Python", Self::PYTHON), ("as the SDK for TypeScript", Self::TYPESCRIPT)];
    pub(crate) const HEEDLESS: Self = Self { reads_answers: true, heeds: false };

    pub(crate) fn over<S, B>(self, service: S) -> Client
    where
        S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
        S::Future: Send,
        B: HttpBody<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        Box::new(move |call| Box::pin(self.call(service.clone(), call)))
    }

    async fn call<S, B>(self, service: S, call: u64) -> bool
    where
        S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone,
        B: HttpBody<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        for retry in 0..=RETRIES {
            let mut request = ask(call);
            request.headers_mut().insert(X_STAINLESS_RETRY_COUNT, retry.into());
            let answer = match service.clone().oneshot(request).await {
                Ok(answer) if self.reads_answers && !is_stream(call) => read(answer).await,
                Ok(answer) => Ok(answer.map(BodyExt::boxed_unsync)),
                Err(error) => Err(error),
            };
            let backoff = backoff(call, retry);
            let wait = match &answer {
                _ if retry == RETRIES => None,
                Ok(answer) if !self.is_repeated(answer) => None,
                Ok(answer) => Some(retry_after(answer.headers(), UNIX_EPOCH).unwrap_or(backoff)),
                Err(_) => Some(backoff),
            };
            let Some(wait) = wait else { return is_whole(answer).await };
            drop(answer);
            sleep(wait).await;
        }
        unreachable!("nothing is waited for after the last try")
    }

    fn is_repeated<B>(self, answer: &Response<B>) -> bool {
        let by_status = matches!(answer.status().as_u16(), 408 | 409 | 429 | 500..);
        should_retry(answer.headers()).filter(|_| self.heeds).unwrap_or(by_status)
    }
}

type Boxed = UnsyncBoxBody<Bytes, BoxError>;

async fn read<B>(answer: Response<B>) -> Result<Response<Boxed>, BoxError>
where
    B: HttpBody<Data = Bytes, Error = BoxError>,
{
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, Full::new(body).map_err(Into::into).boxed_unsync()))
}

fn backoff(call: u64, retry: u32) -> Duration {
    let step = Duration::from_millis(500).saturating_mul(1 << retry).min(Duration::from_secs(8));
    let random = Rng::with_seed(call << 8 | u64::from(retry)).f64();
    step.mul_f64(1.0 - 0.25 * random)
}
