//! The gateway example as a running process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::Result;

const ADDRESS: &str = "ANTHROPIC_BASE_URL=";

/// Killed when dropped, if nobody stopped it before.
pub(crate) struct Gateway {
    child: Child,
    lines: Receiver<String>,
}

impl Gateway {
    /// Starts the command. What it prints is repeated here, and goes on to be read so that its pipes never fill.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|why| format!("the gateway could not be started: {why}"))?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, sender);
        }
        Ok(Self { child, lines })
    }

    /// The address it tells an SDK to use, as soon as it says so.
    pub(crate) fn base_url(&self, patience: Duration) -> Result<String> {
        let end = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(url) = base_url(&line) {
                        return Ok(url);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("the gateway printed no line with {ADDRESS} in {patience:?}"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the gateway stopped before it printed a line with {ADDRESS}"));
                }
            }
        }
    }

    /// Asks it to stop, as a service manager does, and expects a clean exit.
    pub(crate) fn stop(mut self, patience: Duration) -> Result {
        // The shell's own `kill`: neither a dependency nor a package for one signal.
        let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status();
        if !asked.is_ok_and(|status| status.success()) {
            return Err("the gateway was gone before it was asked to stop".to_owned());
        }
        let end = Instant::now() + patience;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("the gateway did not stop cleanly: {status}")),
                Ok(None) => thread::sleep(Duration::from_millis(20)),
                Err(why) => return Err(format!("the gateway cannot be waited for: {why}")),
            }
        }
        Err(format!("the gateway was still running {patience:?} after it was asked to stop"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail when it has been waited for already, and that is the usual end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn forward(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(std::result::Result::ok) {
            println!("  | {line}");
            // Nobody listens any more once the address is known; the pipe is emptied all the same.
            drop(to.send(line));
        }
    });
}

fn base_url(line: &str) -> Option<String> {
    let (_, after) = line.split_once(ADDRESS)?;
    let url = after
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\u{1b}'))
        .find(|word| !word.is_empty())?;
    Some(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::base_url;

    #[test]
    fn reads_the_address_in_any_dress() {
        for line in [
            "export ANTHROPIC_BASE_URL=http://127.0.0.1:4010",
            "  ANTHROPIC_BASE_URL=\"http://127.0.0.1:4010/\" python app.py",
            "\u{1b}[1mANTHROPIC_BASE_URL=http://127.0.0.1:4010\u{1b}[0m",
        ] {
            assert_eq!(base_url(line).as_deref(), Some("http://127.0.0.1:4010"), "{line:?}");
        }
        assert_eq!(base_url("listening on http://127.0.0.1:4010"), None);
    }
}
