//! The simulator of the Claude API on loopback, for trying things out without a key and without a bill.
//!
//! ```text
//! cargo run --example sim -- --listen 127.0.0.1:8787 --seed 7
//! ```

use std::error::Error;

use clap::Parser;
use claude_sim::{DEFAULT_KEY, Simulator};

const REQUEST: &str = r#"{"model":"claude-opus-5-5","max_tokens":256,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;

/// Serves a simulated Claude API until it is interrupted.
#[derive(Parser)]
struct Args {
    /// The address to listen on; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: String,
    /// What ids, padding and texts are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let simulator = Simulator::builder().with_seed(args.seed).build();
    let server = simulator.serve(&args.listen).await?;
    let url = server.base_url();
    println!("ANTHROPIC_BASE_URL={url}");
    println!("ANTHROPIC_API_KEY={DEFAULT_KEY}");
    println!();
    println!("curl -N {url}/v1/messages \\");
    println!("  -H 'x-api-key: {DEFAULT_KEY}' \\");
    println!("  -H 'anthropic-version: 2026-10-21' -H 'content-type: application/json' \\");
    println!("  -d '{REQUEST}'");
    tokio::signal::ctrl_c().await?;
    // A second interrupt does not wait for clients that do not read.
    tokio::select! {
        () = server.shutdown() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    println!("{} requests", simulator.arrived());
    Ok(())
}
