//! The client adapters on real sockets. Every test runs over each adapter that is built in.

#![cfg(any(feature = "hyper-util", feature = "reqwest"))]
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

mod bytes;
mod connections;
mod environment;
mod loopback;
mod proxies;
mod proxy_servers;
mod sent;

use std::path::PathBuf;
use std::sync::OnceLock;

use claude_tower::client::ClientError;
use claude_tower::config::{ClientConfig, Proxy};
use claude_tower::stack::{Stack, StackBuilder};
use claude_tower::wire::call::Attempt;
use claude_tower::wire::{Body, BoxError};
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use loopback::Authority;

/// One of the adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adapter {
    #[cfg(feature = "hyper-util")]
    Hyper,
    #[cfg(feature = "reqwest")]
    Reqwest,
}

impl Adapter {
    /// Its client, with the type that all clients have in a stack.
    fn try_client(self, config: &ClientConfig) -> Result<Stack, ClientError> {
        let stack = StackBuilder::new();
        Ok(match self {
            #[cfg(feature = "hyper-util")]
            Self::Hyper => stack.build(claude_tower::client::HyperClient::new(config)?),
            #[cfg(feature = "reqwest")]
            Self::Reqwest => stack.build(claude_tower::client::ReqwestClient::new(config)?),
        })
    }

    fn client(self, config: &ClientConfig) -> Stack {
        self.try_client(config).unwrap()
    }

    /// Whether it knows when a request without a body leaves. reqwest does not say when it has a connection, so
    /// there the mark must come at the first poll: a mark too early costs money, one that is missing costs twice.
    fn sees_connections(self) -> bool {
        match self {
            #[cfg(feature = "hyper-util")]
            Self::Hyper => true,
            #[cfg(feature = "reqwest")]
            Self::Reqwest => false,
        }
    }
}

/// Tests of this form run once for each adapter.
macro_rules! for_each_adapter {
    ($($test:ident),+ $(,)?) => {
        #[cfg(feature = "hyper-util")]
        mod hyper_util {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::Adapter::Hyper).await;
                }
            )+
        }
        #[cfg(feature = "reqwest")]
        mod reqwest {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::Adapter::Reqwest).await;
                }
            )+
        }
    };
}
use for_each_adapter;

/// Straight connections, and only this authority: the same wherever the test runs.
fn config_trusting(authority: &Authority) -> ClientConfig {
    config_with(authority.file())
}

/// For servers without TLS. Some authority must be believed, and this one vouches for nobody.
fn config() -> ClientConfig {
    static NOBODY: OnceLock<PathBuf> = OnceLock::new();
    let nobody = NOBODY.get_or_init(|| {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nobody.pem");
        // Other processes may read or write it at this moment; any of theirs will do.
        std::fs::rename(Authority::new().file(), &file).unwrap();
        file
    });
    config_with(nobody.clone())
}

fn config_with(authority: PathBuf) -> ClientConfig {
    let mut config = ClientConfig::default();
    config.proxy = Proxy::None;
    config.tls.native_roots = false;
    config.tls.extra_ca = vec![authority];
    config
}

/// A request that belongs to an attempt. It says so in its extensions alone: to tie the body to it too is the
/// adapter's part.
fn watched(method: &str, url: &str, body: impl Into<Body>) -> (Request<Body>, Attempt) {
    let attempt = Attempt::new(0, || tokio::time::Instant::now().into_std());
    let request = Request::builder().method(method).uri(url).extension(attempt.clone());
    (request.body(body.into()).unwrap(), attempt)
}

async fn get(client: &Stack, url: &str) -> Result<(http::response::Parts, ::bytes::Bytes), BoxError> {
    call(client, Request::get(url).body(Body::empty()).unwrap()).await
}

/// The head of the response, and all of its body.
async fn call(
    client: &Stack,
    request: Request<Body>,
) -> Result<(http::response::Parts, ::bytes::Bytes), BoxError> {
    loopback::finishes(async {
        let (head, body) = client.clone().oneshot(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        loopback::settled().await;
        Ok((head, body))
    })
    .await
}
