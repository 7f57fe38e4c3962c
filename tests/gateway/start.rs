//! Starting: what the gateway says about itself, and what it takes from whom.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(unix)]
use std::os::unix::ffi::OsStringExt as _;

use serde_json::{Value, json};

use crate::support::gateway::{self, Exit, Gateway};
use crate::support::upstream::{Closed, Upstream};
use crate::support::wire::Peer;

/// Asks for a message with a key that nobody knows.
async fn is_answered(gateway: &Gateway) {
    let body = json!({"model": "claude-opus-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]});
    let body = body.to_string();
    let mut caller = Peer::connect(gateway.address).await;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: any\r\nanthropic-version: 2026-10-21\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    caller.send(format!("{head}{body}")).await;
    let head = caller.answer("POST").await;
    assert_eq!(head.status(), 200);
    assert!(head.get("request-id").unwrap().starts_with("req_"));
    let message: Value = serde_json::from_slice(&caller.rest().await.whole()).unwrap();
    assert_eq!(message["type"], "message");
    assert!(!message["content"][0]["text"].as_str().unwrap().is_empty());
}

fn on_a_free_port() -> Command {
    let mut command = gateway::command();
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

#[tokio::test]
async fn without_a_key_it_starts_a_simulator_and_says_so() {
    for key in [None, Some("")] {
        let mut command = on_a_free_port();
        key.map(|key| command.env("ANTHROPIC_API_KEY", key));
        let gateway = Gateway::start(&mut command).await;
        let printed = gateway.printed();
        assert!(printed.contains("ANTHROPIC_API_KEY is not set: calling a simulator"), "{printed}");
        is_answered(&gateway).await;
        let exit = gateway.stop().await;
        assert_eq!(exit.code(), Some(0), "{}", exit.stderr);
        assert!(exit.access_log()[0].contains("request_id=\"req_"), "{}", exit.stderr);
    }
}

/// It is in the same process, and what is set for the API has nothing to do with it.
#[tokio::test]
async fn the_simulator_needs_no_proxy() {
    let proxy = Closed::new();
    let mut command = on_a_free_port();
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(variable, &proxy.url);
    }
    let gateway = Gateway::start(&mut command).await;
    is_answered(&gateway).await;

    let text = format!("[client]\nproxy = \"{}\"\nno_proxy = \"x\"\nhttp_version = \"http2\"\n", proxy.url);
    let file = File::new("proxy.toml", &text);
    let gateway = Gateway::start(on_a_free_port().arg("--config").arg(&file.0)).await;
    is_answered(&gateway).await;
}

/// Starting opens no connection, so this needs no network either.
#[tokio::test]
async fn with_a_key_it_calls_the_api() {
    let gateway = Gateway::start(on_a_free_port().env("ANTHROPIC_API_KEY", "sk-ant-api03-canary")).await;
    let printed = gateway.printed();
    assert!(printed.contains("calling https://api.anthropic.com"), "{printed}");
    let exit = gateway.stop().await;
    assert_eq!(exit.code(), Some(0));
    assert!(!format!("{}{}", exit.stdout, exit.stderr).contains("canary"), "{}", exit.stdout);
}

#[tokio::test]
async fn the_upstream_that_is_given_goes_before_the_key() {
    let upstream = Upstream::start().await;
    let mut command = gateway::before(&upstream.url());
    let gateway = Gateway::start(command.env("ANTHROPIC_API_KEY", "key")).await;
    let printed = gateway.printed();
    assert!(printed.contains(&format!("calling {}", upstream.url())), "{printed}");
    assert_eq!(gateway.base_url, format!("http://{}", gateway.address));
    assert_ne!(gateway.address.port(), 0, "the real port is printed");
}

/// A file that is removed at the end.
pub(crate) struct File(pub(crate) PathBuf);

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn shown(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

async fn check(file: &File) -> Exit {
    gateway::run(gateway::command().arg("--check").arg("--config").arg(&file.0)).await
}

#[tokio::test]
async fn a_good_configuration_is_said_to_be_good() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    for text in [
        String::new(),
        // Nothing is started, so a port that is taken does not matter.
        format!(
            "[gateway]\nlisten = \"{listen}\"\nupstream = \"https://api.anthropic.com\"\nshutdown_grace = \"5s\"\n"
        ),
        claude_tower::config::Config::reference().to_owned(),
    ] {
        let file = File::new(&format!("good-{}.toml", text.len()), &text);
        let exit = check(&file).await;
        assert_eq!(exit.code(), Some(0), "{}", exit.stderr);
        assert_eq!((exit.stdout.as_str(), exit.stderr.as_str()), ("the configuration is good", ""));
    }
    // Without a file, too.
    assert_eq!(gateway::run(gateway::command().arg("--check")).await.code(), Some(0));
}

#[tokio::test]
async fn a_bad_configuration_is_said_where_it_is_bad() {
    let text = "[gateway]\nlisten = \"127.0.0.1:0\"\nacces_log = true\n\n[client]\nconnect_timeout = \"0s\"\nproxy = 5\n";
    let file = File::new("bad.toml", text);
    let exit = check(&file).await;
    assert_eq!((exit.code(), exit.stdout.as_str()), (Some(1), ""));
    for expected in [
        ":3:1: gateway.acces_log: ",
        ":6:1: client.connect_timeout: must be between 100ms and 10m, but is 0s",
        ":7:1: client.proxy: ",
    ] {
        let expected = format!("{}{expected}", file.shown());
        assert!(exit.stderr.contains(&expected), "{expected}\nis not in\n{}", exit.stderr);
    }
    assert!(exit.stderr.contains("access_log"), "what was meant: {}", exit.stderr);
    // The same without --check.
    let started = gateway::run(on_a_free_port().arg("--config").arg(&file.0)).await;
    assert_eq!((started.code(), &started.stderr), (Some(1), &exit.stderr));

    let exit = check(&File::new("broken.toml", "[gateway\n")).await;
    assert_eq!(exit.code(), Some(1));
    assert!(exit.stderr.contains("broken.toml:1:"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_bad_retry_is_said_where_it_is_bad() {
    let text = "[gateway]\nmax_buffered_request = \"2GiB\"\n[retry]\nmax_retry = 3\nbackoff_base = \"10s\"\nbackoff_max = \"5s\"\n\
                jitter = 2\nmaybe_executed = \"always\"\nhold_bytes = \"64kb\"\n";
    let file = File::new("retry.toml", text);
    let exit = check(&file).await;
    assert_eq!((exit.code(), exit.stdout.as_str()), (Some(1), ""));
    for expected in [
        ":2:1: gateway.max_buffered_request: must be between 0B and 1GiB, but is 2GiB",
        ":4:1: retry.max_retry: unknown key; did you mean retry.max_retries?",
        ":5:1: retry.backoff_base: must not put retry.backoff_base (10s) above retry.backoff_max (5s)",
        ":7:1: retry.jitter: must be between 0 and 1, but is 2",
        ":8:1: retry.maybe_executed: must be \"leave\", \"repeat-answers\" or \"repeat-all\", but is \"always\"",
        ":9:1: retry.hold_bytes: must be a size such as 64KiB or 32MiB",
    ] {
        let expected = format!("{}{expected}", file.shown());
        assert!(exit.stderr.contains(&expected), "{expected}\nis not in\n{}", exit.stderr);
    }
    let mut command = on_a_free_port();
    let exit = gateway::run(command.env("CLAUDE_TOWER__RETRY__MAX_RETRIES", "21")).await;
    assert_eq!(exit.code(), Some(1));
    assert!(exit.stderr.contains("CLAUDE_TOWER__RETRY__MAX_RETRIES"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let exit =
        gateway::run(gateway::command().args(["--check", "--config", "/nowhere/claude-tower.toml"])).await;
    assert_eq!(exit.code(), Some(1));
    assert!(exit.stderr.contains("/nowhere/claude-tower.toml"), "{}", exit.stderr);
    assert!(exit.stderr.contains("No such file"), "{}", exit.stderr);

    let file = File::new("ca.toml", "[client.tls]\nextra_ca = [\"no-such-ca.pem\"]\n");
    let exit = check(&file).await;
    assert_eq!(exit.code(), Some(1));
    let expected = file.0.with_file_name("no-such-ca.pem").display().to_string();
    assert!(exit.stderr.contains(&expected), "{}", exit.stderr);

    // The same for the authority of Vault.
    let no_pem = File::new("no.pem", "no certificate");
    for path in ["no-such-ca.pem".to_owned(), no_pem.shown()] {
        let file = File::new("vault-ca.toml", &format!("[secrets.vault]\nca_file = \"{path}\"\n"));
        let exit = check(&file).await;
        assert_eq!(exit.code(), Some(1));
        assert!(exit.stderr.contains(&path), "{}", exit.stderr);
    }
}

#[tokio::test]
async fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let [one, two, three] = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let text = format!("[gateway]\nlisten = \"127.0.0.1:1\"\nupstream = \"{}\"\n", one.url());
    let file = File::new("order.toml", &text);
    let mut command = gateway::command();
    command.arg("--config").arg(&file.0).env("CLAUDE_TOWER__GATEWAY__LISTEN", "127.0.0.1:0");
    let gateway = Gateway::start(&mut command).await;
    assert_ne!(gateway.address.port(), 1);
    assert!(gateway.printed().contains(&one.url()));

    command.env("CLAUDE_TOWER__GATEWAY__UPSTREAM", two.url());
    assert!(Gateway::start(&mut command).await.printed().contains(&two.url()));

    command.args(["--upstream", &three.url()]);
    assert!(Gateway::start(&mut command).await.printed().contains(&three.url()));

    command.env("CLAUDE_TOWER__GATEWAY__LISTEN", "127.0.0.2:0").args(["--listen", "127.0.0.1:0"]);
    assert!(Gateway::start(&mut command).await.address.ip().to_string() == "127.0.0.1");

    // What is overridden is not looked at: neither nonsense nor what would be open to all.
    for listen in ["nowhere", "0.0.0.0:0"] {
        command.env("CLAUDE_TOWER__GATEWAY__LISTEN", listen);
        assert!(Gateway::start(&mut command).await.address.ip().is_loopback());
    }
}

/// Other programs' variables may be anything.
#[cfg(unix)]
#[tokio::test]
async fn an_environment_that_is_no_text_is_passed_over() {
    let odd = std::ffi::OsString::from_vec(b"\xff\xfe".to_vec());
    let gateway = Gateway::start(on_a_free_port().env("LS_COLORS", &odd).env(&odd, "x")).await;
    is_answered(&gateway).await;
    let exit = gateway::run(on_a_free_port().env("CLAUDE_TOWER__GATEWAY__LISTEN", &odd)).await;
    assert_eq!(exit.code(), Some(1));
    assert!(exit.stderr.contains("CLAUDE_TOWER__GATEWAY__LISTEN"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let exit = gateway::run(gateway::command().args(["--listen", &address])).await;
    assert_eq!(exit.code(), Some(1));
    assert!(
        exit.stderr.contains(&format!("cannot listen on {address}: Address already in use")),
        "{}",
        exit.stderr
    );
    assert!(!exit.stdout.contains("ready"), "{}", exit.stdout);
}

#[tokio::test]
async fn the_command_line_is_explained() {
    let exit = gateway::run(gateway::command().arg("--help")).await;
    assert_eq!((exit.code(), exit.stderr.as_str()), (Some(0), ""));
    for option in ["--listen <ADDR>", "--upstream <URL>", "--config <FILE>", "--check", "--new-token"] {
        assert!(exit.stdout.contains(option), "{option}: {}", exit.stdout);
    }
    for wrong in [&["--unknown"][..], &["--listen", "nowhere"], &["extra"], &["--config"]] {
        let exit = gateway::run(gateway::command().args(wrong)).await;
        assert_eq!((exit.code(), exit.stdout.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(exit.stderr.contains(wrong[0]), "{}", exit.stderr);
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_one_is_refused() {
    for upstream in ["ftp://127.0.0.1", "127.0.0.1", "/v1", "http://127.0.0.1/?query"] {
        let exit = gateway::run(&mut gateway::before(upstream)).await;
        assert_eq!(exit.code(), Some(1), "{upstream}: {}", exit.stderr);
        assert!(exit.stderr.contains("upstream"), "{upstream}: {}", exit.stderr);
        assert!(!exit.stdout.contains("ready"), "{upstream}: {}", exit.stdout);
    }
    // Anyone may look at a list of processes; a password in a URL is not echoed as well.
    let exit = gateway::run(&mut gateway::before("http://user:canary@127.0.0.1:1")).await;
    assert_eq!(exit.code(), Some(1), "{}", exit.stderr);
    assert!(!format!("{}{}", exit.stdout, exit.stderr).contains("canary"), "{}{}", exit.stdout, exit.stderr);
}
