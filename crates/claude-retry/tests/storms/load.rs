//! Steady load, whatever becomes of it: calls begin on time, also while others wait.

use std::ops::Range;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::support::{Client, setting};
use crate::upstream::Upstream;

/// How one call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// When it began, after the begin of the load.
    pub(crate) begun: Duration,
    pub(crate) took: Duration,
    pub(crate) is_ok: bool,
}

/// Calls with the numbers from 0 on, so many a second, until all have ended.
pub(crate) async fn load(length: Duration, client: &Client) -> Vec<Ended> {
    let rate = setting("STORM_RATE", 20);
    let started = Instant::now();
    let mut running = Vec::new();
    for call in 0.. {
        let begun = Duration::from_secs(1) * call / rate;
        if begun >= length {
            break;
        }
        sleep_until(started + begun).await;
        let answer = client(call.into());
        running.push(tokio::spawn(async move {
            let is_ok = answer.await;
            let took = Instant::now().saturating_duration_since(started + begun);
            Ended { begun, took, is_ok }
        }));
    }
    let mut ended = Vec::new();
    for running in running {
        ended.push(running.await.unwrap());
    }
    ended
}

/// The share of calls begun in this time that succeeded.
pub(crate) fn success(ended: &[Ended], begun: Range<Duration>) -> f64 {
    let of_then: Vec<_> = ended.iter().filter(|ended| begun.contains(&ended.begun)).collect();
    let ok = of_then.iter().filter(|ended| ended.is_ok).count();
    share(ok, of_then.len())
}

fn share(some: usize, all: usize) -> f64 {
    let count = |n| f64::from(u32::try_from(n).unwrap());
    count(some) / count(all)
}

/// The fault of a storm begins and ends within it.
pub(crate) struct Storm {
    pub(crate) length: Duration,
    pub(crate) foul: Range<Duration>,
}

/// How long calls may still suffer from a fault that is over.
pub(crate) const AFTERMATH: Duration = Duration::from_secs(10);

/// One line of a table.
pub(crate) struct Row {
    client: &'static str,
    pub(crate) before: f64,
    pub(crate) during: f64,
    pub(crate) aftermath: f64,
    pub(crate) after: f64,
    pub(crate) load: f64,
    peak: u32,
    slowest: Duration,
}

impl Storm {
    pub(crate) fn row(&self, client: &'static str, ended: &[Ended], upstream: &Upstream) -> Row {
        let Self { length, foul: Range { start, end } } = self;
        Row {
            client,
            before: success(ended, Duration::ZERO..*start),
            during: success(ended, *start..*end),
            aftermath: success(ended, *end..*end + AFTERMATH),
            after: success(ended, *end + AFTERMATH..*length),
            load: upstream.arrived(*start..*end).load(),
            peak: upstream.peak(),
            slowest: ended
                .iter()
                .filter(|ended| ended.is_ok)
                .map(|ended| ended.took)
                .max()
                .unwrap_or_default(),
        }
    }
}

pub(crate) fn print(title: &str, rows: &[Row]) {
    println!("\n{title}");
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9}  {:>13} {:>6} {:>8}",
        "answered in full", "before", "during", "next 10 s", "after", "attempts/call", "peak/s", "slowest"
    );
    for Row { client, before, during, aftermath, after, load, peak, slowest } in rows {
        let percent =
            |share: &f64| if share.is_nan() { "-".into() } else { format!("{:.2} %", 100.0 * share) };
        let shares = [before, during, aftermath, after].map(percent);
        let [before, during, aftermath, after] = shares;
        println!(
            "{client:<34} {before:>9} {during:>9} {aftermath:>9} {after:>9}  {load:>13.3} {peak:>6} {:>6.1} s",
            slowest.as_secs_f64()
        );
    }
}
