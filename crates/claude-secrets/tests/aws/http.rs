//! A server that says what it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The day that the server says it is.
pub(crate) const DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";
/// The same in seconds since 1970.
pub(crate) const NOW: u64 = 1_795_435_200;

#[derive(Clone)]
pub(crate) enum Says {
    /// A whole answer: its status and its body.
    Answer(u16, String),
    /// This answer with its date taken away.
    Dateless(String),
    /// A head that promises more than comes.
    Cut(String),
    /// A status, and then this for as long as anyone reads.
    Endless(u16, String),
    /// Nothing, ever.
    Nothing,
}

type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// The last of the answers is for all who come later.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Seen,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn says(answers: impl Into<Vec<Says>>) -> Self {
        let answers = answers.into();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), Arc::clone(&noted)));
            }
        });
        Self { address, seen, task }
    }

    /// The bodies of all requests.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    /// The access keys and regions that they were signed with.
    pub(crate) fn signed(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(signed, _)| signed.clone()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, answers: Vec<Says>, seen: Seen) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = request(&mut stream).await {
        let said = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            answers[(seen.len() - 1).min(answers.len() - 1)].clone()
        };
        let written = match said {
            Says::Answer(status, body) => {
                // With a refusal the SDK would take it for the reason of it, and ask again.
                let date = if status == 200 { format!("date: {DATE}\r\n") } else { String::new() };
                let head = head(status, &format!("{date}content-length: {}\r\n", body.len()));
                stream.write_all(format!("{head}{body}").as_bytes()).await
            }
            Says::Dateless(body) => {
                let head = head(200, &format!("content-length: {}\r\n", body.len()));
                stream.write_all(format!("{head}{body}").as_bytes()).await
            }
            Says::Cut(body) => {
                let head = head(200, "content-length: 10000\r\n");
                drop(stream.write_all(format!("{head}{body}").as_bytes()).await);
                return;
            }
            Says::Endless(status, body) => {
                let head = head(status, "transfer-encoding: chunked\r\n");
                drop(stream.write_all(head.as_bytes()).await);
                let chunk = format!("{:x}\r\n{body}\r\n", body.len());
                while stream.write_all(chunk.as_bytes()).await.is_ok() {}
                return;
            }
            Says::Nothing => std::future::pending().await,
        };
        if written.is_err() {
            return;
        }
    }
}

fn head(status: u16, headers: &str) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/x-amz-json-1.1\r\nx-amzn-requestid: req-7\r\n{headers}\r\n"
    )
}

/// What the next request is signed with, and its body.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut length, mut signed) = (0, String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        let (name, value) = line.split_once(':').unwrap_or_default();
        match &*name.to_ascii_lowercase() {
            "content-length" => length = value.trim().parse().ok()?,
            // AWS4-HMAC-SHA256 Credential=AKIA…/20261123/eu-west-3/secretsmanager/aws4_request, …
            "authorization" => {
                let mut scope = value.split_once("Credential=")?.1.split('/');
                signed = format!("{} {}", scope.next()?, scope.nth(1)?);
            }
            _ => {}
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((signed, String::from_utf8(body).ok()?))
}
