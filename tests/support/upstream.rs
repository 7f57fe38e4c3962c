//! What the gateway calls: a socket that the test answers by hand.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::wire::{Body, Head, Peer};
use super::within_limit;

/// Reads the heads of requests, on as many connections as are opened, and hands them to the test.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Request>,
    sender: mpsc::UnboundedSender<Request>,
    accepting: JoinHandle<()>,
}

/// A request of which the head has been read, and its connection.
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) peer: Peer,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        let (sender, requests) = mpsc::unbounded_channel();
        let to = sender.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                read_on(to.clone(), Peer::new(stream));
            }
        });
        Self { address, requests, sender, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request, on whatever connection.
    pub(crate) async fn request(&mut self) -> Request {
        within_limit(self.requests.recv()).await.expect("it holds a sender itself")
    }

    /// The next request with its body; both ends of the connection are free again.
    pub(crate) async fn whole_request(&mut self) -> (Request, Body) {
        let mut request = self.request().await;
        let body = request.peer.rest().await;
        (request, body)
    }

    /// Leaves a connection open for the next request.
    ///
    /// One that ends after a whole answer has to be kept if another request follows: the gateway may take it for that
    /// one before it has seen the end.
    pub(crate) fn keep(&self, peer: Peer) {
        read_on(self.sender.clone(), peer);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn read_on(to: mpsc::UnboundedSender<Request>, mut peer: Peer) {
    tokio::spawn(async move {
        if let Some(head) = peer.request().await {
            // Without a receiver the test is over.
            to.send(Request { head, peer }).ok();
        }
    });
}

/// An address that refuses connections and that nobody else can get, as long as this lives.
pub(crate) struct Closed {
    _socket: TcpSocket,
    pub(crate) url: String,
}

impl Closed {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        // Bound without listening.
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback is there");
        let url = format!("http://{}", socket.local_addr().expect("it is bound"));
        Self { _socket: socket, url }
    }
}
