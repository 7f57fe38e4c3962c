//! TLS with everything in one program, and with a default provider that is of no use.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

#[path = "../../../crates/claude-tower/tests/client/loopback.rs"]
mod loopback;

use std::sync::{Arc, Once};

use bytes::Bytes;
use claude_tower::client::{HyperClient, ReqwestClient};
use claude_tower::config::{ClientConfig, Proxy};
use claude_tower::stack::{Stack, StackBuilder};
use claude_wire::call::Attempt;
use claude_wire::{Body, BoxError};
use http::Request;
use http_body_util::BodyExt;
use rustls::crypto::{CryptoProvider, ring};
use tower::ServiceExt;

use loopback::{Authority, Server, chain, finishes, told};

/// A program may hold several providers, and then to ask for the default is a panic unless somebody has chosen one;
/// or somebody has, for reasons of their own. This one can do nothing: whoever asks for it fails.
fn useless_default_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let useless =
            CryptoProvider { cipher_suites: Vec::new(), kx_groups: Vec::new(), ..ring::default_provider() };
        useless.install_default().unwrap();
    });
    let versions =
        rustls::ClientConfig::builder_with_provider(Arc::clone(CryptoProvider::get_default().unwrap()));
    assert!(versions.with_safe_default_protocol_versions().is_err());
}

type Adapter = (&'static str, fn(&ClientConfig) -> Stack);

fn adapters() -> [Adapter; 2] {
    useless_default_provider();
    [
        ("hyper-util", |config| StackBuilder::new().build(HyperClient::new(config).unwrap())),
        ("reqwest", |config| StackBuilder::new().build(ReqwestClient::new(config).unwrap())),
    ]
}

fn config(authority: &Authority, native_roots: bool) -> ClientConfig {
    let mut config = ClientConfig::default();
    config.proxy = Proxy::None;
    config.tls.native_roots = native_roots;
    config.tls.extra_ca = vec![authority.file()];
    config
}

async fn call(client: Stack, url: &str) -> (Result<Bytes, BoxError>, Attempt) {
    let attempt = Attempt::new(0, || tokio::time::Instant::now().into_std());
    let mut request = Request::post(url).body(Body::from("{}")).unwrap();
    attempt.put_into(&mut request);
    let answer = async {
        let response = client.oneshot(request).await?;
        Ok(response.collect().await?.to_bytes())
    };
    (finishes(answer).await, attempt)
}

#[tokio::test]
async fn an_authority_of_our_own_is_believed() {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    for (adapter, client) in adapters() {
        for native_roots in [true, false] {
            let (answer, attempt) =
                call(client(&config(&authority, native_roots)), &server.url_by_name("/")).await;
            assert_eq!(answer.unwrap(), "{}", "{adapter}");
            assert!(attempt.is_sent());
        }
    }
}

#[tokio::test]
async fn a_stranger_is_not() {
    let server = Server::tls(Authority::new().server()).await;
    for (adapter, client) in adapters() {
        for native_roots in [true, false] {
            let another = Authority::new();
            let config = config(&another, native_roots);
            let (answer, attempt) = call(client(&config), &server.url_by_name("/")).await;
            let error = answer.unwrap_err();
            assert!(told(&*error).contains("invalid peer certificate"), "{adapter}: {}", told(&*error));
            let typed = chain(&*error)
                .any(|error| matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))));
            assert!(typed, "{adapter}: {error:?}");
            assert!(!attempt.is_sent());
        }
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_server_that_asks_who_is_there() {
    let authority = Authority::new();
    let server = Server::tls(authority.server_for_known_clients()).await;
    for (adapter, client) in adapters() {
        let mut config = config(&authority, true);
        let before = server.seen().len();
        let (answer, _) = call(client(&config), &server.url_by_name("/")).await;
        answer.unwrap_err();
        assert_eq!(server.seen().len(), before, "{adapter}");

        let (certificate, key) = authority.client();
        config.tls.client_cert = Some(certificate);
        config.tls.client_key = Some(key);
        let (answer, attempt) = call(client(&config), &server.url_by_name("/")).await;
        assert_eq!(answer.unwrap(), "{}", "{adapter}");
        assert!(attempt.is_sent());
        assert_eq!(server.seen().len(), before + 1, "{adapter}");
    }
}
