//! Who may read the file, and who may write to it.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use claude_secrets::source::{FileSource, SourceErrorKind};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Directory, KEY, again, assert_no_canary, assert_passed, is_child, key, refused};

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Where the child finds what it may not read.
const PATH: &str = "CLAUDE_SECRETS_TEST_PATH";

#[tokio::test]
async fn what_may_not_be_read_is_denied() {
    if is_child() {
        let directory = env::var(PATH).unwrap();
        let directory = Path::new(&directory);
        assert_eq!(refused(&FileSource::new(directory.join("mine"))).await, SourceErrorKind::Denied);
        assert_eq!(refused(&FileSource::new(directory.join("closed/key"))).await, SourceErrorKind::Denied);
        assert_eq!(key(&FileSource::new(directory.join("open"))).await, KEY);
        return;
    }
    let directory = Directory::new();
    allow(&directory.file("open", KEY), 0o400);
    let mine = directory.file("mine", KEY);
    allow(&mine, 0);
    let closed = directory.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("key"), KEY).unwrap();
    allow(&closed, 0);

    let program = env::current_exe().unwrap();
    let command = if File::open(&mine).is_ok() {
        // Root may read everything, unless it gives that up.
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    let mut command = again(command, "permissions::what_may_not_be_read_is_denied");
    command.env(PATH, &*directory);
    assert_passed(command);
    allow(&closed, 0o700);
}

#[tokio::test(start_paused = true)]
async fn that_anyone_may_write_to_it_is_said_once() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    allow(&path, 0o666);
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.subscriber());
    let source = FileSource::new(&path);
    for _ in 0..3 {
        assert_eq!(key(&source).await, KEY);
        fs::write(&path, KEY).unwrap();
    }
    drop(guard);
    let text = log.text();
    assert_eq!(text.matches("anyone may write").count(), 1, "{text}");
    assert!(text.contains("WARN") && text.contains(&*path.to_string_lossy()), "{text}");
    assert_no_canary(&text);
}

#[tokio::test(start_paused = true)]
async fn that_anyone_may_read_it_is_how_containers_mount_it() {
    let directory = Directory::new();
    let path = directory.file("key", KEY);
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.subscriber());
    for mode in [0o400, 0o444, 0o644, 0o664] {
        allow(&path, mode);
        assert_eq!(key(&FileSource::new(&path)).await, KEY);
    }
    drop(guard);
    assert_eq!(log.text(), "");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Of this crate only.
    fn subscriber(&self) -> impl tracing::Subscriber + use<> {
        tracing_subscriber::fmt()
            .with_env_filter("claude_secrets=trace")
            .with_ansi(false)
            .with_writer(self.clone())
            .finish()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
