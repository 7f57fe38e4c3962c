//! HTTP clients at the bottom of a stack: hyper-util's, and reqwest's.
//!
//! Both take `Request<`[`Body`](claude_wire::Body)`>`, are always ready, cheap to clone (clones share the
//! connections), fail with a [`BoxError`](claude_wire::BoxError) and mark the request's
//! [`Attempt`](claude_wire::call::Attempt) as sent. Both are made from one [`ClientConfig`](crate::config::ClientConfig),
//! for networks as they are: a proxy from the environment or from the configuration, certificate authorities of
//! the system and further ones, a client certificate. TLS is rustls with ring, chosen explicitly, so that other
//! providers in the same program make no difference. Neither follows redirects, repeats what may have been sent,
//! or decodes bodies.
//!
//! `HyperClient` has the smaller tree. `ReqwestClient` is for programs that use reqwest already; it wraps
//! a `reqwest::Client` of theirs too.

mod error;
mod framing;
#[cfg(feature = "hyper-util")]
mod hyper;
mod no_proxy;
#[cfg(feature = "hyper-util")]
mod proxy;
#[cfg(feature = "reqwest")]
mod reqwest;
mod tls;

#[cfg(feature = "hyper-util")]
pub use self::hyper::{Connector, HyperClient, HyperFuture};
#[cfg(feature = "reqwest")]
pub use self::reqwest::{ReqwestClient, ReqwestFuture};
pub use error::ClientError;
#[cfg(feature = "hyper-util")]
pub use proxy::{ConnectTimeout, Limited, ProxyConnector, ProxyStream};
