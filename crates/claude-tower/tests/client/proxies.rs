//! Through proxies, and past them.

use claude_tower::config::{ClientConfig, Proxy};

use crate::loopback::{Authority, Server, told};
use crate::proxy_servers::{HttpProxy, SocksProxy, header};
use crate::{Adapter, call, config, config_trusting, for_each_adapter, get, watched};

for_each_adapter!(
    https_goes_through_a_tunnel,
    http_is_sent_to_the_proxy_itself,
    a_closed_proxy,
    a_closed_proxy_before_http,
    the_credentials_are_for_the_proxy_alone,
    an_authorization_of_the_caller_stays,
    past_the_proxy,
    no_proxy_at_all,
    a_proxy_behind_tls,
    socks,
    socks_without_a_port,
    socks_with_a_password,
    socks_with_a_wrong_password,
);

/// `user` and `pass:word`, with the colon escaped in a URL.
const AUTHORIZATION: &str = "Basic dXNlcjpwYXNzOndvcmQ=";

fn through(mut config: ClientConfig, proxy: &str) -> ClientConfig {
    config.proxy = proxy.parse().unwrap();
    config
}

async fn https_goes_through_a_tunnel(adapter: Adapter) {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    let proxy = HttpProxy::closed(AUTHORIZATION).await;
    let config = through(config_trusting(&authority), &format!("http://user:pass%3Aword@{}", proxy.address));
    let client = adapter.client(&config);
    for _ in 0..2 {
        let (request, attempt) = watched("POST", &server.url("/v1/messages?a=b"), "{}");
        let (_, body) = call(&client, request).await.unwrap();
        assert_eq!(body, "{}");
        assert!(attempt.is_sent());
    }
    // One tunnel, which is kept.
    let [head] = &*proxy.heads() else { panic!("{:?}", proxy.heads()) };
    assert!(head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", server.address)), "{head}");
    assert_eq!(header(head, "host"), Some(&*server.address.to_string()));
    // What is in the tunnel is as it would be without one.
    let seen = server.seen();
    assert_eq!(seen[0].head.uri.to_string(), "/v1/messages?a=b");
    assert_eq!(seen[0].header("proxy-authorization"), None);
}

async fn http_is_sent_to_the_proxy_itself(adapter: Adapter) {
    let server = Server::echo().await;
    let proxy = HttpProxy::closed(AUTHORIZATION).await;
    let config = through(config(), &format!("http://user:pass%3Aword@{}", proxy.address));
    let (request, attempt) = watched("POST", &server.url("/v1/messages?a=b"), "{}");
    let (_, body) = call(&adapter.client(&config), request).await.unwrap();
    assert_eq!(body, "{}");
    assert!(attempt.is_sent());
    let head = &proxy.heads()[0];
    assert!(head.starts_with(&format!("POST {} HTTP/1.1\r\n", server.url("/v1/messages?a=b"))), "{head}");
    assert_eq!(header(head, "host"), Some(&*server.address.to_string()));
}

async fn a_closed_proxy(adapter: Adapter) {
    let proxy = HttpProxy::closed(AUTHORIZATION).await;
    for user in ["", "user:wrong@"] {
        let config = through(config(), &format!("http://{user}{}", proxy.address));
        let (request, attempt) = watched("POST", "https://localhost:1/", "{}");
        let error = call(&adapter.client(&config), request).await.unwrap_err();
        assert!(told(&*error).contains("proxy authorization required"), "{}", told(&*error));
        assert!(!told(&*error).contains("wrong") && !format!("{error:?}").contains("wrong"), "{error:?}");
        assert!(!attempt.is_sent());
    }
}

async fn a_closed_proxy_before_http(adapter: Adapter) {
    let server = Server::echo().await;
    let proxy = HttpProxy::closed(AUTHORIZATION).await;
    let config = through(config(), &format!("http://{}", proxy.address));
    let (head, _) = get(&adapter.client(&config), &server.url("/")).await.unwrap();
    assert_eq!(head.status, 407);
    assert!(server.seen().is_empty());
}

/// A host that is reached past the proxy never sees them, and no TLS host does.
async fn the_credentials_are_for_the_proxy_alone(adapter: Adapter) {
    let server = Server::echo().await;
    let proxy = HttpProxy::open().await;
    let mut config = through(config(), &format!("http://user:password@{}", proxy.address));
    config.no_proxy = "127.0.0.1".to_owned();
    get(&adapter.client(&config), &server.url("/")).await.unwrap();
    assert_eq!(server.seen()[0].header("proxy-authorization"), None);
    assert!(proxy.heads().is_empty());
}

async fn an_authorization_of_the_caller_stays(adapter: Adapter) {
    let server = Server::echo().await;
    let proxy = HttpProxy::open().await;
    let config = through(config(), &format!("http://user:password@{}", proxy.address));
    let (mut request, _) = watched("GET", &server.url("/"), "");
    request.headers_mut().insert("proxy-authorization", "Basic b3duOm93bg==".parse().unwrap());
    call(&adapter.client(&config), request).await.unwrap();
    let all: Vec<_> = server.seen()[0].head.headers.get_all("proxy-authorization").iter().cloned().collect();
    assert_eq!(all, ["Basic b3duOm93bg=="]);
}

async fn past_the_proxy(adapter: Adapter) {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    let proxy = HttpProxy::open().await;
    let mut config = through(config_trusting(&authority), &format!("http://{}", proxy.address));
    for (no_proxy, through_proxy) in [
        ("", true),
        ("localhost", false),
        (".localhost", false),
        ("other.example, localhost", false),
        ("host", true),
        ("*", false),
    ] {
        config.no_proxy = no_proxy.to_owned();
        let before = proxy.heads().len();
        get(&adapter.client(&config), &server.url_by_name("/")).await.unwrap();
        assert_eq!(proxy.heads().len() > before, through_proxy, "{no_proxy}");
    }
    for (no_proxy, through_proxy) in
        [("127.0.0.1", false), ("127.0.0.0/8", false), ("10.0.0.0/8", true), ("a, *", false)]
    {
        config.no_proxy = no_proxy.to_owned();
        let before = proxy.heads().len();
        get(&adapter.client(&config), &server.url("/")).await.unwrap();
        assert_eq!(proxy.heads().len() > before, through_proxy, "{no_proxy}");
    }
}

async fn no_proxy_at_all(adapter: Adapter) {
    let server = Server::echo().await;
    let mut config = config();
    config.proxy = Proxy::None;
    get(&adapter.client(&config), &server.url("/")).await.unwrap();
    // In the form that an origin takes.
    assert_eq!(server.seen()[0].head.uri.to_string(), "/");
}

/// TLS to the proxy, and within it TLS to the host.
async fn a_proxy_behind_tls(adapter: Adapter) {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    let plain = Server::echo().await;
    let proxy = HttpProxy::open_tls(authority.server()).await;
    let config = through(config_trusting(&authority), &format!("https://{}", proxy.address));
    let client = adapter.client(&config);
    get(&client, &server.url("/")).await.unwrap();
    get(&client, &plain.url("/")).await.unwrap();
    let heads = proxy.heads();
    assert!(heads[0].starts_with("CONNECT "), "{heads:?}");
    assert!(heads[1].starts_with("GET http://"), "{heads:?}");
}

async fn socks(adapter: Adapter) {
    let authority = Authority::new();
    let (secure, plain) = (Server::tls(authority.server()).await, Server::echo().await);
    let proxy = SocksProxy::start(None).await;
    let config = through(config_trusting(&authority), &format!("socks5://{}", proxy.address));
    let client = adapter.client(&config);
    for server in [&secure, &plain] {
        let (request, attempt) = watched("POST", &server.url("/v1/messages"), "{}");
        let (_, body) = call(&client, request).await.unwrap();
        assert_eq!(body, "{}");
        assert!(attempt.is_sent());
        // SOCKS carries connections: the request is the one that an origin takes.
        assert_eq!(server.seen()[0].head.uri.to_string(), "/v1/messages");
    }
    assert_eq!(proxy.asked(), [secure.address.to_string(), plain.address.to_string()]);
}

/// The port is the one of the scheme; nobody needs to be there to see what was asked for.
async fn socks_without_a_port(adapter: Adapter) {
    for (url, target) in [("http://127.9.9.9/", "127.9.9.9:80"), ("https://127.9.9.9/", "127.9.9.9:443")] {
        let proxy = SocksProxy::start(None).await;
        let config = through(config(), &format!("socks5://{}", proxy.address));
        let (request, attempt) = watched("POST", url, "{}");
        call(&adapter.client(&config), request).await.unwrap_err();
        assert_eq!(proxy.asked(), [target]);
        assert!(!attempt.is_sent());
    }
}

async fn socks_with_a_password(adapter: Adapter) {
    let server = Server::echo().await;
    let proxy = SocksProxy::start(Some(("user", "pass:word"))).await;
    let config = through(config(), &format!("socks5://user:pass%3Aword@{}", proxy.address));
    get(&adapter.client(&config), &server.url("/")).await.unwrap();
    assert_eq!(server.seen()[0].header("proxy-authorization"), None);
}

async fn socks_with_a_wrong_password(adapter: Adapter) {
    let server = Server::echo().await;
    let proxy = SocksProxy::start(Some(("user", "password"))).await;
    for user in ["", "user:wrong@"] {
        let config = through(config(), &format!("socks5://{user}{}", proxy.address));
        let (request, attempt) = watched("POST", &server.url("/"), "{}");
        let error = call(&adapter.client(&config), request).await.unwrap_err();
        assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
        assert!(!attempt.is_sent());
    }
    assert!(server.seen().is_empty() && proxy.asked().is_empty());
}
