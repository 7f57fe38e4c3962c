//! Connections: how long making one may take, how long one is kept, and who is believed.

use std::time::Duration;

use claude_tower::config::{ClientConfig, HttpVersion, Proxy};
use claude_tower::stack::Stack;
use claude_tower::wire::{Body, BoxError};
use http::Request;

use crate::loopback::{Authority, Server, chain, listener, told};
use crate::{Adapter, call, config, config_trusting, for_each_adapter, get};

for_each_adapter!(
    tls_counts_into_the_connect_timeout,
    the_proxy_counts_into_the_connect_timeout,
    the_tunnel_counts_into_the_connect_timeout,
    the_connect_timeout_ends_with_the_connection,
    sequential_calls_share_a_connection,
    no_idle_connections_when_none_may_be_kept,
    clones_share_connections,
    idle_connections_are_closed,
    the_version_is_what_tls_agrees_on,
    an_authority_of_our_own,
    a_wrong_authority,
    a_wrong_name,
    a_client_certificate,
);

/// Is it said by a type, so that nobody has to read words?
fn is_connect_timeout(adapter: Adapter, error: &BoxError) -> bool {
    match adapter {
        #[cfg(feature = "hyper-util")]
        Adapter::Hyper => {
            use claude_tower::client::ConnectTimeout;
            chain(&**error)
                .filter_map(|error| error.downcast_ref::<ConnectTimeout>())
                .any(|timeout| timeout.limit() == SHORT)
        }
        // reqwest has its own limit and its own words.
        #[cfg(feature = "reqwest")]
        Adapter::Reqwest => chain(&**error)
            .filter_map(|error| error.downcast_ref::<::reqwest::Error>())
            .any(|error| error.is_timeout() && error.is_connect()),
    }
}

/// The shortest that the configuration allows.
const SHORT: Duration = Duration::from_millis(100);

fn hurried() -> ClientConfig {
    let mut config = config();
    config.connect_timeout = SHORT;
    config
}

async fn tls_counts_into_the_connect_timeout(adapter: Adapter) {
    let silent = listener().await;
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let error = get(&adapter.client(&hurried()), &url).await.unwrap_err();
    assert!(is_connect_timeout(adapter, &error), "{}", told(&*error));
}

async fn the_proxy_counts_into_the_connect_timeout(adapter: Adapter) {
    let silent = listener().await;
    let mut config = hurried();
    config.proxy = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let error = get(&adapter.client(&config), "https://localhost:1/").await.unwrap_err();
    assert!(is_connect_timeout(adapter, &error), "{}", told(&*error));
}

async fn the_tunnel_counts_into_the_connect_timeout(adapter: Adapter) {
    let silent = listener().await;
    let proxy = crate::proxy_servers::HttpProxy::open().await;
    let mut config = hurried();
    config.proxy = format!("http://{}", proxy.address).parse().unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let error = get(&adapter.client(&config), &url).await.unwrap_err();
    assert_eq!(proxy.heads().len(), 1);
    assert!(is_connect_timeout(adapter, &error), "{}", told(&*error));
}

/// Long calls are the rule here: the limit is on the connection, not on the answer.
async fn the_connect_timeout_ends_with_the_connection(adapter: Adapter) {
    let server = Server::http(|seen| async {
        tokio::time::sleep(3 * SHORT).await;
        http::Response::new(seen.body.into())
    })
    .await;
    get(&adapter.client(&hurried()), &server.url("/")).await.unwrap();
}

async fn post(client: &Stack, server: &Server) {
    let request = Request::post(server.url("/")).body(Body::from("{}")).unwrap();
    assert_eq!(call(client, request).await.unwrap().1, "{}");
}

async fn sequential_calls_share_a_connection(adapter: Adapter) {
    let server = Server::echo().await;
    let client = adapter.client(&config());
    for _ in 0..3 {
        post(&client, &server).await;
    }
    assert_eq!((server.seen().len(), server.connections()), (3, 1));
}

async fn clones_share_connections(adapter: Adapter) {
    let server = Server::echo().await;
    let client = adapter.client(&config());
    post(&client.clone(), &server).await;
    post(&client.clone(), &server).await;
    assert_eq!(server.connections(), 1);
}

async fn no_idle_connections_when_none_may_be_kept(adapter: Adapter) {
    let server = Server::echo().await;
    let mut config = config();
    config.pool_max_idle_per_host = 0;
    // Long past the end of this test, so that it cannot be the reason.
    config.pool_idle_timeout = Duration::from_secs(3_600);
    let client = adapter.client(&config);
    post(&client, &server).await;
    server.all_closed().await;
    post(&client, &server).await;
    assert_eq!(server.connections(), 2);
}

/// By themselves, also when no further call comes to look at them.
async fn idle_connections_are_closed(adapter: Adapter) {
    let server = Server::echo().await;
    let mut config = config();
    config.pool_idle_timeout = Duration::from_secs(1);
    let client = adapter.client(&config);
    post(&client, &server).await;
    server.all_closed().await;
    post(&client, &server).await;
    assert_eq!(server.connections(), 2);
}

