//! How often the ground floor asks for memory. Counted in a program of its own, since counting takes time.
//!
//! `cargo bench --bench allocations`

#[path = "../support"]
mod support {
    pub(crate) mod frames;
    pub(crate) mod inputs;
}

use std::alloc::System;
use std::hint::black_box;

use bytes::Bytes;
use claude_wire::facts::{Endpoint, RequestFacts};
use claude_wire::sse::Scanner;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use support::frames::{drain, metered};
use support::inputs::{self, Make};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let events = inputs::events(1024 * 1024);
    let stream = events.concat();
    println!("{:<52} {:>11} {:>9} {:>9} {:>10}", "", "allocations", "regrowths", "bytes", "per event");
    let mut missed = 0;
    let mut scanned = |name: &str, chunk: usize| {
        let mut scanner = Scanner::new();
        let count = count(&format!("scanner, {name}"), Some(events.len()), || {
            stream.as_bytes().chunks(chunk).map(|chunk| scan(&mut scanner, chunk)).sum::<usize>()
        });
        // The buffers for what a chunk cuts grow to the size of an event, and then stay.
        missed += u32::from(count > 16);
    };
    scanned("all in one chunk", stream.len());
    scanned("chunks of 16 KiB", 16 * 1024);
    scanned("chunks of 100 B, each event cut", 100);
    scanned("chunks of 1 B", 1);

    for make in Make::ALL {
        let body = inputs::request(make, 64 * 1024);
        let name = make.name();
        count(&format!("RequestFacts::read, {name}, 64 KiB"), None, || read(&body));
        let facts = read(&body);
        count(&format!("RequestFacts::fingerprint, {name}, 64 KiB"), None, || facts.fingerprint());
        count(&format!("serde_json::Value, {name}, 64 KiB"), None, || {
            serde_json::from_slice::<serde_json::Value>(&body).is_ok()
        });
    }

    let frames: Vec<Bytes> = events.iter().map(|event| Bytes::from(event.clone())).collect();
    let (bare, watched) = (frames.clone(), frames);
    count("a frame for each event, drained bare", Some(events.len()), || drain(bare));
    count("a frame for each event, through Meter::attach", Some(events.len()), || metered(watched));
    let verdict = if missed == 0 { "ok" } else { "MISSED" };
    println!("\ntarget: no allocation for each event, so at most 16 for a whole stream: {verdict}");
}

fn scan(scanner: &mut Scanner, chunk: &[u8]) -> usize {
    let mut events = scanner.push(chunk);
    let mut data = 0;
    while let Some(event) = events.next() {
        data += event.map_or(0, |event| event.data().len());
    }
    data
}

fn read(body: &Bytes) -> RequestFacts {
    RequestFacts::read(Endpoint::Messages, Some(black_box(body)))
}

/// Prints what `run` asks for until its value is there; gives the number of allocations, regrowths included.
fn count<T>(name: &str, events: Option<usize>, run: impl FnOnce() -> T) -> usize {
    let region = Region::new(ALLOCATOR);
    let value = black_box(run());
    let stats = region.change();
    drop(value);
    let all = stats.allocations + stats.reallocations;
    let per_event = events.map(|events| format!("{:.3}", all as f64 / events as f64)).unwrap_or_default();
    println!(
        "{name:<52} {:>11} {:>9} {:>9} {per_event:>10}",
        stats.allocations, stats.reallocations, stats.bytes_allocated
    );
    all
}
