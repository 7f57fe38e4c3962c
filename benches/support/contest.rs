//! Ways to do a thing, timed against each other.
//!
//! All are run in every round, in an order that moves on by one each time, so that a clock that changes its
//! speed or a neighbour that wakes up meets all of them. A ratio is the median of the rounds' own ratios, with
//! the quartiles beside it: on a busy machine they say how far it can be trusted. Nothing fails over a time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::support::options::Options;

/// Long enough for the clock's own cost not to matter, short enough to fit between two disturbances.
const BATCH: Duration = Duration::from_micros(500);

/// Values made beforehand for one batch: more would only push each other out of the cache.
const MOST_PREPARED: u32 = 64;

/// What a way should reach.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At most this many times the baseline's time.
    Ratio(f64),
    /// At least so many GB/s, or at most this many times the baseline's time.
    RateOrRatio(f64, f64),
}

/// Takes the number of repetitions, gives the time they took.
type Run<'a> = Box<dyn FnMut(u32) -> Duration + 'a>;

struct Way<'a> {
    name: String,
    target: Option<Target>,
    most: u32,
    run: Run<'a>,
}

/// Several ways over the same bytes. The first is the baseline. No bytes: what is done has no rate.
pub(crate) struct Contest<'a> {
    name: String,
    bytes: usize,
    ways: Vec<Way<'a>>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(name: impl Into<String>, bytes: usize) -> Self {
        Self { name: name.into(), bytes, ways: Vec::new() }
    }

    /// Adds a way. What it returns is dropped within the time, as it would be in use.
    pub(crate) fn way<T>(
        mut self,
        name: impl Into<String>,
        target: Option<Target>,
        mut run: impl FnMut() -> T + 'a,
    ) -> Self {
        let run = Box::new(move |times| {
            let start = now();
            for _ in 0..times {
                drop(black_box(run()));
            }
            now().duration_since(start)
        });
        self.ways.push(Way { name: name.into(), target, most: u32::MAX, run });
        self
    }

    /// Adds a way that works on a fresh value each time. Making and dropping the values is not timed.
    pub(crate) fn prepared_way<I, T>(
        mut self,
        name: impl Into<String>,
        target: Option<Target>,
        mut prepare: impl FnMut() -> I + 'a,
        mut run: impl FnMut(&I) -> T + 'a,
    ) -> Self {
        let run = Box::new(move |times| {
            let values: Vec<I> = (0..times).map(|_| prepare()).collect();
            let start = now();
            for value in &values {
                drop(black_box(run(black_box(value))));
            }
            now().duration_since(start)
        });
        self.ways.push(Way { name: name.into(), target, most: MOST_PREPARED, run });
        self
    }

    /// Runs and prints, if the caller's words do not leave it out; gives the number of targets missed.
    pub(crate) fn run(mut self, options: &Options) -> u32 {
        if !is_wanted(&self.name, options) {
            return 0;
        }
        let times: Vec<u32> = self.ways.iter_mut().map(calibrate).collect();
        let rounds = if options.quick { 31 } else { 301 };
        let mut seconds = vec![Vec::with_capacity(rounds); self.ways.len()];
        for round in 0..rounds {
            for step in 0..self.ways.len() {
                let turn = (round + step) % self.ways.len();
                let taken = (self.ways[turn].run)(times[turn]);
                seconds[turn].push(taken.as_secs_f64() / f64::from(times[turn]));
            }
        }
        let size = if self.bytes == 0 { String::new() } else { format!(" ({})", bytes(self.bytes)) };
        println!("\n{}{size}", self.name);
        let mut missed = 0;
        for (way, own) in self.ways.iter().zip(&seconds) {
            let ratios: Vec<f64> = own.iter().zip(&seconds[0]).map(|(own, base)| own / base).collect();
            let median = quantile(own, 0.5);
            let rate = self.bytes as f64 / median / 1e9;
            let ratio = quantile(&ratios, 0.5);
            let spread = format!("{:.2}–{:.2}", quantile(&ratios, 0.25), quantile(&ratios, 0.75));
            let verdict = match way.target {
                None => String::new(),
                Some(target) => {
                    let (reached, wanted) = judge(target, ratio, rate);
                    missed += u32::from(!reached);
                    format!("{wanted}: {}", if reached { "ok" } else { "MISSED" })
                }
            };
            let speed = if self.bytes == 0 { String::new() } else { format!(" {rate:>7.2} GB/s") };
            let line =
                format!("  {:<44} {:>9}{speed} {ratio:>6.2}x ({spread})  {verdict}", way.name, time(median));
            println!("{}", line.trim_end());
        }
        missed
    }
}

/// Whether the caller's words leave this in.
pub(crate) fn is_wanted(name: &str, options: &Options) -> bool {
    options.words.is_empty() || options.words.iter().any(|word| name.contains(word.as_str()))
}

/// How often a way is repeated to fill a batch.
fn calibrate(way: &mut Way<'_>) -> u32 {
    let mut times = 1;
    loop {
        let taken = (way.run)(times);
        if taken >= BATCH || times >= way.most {
            return times.min(way.most);
        }
        times *= 2;
    }
}

fn judge(target: Target, ratio: f64, rate: f64) -> (bool, String) {
    match target {
        Target::Ratio(most) => (ratio <= most, format!("target ≤ {most}x")),
        Target::RateOrRatio(least, most) => {
            (rate >= least || ratio <= most, format!("target ≥ {least} GB/s or ≤ {most}x"))
        }
    }
}

pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into a short list")]
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[index]
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}

pub(crate) fn bytes(count: usize) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.2} MiB", count as f64 / 1024.0 / 1024.0),
    }
}

/// The one place that reads the clock.
#[expect(clippy::disallowed_methods, reason = "measures the machine; nothing here waits")]
fn now() -> Instant {
    Instant::now()
}
