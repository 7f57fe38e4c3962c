//! The command line. What is given here goes before the environment, which goes before the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use claude_tower::config::{Config, ConfigError, Loader};

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
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let mut loader = Loader::new().with_process_environment();
        if let Some(path) = &self.config {
            loader = loader.with_file(path);
        }
        if let Some(listen) = self.listen {
            loader = loader.with_argument("--listen", "gateway.listen", listen.to_string());
        }
        if let Some(upstream) = &self.upstream {
            loader = loader.with_argument("--upstream", "gateway.upstream", upstream.to_string());
        }
        loader.load_gateway()
    }
}
