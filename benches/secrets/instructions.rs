//! How many instructions a call takes, counted as for the retry (`../retry/instructions.rs`).

use std::env;
use std::process::Command;

use bytes::Bytes;
use claude_wire::Body;
use http::Request;
use tokio::runtime::Runtime;

use crate::drive::Call;
use crate::support::contest::is_wanted;
use crate::support::options::Options;
use crate::ways::Case;

/// Enough for what happens once in a while, such as a table that grows, not to show.
const CALLS: u64 = 200;

/// Does what `--calls NUMBER CASE WAY` asks for, and nothing else.
pub(crate) fn made_calls(runtime: &Runtime) -> bool {
    let mut arguments = env::args().skip_while(|argument| argument != "--calls").skip(1);
    let (Some(number), Some(case), Some(way)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return false;
    };
    let number: u64 = number.parse().expect("a number of calls");
    let case = Case::ALL.into_iter().find(|known| known.name() == case).expect("a case");
    let template = case.template();
    let mut way = case.ways(runtime).into_iter().find(|known| known.name == way).expect("a way");
    for _ in 0..number {
        one_call(&mut way.call, case.make(&template));
    }
    true
}

/// Of its own, so that valgrind finds it by its name.
#[inline(never)]
fn one_call(call: &mut Call, request: Request<Body>) {
    call(request, &mut ignored);
}

/// No closure: it would have [`one_call`] in its own name.
fn ignored(_: &Bytes) {}

/// Prints the instructions of a call for every way, and how many more than the first they are.
pub(crate) fn count(options: &Options, runtime: &Runtime) {
    for case in Case::ALL {
        let name = format!("instructions, {}", case.name());
        if !is_wanted(&name, options) {
            continue;
        }
        println!("\n{name}");
        let mut least = None;
        for way in case.ways(runtime) {
            match per_call(case, way.name) {
                Ok(count) => {
                    let least = *least.get_or_insert(count);
                    let added = count.cast_signed() - least.cast_signed();
                    println!("  {:<44} {count:>9} {added:>+9}", way.name);
                }
                Err(why) => {
                    println!("  not counted: {why}");
                    return;
                }
            }
        }
    }
}

fn per_call(case: Case, way: &str) -> Result<u64, String> {
    let once = instructions(CALLS, case, way)?;
    let twice = instructions(2 * CALLS, case, way)?;
    Ok((twice - once) / CALLS)
}

fn instructions(number: u64, case: Case, way: &str) -> Result<u64, String> {
    let program = env::current_exe().map_err(|why| why.to_string())?;
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*instructions*one_call*",
        ])
        .arg(program)
        .args(["--calls", &number.to_string(), case.name(), way])
        .output()
        .map_err(|why| format!("{why}; `cargo xtask bench` installs valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected :"));
    let count = count.and_then(|(_, count)| count.trim().parse().ok()).filter(|count| *count > 0);
    count.filter(|_| output.status.success()).ok_or_else(|| format!("valgrind said\n{said}"))
}
