//! Every byte of an answer, and every header that is not the connection's own, reaches the caller.

use bytes::Bytes;
use claude_sim::{DEFAULT_KEY, Reply, Simulator};
use fastrand::Rng;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Upstream;
use crate::support::wire::{Framing, Head, Headers, Peer, chunked, random, random_header, readable};

/// An answer of the upstream.
#[derive(Clone, Debug)]
struct Answer {
    name: String,
    method: &'static str,
    status: String,
    headers: Vec<(String, Vec<u8>)>,
    framing: Framing,
    body: Vec<u8>,
}

impl Answer {
    fn new(name: impl Into<String>, framing: Framing, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let framing = match framing {
            Framing::Length(_) => Framing::Length(body.len() as u64),
            framing => framing,
        };
        let (name, status) = (name.into(), "200 OK".to_owned());
        Self { name, method: "POST", status, headers: Vec::new(), framing, body }
    }

    fn status(mut self, status: &str) -> Self {
        status.clone_into(&mut self.status);
        self
    }

    fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn head(&self) -> Vec<u8> {
        let mut wire = format!("HTTP/1.1 {}\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            wire.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        match self.framing {
            Framing::Length(length) => {
                wire.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
            }
            Framing::Chunked => wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::UntilClose | Framing::None => {}
        }
        wire.extend_from_slice(b"\r\n");
        wire
    }

    /// The message as it goes over the wire.
    fn wire(&self, trailers: &[&str], rng: &mut Rng) -> Vec<u8> {
        let mut wire = self.head();
        match self.framing {
            _ if self.method == "HEAD" => {}
            Framing::Chunked => wire.extend_from_slice(&chunked(&self.body, trailers, rng)),
            Framing::Length(_) | Framing::UntilClose | Framing::None => wire.extend_from_slice(&self.body),
        }
        wire
    }

    /// The headers that the caller must see.
    fn end_to_end(&self) -> Headers {
        let headers = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let mut headers = Head { line: String::new(), headers: headers.collect() }.end_to_end();
        if let Framing::Length(length) = self.framing {
            headers.insert("content-length".to_owned(), vec![length.to_string().into_bytes()]);
        }
        headers
    }
}

/// Both ways for an answer: every one takes both.
struct Paths([Path; 2]);

impl Paths {
    async fn start() -> Self {
        Self([Path::start(Way::Passed).await, Path::start(Way::ReadAhead).await])
    }

    /// Sends a request, has it answered, and compares what was answered with what comes.
    async fn passes(&mut self, answer: &Answer, rng: &mut Rng) {
        for path in &mut self.0 {
            path.passes(answer, rng).await;
        }
    }
}

/// How the gateway passes answers on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As they come.
    Passed,
    /// When it is known whether they could have been repeated.
    ReadAhead,
}

/// An upstream, the gateway before it, and a caller with a connection that stays open.
struct Path {
    upstream: Upstream,
    gateway: Gateway,
    caller: Peer,
    way: Way,
}

impl Path {
    async fn start(way: Way) -> Self {
        let upstream = Upstream::start().await;
        let command = if way == Way::Passed { gateway::passing } else { gateway::reading_ahead };
        let gateway = Gateway::start(&mut command(&upstream.url())).await;
        let caller = Peer::connect(gateway.address).await;
        Self { upstream, gateway, caller, way }
    }

