//! Whom the gateway calls.

use std::error::Error;

use claude_sim::{Server, Simulator};
use claude_tower::config::{ClientConfig, Config, HttpVersion, Proxy};
use http::Uri;

const API: &str = "https://api.anthropic.com";

/// The upstream, and the simulator if it is that. The simulator stops when it is dropped.
pub(crate) struct Target {
    pub(crate) uri: Uri,
    simulator: Option<Server>,
}

impl Target {
    /// The configured upstream; else the API if there is a key, be it the gateway's or its callers'; else a simulator.
    pub(crate) async fn choose(config: &Config) -> Result<Self, Box<dyn Error>> {
        if let Some(uri) = &config.gateway.upstream {
            println!("calling {uri}");
            return Ok(Self { uri: uri.clone(), simulator: None });
        }
        if !config.secrets.keys.is_empty() {
            println!("calling {API} (with the keys of [[secrets.keys]])");
            return Ok(Self { uri: Uri::from_static(API), simulator: None });
        }
        if std::env::var_os("ANTHROPIC_API_KEY").is_some_and(|key| !key.is_empty()) {
            println!("calling {API} (each request carries its caller's own key)");
            return Ok(Self { uri: Uri::from_static(API), simulator: None });
        }
        let server = Simulator::builder().with_any_key().build().serve("127.0.0.1:0").await?;
        let uri = server.base_url().parse()?;
        println!("ANTHROPIC_API_KEY is not set: calling a simulator of the API at {uri} (any key will do)");
        Ok(Self { uri, simulator: Some(server) })
    }

    /// How it is reached. The simulator is in this process: a proxy is for what lies outside.
    pub(crate) fn client(&self, config: &ClientConfig) -> ClientConfig {
        let mut client = config.clone();
        if self.simulator.is_some() {
            client.proxy = Proxy::None;
            client.no_proxy.clear();
            client.http_version = HttpVersion::Http1;
        }
        client
    }
}
