//! The gateway example, as a process of its own.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use tokio::sync::watch;

use super::within_limit;

/// Built with the tests by `cargo test`, two folders up from the test's own executable.
fn executable() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("a test is in target/PROFILE/deps");
    let executable = profile.join("examples/gateway");
    assert!(executable.exists(), "{} is not there: `cargo build --example gateway`", executable.display());
    executable
}

/// A command for the gateway, in an environment without anybody's keys, proxies and settings.
pub(crate) fn command() -> Command {
    let mut command = Command::new(executable());
    command.env_clear();
    command
}

/// A command for the gateway on a free port, before this upstream.
pub(crate) fn before(upstream: &str) -> Command {
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0", "--upstream", upstream]);
    command
}

/// The same, and nothing is repeated: what the upstream answers is what comes.
pub(crate) fn passing(upstream: &str) -> Command {
    let mut command = before(upstream);
    command.env("CLAUDE_TOWER__RETRY__ENABLED", "false");
    command
}

/// The same, and what fails is read as far as it is to be judged, but never repeated, nor marked.
pub(crate) fn reading_ahead(upstream: &str) -> Command {
    let mut command = before(upstream);
    command.env("CLAUDE_TOWER__RETRY__QUOTA_BURST", "0").env("CLAUDE_TOWER__RETRY__FINAL_WORD", "false");
    command
}

/// The same, and what fails is repeated without much of a wait.
pub(crate) fn repeating(upstream: &str) -> Command {
    let mut command = before(upstream);
    for (key, value) in [("BACKOFF_BASE", "1ms"), ("BACKOFF_MAX", "1ms"), ("OVERLOAD_FLOOR", "0s")] {
        command.env(format!("CLAUDE_TOWER__RETRY__{key}"), value);
    }
    command
}

/// Runs a command that is expected to end by itself.
pub(crate) async fn run(command: &mut Command) -> Exit {
    Process::spawn(command).exit().await
}

/// A gateway that listens. Killed when dropped.
pub(crate) struct Gateway {
    process: Process,
    /// What `ANTHROPIC_BASE_URL` is to be set to, as the gateway printed it.
    pub(crate) base_url: String,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(command: &mut Command) -> Self {
        let mut process = Process::spawn(command);
        let line = process.stdout.line_with("ANTHROPIC_BASE_URL=").await;
        let (_, base_url) = line.split_once("ANTHROPIC_BASE_URL=").expect("it is in the line");
        let base_url = base_url.split_whitespace().next().unwrap_or_default().to_owned();
        let address = base_url.strip_prefix("http://").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{base_url} is no URL of an address"));
        Self { process, base_url, address }
    }

    /// Everything it has printed so far.
    pub(crate) fn printed(&self) -> String {
        self.process.stdout.so_far()
    }

    /// Waits for a line of its log that has `text`.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        self.process.stderr.line_with(text).await
    }

    /// Waits until its log has so many lines with `text`.
    pub(crate) async fn logged_times(&mut self, times: usize, text: &str) {
        self.process.stderr.lines_with(times, text).await;
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill` is wherever a shell is, and needs no `unsafe` here.
        let kill = format!("kill -{name} {}", self.process.child.id());
        let status = Command::new("/bin/sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(status.success(), "{kill}: {status}");
    }

    /// Waits for its end.
    pub(crate) async fn exit(self) -> Exit {
        self.process.exit().await
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) async fn stop(self) -> Exit {
        self.signal("TERM");
        self.exit().await
    }
}

/// How a process has ended, and all that it said.
pub(crate) struct Exit {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Exit {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The lines of the access log.
    pub(crate) fn access_log(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.contains(" request method=")).collect()
    }
}

struct Process {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the gateway can be started");
        let stdout = Lines::of(child.stdout.take().expect("it is piped"));
        let stderr = Lines::of(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    async fn exit(mut self) -> Exit {
        self.stdout.end().await;
        self.stderr.end().await;
        let status = self.child.wait().expect("it is our child");
        Exit { status, stdout: self.stdout.so_far(), stderr: self.stderr.so_far() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            // What a failing test needs, and a passing one hides.
            eprintln!(
                "the gateway printed:\n{}\nand logged:\n{}",
                self.stdout.so_far(),
                self.stderr.so_far()
            );
        }
    }
}

/// What comes out of a pipe. It is read all the time, so that the pipe never fills.
struct Lines {
    lines: watch::Receiver<Vec<String>>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = watch::channel(Vec::new());
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                sender.send_modify(|lines| lines.push(line));
            }
        });
        Self { lines }
    }

    fn so_far(&self) -> String {
        self.lines.borrow().join("\n")
    }

    async fn line_with(&mut self, text: &str) -> String {
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let waited = within_limit(self.lines.wait_for(|lines| found(lines).is_some())).await;
        let line = waited.ok().and_then(|lines| found(&lines));
        line.unwrap_or_else(|| panic!("it ended without a line with {text:?}"))
    }

    async fn lines_with(&mut self, times: usize, text: &str) {
        let enough = |lines: &Vec<String>| lines.iter().filter(|line| line.contains(text)).count() >= times;
        let waited = within_limit(self.lines.wait_for(enough)).await;
        assert!(waited.is_ok(), "it ended without {times} lines with {text:?}");
    }

    /// Waits until nothing more can come.
    async fn end(&mut self) {
        let ended = within_limit(self.lines.wait_for(|_| false)).await;
        assert!(ended.is_err(), "no line is the last one");
    }
}
