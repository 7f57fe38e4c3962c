//! The gateway, side by side with nginx proxying to the same upstream.
//!
//! `cargo bench --bench gateway -- [--quick] [PROGRAM]`, the latter to measure a gateway that is built already.
//!
//! nginx as the upstream answers without thinking, nginx as a proxy is as near to the limit as one gets, and wrk
//! asks. All of them and the gateway run side by side on this machine, in turns within every round.

#[path = "../support"]
mod support {
    pub(crate) mod options;
}

mod children;
mod load;
mod report;
mod servers;
mod stream;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use children::Children;
use load::{Load, Sample, Wrk};
use servers::Server;
use support::options::{Options, machine};

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    let children = Arc::new(Children::default());
    let running = Arc::clone(&children);
    let bench = tokio::task::spawn_blocking(move || run(&running));
    let result = tokio::select! {
        result = bench => result.unwrap_or_else(|why| Err(why.to_string())),
        () = stopped() => Err("stopped".to_owned()),
    };
    // Before the runtime waits for what may still be running: without its servers that ends soon.
    children.kill();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("gateway bench: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// What is measured: a load, through each of these.
pub(crate) struct Scenario {
    name: &'static str,
    load: Load,
    /// The upstream itself, nginx as a proxy, the gateway as it comes, and perhaps the gateway on one thread.
    through: Vec<Server>,
    samples: Vec<Vec<Sample>>,
}

fn run(children: &Children) -> Result<(), String> {
    let options = Options::read()?;
    for program in ["nginx", "wrk"] {
        if !servers::is_on_path(program) {
            return Err(format!(
                "{program} is not on the path. `cargo xtask bench` installs it, and so does \
                 `apt-get install nginx wrk` on Debian"
            ));
        }
    }
    let gateway = match options.words.first() {
        Some(path) => Path::new(path).to_owned(),
        None => servers::build_gateway()?,
    };
    println!("{}", machine());

    let home = servers::Home::new()?;
    let plain = servers::nginx_upstream(children, &home)?;
    let plain_proxy = servers::nginx_proxy(children, &home, "plain", &plain)?;
    let plain_gateway = servers::gateway(children, &gateway, &plain, 0)?;
    let one_thread = servers::gateway(children, &gateway, &plain, 1)?;
    let stream = stream::serve()?;
    let stream_proxy = servers::nginx_proxy(children, &home, "stream", &stream)?;
    let stream_gateway = servers::gateway(children, &gateway, &stream, 0)?;

    let plain = [plain, plain_proxy, plain_gateway];
    let stream = [stream, stream_proxy, stream_gateway];
    let scenario = |name, load, through: &[Server]| Scenario {
        name,
        load,
        through: through.to_vec(),
        samples: vec![Vec::new(); through.len()],
    };
    let crowd = [&plain[..], &[one_thread]].concat();
    let mut scenarios = [
        scenario("64 connections", Load { connections: 64, body: 300 }, &crowd),
        scenario("1 connection", Load { connections: 1, body: 300 }, &plain),
        scenario("1 connection, a request of 64 KiB", Load { connections: 1, body: 64 * 1024 }, &plain),
        scenario("1 connection, a stream of 21 writes", Load { connections: 1, body: 300 }, &stream),
    ];

    let wrk = Wrk::new(&home)?;
    let (rounds, seconds) = if options.quick { (1, 1) } else { (5, 2) };
    for round in 0..rounds {
        for scenario in &mut scenarios {
            for step in 0..scenario.through.len() {
                let turn = (round + step) % scenario.through.len();
                let sample = wrk.run(&scenario.through[turn], scenario.load, seconds)?;
                scenario.samples[turn].push(sample);
            }
        }
    }
    let missed = report::print(&scenarios);
    println!("\n{}; targets missed: {missed}", machine());
    Ok(())
}
