//! A simulator of the Claude API, in process or on loopback.
//!
//! It answers as the API of November 2026 does, close enough that an official SDK or a middleware stack cannot
//! tell: the same heads, the same error bodies, the same stream grammar with its padding. Nothing is random:
//! two simulators of the same seed that are fed the same requests answer with the same bytes.
//!
//! # In process
//!
//! [`Simulator`] is a [`tower_service::Service`] for any request body, so it takes the place of an HTTP client
//! at the bottom of a stack. It never sleeps and reads no clock, and so works under paused time.
//!
//! ```
//! use claude_sim::{DEFAULT_KEY, Simulator};
//! use http_body_util::{BodyExt, Full};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let simulator = Simulator::new();
//! let request = http::Request::post("/v1/messages")
//!     .header("x-api-key", DEFAULT_KEY)
//!     .header("anthropic-version", "2026-10-21")
//!     .body(Full::from(
//!         r#"{"model":"claude-opus-5-5","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}"#,
//!     ))?;
//! let response = simulator.clone().oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! let body = response.into_body().collect().await?.to_bytes();
//! assert!(body.starts_with(br#"{"model":"claude-opus-5-5","id":"msg_"#));
//! assert_eq!(simulator.requests().len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # On loopback, configured
//!
//! ```
//! use claude_sim::{Key, Reply, Simulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let simulator = Simulator::builder()
//!     .with_seed(7)
//!     .with_key(Key::new("blue", "sk-ant-api03-blue").with_workspace("wrkspc_blue"))
//!     .with_reply(Reply::of_length(16 * 1024 * 1024).ignoring_max_tokens())
//!     .build();
//! let server = simulator.serve("127.0.0.1:0").await?;
//! println!("ANTHROPIC_BASE_URL={}", server.base_url());
//! // The handle stays: the next answer only is one byte long, and the key dies.
//! simulator.script([Reply::text("x")]);
//! simulator.revoke_key("sk-ant-api03-blue");
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it answers
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /v1/messages` | a message, whole or (`"stream": true`) as server-sent events: text, thinking, tool calls |
//! | `POST /v1/messages/count_tokens` | the same estimate of the input that `usage` shows |
//! | `GET /v1/models`, `GET /v1/models/{id}` | the catalogue of 2026-11-22, or the one it was built with |
//!
//! Anything else is the error that the API would give, or a 404. What becomes of a request with tools, with
//! thinking or with a small `max_tokens` is said at [`Reply`].
//!
//! # What clones share
//!
//! Everything: keys, script, request log, numbers. Clones are handles of one simulated service.
//!
//! # When the caller goes
//!
//! A response future or body that is dropped leaves nothing behind but its line in the log; it no longer counts
//! in [`Simulator::in_flight`].
//!
//! # What it does not do
//!
//! * Rate limits are not enforced. The `anthropic-ratelimit-*` headers show buckets that are always full.
//! * Nothing fails or is slow by itself.
//! * The prompt cache is not simulated. Cache counts are zero, or what a [`Reply`] says.
//! * Server tools, batches, files, skills and the admin API are not there; unknown fields and betas are
//!   accepted unread, and rules that differ between model generations (sampling, prefill, kinds of thinking)
//!   are not checked.
//! * Tokens are estimated from bytes, two for every seven.

mod admin;
mod answer;
mod auth;
mod betas;
mod bill;
mod body;
mod builder;
mod clock;
mod date;
mod digest;
mod encoding;
mod errors;
mod execution;
mod future;
mod in_flight;
mod limits;
mod log;
mod messages;
mod models;
mod receive;
mod seed;
mod server;
mod service;
mod simulator;

pub use auth::{DEFAULT_KEY, DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE, Key, Standing};
pub use bill::{BillItem, BillLine, TokenCounts};
pub use body::SimBody;
pub use builder::Builder;
pub use future::ResponseFuture;
pub use limits::{Burst, ClassLimits, Hidden, LimitClass, Limits};
pub use log::{DEFAULT_LOG_BODY_BYTES, DEFAULT_LOG_ENTRIES, REDACTED, SeenRequest};
pub use messages::{Block, Citation, MAX_GENERATED_BYTES, NamedReply, RefusalCategory, Reply, StopReason};
pub use models::Model;
pub use receive::MAX_REQUEST_BYTES;
pub use server::{MAX_CONNECTIONS, Server};
pub use simulator::Simulator;
