//! Connections that break. Where there is no answer the gateway has to make one: instead of the SDK's error of a
//! connection there is one of a status, and the SDK decides the same about another attempt.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::failures::{Call, Seen, WAYS, run};
use crate::harness::{Direct, Sdk, ThroughGateway, no_difference, without_pool};
use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Closed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_meets_broken_connections() {
    broken_connections(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_meets_broken_connections() {
    broken_connections(Sdk::TypeScript).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_finds_nobody() {
    nobody_there(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_finds_nobody() {
    nobody_there(Sdk::TypeScript).await;
}

async fn broken_connections(sdk: Sdk) {
    let call = |fault: &str, way: &str| {
        let timeout = if fault.contains("forever") { 0.3 } else { 30.0 };
        Call { max_retries: 1, timeout, ..Call::once(fault, way) }
    };
    let calls: Vec<Call> = BROKEN.iter().map(|(fault, way, ..)| call(fault, way)).collect();
    let server = Direct::start().await;
    let direct = run(sdk, &server.base_url(), &calls);
    for command in [gateway::passing, gateway::reading_ahead] {
        let through = ThroughGateway::started(|upstream| without_pool(command(upstream))).await;
        let gateway = run(sdk, &through.base_url(), &calls);
        compare(sdk, &direct, &gateway);
        no_difference(&server.simulator, &through.simulator);
    }
}

fn compare(sdk: Sdk, direct: &[Seen], gateway: &[Seen]) {
    for (at, (fault, way, python, typescript)) in BROKEN.iter().enumerate() {
        let (direct, gateway) = (&direct[at], &gateway[at]);
        let what = format!("{fault} ({way}): {:?}, through the gateway {:?}", direct.raised, gateway.raised);
        let outcome = if sdk == Sdk::Python { python } else { typescript };
        assert_eq!(direct.class(), outcome.direct, "{what}");
        assert_eq!(gateway.class(), outcome.gateway, "{what}");
        assert_eq!((direct.attempts, gateway.attempts), (outcome.attempts, outcome.attempts), "{what}");
        if outcome.gateway == LOST.gateway {
            is_made_by_the_gateway(gateway, 502, "api_error", "connection_lost");
        }
        // TypeScript's HTTP client throws away what it has not handed on yet when it finds the connection reset, so that
        // one of the two may have seen more.
        let seen = match sdk {
            Sdk::Python => direct.events.len().max(gateway.events.len()),
            Sdk::TypeScript => direct.events.len().min(gateway.events.len()),
        };
        assert_eq!(direct.events.get(..seen), gateway.events.get(..seen), "{what}");
    }
}

fn is_made_by_the_gateway(seen: &Seen, status: u16, kind: &str, code: &str) {
    let raised = seen.raised.as_ref().unwrap();
    assert_eq!(raised["status"], status, "{raised}");
    assert_eq!(raised["type"], kind, "{raised}");
    assert_eq!(raised["error_code"], code, "{raised}");
    assert_eq!(raised["request_id"], Value::Null, "{raised}");
    assert_eq!(raised["headers"], json!({"content-type": "application/json"}), "{raised}");
}

/// What comes of a fault: without the gateway, through it, and how often an SDK with one retry tries.
struct Outcome {
    direct: &'static str,
    gateway: &'static str,
    attempts: u32,
}

const fn outcome(direct: &'static str, gateway: &'static str, attempts: u32) -> Outcome {
    Outcome { direct, gateway, attempts }
}

/// No answer.
const LOST: Outcome = outcome("APIConnectionError", "InternalServerError", 2);
/// Python reads an answer in one piece within an attempt, which fails with it.
const UNREAD: Outcome = outcome("APIConnectionError", "APIConnectionError", 2);
/// Both are errors of Python's HTTP client: the gateway cannot reset, it closes before the body's end.
const CUT: Outcome = outcome("ReadError", "RemoteProtocolError", 1);
const SHORT: Outcome = outcome("RemoteProtocolError", "RemoteProtocolError", 1);
/// Of TypeScript's HTTP client, and wrapped by the helper.
const TERMINATED: Outcome = outcome("TypeError", "TypeError", 1);
const WRAPPED: Outcome = outcome("AnthropicError", "AnthropicError", 1);

/// The gateway waits as long as the SDK does.
const TIMED_OUT: Outcome = outcome("APITimeoutError", "APITimeoutError", 2);
const TIMED_OUT_TOO: Outcome = outcome("APIConnectionTimeoutError", "APIConnectionTimeoutError", 2);

/// Fault, way, and what comes of it in Python and in TypeScript.
const BROKEN: [(&str, &str, Outcome, Outcome); 23] = [
    ("refuse", "whole", LOST, LOST),
    ("refuse", "stream", LOST, LOST),
    ("refuse", "helper", LOST, LOST),
    ("reset-before-headers", "whole", LOST, LOST),
    ("reset-before-headers", "stream", LOST, LOST),
    ("reset-before-headers executed", "helper", LOST, LOST),
    ("reset-after-headers", "whole", UNREAD, TERMINATED),
    ("reset-after-headers", "stream", CUT, TERMINATED),
    ("reset-after-headers", "helper", CUT, WRAPPED),
    ("reset-mid-event=1", "whole", UNREAD, TERMINATED),
    ("reset-mid-event=1", "stream", CUT, TERMINATED),
    ("reset-mid-event=1", "helper", CUT, WRAPPED),
    ("reset-mid-event=3", "stream", CUT, TERMINATED),
    ("reset-mid-event=3", "helper", CUT, WRAPPED),
    ("reset-mid-event=9", "stream", CUT, TERMINATED),
    ("reset-mid-event=9", "helper", CUT, WRAPPED),
    ("wrong-length=5", "whole", UNREAD, TERMINATED),
    ("wrong-length=5", "stream", SHORT, TERMINATED),
    ("wrong-length=5", "helper", SHORT, WRAPPED),
    ("stall-headers=forever", "whole", TIMED_OUT, TIMED_OUT_TOO),
    ("stall-headers=forever", "stream", TIMED_OUT, TIMED_OUT_TOO),
    ("truncated-json, reset-mid-event=2", "stream", CUT, TERMINATED),
    ("gzip-unasked, reset-mid-event=3", "stream", CUT, TERMINATED),
];

/// A connection that is refused, and one that is never made: whoever listens does not speak TLS.
async fn nobody_there(sdk: Sdk) {
    let timed_out = if sdk == Sdk::Python { "APITimeoutError" } else { "APIConnectionTimeoutError" };
    let calls = |timeout| {
        WAYS.map(|way| Call { max_retries: u32::from(way == "whole"), timeout, ..Call::once("none", way) })
    };

    let closed = Closed::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("https://{}", silent.local_addr().unwrap());
    let before_closed = Gateway::start(&mut gateway::passing(&closed.url)).await;
    let mut before_silent = gateway::passing(&silent);
    let before_silent = before_silent.env("CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT", "100ms");
    let before_silent = Gateway::start(before_silent).await;

    for (base_url, timeout, class, code) in [
        (&*closed.url, 30.0, "APIConnectionError", None),
        (&*before_closed.base_url, 30.0, "InternalServerError", Some((502, "api_error", "connection_error"))),
        (&*silent, 0.1, timed_out, None),
        (&*before_silent.base_url, 30.0, "GatewayTimeoutError", Some((504, "timeout_error", "timeout"))),
    ] {
        for seen in run(sdk, base_url, &calls(timeout)) {
            assert_eq!(seen.class(), class, "{}: {:?}", seen.call.way, seen.raised);
            assert_eq!(seen.attempts, seen.call.max_retries + 1, "{}: {:?}", seen.call.way, seen.raised);
            if let Some((status, kind, code)) = code {
                is_made_by_the_gateway(&seen, status, kind, code);
            }
        }
    }
}
