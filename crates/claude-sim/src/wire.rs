//! A connection's socket, with ways to end that HTTP does not have.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::lock::lock;

/// A socket that can be reset, and that can send more than a response's `content-length`.
pub(crate) struct Wire {
    stream: TcpStream,
    ending: Arc<Ending>,
}

/// How the connection ends; shared with those who know.
#[derive(Default)]
pub(crate) struct Ending {
    state: Mutex<State>,
    /// There are bytes to be sent after the end.
    has_excess: Notify,
}

#[derive(Default)]
struct State {
    reset: bool,
    excess: Bytes,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, ending: Arc<Ending>) -> Self {
        // Events leave as they are made. A socket that cannot do that is slower and no less right.
        stream.set_nodelay(true).ok();
        Self { stream, ending }
    }
}

impl Ending {
    /// Whoever is at the other end sees a reset.
    pub(crate) fn reset(&self) {
        self.state().reset = true;
    }

    /// These bytes come after the response that is being sent, and then the end of the connection.
    pub(crate) fn send_after(&self, excess: Bytes) {
        self.state().excess = excess;
        self.has_excess.notify_one();
    }

    pub(crate) async fn has_excess(&self) {
        self.has_excess.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let excess = self.ending.state().excess.clone();
            if excess.is_empty() {
                return Pin::new(&mut self.stream).poll_shutdown(cx);
            }
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &excess))?;
            self.ending.state().excess.advance(sent);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.ending.state().reset {
            // A socket that cannot be reset is closed.
            self.stream.set_zero_linger().ok();
        }
    }
}
