//! The retry for calls to the Claude API, as a [`tower_layer::Layer`] around any HTTP service: it repeats what can be
//! recovered, never what must not be, and cannot start a storm.
//!
//! ```
//! use claude_retry::RetryLayer;
//! use claude_wire::Body;
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), claude_wire::BoxError> {
//! # use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
//! # static SEEN: AtomicU32 = AtomicU32::new(0);
//! let client = service_fn(|_: Request<Body>| async {
//!     let status = if SEEN.fetch_add(1, Relaxed) == 0 { 529 } else { 200 };
//!     Ok::<_, std::io::Error>(Response::builder().status(status).body(Body::empty()).unwrap())
//! });
//! let claude = RetryLayer::new().layer(client);
//! let response = claude.oneshot(Request::post("/v1/messages").body(Body::from("{}"))?).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(()) }
//! ```
//!
//! With settings, and a deadline for one request:
//!
//! ```
//! use std::time::Duration;
//!
//! use claude_retry::{Backoff, MaybeExecuted, Quota, RetryLayer};
//! use claude_wire::Body;
//! use claude_wire::call::Deadline;
//! use http::Request;
//!
//! # fn main() -> Result<(), claude_wire::BoxError> {
//! let quota = Quota::new(0.1, 50)?;
//! let retry = RetryLayer::new()
//!     .with_max_retries(5)
//!     .with_backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(30))?)
//!     .with_timeout(Duration::from_secs(120))
//!     .with_maybe_executed(MaybeExecuted::Leave)
//!     .with_quota(quota.clone());
//! assert_eq!(quota.available(), 50.0);
//!
//! let mut request = Request::post("/v1/messages").body(Body::from("{}"))?;
//! let now = tokio::time::Instant::now().into_std();
//! let deadline = Deadline::after(now, Duration::from_secs(20)).expect("not past what an instant can hold");
//! request.extensions_mut().insert(deadline);
//! # drop((retry, request)); Ok(()) }
//! ```
//!
//! # What is repeated
//!
//! [`claude_errors::Classification`] decides, with `x-should-retry` before everything else: 408, 409, 429, 500 and above,
//! connection errors and time-outs are repeated; spend limits, other 4xx, and a layer's own
//! [`Refusal`](claude_wire::call::Refusal) never are; a 429 of the API that does not say when to come back is repeated once.
//! What may have been executed although it failed is an option of its own: [`MaybeExecuted`].
//!
//! **Streams.** A failure may come after a 200. So the head of a streamed message is held back until its first content
//! ([`Hold`]), and an `error` event, a cut or an empty stream before that is repeated like a status; the API had begun, so
//! it counts as perhaps executed. After the first content nothing is repeated. Whole answers can be held too
//! ([`RetryLayer::with_collect`]). What is held is handed on unchanged.
//!
//! **Request bodies** in memory are sent again without being copied; [`Body::buffered`](claude_wire::Body::buffered) reads
//! one into memory. A body that is a stream is sent once; a failure that could have been repeated is then counted and
//! logged.
//!
//! # When
//!
//! | after a failure | wait |
//! | --- | --- |
//! | a layer below knows of another limit group or endpoint ([`Attempt::alternative_left`]) | none |
//! | a layer below has paused what the attempt ran against ([`Attempt::wait_handled`]) | none here: the next attempt waits there |
//! | the server says how long: `retry-after-ms`, `retry-after` in seconds or as a date | at least that, jitter on top |
//! | 529 | as below, and 1 s at the least |
//! | else | 0.5 s · 2ⁿ after n retries, up to 8 s, minus up to a quarter |
//!
//! [`Backoff`] says where the numbers are from, and changes them. Before the wait the failed answer is read to its end,
//! within a cap, so that its connection can be used again, and dropped: during the wait nothing of it is held. The next
//! attempt then waits for the inner service to be ready.
//!
//! # When it is given up
//!
//! After as many retries as are allowed; when the wait cannot end before the call's
//! [`Deadline`](claude_wire::call::Deadline), at once; when the wait is too long; when the [`Quota`], which all calls
//! share, has nothing left for extra work; and for the other causes that [`Reason`] has. The failure is then the caller's,
//! as it came: a response with [`GaveUp`] in its extensions, or the error in the chain of a [`RetryError`]. What could not
//! have been repeated comes back without either.
//!
//! # In a stack
//!
//! It stands over everything that happens once for each attempt: endpoint, key, money, limits, clocks. Nothing else should
//! repeat, below it or above, or attempts multiply. It makes an [`Attempt`] for each time it calls the inner service, and a
//! [`Call`](claude_wire::call::Call) if there is none ([`Call::find`](claude_wire::call::Call::find)). Who puts a `Call` into
//! the request can read from it afterwards how each attempt ended. Clocks of single attempts belong next to the client; this
//! layer's deadline covers the whole.
//!
//! Any client will do whose requests have a [`Body`](claude_wire::Body). If it is none of ours, put
//! [`IntoBodyLayer`](claude_wire::body::IntoBodyLayer) between: right over such a client an attempt counts as sent when
//! it is called, and one that a clock ends while it still connects as perhaps executed.
//!
//! A request with `x-stainless-retry-count` of 1 or more is itself a retry: it pays one try, and puts nothing into the
//! quota. If there is none left it is sent once, and not repeated. A gateway sets [`RetryLayer::with_final_word`], so that
//! its callers do not repeat what it has given up.
//!
//! # What clones share, and dropping
//!
//! Clones share the quota. Dropping the future at any point drops the attempt, or the wait, and gives back what was paid
//! for an attempt that was not made; what was never polled does not count as a try. Dropping the body drops the answer.
//!
//! # What it does not do
//!
//! It cannot prevent that an attempt of which nothing was heard is billed: the API has no idempotency key (2026-11). It
//! never goes on with a stream that broke after its first content. It reads no coded body: a stream in gzip is not held.
//! It needs tokio's timer for whatever it waits for; a call that succeeds at once and has no deadline waits for nothing.
//!
//! # Observability
//!
//! [`metrics`] has the names. Each retry, when its wait begins, and each call that is given up is one event of `tracing` at
//! the level `INFO`, with the target `claude_retry`: codes, status, request id, waits, and the attempts made so far; never
//! keys, prompts or completions.
//!
//! # Features
//!
//! | feature | what | by default |
//! | --- | --- | --- |
//! | `hyper` | the errors of hyper, hyper-util and h2 are known by their types | yes |
//! | `reqwest` | so are reqwest's | no |
//!
//! [`Attempt`]: claude_wire::call::Attempt
//! [`Attempt::alternative_left`]: claude_wire::call::Attempt::alternative_left
//! [`Attempt::wait_handled`]: claude_wire::call::Attempt::wait_handled

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backoff;
mod body;
mod course;
mod error;
mod future;
mod hold;
mod layer;
pub mod metrics;
mod quota;
mod reading;
mod service;
mod template;

pub use backoff::{Backoff, InvalidBackoff};
pub use body::ResponseBody;
pub use error::{GaveUp, Reason, RetryError};
pub use future::ResponseFuture;
pub use hold::Hold;
pub use layer::{
    DEFAULT_ERROR_BODY_CAP, DEFAULT_MAX_RETRIES, DEFAULT_MAX_WAIT, ERROR_BODY_TIMEOUT, MaybeExecuted,
    RetryLayer,
};
pub use quota::{InvalidQuota, Quota};
pub use service::Retry;
