//! Every byte of a request, and every header that is not the connection's own, reaches the upstream.

use fastrand::Rng;

use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Upstream;
use crate::support::wire::{Framing, Head, Headers, Peer, chunked, random, random_header, readable};

/// A request of the caller.
#[derive(Clone, Debug)]
struct Asked {
    name: String,
    method: &'static str,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    framing: Framing,
    body: Vec<u8>,
}

impl Asked {
    fn new(method: &'static str, target: impl Into<String>) -> Self {
        let target = target.into();
        let name = format!("{method} {target}");
        Self { name, method, target, headers: Vec::new(), framing: Framing::None, body: Vec::new() }
    }

    fn body(mut self, framing: Framing, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.framing = match framing {
            Framing::Length(_) => Framing::Length(self.body.len() as u64),
            framing => framing,
        };
        self.name = format!("{}, {} bytes, {:?}", self.name, self.body.len(), self.framing);
        self
    }

    fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn wire(&self, rng: &mut Rng) -> Vec<u8> {
        let mut wire =
            format!("{} {} HTTP/1.1\r\nHost: gateway.example\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            wire.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        match self.framing {
            Framing::Length(length) => {
                wire.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
                wire.extend_from_slice(&self.body);
            }
            Framing::Chunked => {
                wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                wire.extend_from_slice(&chunked(&self.body, &[], rng));
            }
            Framing::None | Framing::UntilClose => wire.extend_from_slice(b"\r\n"),
        }
        wire
    }

    /// The headers that the upstream must see with this framing, `host` aside.
    fn end_to_end(&self, framing: Framing) -> Headers {
        let headers = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let mut headers = Head { line: String::new(), headers: headers.collect() }.end_to_end();
        if let Framing::Length(length) = framing {
            headers.insert("content-length".to_owned(), vec![length.to_string().into_bytes()]);
        }
        headers
    }
}

/// Both ways to an upstream behind a base path: every request takes both.
struct Paths([Path; 2]);

impl Paths {
    async fn start(base: &'static str) -> Self {
        Self([Path::start(base, Way::Streamed).await, Path::start(base, Way::Kept).await])
    }

    /// Sends a request and compares it with what arrives.
    async fn passes(&mut self, asked: &Asked, rng: &mut Rng) {
        for path in &mut self.0 {
            path.passes(asked, rng).await;
        }
    }
}

/// How the gateway passes bodies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As they come.
    Streamed,
    /// When they are whole, so that they could be sent again; but for files.
    Kept,
}

/// A caller, the gateway, and an upstream behind a base path.
struct Path {
    upstream: Upstream,
    gateway: Gateway,
    caller: Peer,
    base: &'static str,
    way: Way,
}

impl Path {
    async fn start(base: &'static str, way: Way) -> Self {
        let upstream = Upstream::start().await;
        let command = if way == Way::Kept { gateway::before } else { gateway::passing };
        let gateway = Gateway::start(&mut command(&format!("{}{base}", upstream.url()))).await;
        let caller = Peer::connect(gateway.address).await;
        Self { upstream, gateway, caller, base: base.trim_end_matches('/'), way }
    }

    /// What is kept has a length.
    fn framing_of(&self, asked: &Asked) -> Framing {
        let stays = self.way == Way::Streamed || asked.target.starts_with("/v1/files");
        match asked.framing {
            Framing::Chunked if !stays && asked.body.is_empty() => Framing::None,
            Framing::Chunked if !stays => Framing::Length(asked.body.len() as u64),
            framing => framing,
        }
    }

    async fn passes(&mut self, asked: &Asked, rng: &mut Rng) {
        let target = asked.target.clone();
        self.arrives(asked, &target, rng).await;
    }

    async fn arrives(&mut self, asked: &Asked, target: &str, rng: &mut Rng) {
        let name = &format!("{}, {:?}", asked.name, self.way);
        let expected = self.framing_of(asked);
        let wire = asked.wire(rng);
        let sent = self.caller.send_in_pieces(&wire, rng);
        let ((), (request, body)) = tokio::join!(sent, self.upstream.whole_request());
        let (head, framing) = (&request.head, Framing::of_request(&request.head));
        assert_eq!(head.line, format!("{} {}{target} HTTP/1.1", asked.method, self.base), "{name}");
        assert_eq!(head.get("host"), Some(self.upstream.address.to_string().as_str()), "{name}");
        let mut seen = head.end_to_end();
        seen.remove("host");
        if expected == Framing::None && framing == Framing::Length(0) {
            // RFC 9110 §8.6: a client says so where a method expects content and there is none.
            seen.remove("content-length");
        } else {
            assert_eq!(framing, expected, "{name}");
        }
        let mut sent = asked.end_to_end(expected);
        if self.way == Way::Kept && !asked.target.starts_with("/v1/files") {
            // Answers are to be read.
            sent.insert("accept-encoding".to_owned(), vec![b"identity".to_vec()]);
        }
        assert_eq!(readable(&seen), readable(&sent), "{name}");
        let own = |hop: &str| hop == "host" || hop == "transfer-encoding" || hop == "content-length";
        for (hop, _) in &head.headers {
            assert!(seen.contains_key(hop) || own(hop), "{name}: {hop} is not for the upstream");
        }
        let body = body.whole();
        assert_eq!(body.len(), asked.body.len(), "{name}: length");
        assert_eq!(
            body.iter().zip(&asked.body).position(|(seen, sent)| seen != sent),
            None,
            "{name}: first byte"
        );

        let mut peer = request.peer;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        self.upstream.keep(peer);
        assert_eq!(self.caller.answer(asked.method).await.status(), 200, "{name}");
        self.caller.rest().await.whole();
    }
}

