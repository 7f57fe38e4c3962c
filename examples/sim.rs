//! The simulator of the Claude API on loopback, for trying things out without a key and without a bill.
//!
//! ```text
//! cargo run --example sim -- --limits start --tokens-per-second 80 --fault 0.05:overloaded
//! ```

use std::error::Error;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::{Parser, ValueEnum};
use claude_sim::{DEFAULT_KEY, Fault, FaultMix, Limits, Pace, Simulator};

const REQUEST: &str = r#"{"model":"claude-opus-5-5","max_tokens":256,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;

/// Serves a simulated Claude API until it is interrupted.
#[derive(Parser)]
struct Args {
    /// The address to listen on; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: String,
    /// What ids, padding, texts, faults and the hidden settings of the limits are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The tier whose rate limits are enforced.
    #[arg(long, value_enum, default_value = "none")]
    limits: Tier,
    /// Seconds until the first token of a message.
    #[arg(long, default_value_t = 0.0)]
    first_token: f64,
    /// How fast messages are written after that; at once if nothing is said.
    #[arg(long)]
    tokens_per_second: Option<NonZeroU32>,
    /// What goes wrong by chance, as `PROBABILITY:FAULT`, such as `0.05:overloaded`; may be given several times.
    #[arg(long)]
    fault: Vec<Chance>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tier {
    None,
    Start,
    Build,
    Scale,
}

impl Tier {
    fn limits(self) -> Limits {
        match self {
            Self::None => Limits::none(),
            Self::Start => Limits::start(),
            Self::Build => Limits::build(),
            Self::Scale => Limits::scale(),
        }
    }
}

#[derive(Clone)]
struct Chance {
    probability: f64,
    fault: Fault,
}

impl FromStr for Chance {
    type Err = Box<dyn Error + Send + Sync>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (probability, fault) = text.split_once(':').ok_or("PROBABILITY:FAULT is expected")?;
        Ok(Self { probability: probability.trim().parse()?, fault: fault.parse()? })
    }
}

fn simulator(args: &Args) -> Result<Simulator, Box<dyn Error>> {
    let mut pace = Pace::instant().with_first_token(Duration::try_from_secs_f64(args.first_token)?);
    if let Some(rate) = args.tokens_per_second {
        pace = pace.with_tokens_per_second(rate).with_pings(Duration::from_secs(5));
    }
    #[expect(clippy::disallowed_methods, reason = "an application reads the wall clock at its edge")]
    let now = SystemTime::now();
    let mix = FaultMix::new();
    let chance =
        args.fault.iter().try_fold(mix, |mix, chance| mix.with(chance.fault.clone(), chance.probability))?;
    let builder = Simulator::builder()
        .with_seed(args.seed)
        .with_date(now)
        .with_limits(args.limits.limits())
        .with_pace(pace)
        .with_chance(chance);
    Ok(builder.build())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let simulator = simulator(&args)?;
    let server = simulator.serve(&args.listen).await?;
    let url = server.base_url();
    println!("ANTHROPIC_BASE_URL={url}");
    println!("ANTHROPIC_API_KEY={DEFAULT_KEY}");
    println!();
    println!("curl -N {url}/v1/messages \\");
    println!("  -H 'x-api-key: {DEFAULT_KEY}' \\");
    println!("  -H 'anthropic-version: 2026-10-21' -H 'content-type: application/json' \\");
    println!("  -d '{REQUEST}'");
    println!();
    println!("add -H 'x-sim-fault: overloaded' to make it fail; see {url}/_sim/bill and {url}/_sim/requests");
    tokio::signal::ctrl_c().await?;
    // A second interrupt does not wait for clients that do not read.
    tokio::select! {
        () = server.shutdown() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    println!("{} requests", simulator.arrived());
    Ok(())
}
