//! HTTP/1.1 as it is on the wire, read by hand: a library on this side of the gateway would put right, or hide, what
//! the one in the gateway does.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::within_limit;

/// Headers that belong to a connection by their name.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

/// Headers by name, in small letters; the values of one name in their order.
pub(crate) type Headers = BTreeMap<String, Vec<Vec<u8>>>;

/// The first line of a message and its headers.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The only value of a header.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let (_, value) = values.next()?;
        assert!(values.next().is_none(), "{name} is there more than once");
        Some(std::str::from_utf8(value).expect("it is text"))
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {:?}", self.line))
    }

    /// All but what belongs to the connection.
    pub(crate) fn end_to_end(&self) -> Headers {
        let values = self.headers.iter().filter(|(name, _)| name == "connection");
        let values = values.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase());
        let named: Vec<String> = values
            .flat_map(|value| value.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
            .collect();
        let mut headers = Headers::new();
        for (name, value) in &self.headers {
            if !HOP_BY_HOP.contains(&name.as_str()) && !named.contains(name) {
                headers.entry(name.clone()).or_default().push(value.clone());
            }
        }
        headers
    }
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    pub(crate) fn of_request(head: &Head) -> Self {
        match (head.get("transfer-encoding"), head.get("content-length")) {
            (Some(coding), length) => {
                assert_eq!((coding, length), ("chunked", None));
                Self::Chunked
            }
            (None, Some(length)) => Self::Length(length.parse().expect("a length is a number")),
            (None, None) => Self::None,
        }
    }

    pub(crate) fn of_answer(head: &Head, method: &str) -> Self {
        match Self::of_request(head) {
            _ if method == "HEAD" || matches!(head.status(), 100..=199 | 204 | 304) => Self::None,
            Self::None => Self::UntilClose,
            framing => framing,
        }
    }
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Data(Vec<u8>),
    /// The end as it should be, with the trailers.
    End(Vec<String>),
    /// The connection ended before the body.
    Cut,
}

/// A body that was read as far as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    /// `None` if it was cut.
    pub(crate) trailers: Option<Vec<String>>,
}

impl Body {
    /// The bytes of a body that came whole.
    pub(crate) fn whole(self) -> Vec<u8> {
        assert_eq!(self.trailers, Some(Vec::new()), "it ends as it should, without trailers");
        self.bytes
    }
}

