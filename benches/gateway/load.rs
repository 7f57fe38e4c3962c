//! wrk, and what it measured.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::servers::{Home, Server};

/// What wrk sends.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    /// Bytes of each request's body.
    pub(crate) body: usize,
}

/// What one run of wrk gave.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Requests in a second.
    pub(crate) rate: f64,
    /// Latencies in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The server's own processor time for each request in microseconds, if it is a process of its own.
    pub(crate) processor: Option<f64>,
}

pub(crate) struct Wrk {
    script: PathBuf,
}

/// Says what was measured in one line that is easy to read back.
const SCRIPT: &str = r#"
function init(args)
  local fill = tonumber(args[1]) - 110
  wrk.method = "POST"
  wrk.path = "/v1/messages"
  wrk.headers["content-type"] = "application/json"
  wrk.headers["anthropic-version"] = "2023-06-01"
  wrk.headers["x-api-key"] = "sk-ant-none"
  wrk.body = '{"model":"claude-sonnet-5-5","max_tokens":1024,"messages":[{"role":"user","content":"'
    .. string.rep("a", fill) .. '"}]}'
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("measured %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

impl Wrk {
    pub(crate) fn new(home: &Home) -> Result<Self, String> {
        Ok(Self { script: home.write("load.lua", SCRIPT)? })
    }

    pub(crate) fn run(&self, server: &Server, load: Load, seconds: u32) -> Result<Sample, String> {
        let before = processor_time(server);
        let mut command = Command::new("wrk");
        command.arg("-t1").arg(format!("-c{}", load.connections)).arg(format!("-d{seconds}s"));
        command.arg("-s").arg(&self.script).arg(format!("http://{}", server.address));
        command.arg("--").arg(load.body.to_string());
        let output = command.output().map_err(|why| format!("wrk could not be started: {why}"))?;
        let after = processor_time(server);
        let text = String::from_utf8_lossy(&output.stdout);
        let measured: Vec<f64> = text
            .lines()
            .filter_map(|line| line.strip_prefix("measured "))
            .flat_map(|line| line.split(' ').filter_map(|number| number.parse().ok()))
            .collect();
        let [requests, micros, p50, p99, errors] = measured[..] else {
            let mut why = format!("wrk said nothing to go by: {text}");
            let written = write!(why, "{}", String::from_utf8_lossy(&output.stderr));
            written.expect("a String takes everything");
            return Err(why);
        };
        if errors > 0.0 || requests < 1.0 {
            return Err(format!("{errors} of {requests} requests to {} failed", server.address));
        }
        let processor = before.zip(after).map(|(before, after)| (after - before) * 1e6 / requests);
        Ok(Sample { rate: requests / (micros / 1e6), p50: p50 / 1e3, p99: p99 / 1e3, processor })
    }
}

/// Seconds of processor time that the server has used, where `/proc` says so.
fn processor_time(server: &Server) -> Option<f64> {
    // Linux counts in hundredths of a second, whatever its own clock.
    const TICKS: f64 = 100.0;

    let stat = fs::read_to_string(format!("/proc/{}/stat", server.process?)).ok()?;
    // The name may hold anything, and ends with the last parenthesis; user and system time are the 12th and 13th
    // fields behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS)
}
