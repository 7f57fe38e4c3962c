//! Servers whose every byte is kept, as it came over the wire.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::canary;

/// What came, of all connections.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn keep(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    /// Each of these keys came so often, in the one header where it belongs; and no other, nor anywhere else.
    #[track_caller]
    pub(crate) fn are_exactly(&self, keys: &[(&str, usize)]) {
        let mut text = String::from_utf8_lossy(&self.bytes()).into_owned();
        for (key, times) in keys {
            let lines = [format!("\r\nx-api-key: {key}\r\n"), format!("\r\nauthorization: Bearer {key}\r\n")];
            let came: usize = lines.iter().map(|line| text.matches(line).count()).sum();
            assert_eq!(came, *times, "how often a key came to its own origin");
            for line in lines {
                text = text.replace(&line, "\r\n");
            }
        }
        if let Some(found) = canary::find(text.as_bytes()) {
            panic!("a key was sent where it does not belong: {found}");
        }
    }
}

/// A server on loopback. It ends with its handle.
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    pub(crate) kept: Kept,
    task: JoinHandle<()>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tap {
    /// In front of a server: all passes.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        Self::new(move |stream, kept| pass(stream, server, kept)).await
    }

    /// Gives the same answer to whatever comes, and closes.
    pub(crate) async fn answering(answer: String) -> Self {
        Self::new(move |stream, kept| answer_once(stream, answer.clone(), kept)).await
    }

    async fn new<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream, Kept) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, kept) = (listener.local_addr().unwrap(), Kept::default());
        let all = kept.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(serve(stream, all.clone())));
            }
        });
        Self { address, kept, task }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn pass(client: TcpStream, server: SocketAddr, kept: Kept) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = tokio::spawn(async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            kept.keep(&bytes[..length]);
            if to_server.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
    });
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match from_server.read(&mut bytes).await {
            Ok(0) => break,
            Ok(length) => {
                if to_client.write_all(&bytes[..length]).await.is_err() {
                    break;
                }
            }
            // What was reset there is reset here.
            Err(_) => {
                SockRef::from(to_client.as_ref()).set_linger(Some(Duration::ZERO)).unwrap();
                break;
            }
        }
    }
    there.abort();
}

async fn answer_once(mut client: TcpStream, answer: String, kept: Kept) {
    let (mut all, mut bytes) = (Vec::new(), vec![0; 64 * 1024]);
    while !is_whole(&all) {
        match client.read(&mut bytes).await {
            Ok(length @ 1..) => {
                kept.keep(&bytes[..length]);
                all.extend_from_slice(&bytes[..length]);
            }
            _ => return,
        }
    }
    client.write_all(answer.as_bytes()).await.ok();
    client.shutdown().await.ok();
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