/// One end of a connection.
pub(crate) struct Peer {
    stream: BufReader<TcpStream>,
    framing: Framing,
    /// Of the chunk that is being read.
    left: u64,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("it can be set");
        Self { stream: BufReader::with_capacity(64 * 1024, stream), framing: Framing::None, left: 0 }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.expect("it listens"))
    }

    /// Sends all of it. An error is the caller's, for whom it may be what is expected.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within_limit(async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).await.expect("the other side reads");
    }

    /// Sends it in pieces that end at random places, each in a write of its own.
    pub(crate) async fn send_in_pieces(&mut self, mut bytes: &[u8], rng: &mut fastrand::Rng) {
        while !bytes.is_empty() {
            let most = [1, 16, 1_024, 64 * 1_024, 1_024 * 1_024][rng.usize(..5)];
            // Large bodies would take long byte by byte.
            let least = (bytes.len() / 64).clamp(1, most);
            let (piece, rest) = bytes.split_at(rng.usize(least..=most).min(bytes.len()));
            self.send(piece).await;
            bytes = rest;
            tokio::task::yield_now().await;
        }
    }

    /// The next head, or `None` if the connection ends instead.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        let line = self.line().await?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|&byte| byte == b':').expect("a header has a colon");
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
        Some(Head { line: String::from_utf8(line).expect("it is text"), headers })
    }

    /// The head of a request, after which its body can be read.
    pub(crate) async fn request(&mut self) -> Option<Head> {
        let head = self.head().await?;
        self.framing = Framing::of_request(&head);
        Some(head)
    }

    /// The head of the answer to a request, after which its body can be read.
    pub(crate) async fn answer(&mut self, method: &str) -> Head {
        let head = within_limit(self.head()).await.expect("an answer comes");
        self.framing = Framing::of_answer(&head, method);
        head
    }

    /// The framing of the body that comes next.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    pub(crate) async fn piece(&mut self) -> Piece {
        within_limit(self.next_piece()).await.unwrap_or(Piece::Cut)
    }

    /// Reads until at least this much is there.
    pub(crate) async fn at_least(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            match self.piece().await {
                Piece::Data(data) => bytes.extend_from_slice(&data),
                end => panic!("{end:?} after {} of {length} bytes", bytes.len()),
            }
        }
        bytes
    }

    /// Reads to the end, whatever it is.
    pub(crate) async fn rest(&mut self) -> Body {
        let mut bytes = Vec::new();
        loop {
            match self.piece().await {
                Piece::Data(data) => bytes.extend_from_slice(&data),
                Piece::End(trailers) => return Body { bytes, trailers: Some(trailers) },
                Piece::Cut => return Body { bytes, trailers: None },
            }
        }
    }

    /// Waits until the other side has closed, and says whether it did so without another byte.
    pub(crate) async fn closed(&mut self) -> bool {
        // A reset is a way to close, too.
        within_limit(self.stream.read_u8()).await.is_err()
    }

    /// Says that nothing more will be sent. What the other side sends can still be read.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("it is open");
    }

    /// Cuts the connection with a reset instead of an orderly end.
    pub(crate) fn reset(self) {
        let stream = self.stream.into_inner();
        stream.set_zero_linger().expect("it can be set");
    }

    /// `None` at the end, or before a piece that is not whole.
    async fn next_piece(&mut self) -> Option<Piece> {
        let most = match self.framing {
            Framing::None | Framing::Length(0) => return Some(Piece::End(Vec::new())),
            Framing::Length(left) => left,
            Framing::UntilClose => u64::MAX,
            Framing::Chunked => {
                if self.left == 0 {
                    self.left = self.chunk_size().await?;
                }
                if self.left == 0 {
                    self.framing = Framing::None;
                    return self.trailers().await.map(Piece::End);
                }
                self.left
            }
        };
        let data = self.stream.fill_buf().await.ok()?;
        if data.is_empty() {
            // Without another framing, an orderly close is the end.
            return (self.framing == Framing::UntilClose).then(|| Piece::End(Vec::new()));
        }
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(data.len());
        let data = data[..length].to_vec();
        self.stream.consume(length);
        match &mut self.framing {
            Framing::Length(left) => *left -= length as u64,
            Framing::Chunked => {
                self.left -= length as u64;
                if self.left == 0 && !self.line().await?.is_empty() {
                    return None;
                }
            }
            Framing::None | Framing::UntilClose => {}
        }
        Some(Piece::Data(data))
    }

    async fn chunk_size(&mut self) -> Option<u64> {
        let line = String::from_utf8(self.line().await?).ok()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        Some(u64::from_str_radix(size, 16).unwrap_or_else(|_| panic!("{line:?} is no size of a chunk")))
    }

    async fn trailers(&mut self) -> Option<Vec<String>> {
        let mut trailers = Vec::new();
        loop {
            let line = String::from_utf8(self.line().await?).ok()?;
            if line.is_empty() {
                return Some(trailers);
            }
            trailers.push(line);
        }
    }

    /// A line without its end, or `None` if the connection ends before that.
    async fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await.ok()?;
        line.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
    }
}

/// A body in chunks of random sizes, with everything a chunk may have.
pub(crate) fn chunked(mut body: &[u8], trailers: &[&str], rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut wire = Vec::with_capacity(body.len() + 1_024);
    while !body.is_empty() {
        let least = (body.len() / 64).max(1);
        let (chunk, rest) = body.split_at(rng.usize(least..=body.len()));
        let extension = ["", "", ";name", ";name=value", ";name=\"a; b\""][rng.usize(..5)];
        wire.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
        body = rest;
    }
    wire.extend_from_slice(b"0\r\n");
    for trailer in trailers {
        wire.extend_from_slice(trailer.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

/// One chunk.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// Headers as a failing test should show them.
pub(crate) fn readable(headers: &Headers) -> Vec<(&str, Vec<String>)> {
    let text = |values: &Vec<Vec<u8>>| values.iter().map(|value| value.escape_ascii().to_string()).collect();
    headers.iter().map(|(name, values)| (name.as_str(), text(values))).collect()
}

/// Bytes of no meaning.
pub(crate) fn random(length: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes
}

/// A header of one of few names, so that some come more than once.
pub(crate) fn random_header(rng: &mut fastrand::Rng) -> (String, Vec<u8>) {
    let name = format!("x-{}", rng.u8(..8));
    let length = rng.usize(..100);
    (name, std::iter::repeat_with(|| rng.u8(b'!'..=b'~')).take(length).collect())
}
