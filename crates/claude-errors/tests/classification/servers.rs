//! Servers on raw sockets, that do as they are told.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

/// Serves one connection after the other, and stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    pub(crate) async fn start<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                serve(tcp).await;
            }
        });
        Self { address, task: task.abort_handle() }
    }

    /// Reads each request, answers with these bytes, and closes.
    pub(crate) async fn answering(bytes: &'static [u8]) -> Self {
        Self::start(move |mut tcp| async move {
            read_request(&mut tcp).await;
            tcp.write_all(bytes).await.unwrap();
            tcp.shutdown().await.unwrap();
        })
        .await
    }

    /// The same, and the connection is reset behind the bytes.
    pub(crate) async fn resetting(bytes: &'static [u8]) -> Self {
        Self::start(move |mut tcp| async move {
            read_request(&mut tcp).await;
            tcp.write_all(bytes).await.unwrap();
            reset(&tcp);
        })
        .await
    }

    /// Reads each request, and says nothing.
    pub(crate) async fn silent() -> Self {
        Self::start(|mut tcp| async move {
            read_request(&mut tcp).await;
            // Until the client leaves.
            drop(tcp.read(&mut [0]).await);
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/messages", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Closing it now tells the other side that the connection was reset.
pub(crate) fn reset(tcp: &TcpStream) {
    socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads a head and the body that its length announces.
pub(crate) async fn read_request(tcp: &mut TcpStream) {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if tcp.read_buf(&mut read).await.unwrap() == 0 {
            return;
        }
    };
    let head = String::from_utf8(read[..end].to_ascii_lowercase()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while read.len() < end + length {
        assert_ne!(tcp.read_buf(&mut read).await.unwrap(), 0);
    }
}

/// An address that refuses connections as long as the socket lives, since nobody else can take the port.
pub(crate) fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
