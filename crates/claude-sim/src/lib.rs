//! A simulator of the Claude API, in process or on loopback.
//!
//! It answers as the API of November 2026 does, close enough that an official SDK or a middleware stack cannot
//! tell: the same heads, the same error bodies, the same stream grammar with its padding. Nothing is random:
//! two simulators of the same seed that are fed the same requests, at the same times or with a
//! [still date](Builder::with_still_date), answer with the same bytes.
//!
//! # In process
//!
//! [`Simulator`] is a [`tower_service::Service`] for any request body, so it takes the place of an HTTP client
//! at the bottom of a stack. All that waits uses tokio's clock, and so works under paused time.
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
//! | `POST /v1/messages` | a message, whole or (`"stream": true`) as server-sent events, of everything that a message may have |
//! | `POST /v1/messages/count_tokens` | the same estimate of the input that `usage` shows |
//! | `GET /v1/models`, `GET /v1/models/{id}` | the catalogue of 2026-11-22, or the one it was built with |
//!
//! Anything else is the error that the API would give, or a 404. What becomes of a request with tools, with
//! thinking or with a small `max_tokens` is said at [`Reply`]. A reply may be scripted block by [`Block`], and
//! [`Reply::every_kind`] has one of each kind, which a request may choose by its name in the header `x-sim-reply`:
//!
//! ```
//! use claude_sim::{Block, RefusalCategory, Reply, Simulator, StopReason};
//!
//! let simulator = Simulator::new();
//! simulator.script([
//!     Reply::of([Block::thinking("Let me see."), Block::web_search("rust", 3), Block::text("Found.")]),
//!     Reply::text("I").stopping_with(StopReason::Refusal(Some(RefusalCategory::Cyber))),
//! ]);
//! for kind in Reply::every_kind() {
//!     println!("{}: {} {:?}", kind.name, kind.fields, kind.betas);
//! }
//! ```
//!
//! The counts of `usage` are exact at every event: a stream that breaks off has cost what it had brought. The bill is
//! over all models that took part, advisors and fallbacks too.
//!
//! # What it refuses
//!
//! What the API refused on 2026-11-22: fields that are missing or of the wrong type; unknown models, versions and
//! betas ([`Builder::with_beta`] adds one); sampling, prefill, forced tools and kinds of thinking by version and
//! generation of the model; thinking of the last turn that came back changed; prompts longer than the context; and
//! breakpoints of the prompt cache against the rules. `count_tokens` refuses the same.
//!
//! # The prompt cache
//!
//! Prefixes up to a `cache_control` are cached, for each workspace of an organisation and model, for five minutes or an
//! hour from the start of the last request that used them. A response has to begin before others find what its request wrote. Too
//! short a prompt is not cached, and nothing is said. Digests are taken of the body as it came: another order of
//! fields is another prefix. There are 10,000 entries at the most, and [`Simulator::clear_prompt_cache`] forgets them.
//!
//! # Faults
//!
//! What can go wrong with a request is a [`Fault`]. The first of these that says anything decides:
//!
//! 1. The request header `x-sim-fault`, with a fault as text; `none` is one too.
//! 2. The script: [`Simulator::fail_next`], [`Simulator::fail_with`], and from outside `/_sim/faults`, to which a
//!    list of texts or `{"next": 3, "fault": "overloaded"}` is posted. `DELETE` clears it.
//! 3. The request's fate: all attempts of one call carry the same number as `x-sim-fate`, and the simulator's seed,
//!    that number and the number of the attempt decide, by [`Builder::with_fates`]. Nothing that happens to other
//!    calls changes it, and [`Simulator::fate`] and [`Simulator::first_success`] tell it beforehand.
//! 4. Chance: [`Builder::with_chance`].
//!
//! A header that cannot be read is a 400. All requests may fail but those to `/_sim/`. How long things take is said
//! by a [`Pace`].
//!
//! ```
//! use claude_sim::{DEFAULT_KEY, Fault, FaultMix, Simulator};
//! use http_body_util::Full;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let mix = FaultMix::new().with(Fault::overloaded(), 0.4)?.with(Fault::internal().without_json(), 0.2)?;
//! let simulator = Simulator::builder().with_seed(7).with_fates(mix).build();
//! let call: u64 = (0..).find(|&call| simulator.first_success(call, 3) == Some(2)).expect("there are many");
//! let request = || {
//!     http::Request::get("/v1/models")
//!         .header("x-api-key", DEFAULT_KEY)
//!         .header("anthropic-version", "2026-10-21")
//!         .header("x-sim-fate", call)
//!         .body(Full::<bytes::Bytes>::default())
//! };
//! assert!(simulator.clone().oneshot(request()?).await?.status().is_server_error());
//! assert!(simulator.clone().oneshot(request()?).await?.status().is_success());
//!
//! simulator.fail_next(1, "rate-limited=20 message=\"Slowly, please\"".parse()?);
//! assert_eq!(simulator.clone().oneshot(request()?).await?.headers()["retry-after"], "20");
//! # Ok(())
//! # }
//! ```
//!
//! # Rate limits
//!
//! None are enforced until [`Builder::with_limits`] sets some, those of a tier or others. Then requests, tokens of
//! input and tokens of output are taken out of token buckets of the organisation, and of the workspace if it has
//! limits ([`Builder::with_workspace_limits`]), for each class of models ([`LimitClass`]):
//!
//! * A request and its input are taken out of all buckets or out of none, and a 429 takes nothing. Input that comes
//!   from the prompt cache is free. At first the input is an estimate; it is corrected when the message starts.
//! * Output is taken as it is written, whatever `max_tokens` says, and may become a debt. A request is let in as
//!   long as anything is left.
//! * A request that is larger than a bucket goes when that is full.
//! * The buckets of fast mode are others; requests are counted with the class. All that a request uses, also on
//!   other models (advisors, fallbacks), is taken from the class of the model that was asked.
//!
//! What the documents leave open is [`Hidden`], drawn from the seed. Headers show the tighter one of the
//! organisation's and the workspace's buckets. The limits can change at any time: [`Simulator::set_limits`].
//!
//! ```
//! use claude_sim::{ClassLimits, DEFAULT_KEY, Limits, Simulator};
//! use http_body_util::Full;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let limits = Limits::each(ClassLimits::per_minute(1, 30_000, 8_000));
//! let simulator = Simulator::builder().with_limits(limits).build();
//! let request = || {
//!     http::Request::post("/v1/messages")
//!         .header("x-api-key", DEFAULT_KEY)
//!         .header("anthropic-version", "2026-10-21")
//!         .body(Full::from(
//!             r#"{"model":"claude-opus-5-5","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}"#,
//!         ))
//! };
//! assert_eq!(simulator.clone().oneshot(request()?).await?.status(), 200);
//! let refused = simulator.clone().oneshot(request()?).await?;
//! assert_eq!(refused.status(), 429);
//! assert!(refused.headers().contains_key("retry-after"));
//! assert_eq!(simulator.bill()[0].requests, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # The bill
//!
//! [`Simulator::bill`] says what was used, in tokens by kind, for each key, model and way of serving; never in
//! money. Prompts that are long enough for another price ([`Model::with_long_context`]) have lines of their own.
//! What a caller drops in the middle is billed for what was written until then, be it a stream or whole. Whether
//! failures are billed is not documented, hence [`Builder::with_failed_streams_billed`] and
//! [`Builder::with_lost_answers_billed`].
//!
//! # From other processes
//!
//! These ask for no key, and are neither logged nor counted. Answers are JSON:
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /_sim/bill` | `lines`, as [`Simulator::bill`] gives them; `?key=` for the key of that name |
//! | `DELETE /_sim/bill` | the same, and the bill is empty from now on |
//! | `GET /_sim/requests` | `requests`, as [`Simulator::requests`] gives them |
//! | `DELETE /_sim/requests` | the same, and the log is empty from now on |
//! | `GET /_sim/replies` | `replies`: names, request fields and betas of [`Reply::every_kind`] |
//! | `GET /_sim/hidden` | how limits are enforced, as [`Simulator::hidden`] says |
//! | `POST`, `GET`, `DELETE /_sim/faults` | `scripted`: how many requests scripted faults wait for |
//!
//! Times are milliseconds since the simulator was built. Bodies are text, with U+FFFD for what is not UTF-8.
//!
//! # What clones share
//!
//! Everything: keys, limits and buckets, scripts, attempts, prompt cache, request log, bill, numbers. Clones are
//! handles of one simulated service.
//!
//! # When the caller goes
//!
//! A response future or body that is dropped leaves nothing behind but its line in the log, and what it used: it no
//! longer counts in [`Simulator::in_flight`].
//!
//! # What it does not do
//!
//! * Acceleration limits, spend limits and priority tiers are not there; a [`Fault`] can answer as if they were.
//! * Nothing fails or is slow by itself: faults and a pace have to be asked for.
//! * Connections fail over HTTP/1.1 only, and above TCP: no lost packets, no TLS.
//! * Batches, files, skills, threads and the admin API are not there. Fields that it does not know are accepted unread,
//!   also those that need a beta. Of blocks, only the type is checked, and the text of `text`; whether each tool use has
//!   its result is not. Of `service_tier`, `metadata` and `output_config`, only the type is, and a `content-type`
//!   may be missing.
//! * Server tools run nothing: their results are made up. Compaction and advice come only from a [`Reply`].
//! * `diagnostics` is always null, and `cache_control` inside the results of tools is no breakpoint.
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
mod delivery;
mod digest;
mod draft;
mod encoding;
mod errors;
mod event_plan;
mod execution;
mod faults;
mod frames;
mod future;
mod in_flight;
mod limits;
mod lock;
mod log;
mod messages;
mod models;
mod pace;
mod plan;
mod prompt_cache;
mod receive;
mod seed;
mod server;
mod service;
mod simulator;
mod tokens;
mod wire;

pub use auth::{DEFAULT_KEY, DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE, Key, Standing};
pub use bill::{BillItem, BillLine, TokenCounts};
pub use body::SimBody;
pub use builder::Builder;
pub use faults::{
    Fault, FaultMix, InvalidProbability, LineEnds, MAX_FATES, MAX_SCRIPTED_FAULTS, ParseFaultError,
};
pub use future::ResponseFuture;
pub use limits::{Burst, ClassLimits, Hidden, LimitClass, Limits};
pub use log::{DEFAULT_LOG_BODY_BYTES, DEFAULT_LOG_ENTRIES, MAX_LOG_FAULT_BYTES, REDACTED, SeenRequest};
pub use messages::{Block, Citation, MAX_GENERATED_BYTES, NamedReply, RefusalCategory, Reply, StopReason};
pub use models::Model;
pub use pace::Pace;
pub use receive::MAX_REQUEST_BYTES;
pub use server::{MAX_CONNECTIONS, SHUTDOWN_GRACE, Server};
pub use simulator::{MAX_SCRIPTED_REPLIES, Simulator};
