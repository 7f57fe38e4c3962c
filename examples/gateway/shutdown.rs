//! Stopping: first the door, then, after the open streams have ended, the house.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How many signals to stop have come. A clone watches the same.
#[derive(Clone)]
pub(crate) struct Shutdown {
    signals: watch::Receiver<u32>,
}

impl Shutdown {
    /// Listens to SIGTERM and SIGINT from now on.
    pub(crate) fn on_signal() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (count, signals) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { signals })
    }

    /// Waits for the first signal.
    pub(crate) async fn begun(mut self) {
        self.reached(1).await;
        tracing::info!("stopping: no new connections; running requests go on to their end");
    }

    /// Waits for a second signal, or until `grace` has passed since the first.
    pub(crate) async fn hurried(mut self, grace: Duration) {
        self.reached(1).await;
        let mut again = self.clone();
        tokio::select! {
            () = again.reached(2) => {}
            () = tokio::time::sleep(grace) => {}
        }
    }

    async fn reached(&mut self, count: u32) {
        // The sender lives as long as the runtime; without it nothing will come any more.
        if self.signals.wait_for(|signals| *signals >= count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
