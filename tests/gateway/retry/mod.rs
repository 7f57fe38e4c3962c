//! Repeating, through the real gateway: what the caller sees, and what the upstream has to bear for it.

mod bodies;
mod given_up;
mod many;
mod quota;
mod recovered;

use std::process::Command;

use bytes::Bytes;
use claude_sim::{DEFAULT_KEY, SeenRequest, Server, Simulator};
use http::Request;
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::support::gateway::{self, Gateway};
use crate::support::wire::{Body, Head, Headers, Peer};

const SEED: u64 = 11;

/// Whether an answer is asked for in one piece or as a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum As {
    Whole,
    Stream,
}

const BOTH: [As; 2] = [As::Whole, As::Stream];

impl As {
    fn json(self) -> String {
        let stream = self == Self::Stream;
        format!(
            r#"{{"model":"claude-opus-5-5","max_tokens":64,"stream":{stream},"messages":[{{"role":"user","content":"Hi"}}]}}"#
        )
    }
}

fn simulator() -> Simulator {
    Simulator::builder().with_seed(SEED).with_still_date().build()
}

/// A simulator and the gateway before it.
struct Path {
    simulator: Simulator,
    server: Server,
    gateway: Gateway,
}

impl Path {
    /// With these keys of `[retry]`.
    async fn start(settings: &[(&str, &str)]) -> Self {
        Self::before(simulator(), settings).await
    }

    async fn before(simulator: Simulator, settings: &[(&str, &str)]) -> Self {
        let server = simulator.serve("127.0.0.1:0").await.unwrap();
        let mut command = gateway::repeating(&server.base_url());
        let gateway = Gateway::start(set(&mut command, settings)).await;
        Self { simulator, server, gateway }
    }

    async fn ask(&self, how: As, headers: &str) -> Answer {
        ask(Peer::connect(self.gateway.address).await, how, headers).await
    }

    /// The requests that have come since the last time.
    fn take_requests(&self) -> Vec<SeenRequest> {
        self.simulator.take_requests()
    }
}

fn set<'a>(command: &'a mut Command, settings: &[(&str, &str)]) -> &'a mut Command {
    for (key, value) in settings {
        command.env(format!("CLAUDE_TOWER__RETRY__{key}"), value);
    }
    command
}

/// What came of a request.
#[derive(Debug)]
struct Answer {
    head: Head,
    body: Body,
}

impl Answer {
    /// Without what belongs to one connection, and without the length, which is known of what was read to its end.
    fn headers(&self) -> Headers {
        let mut headers = self.head.end_to_end();
        headers.remove("content-length");
        headers
    }

    fn should_retry(&self) -> Option<&str> {
        self.head.get("x-should-retry")
    }
}

/// Asks for a message. The headers are lines with their ends.
async fn ask(mut peer: Peer, how: As, headers: &str) -> Answer {
    let json = how.json();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {DEFAULT_KEY}\r\nanthropic-version: 2026-10-21\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
        json.len()
    );
    peer.send(format!("{head}{json}")).await;
    let head = peer.answer("POST").await;
    Answer { head, body: peer.rest().await }
}

/// What the simulator answers to its request of this number, from 0, if nothing goes wrong: headers and body.
async fn undisturbed(number: usize, how: As) -> (Headers, Vec<u8>) {
    let twin = simulator();
    let mut last = None;
    for _ in 0..=number {
        let request = Request::post("/v1/messages")
            .header("x-api-key", DEFAULT_KEY)
            .header("anthropic-version", "2026-10-21")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(how.json())));
        last = Some(twin.clone().oneshot(request.unwrap()).await.unwrap());
    }
    let (head, body) = last.unwrap().into_parts();
    let mut headers = Headers::new();
    for (name, value) in &head.headers {
        headers.entry(name.to_string()).or_default().push(value.as_bytes().to_vec());
    }
    headers.remove("content-length");
    (headers, body.collect().await.unwrap().to_bytes().to_vec())
}
