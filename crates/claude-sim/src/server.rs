//! The simulator on a socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::pin;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower_service::Service;

use crate::simulator::Simulator;

/// How many connections a server holds; more wait in the system's queue.
pub const MAX_CONNECTIONS: usize = 8_192;

/// After an accept that failed for want of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A simulator that is being served. Dropping it closes the socket and cuts every connection;
/// [`shutdown`](Self::shutdown) lets them end.
pub struct Server {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn bind(simulator: Simulator, addr: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(simulator, listener, stopped));
        Ok(Self { addr, stop, task })
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

    /// Takes no more connections, lets the responses in progress end, and closes. A client that does not read
    /// its response holds this up.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is the same as dropping the server.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // It fails only if its runtime is going down, and then it has ended too.
        (&mut self.task).await.ok();
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
async fn accept(simulator: Simulator, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(simulator.clone(), stream, stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(simulator: Simulator, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    // Events leave as they are made. A socket that cannot do that is slower and no less right.
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| simulator.clone().call(request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            // A connection that breaks is the client's affair.
            _ = connection.as_mut() => return,
            _ = stopped.changed(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
