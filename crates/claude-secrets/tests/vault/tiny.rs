//! A server that says what a real one cannot be made to say.

use std::sync::{Arc, Mutex};

use claude_secrets::source::{StaticSource, Vault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Tiny {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tiny {
    /// Answers each request with what this makes of its first line.
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = Arc::clone(&asked);
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&notes), Arc::clone(&answer)));
            }
        });
        Self { url, asked }
    }

    /// Always the same status and body.
    pub(crate) async fn saying(status: u16, body: &str) -> Self {
        let answer = answer(status, body);
        Self::start(move |_| answer.clone()).await
    }

    pub(crate) fn vault(&self) -> Vault {
        Vault::new(&self.url).unwrap().with_token(StaticSource::new("token-canary"))
    }

    /// The requests, whole.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

pub(crate) fn answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn serve<F: Fn(&str) -> Vec<u8>>(
    mut stream: TcpStream,
    notes: Arc<Mutex<Vec<String>>>,
    answer: Arc<F>,
) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..length]);
        if !whole(&request) {
            continue;
        }
        let text = String::from_utf8_lossy(&std::mem::take(&mut request)).into_owned();
        let answer = answer(text.lines().next().unwrap_or_default());
        notes.lock().unwrap().push(text);
        // One that is not read to its end is no failure of the test.
        if stream.write_all(&answer).await.is_err() {
            break;
        }
    }
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
