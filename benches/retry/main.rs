//! What a retry costs when all is well, when it repeats, and on a stream.
//!
//! `cargo bench --features tower-resilience --bench retry -- [--quick] [WORD…]`

#[path = "../support"]
mod support {
    #[allow(dead_code, reason = "other benchmarks use the rest")]
    pub(crate) mod contest;
    #[allow(dead_code, reason = "other benchmarks use the rest")]
    pub(crate) mod inputs;
    pub(crate) mod options;
}

mod drive;
mod inner;
mod instructions;
mod ours;
mod request;
#[cfg(feature = "tower-resilience")]
mod tower_resilience;
mod tower_retry;
mod ways;

use std::cell::Cell;
use std::hint::black_box;
use std::process::ExitCode;

use bytes::Bytes;
use claude_wire::Body;
use http::Request;
use tokio::runtime::Builder;

use inner::Inner;
use support::contest::{Contest, Target, is_wanted};
use support::options::{Options, machine};
use ways::{Case, Way};

fn main() -> ExitCode {
    // A hold has a timer, though none goes off here.
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without sockets");
    let _context = runtime.enter();
    if instructions::made_calls() {
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
    let mut missed: u32 = Case::ALL.iter().map(|case| time(*case, &options)).sum();
    missed += sizes(&options) + same_bytes(&options);
    instructions::count(&options);
    println!("\n{}; targets missed: {missed}", machine());
    ExitCode::SUCCESS
}

fn time(case: Case, options: &Options) -> u32 {
    let inner = case.inner();
    let streamed = inner.frames().iter().map(Bytes::len).sum();
    let contest = Contest::new(case.name(), if case == Case::Stream { streamed } else { 0 });
    let ways = case.ways(&inner).into_iter();
    ways.fold(contest, |contest, way| {
        let name = way.name;
        calls(contest, name, None, case, way)
    })
    .run(options)
}

/// The same way with both bodies: whoever copies one needs many times longer for the large one.
fn sizes(options: &Options) -> u32 {
    let mut missed = 0;
    for name in Case::Small.ways(&Case::Small.inner()).iter().map(|way| way.name) {
        let contest = Contest::new(format!("size, {name}"), 0);
        let contest = calls(contest, "1 KiB", None, Case::Small, Case::Small.way(name));
        let target = Some(Target::Ratio(1.1));
        missed += calls(contest, "64 KiB", target, Case::Large, Case::Large.way(name)).run(options);
    }
    missed
}

/// Adds a way. What makes the requests is not timed.
fn calls<'a>(
    contest: Contest<'a>,
    name: &str,
    target: Option<Target>,
    case: Case,
    mut way: Way,
) -> Contest<'a> {
    let template = case.template();
    let prepare = move || Cell::new(Some(template.make()));
    contest.prepared_way(name, target, prepare, move |request: &Cell<Option<Request<Body>>>| {
        let request = request.take().expect("each request is sent once");
        (way.call)(request, &mut |frame| _ = black_box(frame.len()));
    })
}

/// Whether what comes out is what went in: the same pieces of memory, in the same order. They are alive all along, so
/// that no copy can be where they are.
fn same_bytes(options: &Options) -> u32 {
    let name = "frames that come out as the memory that went in";
    if !is_wanted(name, options) {
        return 0;
    }
    let inner: Inner = Case::Stream.inner();
    let place = |frame: &Bytes| (frame.as_ptr(), frame.len());
    let expected: Vec<_> = inner.frames().iter().map(place).collect();
    println!("\n{name}");
    let mut missed = 0;
    for mut way in Case::Stream.ways(&inner) {
        let mut out = Vec::new();
        (way.call)(Case::Stream.template().make(), &mut |frame| out.push(place(frame)));
        let same = out.iter().zip(&expected).filter(|(out, expected)| out == expected).count();
        let verdict = if out == expected { "ok" } else { "MISSED" };
        missed += u32::from(out != expected);
        println!("  {:<44} {same} of {}  {verdict}", way.name, expected.len());
    }
    missed
}
