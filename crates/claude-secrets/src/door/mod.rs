//! The door of a gateway: who may call, known by a token of the gateway's own.
//!
//! A caller's SDK is given the gateway's address and a token in place of an API key. The door takes the token off the request,
//! whatever becomes of it: tokens end here, and keys begin behind. It knows only hashes of tokens, so that nobody who reads the
//! configuration can call, and compares each token with all of them in constant time.
//!
//! ```
//! use claude_secrets::door::{Client, Door, TokenHash, generate_token};
//! use claude_wire::call::Caller;
//! use http::HeaderMap;
//! use secrecy::ExposeSecret;
//!
//! // Once, for the client. Only the hash is kept here.
//! let token = generate_token()?;
//! let hash = TokenHash::of(&token);
//!
//! let reports = Client::new("reports").with_token(hash).with_caller(Caller::new().with_line("research"));
//! let door = Door::new([reports])?;
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("authorization", format!("Bearer {}", token.expose_secret()).parse()?);
//! let admitted = door.admit(&mut headers)?;
//! assert_eq!(admitted.client(), "reports");
//! assert_eq!(admitted.caller().line.as_deref(), Some("research"));
//! assert!(headers.is_empty());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where the token is looked for
//!
//! In `x-api-key` and in `authorization: Bearer`, which are where the official SDKs put what they are given as an API key. A
//! request that has both must have the same in both: of two, it could not be said on whose behalf the call is made.
//!
//! # Rotation
//!
//! A client may have several tokens ([`Client::with_token`]): the new one is added, the client changes over in its own time, and
//! the old one is taken away.
//!
//! # Errors
//!
//! A request that is not admitted fails with a [`NotAdmitted`], which has a
//! [`Refusal`](claude_wire::call::Refusal) in its chain: `NoCredential`, with the code [`CLIENT_NOT_ADMITTED`].

mod admitted;
mod client;
mod error;
mod hash;
mod headers;
mod layer;
mod list;
mod metrics;
mod token;

pub use admitted::Admitted;
pub use client::Client;
pub use error::{CLIENT_NOT_ADMITTED, DoorError, NotAdmitted, NotAdmittedReason};
pub use hash::{TokenHash, TokenHashError};
pub use layer::{Admission, AdmissionFuture, DoorLayer};
pub use list::{Door, MAX_TOKENS};
pub use metrics::ADMISSIONS_TOTAL;
pub use token::{NoRandomness, TOKEN_PREFIX, generate_token};
