//! Events of Sentry: what is in them, and that a receiver of envelopes takes them.
//!
//! `cargo xtask test` installs kent, which is such a receiver, and names it in the environment.

#![cfg(feature = "sentry")]
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::env;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use claude_errors::ErrorLayer;
use claude_errors::report::{Report, SentryReporter};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body_util::BodyExt;
use sentry_core::protocol::{Event, Level};
use sentry_core::test::with_captured_events;
use sentry_core::{ClientOptions, Envelope, Hub, Transport};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};

type Answer = Result<Response<Body>, BoxError>;

/// One call, to an upstream that answers so.
fn call(reporter: SentryReporter, answer: fn() -> Answer) {
    let service =
        ErrorLayer::observe().with_reporter(reporter).layer(service_fn(async |_: Request<Body>| answer()));
    let request = Request::post("/v1/messages").header("x-api-key", "sk-ant-api03-secret");
    let request =
        request.body(Body::from(r#"{"model":"claude-opus-5-5","system":"a secret prompt"}"#)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        if let Ok(response) = service.oneshot(request).await {
            drop(response.into_body().collect().await);
        }
    });
}

fn overloaded() -> Answer {
    let body = r#"{"error":{"type":"overloaded_error","message":"a secret","details":{"error_code":"compaction_unavailable"}}}"#;
    let response = Response::builder().status(529).header("content-type", "application/json");
    Ok(response.header("request-id", "req_1").body(Body::from(body)).unwrap())
}

fn not_found() -> Answer {
    Ok(Response::builder().status(404).body(Body::empty()).unwrap())
}

