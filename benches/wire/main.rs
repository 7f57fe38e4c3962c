//! The ground floor, side by side with the least that could be done over the same bytes.
//!
//! `cargo bench --bench wire -- [--quick] [WORD…]`

#[path = "../support"]
mod support {
    pub(crate) mod contest;
    pub(crate) mod frames;
    pub(crate) mod inputs;
    pub(crate) mod options;
}

use std::hint::black_box;
use std::process::ExitCode;

use bytes::Bytes;
use claude_wire::facts::{Endpoint, RequestFacts};
use claude_wire::sse::Scanner;
use memchr::memchr_iter;
use serde::de::IgnoredAny;

use support::contest::{self, Contest, Target};
use support::frames::{drain, metered};
use support::inputs::{self, Make};
use support::options::{Options, machine};

const SIZES: [usize; 3] = [1024, 64 * 1024, 1024 * 1024];

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", machine());
    let events = inputs::events(1024 * 1024);
    let missed =
        scanner(&options, &events) + facts(&options) + fingerprint(&options) + meter(&options, &events);
    println!("\n{}; targets missed: {missed}", machine());
    ExitCode::SUCCESS
}

fn scanner(options: &Options, events: &[String]) -> u32 {
    let target = Some(Target::RateOrRatio(2.0, 5.0));
    let stream = events.concat();
    let stream = stream.as_bytes();
    let contest = Contest::new(format!("sse scanner, {} events", events.len()), stream.len())
        .way("memchr_iter(b'\\n').count()", None, || memchr_iter(b'\n', black_box(stream)).count())
        .way("memchr_iter of an absent byte", None, || memchr_iter(0, black_box(stream)).count())
        .way("memchr_iter(b'\\n'), a stop at each", None, || {
            memchr_iter(b'\n', black_box(stream)).map(black_box).max()
        })
        .way("all in one chunk", target, || scan([black_box(stream)]))
        .way("chunks of 16 KiB", target, || scan(black_box(stream).chunks(16 * 1024)))
        .way("a chunk for each event", target, || scan(black_box(events).iter().map(String::as_bytes)));
    contest.run(options)
}

/// Scans like a layer that reads every event. The number of bytes of data, so that it must be found.
fn scan<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let mut scanner = Scanner::new();
    let mut data = 0;
    for chunk in chunks {
        let mut events = scanner.push(chunk);
        while let Some(event) = events.next() {
            data += event.map_or(0, |event| event.name().len() + event.data().len());
        }
    }
    data
}

fn facts(options: &Options) -> u32 {
    let mut missed = 0;
    for make in Make::ALL {
        for size in SIZES {
            let body = inputs::request(make, size);
            let target = Some(Target::Ratio(if size < 64 * 1024 { 1.5 } else { 1.0 }));
            let contest = Contest::new(format!("facts, {}", make.name()), body.len())
                .way("serde_json::from_slice::<IgnoredAny>", None, || {
                    serde_json::from_slice::<IgnoredAny>(black_box(&body)).is_ok()
                })
                .way("RequestFacts::read", target, || read(&body));
            missed += contest.run(options);
        }
    }
    missed
}

/// Over bodies of eight lengths. The hash takes sixteen pieces of 1 KiB at a time and slows down at a rest, so
/// that a single length would show the luck of its own rest.
fn fingerprint(options: &Options) -> u32 {
    let mut missed = 0;
    for make in [Make::Prose, Make::Tools] {
        for size in SIZES {
            let bodies: Vec<Bytes> =
                (0..8).map(|step| inputs::request(make, size * 7 / 8 + size * step / 32)).collect();
            let name = format!("fingerprint, {}, 8 bodies of about {}", make.name(), contest::bytes(size));
            let contest = Contest::new(name, bodies.iter().map(Bytes::len).sum())
                .way("blake3::hash", None, || {
                    bodies.iter().fold(0, |all, body| all ^ blake3::hash(black_box(body)).as_bytes()[0])
                })
                .prepared_way(
                    "RequestFacts::fingerprint of facts at hand",
                    Some(Target::Ratio(1.2)),
                    || bodies.iter().map(read).collect::<Vec<_>>(),
                    |facts| facts.iter().fold(0, |all, facts| all ^ first_byte(facts)),
                )
                .way("RequestFacts::read and fingerprint", None, || {
                    bodies.iter().fold(0, |all, body| all ^ first_byte(&read(body)))
                });
            missed += contest.run(options);
        }
    }
    missed
}

fn first_byte(facts: &RequestFacts) -> u8 {
    facts.fingerprint().map_or(0, |fingerprint| fingerprint.as_bytes()[0])
}

fn read(body: &Bytes) -> RequestFacts {
    RequestFacts::read(black_box(Endpoint::Messages), Some(black_box(body)))
}

fn meter(options: &Options, events: &[String]) -> u32 {
    let stream = Bytes::from(events.concat());
    let large: Vec<Bytes> = (0..stream.len())
        .step_by(16 * 1024)
        .map(|at| stream.slice(at..stream.len().min(at + 16 * 1024)))
        .collect();
    let small: Vec<Bytes> = events.iter().map(|event| Bytes::from(event.clone())).collect();
    let mut missed = 0;
    for (name, frames) in [("frames of 16 KiB", large), ("a frame for each event", small)] {
        let contest = Contest::new(format!("meter, {name}"), stream.len())
            .way("drained bare", None, || drain(black_box(frames.clone())))
            .way("drained through Meter::attach", None, || metered(black_box(frames.clone())));
        missed += contest.run(options);
    }
    missed
}
