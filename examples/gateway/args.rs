//! The command line. What is given here goes before the environment, which goes before the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use claude_tower::config::GatewayConfig;

/// A gateway to the Claude API.
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// What to call instead of the API or the simulator
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<http::Uri>,
    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Check the configuration and stop
    #[arg(long)]
    pub(crate) check: bool,
    /// Print a new token for a client, and the line for `[[gateway.clients]]` that admits it, and stop
    #[arg(long, exclusive = true)]
    pub(crate) new_token: bool,
}

impl Args {
    pub(crate) fn apply_to(&self, gateway: &mut GatewayConfig) {
        if let Some(listen) = self.listen {
            gateway.listen = listen;
        }
        if let Some(upstream) = &self.upstream {
            gateway.upstream = Some(upstream.clone());
        }
    }
}
