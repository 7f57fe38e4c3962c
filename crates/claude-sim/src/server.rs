//! The simulator on a socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use claude_wire::BoxError;
use claude_wire::body::FailingLate;
use http::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::pin;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tower_service::Service;

use crate::body::SimBody;
use crate::delivery::Excess;
use crate::future::ResponseFuture;
use crate::simulator::Simulator;
use crate::wire::{Ending, Wire};

/// How many connections a server holds if the builder is not told otherwise; more wait in the system's queue.
pub const MAX_CONNECTIONS: usize = 8_192;

/// How long [`Server::shutdown`] waits for responses that are in progress.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// After an accept that failed for want of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A simulator that is being served. Dropping it closes the socket and cuts every connection;
/// [`shutdown`](Self::shutdown) lets them end.
pub struct Server {
    addr: SocketAddr,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

/// What the accepting task is told, and where it says that it is done.
enum Order {
    Refuse(oneshot::Sender<io::Result<()>>),
    Accept(oneshot::Sender<io::Result<()>>),
    Stop,
}

impl Server {
    pub(crate) async fn bind(simulator: Simulator, addr: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (orders, received) = mpsc::channel(1);
        let task = tokio::spawn(accept(simulator, addr, listener, received));
        Ok(Self { addr, orders, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a client is pointed at, as in `ANTHROPIC_BASE_URL`: `http://127.0.0.1:8787`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Closes the socket, so that new connections are refused by the system, or listens again at the same port. It
    /// is so when the future ends. Connections that are there end after the response that they are at.
    ///
    /// # Errors
    ///
    /// If the port has been taken by somebody else in the meantime.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the change may have happened or not.
    pub async fn refuse(&self, refuse: bool) -> io::Result<()> {
        let gone = |_| io::Error::other("the server's runtime is gone");
        let (done, is_done) = oneshot::channel();
        let order = if refuse { Order::Refuse(done) } else { Order::Accept(done) };
        self.orders.send(order).await.map_err(|_| io::Error::other("the server's runtime is gone"))?;
        is_done.await.map_err(gone)?
    }

    /// Takes no more connections, lets the responses in progress end, and closes. What stands still, because of a
    /// fault or because a client does not read, is cut after [`SHUTDOWN_GRACE`]; that is of tokio's clock, which
    /// runs ahead of sockets when it is paused.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is the same as dropping the server.
    pub async fn shutdown(self) {
        self.shutdown_within(SHUTDOWN_GRACE).await;
    }

    /// As [`shutdown`](Self::shutdown), with another time of grace.
    pub async fn shutdown_within(mut self, grace: Duration) {
        self.orders.send(Order::Stop).await.ok();
        // It fails only if its runtime is going down, and then it has ended too. Otherwise the drop ends it.
        if tokio::time::timeout(grace, &mut self.task).await.is_err() {
            self.task.abort();
            (&mut self.task).await.ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Owns the connections, so that they end with it.
async fn accept(
    simulator: Simulator,
    addr: SocketAddr,
    listener: TcpListener,
    mut orders: mpsc::Receiver<Order>,
) {
    let most = simulator.shared.max_connections.get();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    // Dropping the sender, or sending on it, tells all connections of its time to end.
    let (mut open, mut is_open) = watch::channel(());
    loop {
        tokio::select! {
            accepted = next(listener.as_ref()), if connections.len() < most => match accepted {
                Ok(stream) => {
                    connections.spawn(serve(simulator.clone(), stream, is_open.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            order = orders.recv() => match order {
                Some(Order::Refuse(done)) => {
                    listener = None;
                    (open, is_open) = watch::channel(());
                    done.send(Ok(())).ok();
                }
                Some(Order::Accept(done)) => {
                    done.send(listen(addr, &mut listener).await).ok();
                }
                Some(Order::Stop) | None => break,
            },
        }
    }
    drop((listener, open));
    while connections.join_next().await.is_some() {}
}

async fn next(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn listen(addr: SocketAddr, listener: &mut Option<TcpListener>) -> io::Result<()> {
    if listener.is_none() {
        *listener = Some(TcpListener::bind(addr).await?);
    }
    Ok(())
}

async fn serve(simulator: Simulator, stream: TcpStream, mut is_open: watch::Receiver<()>) {
    let ending = Arc::new(Ending::default());
    let service = service_fn(|request| answer(simulator.clone().call(request), Arc::clone(&ending)));
    let wire = TokioIo::new(Wire::new(stream, Arc::clone(&ending)));
    let connection = http1::Builder::new().serve_connection(wire, service);
    pin!(connection);
    let mut closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                // A connection that breaks is the client's affair, unless it was broken on purpose.
                if ended.is_err_and(|error| error.is_user() && !error.is_body_write_aborted()) {
                    ending.reset();
                }
                return;
            }
            _ = is_open.changed(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            // The head is out by now, and does not say that the connection ends.
            () = ending.has_excess(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    answer: ResponseFuture,
    ending: Arc<Ending>,
) -> Result<Response<FailingLate<SimBody>>, BoxError> {
    let response = answer.await?;
    if let Some(Excess(excess)) = response.extensions().get() {
        ending.send_after(excess.clone());
    }
    Ok(response.map(FailingLate::new))
}