    async fn passes(&mut self, answer: &Answer, rng: &mut Rng) {
        let (head, framing, body) = self.exchange(answer, &[], rng).await;
        let name = &format!("{}, {:?}", answer.name, self.way);
        assert_eq!(head.line, format!("HTTP/1.1 {}", answer.status), "{name}");
        let mut seen = head.end_to_end();
        if !answer.end_to_end().contains_key("date") {
            // RFC 9110 §6.6.1: who passes on an answer without a date puts one there.
            assert!(seen.remove("date").is_some(), "{name}: a date");
        }
        // Of what was read to its end, the length is known.
        let has_length = self.way == Way::ReadAhead && framing == Framing::Length(answer.body.len() as u64);
        if has_length && !answer.end_to_end().contains_key("content-length") {
            seen.remove("content-length");
        }
        assert_eq!(readable(&seen), readable(&answer.end_to_end()), "{name}");
        for hop in head.headers.iter().map(|(name, _)| name.as_str()) {
            let expected = matches!((hop, framing), ("transfer-encoding", Framing::Chunked));
            let expected = expected || has_length && hop == "content-length";
            assert!(
                expected || seen.contains_key(hop) || hop == "date",
                "{name}: {hop} is not for the caller"
            );
        }
        // What is as long as its connection is so on the other side only.
        match answer.framing {
            _ if has_length => {}
            Framing::UntilClose => assert_eq!(framing, Framing::Chunked, "{name}"),
            expected if answer.method != "HEAD" => assert_eq!(framing, expected, "{name}"),
            _ => assert_eq!(framing, Framing::None, "{name}"),
        }
        let expected: &[u8] = if answer.method == "HEAD" { b"" } else { &answer.body };
        assert_eq!(body.len(), expected.len(), "{name}: length");
        let differs = body.iter().zip(expected).position(|(seen, sent)| seen != sent);
        assert_eq!(differs, None, "{name}: first byte that differs");
    }

    async fn exchange(
        &mut self,
        answer: &Answer,
        trailers: &[&str],
        rng: &mut Rng,
    ) -> (Head, Framing, Vec<u8>) {
        let request = format!("{} /v1/messages HTTP/1.1\r\nhost: gateway\r\n\r\n", answer.method);
        self.caller.send(request).await;
        let mut request = self.upstream.request().await;
        let wire = answer.wire(trailers, rng);
        let answered = async {
            request.peer.send_in_pieces(&wire, rng).await;
            if answer.framing == Framing::UntilClose {
                drop(request.peer);
            } else {
                self.upstream.keep(request.peer);
            }
        };
        let received = async {
            let head = self.caller.answer(answer.method).await;
            let framing = self.caller.framing();
            (head, framing, self.caller.rest().await.whole())
        };
        tokio::join!(answered, received).1
    }
}

const LENGTH: Framing = Framing::Length(0);
const ALL: [Framing; 3] = [LENGTH, Framing::Chunked, Framing::UntilClose];

#[tokio::test]
async fn of_every_size() {
    let mut paths = Paths::start().await;
    let mut rng = Rng::with_seed(1);
    for length in [0, 1, 2, 100, 8_191, 8_192, 8_193, 65_535, 65_536, 1024 * 1024, 16 * 1024 * 1024] {
        let body = random(length, &mut rng);
        for framing in ALL {
            let answer = Answer::new(format!("{length} bytes, {framing:?}"), framing, body.clone());
            paths.passes(&answer, &mut rng).await;
        }
    }
}

#[tokio::test]
async fn of_every_status() {
    let mut paths = Paths::start().await;
    let mut rng = Rng::with_seed(2);
    for status in [
        "200 OK",
        "201 Created",
        "202 Accepted",
        "206 Partial Content",
        "299 Whatever It Is",
        "300 Multiple Choices",
        "400 Bad Request",
        "401 Unauthorized",
        "402 Payment Required",
        "403 Forbidden",
        "404 Not Found",
        "408 Request Timeout",
        "409 Conflict",
        "413 Request Entity Too Large",
        "417 Expectation Failed",
        "422 Unprocessable Entity",
        "426 Upgrade Required",
        "429 Too Many Requests",
        "499 Client Closed Request",
        "500 Internal Server Error",
        "501 Not Implemented",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "529 Overloaded",
        "599 No Name",
        "999 Beyond",
    ] {
        for framing in ALL {
            let body = json!({"type": "error", "error": {"type": "x", "message": status}}).to_string();
            let answer = Answer::new(format!("{status}, {framing:?}"), framing, body)
                .status(status)
                .header("content-type", "application/json");
            paths.passes(&answer, &mut rng).await;
        }
    }
    // Followed by nobody: whom a client trusts is the client's affair.
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let answer = Answer::new(status, LENGTH, "over there")
            .status(status)
            .header("location", "https://elsewhere.example/v1/messages");
        paths.passes(&answer, &mut rng).await;
    }
}

