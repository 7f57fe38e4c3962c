//! What went wrong with a call to the Claude API, and what to make of it: one taxonomy, one classifier, one typed error.
//!
//! A 429 may be a limit that is over in a second or a bill that is over until next month; a 500 may have been billed and a
//! refused connection cannot have been; a stream may fail after a 200. This crate is the one place that knows. Layers that
//! repeat, count or report ask [`Classification`]; programs put [`ErrorLayer::typed`] over their stack and get an [`Error`];
//! gateways put [`ErrorLayer::observe`] there and hear of failures that they pass on untouched.
//!
//! # For programs
//!
//! ```
//! use claude_errors::{ErrorKind, ErrorLayer};
//! use claude_wire::Body;
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let client = service_fn(|_: Request<Body>| async {
//!     let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
//!     Ok::<_, std::io::Error>(Response::builder().status(529).body(Body::from(body)).unwrap())
//! });
//! let claude = ErrorLayer::typed().layer(client);
//! let error = claude.oneshot(Request::post("/v1/messages").body(Body::from("{}")).unwrap()).await.unwrap_err();
//!
//! assert_eq!(error.kind(), ErrorKind::Overloaded);
//! assert_eq!(error.code(), "OVERLOADED");
//! assert!(error.is_retryable() && !error.maybe_executed());
//! assert_eq!(error.to_string(), "the API is overloaded");
//! assert_eq!(
//!     serde_json::to_string(&error).unwrap(),
//!     r#"{"code":"OVERLOADED","message":"the API is overloaded","retryable":true}"#,
//! );
//! // It turns back into the response it came from.
//! assert_eq!(error.to_response().status(), 529);
//! # }
//! ```
//!
//! # For gateways, with reporters
//!
//! ```
//! use claude_errors::report::Report;
//! use claude_errors::{ErrorLayer, MetricsReporter, TracingReporter};
//! use claude_wire::Body;
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), claude_wire::BoxError> {
//! let observe = ErrorLayer::observe()
//!     .with_reporter(TracingReporter::new())
//!     .with_reporter(MetricsReporter::new())
//!     .with_reporter(|report: &Report<'_>| assert_eq!(report.code(), "NOT_FOUND"));
//! let client = service_fn(|_: Request<Body>| async {
//!     Ok::<_, std::io::Error>(Response::builder().status(404).body(Body::empty()).unwrap())
//! });
//! let response = observe.layer(client).oneshot(Request::new(Body::empty())).await?;
//! assert_eq!(response.status(), 404, "as it came");
//! # Ok(()) }
//! ```
//!
//! # The taxonomy
//!
//! As of 2026-11-22, from the API's documentation and the types of the official SDKs. "Again" is whether another attempt makes
//! sense, "executed" whether the request may have been executed, and billed, all the same. `x-should-retry` overrides
//! "again"; an `error_code` that is known overrides status and type.
//!
//! | seen | kind, code | again | executed |
//! | --- | --- | --- | --- |
//! | 400, 422, 431, other 4xx | `InvalidRequest`, `BAD_REQUEST`; by an `error.type` that says more, as that | no | no |
//! | 401 | `Authentication`, `AUTH_ERROR` | no | no |
//! | 402 | `Billing`, `BILLING_ERROR` | no | no |
//! | 403, `organization_on_hold` | `PermissionDenied`, `PERMISSION_DENIED` | no | no |
//! | 404 | `NotFound`, `NOT_FOUND` | no | no |
//! | 409, `thread_continue_in_flight` | `Conflict`, `CONFLICT` | yes | no |
//! | 412 | `PreconditionFailed`, `PRECONDITION_FAILED` | no | no |
//! | 413, with JSON or without | `RequestTooLarge`, `REQUEST_TOO_LARGE` | no | no |
//! | 429 | `RateLimited`, `RATE_LIMIT` | yes; once if it is of one of the API's types, or in a coding that hides it, and without `retry-after` | no |
//! | 429 `ramp_limit_exceeded` | `RampLimited`, `RAMP_LIMIT` | yes | no |
//! | 429 `enforced_spend_limit_reached`, `contract_spend_limit_reached`, `billing_error`; 402 `linked_organization_spend_limit_reached`; 400 by its message | `SpendLimit`, `SPEND_LIMIT` | no | no |
//! | 500, 502, 503, other 5xx | `Server`, `SERVER_ERROR` | yes | yes |
//! | 501; `cmek_context_unavailable`, `cmek_key_unreachable` | `Server`, `SERVER_ERROR` | yes | no |
//! | 529, `compaction_unavailable`, 5xx with `overloaded_error` | `Overloaded`, `OVERLOADED` | yes | no |
//! | 408, 504, 5xx with `timeout_error` | `Timeout`, `TIMEOUT` | yes | yes |
//! | 400 `request_body_timeout` | `Timeout`, `TIMEOUT` | yes | no |
//! | an `error` event in a stream | by its code and type | as those | yes |
//! | a body that fails, or ends before its message does | `IncompleteResponse`, `INCOMPLETE_RESPONSE` | yes | yes |
//! | no connection: refused, unreachable, DNS, TLS, closing | `Connection`, `CONNECTION_ERROR` | yes | no |
//! | connection broke after the request was sent; 499 | `ConnectionLost`, `CONNECTION_LOST` | yes; 499 no | yes |
//! | a clock of this side | `Timeout`, `TIMEOUT` | yes | if it was sent |
//! | what is no HTTP | `InvalidResponse`, `INVALID_RESPONSE` | no | yes |
//! | a request that cannot be made, or whose body fails | `UnsendableRequest`, `UNSENDABLE_REQUEST` | no | if it was sent |
//! | a layer's [`Refusal`](claude_wire::call::Refusal); `tower::load_shed` | `Refused`, its own code | rate, overload, no endpoint: yes | no |
//! | any other error of a service | `Unknown`, `UNKNOWN_ERROR` | no | if it was sent |
//!
//! A refusal of the model is a 200 with `stop_reason: "refusal"`, and no error.
//!
//! # In a stack
//!
//! It stands at the top, under the telemetry, so that it sees what the caller would; it is correct anywhere. Over a layer that
//! repeats, an error counts as perhaps executed if any attempt may have been. It puts a [`Call`](claude_wire::call::Call) and
//! an [`Attempt`](claude_wire::call::Attempt) into a request that has none.
//!
//! # What clones share, and dropping
//!
//! Clones share the reporters. A dropped future or body drops the call and leaves nothing; a caller that leaves is no
//! failure and is not reported, unless the head of an error, or an `error` event, had come.
//!
//! # What it does not do
//!
//! It repeats nothing and waits for nothing but the body of an error response, within a cap and a time limit. It reads no
//! coded body: an error in gzip is judged by its head. Waiting for that body needs tokio's timer. An answer that is whole and not what its content type promises
//! passes.
//!
//! # Features
//!
//! | feature | what | by default |
//! | --- | --- | --- |
//! | `hyper` | the errors of hyper, hyper-util and h2 are known by their types; without, they are judged by the sent mark and the `io::Error`s in their chain | yes |
//! | `reqwest` | so are reqwest's | no |
//! | `axum` | [`Error`] is `IntoResponse` | no |
//! | `sentry` | `report::SentryReporter` | no |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod classify;
mod context;
mod end;
mod error;
mod kind;
mod layer;
mod messages;
pub mod observe;
pub mod report;
mod to_response;
pub mod typed;

pub use classify::{Classification, Retry};
pub use error::Error;
pub use kind::{Blame, ErrorKind};
pub use layer::{DEFAULT_BODY_CAP, DEFAULT_BODY_TIMEOUT, ErrorLayer, Observe, Typed};
pub use messages::Messages;
pub use report::{MetricsReporter, Reporter, TracingReporter};