async fn the_version_is_what_tls_agrees_on(adapter: Adapter) {
    let authority = Authority::new();
    for (version, spoken) in [
        (HttpVersion::Http1, http::Version::HTTP_11),
        (HttpVersion::Http2, http::Version::HTTP_2),
        (HttpVersion::Auto, http::Version::HTTP_2),
    ] {
        let server = Server::tls(authority.server()).await;
        let mut config = config_trusting(&authority);
        config.http_version = version;
        let (head, _) = get(&adapter.client(&config), &server.url("/")).await.unwrap();
        assert_eq!((head.version, server.seen()[0].head.version), (spoken, spoken), "{version:?}");
    }
}

async fn an_authority_of_our_own(adapter: Adapter) {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    // Beside the system's authorities, however many this machine has, and alone.
    for native_roots in [true, false] {
        let mut config = config_trusting(&authority);
        config.tls.native_roots = native_roots;
        let client = adapter.client(&config);
        get(&client, &server.url("/")).await.unwrap();
        get(&client, &server.url_by_name("/")).await.unwrap();
    }
}

async fn a_wrong_authority(adapter: Adapter) {
    let server = Server::tls(Authority::new().server()).await;
    let error =
        get(&adapter.client(&config_trusting(&Authority::new())), &server.url("/")).await.unwrap_err();
    assert!(told(&*error).contains("certificate"), "{}", told(&*error));
    assert!(chain(&*error).any(is_certificate_error), "{error:?}");
}

async fn a_wrong_name(adapter: Adapter) {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    // All of 127.0.0.0/8 is the loopback, but the certificate is for 127.0.0.1.
    let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await;
    let Ok(listener) = listener else { return };
    let address = listener.local_addr().unwrap();
    let upstream = server.address;
    let task = tokio::spawn(async move {
        let (mut from, _) = listener.accept().await.unwrap();
        let mut to = tokio::net::TcpStream::connect(upstream).await.unwrap();
        drop(tokio::io::copy_bidirectional(&mut from, &mut to).await);
    });
    let client = adapter.client(&config_trusting(&authority));
    let error = get(&client, &format!("https://{address}/")).await.unwrap_err();
    assert!(chain(&*error).any(is_certificate_error), "{error:?}");
    assert!(server.seen().is_empty());
    task.abort();
}

fn is_certificate_error(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
}

async fn a_client_certificate(adapter: Adapter) {
    let authority = Authority::new();
    let server = Server::tls(authority.server_for_known_clients()).await;
    let mut config = config_trusting(&authority);
    get(&adapter.client(&config), &server.url("/")).await.unwrap_err();
    assert!(server.seen().is_empty());

    let (certificate, key) = authority.client();
    config.tls.client_cert = Some(certificate);
    config.tls.client_key = Some(key);
    get(&adapter.client(&config), &server.url("/")).await.unwrap();

    let (certificate, key) = authority.client_of_nobody();
    config.tls.client_cert = Some(certificate);
    config.tls.client_key = Some(key);
    get(&adapter.client(&config), &server.url("/")).await.unwrap_err();
    assert_eq!(server.seen().len(), 1);
}

/// What is wrong with the files is said when the client is made, with the file's name.
#[test]
fn files_that_do_not_do() {
    let authority = Authority::new();
    let folder = authority.file().parent().unwrap().to_owned();
    let empty = folder.join("empty.pem");
    std::fs::write(&empty, "no certificate here\n").unwrap();
    let (certificate, key) = authority.client();
    let (other, _) = authority.client_of_nobody();
    for adapter in all() {
        for (what, change) in [
            (
                "missing.pem",
                Box::new(|config: &mut ClientConfig| {
                    config.tls.extra_ca.push(folder.join("missing.pem"));
                }) as Box<dyn Fn(&mut ClientConfig)>,
            ),
            ("empty.pem", Box::new(|config| config.tls.extra_ca.push(empty.clone()))),
            (
                "client.key",
                Box::new(|config| {
                    config.tls.client_cert = Some(key.clone());
                    config.tls.client_key = Some(key.clone());
                }),
            ),
            (
                "client.pem",
                Box::new(|config| {
                    config.tls.client_cert = Some(certificate.clone());
                    config.tls.client_key = Some(certificate.clone());
                }),
            ),
            (
                "do not go together",
                Box::new(|config| {
                    config.tls.client_cert = Some(other.clone());
                    config.tls.client_key = Some(key.clone());
                }),
            ),
            ("client_key", Box::new(|config| config.tls.client_cert = Some(certificate.clone()))),
            ("connect_timeout", Box::new(|config| config.connect_timeout = Duration::ZERO)),
        ] {
            let mut config = config_trusting(&authority);
            config.proxy = Proxy::None;
            change(&mut config);
            let error = adapter.try_client(&config).unwrap_err();
            assert!(told(&error).contains(what), "{adapter:?} {what}: {}", told(&error));
        }
    }
}

fn all() -> Vec<Adapter> {
    vec![
        #[cfg(feature = "hyper-util")]
        Adapter::Hyper,
        #[cfg(feature = "reqwest")]
        Adapter::Reqwest,
    ]
}
