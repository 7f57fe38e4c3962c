//! Keys for calls to the Claude API, as a [`tower_layer::Layer`] around any HTTP service: fetched from where they are kept, put on
//! each attempt, rotated without anyone noticing, and never in a log.
//!
//! ```
//! use claude_secrets::source::source_fn;
//! use claude_secrets::{KeyRing, SecretString, SecretsLayer, source::Fetched};
//! use claude_wire::Body;
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), claude_wire::BoxError> {
//! let client = service_fn(|request: Request<Body>| async move {
//!     assert_eq!(request.headers()["x-api-key"], "sk-ant-…".replace('…', "1"));
//!     Ok::<_, std::io::Error>(Response::new(Body::empty()))
//! });
//! let source = source_fn("own:claude", || async { Ok(Fetched::new(SecretString::from("sk-ant-1"))) });
//! let claude = SecretsLayer::new(KeyRing::single(source)).layer(client);
//! let request = Request::post("https://api.anthropic.com/v1/messages").body(Body::from("{}"))?;
//! assert_eq!(claude.oneshot(request).await?.status(), 200);
//! # Ok(()) }
//! ```
//!
//! With keys for several lines of business, and a pool of two for one of them:
//!
//! ```
//! use std::time::Duration;
//!
//! use claude_secrets::source::{EnvironmentSource, FileSource};
//! use claude_secrets::{Existing, Key, KeyRing, SecretsLayer};
//!
//! let ring = KeyRing::builder()
//!     .with_environment("prod")
//!     .with_strict_lines(true)
//!     .with_ttl(Duration::from_secs(60))
//!     .with_key(Key::new("search-a", FileSource::new("/run/secrets/search-a")).with_line("search").with_weight(3.0))
//!     .with_key(Key::new("search-b", FileSource::new("/run/secrets/search-b")).with_line("search"))
//!     .with_key(Key::new("others", EnvironmentSource::new("ANTHROPIC_API_KEY")))
//!     .build()?;
//! let layer = SecretsLayer::new(ring.clone()).with_existing(Existing::Refuse);
//! for key in ring.status() {
//!     println!("{} from {}: {:?}", key.name, key.source, key.state);
//! }
//! # drop(layer);
//! # Ok::<_, claude_secrets::InvalidKeyRing>(())
//! ```
//!
//! # Where it goes
//!
//! Below whatever repeats, so that each attempt gets a key and none is kept for the next; and above what counts money and limits, which
//! go by the key. [`claude_wire::call::Attempt`] tells the layers above which key it was. It repeats nothing itself but for one replay
//! after a refused key, keeps no limits, and waits for none: only for a key, and for its turn in a slow start.
//!
//! # Which key
//!
//! The [`Caller`](claude_wire::call::Caller) in the request's extensions says for which environment and line the call is. All keys of
//! a line are a pool. Requests of one conversation stay at one key while that is well ([`Affinity`]), in proportion to the
//! weights. A key whose limits are used up (429) is passed over until the API's own `retry-after` has passed, for that class of
//! models only (a spend limit pauses it for all of them, for a minute at least); keys that share their limits ([`Key::with_limit_group`]) pause together, since another of them would
//! meet the same limit. Where traffic moves, it grows slowly ([`SlowStart`]). If all are used up, the one that is whole
//! again first is used: to wait, or to repeat, is the affair of other layers, which find on the
//! [`Attempt`](claude_wire::call::Attempt) what names the key, its limit group, and whether another group is left.
//!
//! # How keys are kept fresh
//!
//! A key is fetched when the first request needs it ([`KeyRing::start`] does it sooner), and used for as long as its source or the
//! ring says. Before that time is over a request begins a fetch in the background; shortly before, requests wait for it.
//! There is never more than one fetch for a key at a time, however many wait: their number has no bound of its own, their time has that
//! of the fetch. While the source is down the last key is used, a day
//! at the most, and the source left alone for growing times.
//!
//! # Rotation
//!
//! A new key is picked up with the next fetch. Requests that are under way keep theirs. When the API refuses a key (401
//! `authentication_error`), it is fetched at once, by one request for all; those that were refused are sent once more, with
//! the new one. If the source has no other, the key is dead until it has. Until then the one before it stands in, or another of the
//! pool; and so that an API that was wrong once does not stop a service, one request after each of growing pauses tries whether it
//! takes the key by now.
//!
//! A 403 says nothing of a key; nor does a 401 from a path that a plain key may not call, or one that a request with the same key,
//! sent later, did not get. Requests whose body is a stream cannot be sent again; what they caused to be fetched is there for
//! the next.
//!
//! # Where a key may go
//!
//! To the origins that it names ([`Key::with_origin`]), which is the API's own if it names none. Any other request is refused, and
//! gets no key; so is one with a `host` header that names another host. The layer sees where *it* sends a request: a client below
//! that follows redirects by itself would carry the key along, so let it not. The adapters of `claude-tower` follow none; a layer
//! above this one that follows them passes here each time (tower-http's drops the extensions, and the
//! [`Caller`](claude_wire::call::Caller) with them).
//!
//! # What is secret
//!
//! No type here shows a key: not in `Debug`, nor in `Display`; there is no `Serialize`. Keys are in memory that is wiped when they are
//! replaced and their last request has gone, and on headers that are marked sensitive; what a client below copies on its way to the
//! wire is not in our hands. Logs and metrics name a key by its configured name, or by a keyed fingerprint.
//!
//! # Features
//!
//! | feature | what | by default |
//! | --- | --- | --- |
//! | `aws` | AWS Secrets Manager, with the official SDK; needs Rust 1.94.1 | no |
//! | `vault` | HashiCorp Vault and OpenBao | no |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod clock;
mod credential;
pub mod door;
mod errand;
mod error;
mod fingerprint;
mod future;
mod keeper;
mod key;
mod layer;
pub mod metrics;
mod origin;
mod pool;
mod reading;
mod ring;
mod service;
pub mod source;
mod trust;

pub use body::ResponseBody;
pub use credential::Scheme;
pub use error::{SecretsError, SecretsErrorKind};
pub use future::ResponseFuture;
pub use keeper::{
    ADVISORY_REFRESH, DEFAULT_FETCH_TIMEOUT, DEFAULT_JITTER, DEFAULT_MAX_AGE, DEFAULT_MAX_STALE,
    DEFAULT_OVERLAP, DEFAULT_TTL, FAILURE_BACKOFF, MANDATORY_REFRESH, MAX_STALE_GONE,
};
pub use key::Key;
pub use layer::{Existing, SecretsLayer};
pub use origin::{API_ORIGIN, InvalidOrigin, Origin};
pub use pool::{InvalidSlowStart, SlowStart};
pub use ring::{
    Affinity, DEFAULT_LIMITED_FOR, InvalidKeyRing, KeyRing, KeyRingBuilder, KeyState, KeyStatus, RotationDue,
    StartError, UnknownKey,
};
pub use secrecy::{ExposeSecret, SecretString};
pub use service::Secrets;