#[tokio::test]
async fn without_a_body() {
    let mut paths = Paths::start().await;
    let mut rng = Rng::with_seed(3);
    for (name, framing) in [
        ("length", Framing::Length(1_234)),
        ("none", Framing::Length(0)),
        ("chunked", Framing::Chunked),
        ("unsaid", Framing::None),
    ] {
        let mut answer = Answer::new(format!("HEAD, {name}"), Framing::None, "")
            .method("HEAD")
            .header("content-type", "application/json")
            .header("request-id", "req_head");
        // The length that a GET would have.
        answer.framing = framing;
        paths.passes(&answer, &mut rng).await;
        paths.passes(&answer.status("529 Overloaded"), &mut rng).await;
    }
    for status in ["204 No Content", "304 Not Modified"] {
        for method in ["GET", "POST", "DELETE", "HEAD"] {
            let answer = Answer::new(format!("{method}, {status}"), Framing::None, "")
                .status(status)
                .method(method)
                .header("etag", "\"x\"")
                .header("request-id", "req_none");
            paths.passes(&answer, &mut rng).await;
        }
    }
}

#[tokio::test]
async fn with_every_header() {
    let mut paths = Paths::start().await;
    let mut rng = Rng::with_seed(4);
    let long = "l".repeat(16 * 1024);
    for framing in ALL {
        let answer = Answer::new(format!("headers, {framing:?}"), framing, "{}")
            .header("Date", "Sun, 22 Nov 2026 00:00:00 GMT")
            .header("Content-Type", "application/json")
            .header("request-id", "req_011CSHoEeqs5C35K2UUqR7Fy")
            .header("anthropic-organization-id", "0a1b2c")
            .header("anthropic-ratelimit-requests-limit", "4000")
            .header("anthropic-ratelimit-requests-remaining", "3999")
            .header("anthropic-ratelimit-requests-reset", "2026-11-22T00:00:01Z")
            .header("anthropic-ratelimit-input-tokens-remaining", "0")
            .header("Anthropic-RateLimit-Unified-Status", "allowed")
            .header("retry-after", "7")
            .header("retry-after-ms", "6543")
            .header("x-should-retry", "true")
            .header("traceresponse", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .header("strict-transport-security", "max-age=31536000; includeSubDomains; preload")
            .header("vary", "Accept-Encoding")
            .header("Set-Cookie", "a=1; Path=/; Secure")
            .header("x-twice", "first")
            .header("set-cookie", "b=2; HttpOnly")
            .header("X-Twice", "second, third")
            .header("set-cookie", "a=3")
            .header("x-twice", "")
            .header("x-twice", "first")
            .header("x-empty", "")
            .header("x-long", &long)
            .header("x-bytes", b"caf\xc3\xa9 \xff\xfe\x80")
            .header("x-inner", "two  spaces\tand a tab")
            .header("x-odd!#$%&'*+-.^_`|~name", "ok")
            .header("server", "cloudflare")
            .header("cf-ray", "8f0-FRA")
            .header("via", "1.1 upstream")
            .header("alt-svc", "h3=\":443\"; ma=86400")
            .header("www-authenticate", "Bearer");
        paths.passes(&answer, &mut rng).await;
        // The same, and what belongs to the connection between the two.
        let answer = answer
            .header("Connection", "keep-alive, X-Private")
            .header("connection", "x-private-too,,")
            .header("x-private", "1")
            .header("X-Private-Too", "2")
            .header("x-private", "3")
            .header("Keep-Alive", "timeout=5, max=100")
            .header("Proxy-Connection", "keep-alive")
            .header("Proxy-Authenticate", "Basic realm=\"x\"")
            .header("Upgrade", "h2c")
            .header("TE", "trailers");
        paths.passes(&answer, &mut rng).await;
    }
}

#[tokio::test]
async fn in_every_coding() {
    let mut paths = Paths::start().await;
    let mut rng = Rng::with_seed(5);
    let codings = [
        "gzip",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "identity",
        "aws-chunked",
        "gzip, br",
        "unheard-of",
    ];
    for coding in codings {
        for framing in ALL {
            // Not of that coding at all, so that nobody can have decoded it and coded it again.
            let answer = Answer::new(format!("{coding}, {framing:?}"), framing, random(3_000, &mut rng))
                .header("content-encoding", coding)
                .header("content-type", "application/json")
                .header("etag", "W/\"coded\"");
            paths.passes(&answer, &mut rng).await;
        }
    }
}

#[tokio::test]
async fn of_the_simulated_api() {
    let mut paths = Paths::start().await;
    let mut rng = Rng::with_seed(6);
    let turn = |content: Value| json!([{"role": "user", "content": content}]);
    let tools = json!([{
        "name": "get_weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }]);
    let mut asked = Vec::new();
    for stream in [false, true] {
        let base = json!({"model": "claude-opus-5-5", "max_tokens": 4096, "stream": stream,
            "messages": turn(json!("Hänsel 🦀 und Gretel"))});
        let with = |changes: Value| {
            let mut body = base.clone();
            for (key, value) in changes.as_object().unwrap() {
                body[key] = value.clone();
            }
            ("/v1/messages", body.to_string())
        };
        asked.extend([
            with(json!({})),
            with(json!({"model": "claude-opus-4-5", "thinking": {"type": "enabled", "budget_tokens": 1024}})),
            with(json!({"thinking": {"type": "adaptive", "display": "omitted"}})),
            with(json!({"tools": tools})),
            with(json!({"model": "claude-haiku-5-5", "tools": tools, "tool_choice": {"type": "any"}})),
            with(json!({"stop_sequences": ["und"]})),
            with(json!({"max_tokens": 1})),
            with(json!({"model": "no-such-model"})),
            with(json!({"messages": "no messages"})),
        ]);
    }
    asked.push(("/v1/messages", "no JSON".to_owned()));
    asked.push(("/v1/messages/count_tokens", asked[0].1.clone()));
    asked.push(("/v1/nowhere", "{}".to_owned()));
    let simulator = Simulator::builder().with_seed(6).build();
    simulator.script([Reply::of_length(100_000)]);
    for (path_asked, body) in asked {
        for (key, coding) in [(DEFAULT_KEY, "identity"), (DEFAULT_KEY, "gzip"), ("no-key", "identity")] {
            let request = http::Request::post(path_asked)
                .header("x-api-key", key)
                .header("anthropic-version", "2026-10-21")
                .header("accept-encoding", coding)
                .body(Full::new(Bytes::from(body.clone())))
                .unwrap();
            let (head, sent) = simulator.clone().oneshot(request).await.unwrap().into_parts();
            let sent = sent.collect().await.unwrap().to_bytes();
            let framing = if head.headers.contains_key("content-length") { LENGTH } else { Framing::Chunked };
            let mut answer = Answer::new(format!("{path_asked} {body} {coding}"), framing, sent)
                .status(&head.status.to_string());
            for (name, value) in &head.headers {
                if name != "content-length" {
                    answer = answer.header(name.as_str(), value);
                }
            }
            paths.passes(&answer, &mut rng).await;
        }
    }
    assert_eq!(simulator.scripted(), 0, "something was answered");
}

/// What the grammar of server-sent events allows and the API does not do today, and what it does not allow.
#[tokio::test]
async fn of_odd_streams() {
    let mut paths = Paths::start().await;
    let mut rng = Rng::with_seed(7);
    let streams: [(&str, &[u8]); 18] = [
        ("ping", b"event: ping\ndata: {\"type\": \"ping\"}\n\n"),
        ("crlf", b"event: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n"),
        ("cr", b"event: ping\rdata: {\"type\":\"ping\"}\r\r"),
        ("all three", b"event: a\rdata: 1\r\ndata: 2\n\r\n\n\r"),
        ("bom", b"\xef\xbb\xbfevent: ping\ndata: {}\n\n"),
        ("several lines", b"event: x\ndata: {\"a\":\ndata: 1\ndata:}\ndata\n\n"),
        ("padding", b"event: x\ndata: {\"type\":\"x\"               }\n\n"),
        ("unknown", b"event: from_the_future\ndata: {\"type\":\"from_the_future\"}\nnew: field\n\n"),
        ("comments", b": hello\n:\n\nevent: ping\n: inside\ndata: {}\n\n"),
        ("id and retry", b"id: 1\nretry: 10000\nid\ndata:  two spaces\n\n"),
        ("no name", b"data: {}\n\ndata: [DONE]\n\n"),
        ("error", b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"),
        ("no last line", b"event: message_stop\ndata: {\"type\":\"message_stop\"}"),
        ("half a line", b"event: content_block_delta\ndata: {\"type\":\"content_bl"),
        ("blank lines", b"\n\n\n\n\nevent: x\ndata:\n\n\n\n"),
        ("no text", b"event: \xff\xfe\ndata: \xf0\x9f\xa6\n\n\x00\x00"),
        ("no events", b"<html>what is this</html>"),
        ("nothing", b""),
    ];
    for (name, stream) in streams {
        for framing in ALL {
            // Cut in other places each time.
            for _ in 0..3 {
                let answer = Answer::new(format!("{name}, {framing:?}"), framing, stream)
                    .header("content-type", "text/event-stream; charset=utf-8")
                    .header("cache-control", "no-cache");
                paths.passes(&answer, &mut rng).await;
            }
        }
    }
    let long_line = [b"data: ".as_slice(), &b"x".repeat(3_000_000), b"\n\n"].concat();
    let answer =
        Answer::new("a long line", Framing::Chunked, long_line).header("content-type", "text/event-stream");
    paths.passes(&answer, &mut rng).await;
}

#[tokio::test]
async fn of_random_make() {
    let mut paths = Paths::start().await;
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let framing = ALL[rng.usize(..3)];
        let most = 1 << rng.usize(..18);
        let body = random(rng.usize(..most), &mut rng);
        let status = ["200 OK", "400 Bad Request", "429 Too Many Requests", "529 Overloaded"][rng.usize(..4)];
        let method = ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"][rng.usize(..6)];
        let mut answer =
            Answer::new(format!("seed {seed}, {framing:?}"), framing, body).status(status).method(method);
        for _ in 0..rng.usize(..40) {
            let (name, value) = random_header(&mut rng);
            answer = answer.header(&name, value);
        }
        paths.passes(&answer, &mut rng).await;
    }
}

/// The gateway does not say `te: trailers` to the upstream, and so has none to pass on.
#[tokio::test]
async fn trailers_are_left_out() {
    let mut path = Path::start(Way::Passed).await;
    let mut rng = Rng::with_seed(8);
    let answer =
        Answer::new("trailers", Framing::Chunked, random(10_000, &mut rng)).header("trailer", "x-sum");
    let (head, framing, body) = path.exchange(&answer, &["x-sum: 1", "x-more: 2"], &mut rng).await;
    assert_eq!((head.get("trailer"), framing), (None, Framing::Chunked));
    assert!(body == answer.body, "the body is whole");
    path.passes(&answer, &mut rng).await;
}

/// A caller that does not know chunks gets none.
#[tokio::test]
async fn to_callers_of_http_1_0() {
    let mut path = Path::start(Way::Passed).await;
    let mut rng = Rng::with_seed(9);
    for framing in ALL {
        let answer = Answer::new("1.0", framing, random(70_000, &mut rng)).header("request-id", "req_old");
        let mut caller = Peer::connect(path.gateway.address).await;
        caller.send("GET /v1/models HTTP/1.0\r\n\r\n").await;
        let mut request = path.upstream.request().await;
        let wire = answer.wire(&[], &mut rng);
        let answered = async {
            request.peer.send_in_pieces(&wire, &mut rng).await;
            if framing != Framing::UntilClose {
                path.upstream.keep(request.peer);
            }
        };
        let received = async {
            let head = caller.answer("GET").await;
            assert_eq!(head.get("request-id"), Some("req_old"));
            assert_eq!(head.get("transfer-encoding"), None);
            assert!(caller.rest().await.whole() == answer.body, "{framing:?}");
            assert!(caller.closed().await);
        };
        tokio::join!(answered, received);
    }
}
