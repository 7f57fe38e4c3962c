//! How often memory is asked for to put a key on a request. Counted in a program of its own, since counting takes time.
//!
//! `cargo bench --bench secrets_allocations`

#[path = "../support"]
mod support {
    #[allow(dead_code, reason = "other benchmarks use the rest")]
    pub(crate) mod inputs;
}

#[allow(dead_code, reason = "the retry's benchmark uses the rest")]
#[path = "../retry/drive.rs"]
mod drive;
#[allow(dead_code, reason = "the retry's benchmark uses the rest")]
#[path = "../retry/inner.rs"]
mod inner;
#[path = "../retry/request.rs"]
mod request;
#[allow(dead_code, reason = "the other program uses the rest")]
mod ways;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Builder;

use ways::{Case, Way};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 100;

fn main() {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without sockets");
    let _context = runtime.enter();
    println!("{:<46} {:>11} {:>9} {:>9} {:>9}", "a call", "allocations", "regrowths", "bytes", "added");
    for case in Case::ALL {
        println!("{}", case.name());
        let mut least = None;
        for way in case.ways(&runtime) {
            let all = count(case, way, least);
            least.get_or_insert(all);
        }
    }
}

/// Prints what a call asks for; gives the number of allocations of all calls, regrowths included.
fn count(case: Case, mut way: Way, least: Option<usize>) -> usize {
    let template = case.template();
    // The first one sets up what stays.
    (way.call)(case.make(&template), &mut |_| {});
    let requests: Vec<_> = (0..CALLS).map(|_| case.make(&template)).collect();
    let region = Region::new(ALLOCATOR);
    for request in requests {
        (way.call)(request, &mut |_| {});
    }
    let stats = region.change();
    let all = stats.allocations + stats.reallocations;
    let each = |count: usize| count as f64 / CALLS as f64;
    println!(
        "  {:<44} {:>11} {:>9} {:>9} {:>9}",
        way.name,
        each(stats.allocations),
        each(stats.reallocations),
        each(stats.bytes_allocated),
        least.map_or(String::new(), |least| format!("{:+}", each(all) - each(least))),
    );
    all
}
