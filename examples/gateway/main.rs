//! A gateway: anything that speaks to the Claude API can speak to this instead, and `ANTHROPIC_BASE_URL` is all
//! that has to be set.
//!
//! ```text
//! cargo run --release --example gateway -- [--listen ADDR] [--upstream URL] [--config FILE] [--check]
//! cargo run --release --example gateway -- --new-token
//! ```
//!
//! Without a key in `ANTHROPIC_API_KEY` or in `[[secrets.keys]]`, and without an upstream, it starts the simulator and sends
//! everything there. Requests and answers pass byte for byte, streams as they come; what fails is repeated where that can help.

mod access_log;
mod args;
mod buffering;
mod forward;
mod keys;
mod new_token;
mod page;
mod server;
mod shutdown;
mod target;

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use claude_tower::config::ClientConfig;
use tracing_subscriber::EnvFilter;

use args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .init();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn Error> = Some(&*error);
            while let Some(error) = cause {
                eprintln!("gateway: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    if args.new_token {
        return new_token::print();
    }
    let config = args.load()?;
    for warning in config.gateway_warnings() {
        tracing::warn!("{warning}");
    }
    if args.check {
        // Certificates are read too: a file that is not there should not wait for the first start.
        claude_tower::client::HyperClient::new(&config.client)?;
        if let Some(path) = &config.secrets.vault.ca_file {
            let mut believing = ClientConfig::default();
            believing.tls.native_roots = false;
            believing.tls.extra_ca = vec![path.clone()];
            claude_tower::client::HyperClient::new(&believing)?;
        }
        config.gateway.door()?;
        // Keys are not fetched: that is for whoever may read them.
        config.secrets.layer()?;
        println!("the configuration is good");
        return Ok(());
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.gateway.worker_threads > 0 {
        runtime.worker_threads(config.gateway.worker_threads);
    }
    let runtime = runtime.enable_all().build()?;
    let served = runtime.block_on(server::serve(&config));
    // Long enough for what is cut to be logged. Dropped, the runtime would wait for a look-up of a name that hangs.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}
