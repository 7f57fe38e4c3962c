//! The command line, and the state of the machine that figures have to be read with.

use std::env;
use std::fs;
use std::thread;

/// What the caller asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Fewer and shorter rounds: to see that it runs, not to quote.
    pub(crate) quick: bool,
    /// Everything that is no option.
    pub(crate) words: Vec<String>,
}

impl Options {
    pub(crate) fn read() -> Result<Self, String> {
        let mut options = Self::default();
        for argument in env::args().skip(1) {
            match argument.as_str() {
                // Cargo's own, to tell harnesses what they are run for.
                "--bench" => {}
                "--quick" => options.quick = true,
                name if name.starts_with('-') => return Err(format!("{name} is not known; --quick is")),
                _ => options.words.push(argument),
            }
        }
        Ok(options)
    }
}

/// Cores and load in one line.
pub(crate) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let load = if load.is_empty() { "unknown" } else { &load };
    format!("{cores} cores, load average {load}")
}
