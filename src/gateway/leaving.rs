//! The end of a gateway: orders are taken while it serves, and carried out one stage after the other.

use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::backend::{Memory, told};
use super::handover::{HandoverError, Snapshot, Successor};
use super::orders::{Order, Orders};
use super::systemd;
use crate::admin::Latch;
use crate::config::Server;
use crate::proxy::listener::Passed;
use crate::proxy::{Connections, Phase};
use crate::store::snapshot::SnapshotError;
use crate::telemetry::metrics::meter;

/// How long the stages may take, and where another process waits.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    delay: Duration,
    timeout: Duration,
    upgrade_socket: Option<PathBuf>,
}

impl Patience {
    pub(super) fn of(server: &Server) -> Self {
        Self {
            delay: server.drain_delay,
            timeout: server.drain_timeout,
            upgrade_socket: server.upgrade_socket.clone(),
        }
    }

    /// Whether sockets may have to be handed over.
    pub(super) const fn hands_over(&self) -> bool {
        self.upgrade_socket.is_some()
    }
}

/// Longest wait of new connections, while a store in memory is handed over, for requests that may
/// need it.
const SETTLING: Duration = Duration::from_secs(10);

/// What a gateway that serves leaves by.
pub(super) struct Leaving<'a> {
    pub(super) orders: &'a mut Orders,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) connections: Connections,
    /// Second descriptors of every socket, for another process.
    pub(super) sockets: Vec<Passed>,
    pub(super) memory: Option<Memory>,
    pub(super) patience: Patience,
    pub(super) draining: Latch,
    pub(super) stop_admin: watch::Sender<bool>,
}

impl Leaving<'_> {
    /// Takes orders until one has ended the gateway's work.
    ///
    /// # Errors
    /// What is pending could not be saved, and is lost.
    pub(super) async fn steer(&mut self) -> Result<(), SnapshotError> {
        loop {
            let order = self.orders.next().await;
            if order != Order::HandOver {
                return self.stop(order).await;
            }
            let met = tokio::select! {
                met = meet(&self.patience, &self.sockets) => met,
                order = self.orders.stop() => return self.stop(order).await,
            };
            let handed_over = match met {
                Ok(successor) => self.hand_over(successor).await,
                Err(error) => Err(error),
            };
            match handed_over {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::error!(%error, "no other process takes over; this one goes on");
                }
            }
        }
    }

    async fn stop(&mut self, order: Order) -> Result<(), SnapshotError> {
        self.draining.set();
        meter().draining(true);
        let Patience { delay, timeout, .. } = self.patience;
        systemd::stopping(delay + timeout + Duration::from_secs(30));
        self.phase.send_replace(Phase::Leaving);
        let delay = if order == Order::Stop { delay } else { Duration::ZERO };
        tracing::info!(delay_ms = delay.as_millis(), "stopping: no longer ready");
        let hurried = tokio::select! {
            () = sleep(delay) => false,
            _ = self.orders.stop() => true,
        };
        self.phase.send_replace(Phase::Closed);
        self.sockets.clear();
        tracing::info!("stopping: no new connections are taken");
        if !hurried {
            self.drain().await;
        }
        let Some(memory) = self.memory.take() else {
            return Ok(());
        };
        told("written", blocking(move || memory.save()).await?);
        Ok(())
    }

    /// Waits for what is in flight, as long as that may take and nobody is in a hurry.
    async fn drain(&mut self) {
        tokio::select! {
            _ = self.connections.ended(self.patience.timeout) => {}
            _ = self.orders.stop() => {}
        }
        match self.connections.open() {
            0 => tracing::info!("stopping: nothing is in flight"),
            left => tracing::warn!(left, "stopping: connections were still in use at the end"),
        }
    }
}

impl Leaving<'_> {
    /// Lets `successor` take over. Whoever connects meanwhile waits in the system's queue.
    async fn hand_over(&mut self, successor: Successor) -> Result<(), HandoverError> {
        tracing::info!("handing over: no connections are taken for a moment");
        self.phase.send_replace(Phase::Paused);
        let passed = match self.put_down().await {
            Ok(snapshot) => successor.pass(snapshot).await,
            Err(error) => Err(error.into()),
        };
        let successor = match passed {
            Ok(successor) => successor,
            Err(error) => {
                self.take_up().await;
                return Err(error);
            }
        };
        // From here on there is no way back.
        self.memory = None;
        let _ = self.stop_admin.send(true);
        self.phase.send_replace(Phase::HandedOver);
        drop(mem::take(&mut self.sockets));
        if let Err(error) = successor.farewell().await {
            tracing::error!(%error, "the process that took over ended at once");
        }
        tracing::info!("handed over: finishing what is in flight");
        self.drain().await;
        Ok(())
    }

    /// Writes down a store in memory, once nothing in flight may need it.
    async fn put_down(&self) -> Result<Snapshot, SnapshotError> {
        let Some(memory) = self.memory.clone() else {
            return Ok(Snapshot::NotNeeded);
        };
        let left = self.connections.decided(SETTLING.min(self.patience.timeout)).await;
        if left > 0 {
            tracing::warn!(left, "requests in flight have to do without the store from now on");
        }
        told("written", blocking(move || memory.save()).await?);
        Ok(Snapshot::Written)
    }

    async fn take_up(&self) {
        if let Some(memory) = self.memory.clone()
            && let Err(error) = blocking(move || memory.resume()).await
        {
            tracing::error!(%error, "a snapshot is left that must not be read");
        }
        self.phase.send_replace(Phase::Serving);
    }
}

/// Brings the sockets to the process that waits for them.
async fn meet(patience: &Patience, sockets: &[Passed]) -> Result<Successor, HandoverError> {
    let path = patience.upgrade_socket.as_ref().ok_or(HandoverError::NoSocket)?;
    tracing::info!(at = %path.display(), "handing over: bringing the sockets");
    let again = |socket: &Passed| {
        let (name, opener) = (socket.name.clone(), socket.opener);
        socket.fd.try_clone().map(|fd| Passed { name, fd, opener })
    };
    let sockets = sockets.iter().map(again).collect::<Result<_, _>>()?;
    Successor::meet(path, sockets).await
}

/// Away from the requests that the runtime works on.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    match spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(SnapshotError::Unsealed),
    }
}
