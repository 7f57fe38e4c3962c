//! What it costs to put a key on a request that is at hand, and how many may wait for one that is not.
//!
//! `cargo bench --bench secrets -- [--quick] [WORD…]`

#[path = "../support"]
mod support {
    #[allow(dead_code, reason = "other benchmarks use the rest")]
    pub(crate) mod contest;
    #[allow(dead_code, reason = "other benchmarks use the rest")]
    pub(crate) mod inputs;
    pub(crate) mod options;
}

#[allow(dead_code, reason = "the retry's benchmark uses the rest")]
#[path = "../retry/drive.rs"]
mod drive;
#[allow(dead_code, reason = "the retry's benchmark uses the rest")]
#[path = "../retry/inner.rs"]
mod inner;
mod instructions;
#[path = "../retry/request.rs"]
mod request;
mod waiters;
mod ways;

use std::cell::Cell;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use claude_wire::Body;
use http::Request;
use tokio::runtime::{Builder, Runtime};

use support::contest::{Contest, is_wanted, quantile};
use support::options::{Options, machine};
use ways::{Case, ONE, Way};

/// So many nanoseconds a key that is at hand may add to a call.
const MOST_ADDED: f64 = 1_000.0;

fn main() -> ExitCode {
    // Keys are fetched in a task of a runtime.
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without sockets");
    let _context = runtime.enter();
    if instructions::made_calls(&runtime) {
        return ExitCode::SUCCESS;
    }
    let options = match Options::read() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", machine());
    for case in Case::ALL {
        let contest = Contest::new(case.name(), 0);
        case.ways(&runtime).into_iter().fold(contest, |contest, way| calls(contest, case, way)).run(&options);
    }
    let added = added(&options, &runtime);
    instructions::count(&options, &runtime);
    let missed = added + waiters::run(&options);
    println!("\n{}; targets missed: {missed}", machine());
    ExitCode::SUCCESS
}

/// What a key adds to a call that is otherwise the same, against the target.
fn added(options: &Options, runtime: &Runtime) -> u32 {
    let name = "added by one key";
    if !is_wanted(name, options) {
        return 0;
    }
    let case = Case::Small;
    let mut seconds = [const { Vec::new() }; 2];
    let mut ways: Vec<Way> =
        case.ways(runtime).into_iter().filter(|way| ["bare", ONE].contains(&way.name)).collect();
    let template = case.template();
    for _ in 0..if options.quick { 31 } else { 301 } {
        for (way, seconds) in ways.iter_mut().zip(&mut seconds) {
            let requests: Vec<_> = (0..64).map(|_| case.make(&template)).collect();
            let begun = now();
            for request in requests {
                (way.call)(request, &mut |frame| _ = black_box(frame.len()));
            }
            seconds.push(now().duration_since(begun).as_secs_f64() / 64.0);
        }
    }
    let [bare, one] = seconds;
    let differences: Vec<f64> = bare.iter().zip(&one).map(|(bare, one)| one - bare).collect();
    let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&differences, share) * 1e9);
    let verdict = if median <= MOST_ADDED { "ok" } else { "MISSED" };
    println!("\n{name}\n  {median:.0} ns ({low:.0}–{high:.0})  target ≤ {MOST_ADDED:.0} ns: {verdict}");
    u32::from(median > MOST_ADDED)
}

/// Adds a way. What makes the requests is not timed.
fn calls(contest: Contest<'_>, case: Case, mut way: Way) -> Contest<'_> {
    let template = case.template();
    let prepare = move || Cell::new(Some(case.make(&template)));
    contest.prepared_way(way.name, None, prepare, move |request: &Cell<Option<Request<Body>>>| {
        let request = request.take().expect("each request is sent once");
        (way.call)(request, &mut |frame| _ = black_box(frame.len()));
    })
}

#[expect(clippy::disallowed_methods, reason = "measures the machine; nothing here waits")]
fn now() -> Instant {
    Instant::now()
}