fn reset() -> Answer {
    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

fn captured(answer: fn() -> Answer) -> Event<'static> {
    let mut events = with_captured_events(|| call(SentryReporter::new(), answer));
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn tags(event: &Event<'_>) -> Vec<(String, String)> {
    event.tags.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn an_event() {
    let event = captured(overloaded);
    assert_eq!(event.message.as_deref(), Some("Claude API: the API is overloaded"));
    assert_eq!((event.level, event.logger.as_deref()), (Level::Error, Some("claude_errors")));
    assert_eq!(event.fingerprint.to_vec(), ["claude", "OVERLOADED", "529"]);
    let expected = [
        ("claude.attempts", "1"),
        ("claude.code", "OVERLOADED"),
        ("claude.error_code", "compaction_unavailable"),
        ("claude.error_type", "overloaded_error"),
        ("claude.maybe_executed", "false"),
        ("claude.mid_stream", "false"),
        ("claude.model", "claude-opus-5-5"),
        ("claude.request_id", "req_1"),
        ("claude.retryable", "true"),
        ("claude.status", "529"),
    ];
    assert_eq!(tags(&event), pairs(&expected));
}

#[test]
fn an_event_of_a_connection() {
    let event = captured(reset);
    assert_eq!(event.fingerprint.to_vec(), ["claude", "CONNECTION_LOST"]);
    let expected = [
        ("claude.attempts", "1"),
        ("claude.cause", "connection reset"),
        ("claude.code", "CONNECTION_LOST"),
        ("claude.maybe_executed", "true"),
        ("claude.mid_stream", "false"),
        ("claude.model", "claude-opus-5-5"),
        ("claude.retryable", "true"),
    ];
    assert_eq!(tags(&event), pairs(&expected));
}

#[test]
fn the_callers_own_faults_are_infos() {
    assert_eq!(captured(not_found).level, Level::Info);
    assert_eq!(captured(reset).level, Level::Error);
}

#[test]
fn only_what_the_filter_wants() {
    let events = with_captured_events(|| {
        for answer in [overloaded, not_found, reset] {
            let filter = |report: &Report<'_>| report.code() != "NOT_FOUND";
            call(SentryReporter::default().with_filter(filter), answer);
        }
        call(SentryReporter::new(), || Ok(Response::new(Body::empty())));
    });
    let codes: Vec<_> = events.iter().map(|event| event.tags["claude.code"].as_str()).collect();
    assert_eq!(codes, ["OVERLOADED", "CONNECTION_LOST"]);
}

/// Nobody has set Sentry up.
#[test]
fn without_a_client() {
    call(SentryReporter::new(), overloaded);
    assert_eq!(format!("{:?}", SentryReporter::new()), "SentryReporter { .. }");
}

// ---------------------------------------------------------------------------------------------------------
// A real receiver

#[test]
#[ignore = "needs kent, which `cargo xtask test` installs"]
fn a_receiver_takes_the_envelope() {
    let kent = Kent::start();
    let dsn = format!("http://public@{}/1", kent.address);
    let options = ClientOptions::new().dsn(dsn.as_str()).transport(Arc::new(Post(kent.address)));
    let hub = Hub::new(Some(Arc::new(options.into())), Arc::default());
    Hub::run(Arc::new(hub), || {
        for answer in [overloaded, not_found, reset] {
            call(SentryReporter::new(), answer);
        }
    });

    let list = kent.get("/api/eventlist/");
    let events = list["events"].as_array().unwrap();
    assert_eq!(events.len(), 3, "{list}");
    let mut messages = Vec::new();
    for event in events {
        let whole = kent.get(&format!("/api/event/{}", event["event_id"].as_str().unwrap()));
        assert!(!whole.to_string().contains("secret"), "{whole}");
        let body = &whole["payload"]["body"];
        assert_eq!(body["logger"], "claude_errors");
        assert_eq!(body["tags"]["claude.model"], "claude-opus-5-5");
        // What has no level is an error.
        let level = body["level"].as_str().unwrap_or("error").to_owned();
        messages.push((body["message"].as_str().unwrap().to_owned(), level, body["fingerprint"].clone()));
    }
    messages.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("the API is overloaded", "error", serde_json::json!(["claude", "OVERLOADED", "529"])),
        ("the connection broke before the answer", "error", serde_json::json!(["claude", "CONNECTION_LOST"])),
        ("there is no such model or resource", "info", serde_json::json!(["claude", "NOT_FOUND", "404"])),
    ];
    let expected =
        expected.map(|(words, level, group)| (format!("Claude API: {words}"), level.to_owned(), group));
    assert_eq!(messages, expected);
}

/// A receiver of envelopes that keeps the events. It ends when it is dropped.
struct Kent {
    address: SocketAddr,
    process: Child,
}

impl Kent {
    fn start() -> Self {
        let program =
            PathBuf::from(env::var_os("CLAUDE_TOWER_TEST_KENT").expect("run by `cargo xtask test`"));
        // Free a moment ago: kent takes no port 0.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut command = Command::new(program);
        command.args(["run", "--host", "127.0.0.1", "--port", &address.port().to_string()]);
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut kent = Self { address, process };
        kent.wait();
        kent
    }

    /// Until somebody is at the port.
    fn wait(&mut self) {
        let begun = tokio::time::Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(self.process.try_wait().unwrap().is_none(), "kent has ended");
            let waited = tokio::time::Instant::now().saturating_duration_since(begun);
            assert!(waited < Duration::from_secs(60), "kent does not start");
            std::thread::yield_now();
        }
    }

    fn get(&self, path: &str) -> Value {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        let answer = exchange(self.address, head.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Kent {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Posts each envelope, over a connection of its own.
struct Post(SocketAddr);

impl Transport for Post {
    fn send_envelope(&self, envelope: Envelope) {
        let address = self.0;
        let mut body = Vec::new();
        envelope.to_writer(&mut body).unwrap();
        let head = format!(
            "POST /api/1/envelope/ HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/x-sentry-envelope\r\n\
             x-sentry-auth: Sentry sentry_version=7, sentry_key=public\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        // Reporters do not block: a transport has a thread of its own. This test waits for it, to see what came of it.
        let sent = std::thread::spawn(move || exchange(address, &[head.as_bytes(), &*body].concat()));
        assert!(sent.join().unwrap().contains(" 200 "));
    }
}

fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.write_all(bytes).unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer
}
