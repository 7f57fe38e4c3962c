//! The proxy variables. A process cannot change its own while other threads run, so each case is a child: this
//! very program, started again for the one test here, with variables of its own.

use std::process::Command;

use claude_tower::config::Proxy;

use crate::loopback::{Authority, Server, finishes};
use crate::proxy_servers::HttpProxy;
use crate::{Adapter, config, get};

/// What tells the child that it is one: the URL to call.
const TARGET: &str = "CLAUDE_TOWER_TEST_TARGET";
const AUTHORITY: &str = "CLAUDE_TOWER_TEST_AUTHORITY";
const NO_PROXY_AT_ALL: &str = "CLAUDE_TOWER_TEST_NO_PROXY_AT_ALL";

/// Everything that a client might look at.
const VARIABLES: [&str; 9] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
];

#[cfg(feature = "hyper-util")]
#[tokio::test]
async fn hyper_util_and_the_environment() {
    parent_or_child(Adapter::Hyper, "environment::hyper_util_and_the_environment").await;
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn reqwest_and_the_environment() {
    parent_or_child(Adapter::Reqwest, "environment::reqwest_and_the_environment").await;
}

async fn parent_or_child(adapter: Adapter, name: &'static str) {
    match std::env::var(TARGET) {
        Ok(url) => child(adapter, &url).await,
        Err(_) => parent(name).await,
    }
}

async fn child(adapter: Adapter, url: &str) {
    let mut config = config();
    config.proxy = Proxy::Environment;
    if std::env::var_os(NO_PROXY_AT_ALL).is_some() {
        config.proxy = Proxy::None;
    }
    config.tls.extra_ca = vec![std::env::var_os(AUTHORITY).unwrap().into()];
    let (head, _) = get(&adapter.client(&config), url).await.unwrap();
    assert_eq!(head.status, 200);
}

async fn parent(name: &'static str) {
    let authority = Authority::new();
    let secure = Server::tls(authority.server()).await;
    let plain = Server::echo().await;
    let proxy = HttpProxy::closed("Basic dXNlcjpwYXNzd29yZA==").await;
    let http_proxy = format!("http://user:password@{}", proxy.address);
    let here = http_proxy.as_str();
    // Nothing answers there: a client that goes this way fails.
    let (_held, nowhere) = crate::loopback::refusing();
    let nowhere = format!("http://{nowhere}");
    let nowhere = nowhere.as_str();
    let ca = authority.file();

    for (server, variables, through_proxy) in [
        (&secure, vec![], false),
        (&secure, vec![("HTTPS_PROXY", here)], true),
        (&secure, vec![("https_proxy", here)], true),
        (&secure, vec![("ALL_PROXY", here)], true),
        (&secure, vec![("ALL_PROXY", nowhere), ("HTTPS_PROXY", here)], true),
        (&secure, vec![("HTTP_PROXY", nowhere)], false),
        (&secure, vec![("HTTPS_PROXY", nowhere), ("NO_PROXY", "10.0.0.0/8,127.0.0.1")], false),
        (&secure, vec![("HTTPS_PROXY", nowhere), ("no_proxy", "127.0.0.1")], false),
        (&secure, vec![("HTTPS_PROXY", here), ("NO_PROXY", "example.com")], true),
        (&plain, vec![("HTTP_PROXY", here)], true),
        (&plain, vec![("HTTPS_PROXY", nowhere)], false),
        (&plain, vec![("ALL_PROXY", nowhere), (NO_PROXY_AT_ALL, "1")], false),
    ] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]);
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command.env(TARGET, server.url("/")).env(AUTHORITY, &ca).envs(variables.iter().copied());
        let (seen, asked) = (server.seen().len(), proxy.heads().len());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = finishes(output).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{variables:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        // A name that matches no test is a success too.
        assert_eq!(server.seen().len(), seen + 1, "{variables:?}: {said}");
        assert_eq!(proxy.heads().len(), asked + usize::from(through_proxy), "{variables:?}");
    }
}
