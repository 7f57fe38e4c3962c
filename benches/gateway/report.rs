//! The figures and the verdicts.

use crate::Scenario;
use crate::load::Sample;

const NAMES: [&str; 4] = ["the upstream itself", "nginx as a proxy", "gateway", "gateway, one thread"];

/// Of nginx's requests in a second, as many as this share.
const SHARE: f64 = 0.5;

/// Half of the 40 ms that a small write waits where Nagle's algorithm meets a delayed acknowledgement.
const MOST_ADDED_MS: f64 = 20.0;

/// Prints all; gives the number of targets missed.
pub(crate) fn print(scenarios: &[Scenario]) -> u32 {
    let mut missed = 0;
    for scenario in scenarios {
        println!("\n{} ({} rounds)", scenario.name, scenario.samples[0].len());
        println!("  {:<26} {:>12} {:>11} {:>11} {:>16}", "", "requests/s", "p50", "p99", "CPU/request");
        for (name, samples) in NAMES.iter().zip(&scenario.samples) {
            let of = |value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
            let processor: Vec<f64> = samples.iter().filter_map(|sample| sample.processor).collect();
            let processor =
                if processor.is_empty() { "-".to_owned() } else { format!("{:.1} µs", median(processor)) };
            println!(
                "  {name:<26} {:>12.0} {:>8.3} ms {:>8.3} ms {processor:>16}",
                of(|sample| sample.rate),
                of(|sample| sample.p50),
                of(|sample| sample.p99)
            );
        }
        let [upstream, nginx, gateways @ ..] = &scenario.samples[..] else {
            continue;
        };
        for (name, gateway) in NAMES[2..].iter().zip(gateways) {
            let (reached, line) = if scenario.load.connections > 1 {
                let ratio = paired(gateway, nginx, |gateway, nginx| gateway.rate / nginx.rate);
                let line = format!("{name}: {ratio:.2} of nginx's requests/s, target ≥ {SHARE}");
                (ratio >= SHARE, line)
            } else {
                let added =
                    |through: &[Sample]| paired(through, upstream, |through, bare| through.p50 - bare.p50);
                let (by_nginx, by_gateway) = (added(nginx), added(gateway));
                let line = format!(
                    "added p50: nginx {by_nginx:.3} ms, gateway {by_gateway:.3} ms, target ≤ {MOST_ADDED_MS} ms"
                );
                (by_gateway <= MOST_ADDED_MS, line)
            };
            missed += u32::from(!reached);
            println!("  {line}: {}", if reached { "ok" } else { "MISSED" });
        }
    }
    missed
}

/// The median of what the rounds say, each for itself.
fn paired(own: &[Sample], other: &[Sample], compare: fn(&Sample, &Sample) -> f64) -> f64 {
    median(own.iter().zip(other).map(|(own, other)| compare(own, other)).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