const LENGTH: Framing = Framing::Length(0);
const BOTH: [Framing; 2] = [LENGTH, Framing::Chunked];

#[tokio::test]
async fn of_every_size() {
    let mut paths = Paths::start("").await;
    let mut rng = Rng::with_seed(11);
    for length in [0, 1, 2, 100, 8_191, 8_192, 8_193, 65_535, 65_536, 1024 * 1024, 16 * 1024 * 1024] {
        let body = random(length, &mut rng);
        for framing in BOTH {
            let asked = Asked::new("POST", "/v1/messages").body(framing, body.clone());
            paths.passes(&asked, &mut rng).await;
        }
    }
}

#[tokio::test]
async fn of_every_method() {
    let mut paths = Paths::start("").await;
    let mut rng = Rng::with_seed(12);
    for method in ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD", "QUERY", "get", "X-OWN"] {
        for target in ["/v1/files/file_1", "/v1/messages"] {
            paths.passes(&Asked::new(method, target), &mut rng).await;
            for framing in BOTH {
                for body in ["", "{}"] {
                    paths.passes(&Asked::new(method, target).body(framing, body), &mut rng).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn to_every_path() {
    let targets = [
        "/",
        "/v1/messages",
        "/v1/messages?beta=true",
        "/v1/messages/",
        "/v1/messages?",
        "/v1/models?limit=5&after_id=a%26b&x=1+2%202&empty=&flag",
        "/v1/models/claude%2Dopus?q=%",
        "/v1/files/a%2Fb%2e%2e/content",
        "//v1//messages",
        "/v1/./messages/../models",
        "/v1/x;p=1,2/y=z:@!$&'()*+~",
        "/?a=/b?c=d",
        "/%ff%00%0A",
        "/v1/é/ß?ü=ö",
    ];
    let long = format!("/{}?{}", "p".repeat(8_000), "q".repeat(8_000));
    for base in ["", "/", "/base/of/it", "/base/"] {
        let mut path = Path::start(base, Way::Kept).await;
        let mut rng = Rng::with_seed(13);
        for target in targets.into_iter().chain([long.as_str()]) {
            path.passes(&Asked::new("GET", target), &mut rng).await;
        }
        // The form for proxies: whose the host is makes no difference.
        let absolute = Asked::new("GET", "http://user:password@elsewhere.example:81/v1/models?limit=1");
        path.arrives(&absolute, "/v1/models?limit=1", &mut rng).await;
    }
}

#[tokio::test]
async fn with_every_header() {
    let mut paths = Paths::start("").await;
    let mut rng = Rng::with_seed(14);
    let long = "l".repeat(16 * 1024);
    for framing in BOTH {
        let asked = Asked::new("POST", "/v1/messages")
            .body(framing, "{}")
            .header("X-Api-Key", "sk-ant-api03-x")
            .header("Authorization", "Bearer sk-ant-oat01-x")
            .header("anthropic-version", "2026-10-21")
            .header("anthropic-beta", "one-2026-01-01")
            .header("Anthropic-Beta", "two-2026-01-01,three-2026-01-01")
            .header("anthropic-beta", "")
            .header("anthropic-beta", "one-2026-01-01")
            .header("anthropic-dangerous-direct-browser-access", "true")
            .header("idempotency-key", "stainless-node-retry-1")
            .header("x-stainless-retry-count", "0")
            .header("X-Stainless-Lang", "python")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .header("tracestate", "a=1,b=2")
            .header("tracestate", "c=3")
            .header("baggage", "user=1")
            .header("Content-Type", "application/json; charset=utf-8")
            .header("content-encoding", "gzip")
            .header("accept", "application/json")
            .header("accept", "text/event-stream")
            .header("Accept-Encoding", "gzip, deflate, br, zstd")
            .header("User-Agent", "Anthropic/Python 2.12.0")
            .header("cookie", "a=1")
            .header("cookie", "b=2; c=3")
            .header("origin", "https://app.example")
            .header("referer", "https://app.example/x")
            .header("range", "bytes=0-1")
            .header("if-none-match", "\"x\"")
            .header("x-forwarded-for", "192.0.2.1")
            .header("x-forwarded-for", "192.0.2.2")
            .header("forwarded", "for=192.0.2.1")
            .header("via", "1.1 somewhere")
            .header("x-empty", "")
            .header("x-long", &long)
            .header("x-bytes", b"caf\xc3\xa9 \xff\xfe\x80")
            .header("x-inner", "two  spaces\tand a tab")
            .header("x-odd!#$%&'*+-.^_`|~name", "ok");
        paths.passes(&asked, &mut rng).await;
        // The same, and what belongs to the connection between the two.
        let asked = asked
            .header("Connection", "keep-alive, X-Private")
            .header("connection", "x-private-too,,TE")
            .header("x-private", "1")
            .header("X-Private-Too", "2")
            .header("x-private", "3")
            .header("Keep-Alive", "timeout=5, max=100")
            .header("Proxy-Connection", "keep-alive")
            .header("Proxy-Authorization", "Basic eDp5")
            .header("TE", "trailers, deflate;q=0.5")
            .header("Trailer", "x-sum")
            .header("Upgrade", "websocket");
        paths.passes(&asked, &mut rng).await;
    }
    // Nothing is added to a request that says nothing.
    paths.passes(&Asked::new("GET", "/v1/models"), &mut rng).await;
}

#[tokio::test]
async fn of_every_kind() {
    let mut paths = Paths::start("").await;
    let mut rng = Rng::with_seed(15);
    let boundary = "----boundary";
    let mut multipart = Vec::new();
    for name in ["a", "b"] {
        multipart.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.pdf\"\r\n\r\n")
                .as_bytes(),
        );
        multipart.extend_from_slice(&random(20_000, &mut rng));
        multipart.extend_from_slice(b"\r\n");
    }
    multipart.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    for framing in BOTH {
        let asked = Asked::new("POST", "/v1/files").body(framing, multipart.clone());
        paths.passes(&asked.header("content-type", &kind), &mut rng).await;
        for coding in ["gzip", "br", "zstd", "deflate", "identity", "unheard-of"] {
            // Not of that coding at all, so that nobody can have decoded it and coded it again.
            let asked = Asked::new("POST", "/v1/messages").body(framing, random(5_000, &mut rng));
            let asked = asked.header("content-encoding", coding).header("content-type", "application/json");
            paths.passes(&asked, &mut rng).await;
        }
        // Nobody reads it, so nobody minds.
        for body in
            [&b"{\"a\":1,\"a\":2, \"n\": 1e400}  \n"[..], b"\xef\xbb\xbf{}", b"{\"half\":", b"\xff\x00"]
        {
            let asked = Asked::new("POST", "/v1/messages").body(framing, body);
            paths.passes(&asked.header("content-type", "application/json"), &mut rng).await;
        }
    }
}

#[tokio::test]
async fn of_random_make() {
    let mut paths = Paths::start("/base").await;
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let most = 1 << rng.usize(..18);
        let body = random(rng.usize(..most), &mut rng);
        let method = ["GET", "POST", "DELETE", "PUT", "PATCH"][rng.usize(..5)];
        let framing = BOTH[rng.usize(..2)];
        let mut asked = Asked::new(method, format!("/v1/{seed}?{}", rng.u64(..))).body(framing, body);
        for _ in 0..rng.usize(..40) {
            let (name, value) = random_header(&mut rng);
            asked = asked.header(&name, value);
        }
        paths.passes(&asked, &mut rng).await;
    }
}

/// A caller that asks first is told to go on by the gateway itself.
#[tokio::test]
async fn after_100_continue() {
    let mut path = Path::start("", Way::Kept).await;
    path.caller
        .send("POST /v1/files HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        .await;
    let mut request = path.upstream.request().await;
    assert_eq!(request.head.get("expect"), None);
    assert_eq!(path.caller.answer("POST").await.status(), 100);
    path.caller.send("body").await;
    assert_eq!(request.peer.rest().await.whole(), b"body");
    request.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(path.caller.answer("POST").await.status(), 200);
    assert_eq!(path.caller.rest().await.whole(), b"{}");
}

/// Whatever else can stand in a request line must not end the gateway.
#[tokio::test]
async fn in_forms_of_no_use() {
    for line in
        ["OPTIONS * HTTP/1.1", "CONNECT elsewhere.example:443 HTTP/1.1", "GET elsewhere.example HTTP/1.1"]
    {
        let mut path = Path::start("", Way::Kept).await;
        path.caller.send(format!("{line}\r\nhost: x\r\n\r\n")).await;
        // It may be passed on or refused, as long as it is the configured upstream that is asked.
        tokio::select! {
            mut request = path.upstream.request() => {
                request.peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
                assert_eq!(path.caller.answer("GET").await.status(), 400, "{line}");
                path.upstream.keep(request.peer);
            }
            head = path.caller.answer("GET") => assert!(head.status() >= 400, "{line}: {head:?}"),
        }
        path.caller = Peer::connect(path.gateway.address).await;
        path.passes(&Asked::new("GET", "/v1/models"), &mut Rng::with_seed(16)).await;
    }
}
