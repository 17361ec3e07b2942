//! The beginning of a gateway: what the one before it has left, in a file or by its own hand.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::handover::{HandoverError, Predecessor, READINESS, Relieved, Snapshot};
use super::orders::Orders;
use super::{Gateway, StartError, systemd};
use crate::admin::Latch;
use crate::config::{Config, Listen};
use crate::proxy::listener::{Inherited, Opener, Passed, name};

/// Said to the service manager while the gateway works.
pub(super) const SERVING: &str = "serving";

/// What has to be said once the gateway serves.
pub(super) enum Begun {
    Afresh,
    InPlaceOf(Relieved),
}

impl Begun {
    pub(super) fn tell(self) {
        match self {
            Self::Afresh => systemd::ready(SERVING),
            Self::InPlaceOf(relieved) => {
                systemd::taken_over(SERVING);
                drop(relieved);
            }
        }
    }
}

impl Gateway {
    /// Waits for the gateway that runs and takes its sockets; its place is taken when this one
    /// [runs](Self::run).
    ///
    /// # Errors
    /// [`StartError`]; the other one goes on then.
    pub async fn succeed(config: Config) -> Result<Self, StartError> {
        let path = config.server.upgrade_socket.clone().ok_or(HandoverError::NoSocket)?;
        let (predecessor, sockets) = Predecessor::meet(&path).await?;
        let mut inherited = Inherited::new(sockets).map_err(HandoverError::from)?;
        let mut gateway = Self::inherit(config, &mut inherited)?;
        for socket in inherited.unclaimed() {
            tracing::info!(socket, "no listener is for this socket any more");
        }
        gateway.predecessor = Some(predecessor);
        Ok(gateway)
    }

    /// Takes what the gateway before this one has left; `None` where an order to stop came first.
    pub(super) async fn begin(&mut self, orders: &mut Orders) -> Result<Option<Begun>, StartError> {
        let Some(predecessor) = self.predecessor.take() else {
            if let Some(memory) = self.backend.memory() {
                let _ = spawn_blocking(move || memory.restore_or_tell()).await;
            }
            return Ok(Some(Begun::Afresh));
        };
        tokio::select! {
            relieved = self.relieve(predecessor) => Ok(Some(Begun::InPlaceOf(relieved?))),
            _ = orders.stop() => Ok(None),
        }
    }

    async fn relieve(&self, predecessor: Predecessor) -> Result<Relieved, HandoverError> {
        self.ready_for_work().await?;
        let (predecessor, snapshot) = predecessor.ready().await?;
        match (snapshot, self.backend.memory()) {
            (Snapshot::Written, Some(memory)) => {
                let restored = spawn_blocking(move || memory.restore()).await;
                let restored = restored.map_err(std::io::Error::other)??;
                super::backend::told("read", restored.ok_or(HandoverError::NoSnapshot)?);
            }
            (Snapshot::NotNeeded, None) if self.backend.is_shared() => {}
            _ => return Err(HandoverError::OtherStore),
        }
        predecessor.taken().await
    }

    /// Waits until this gateway would be ready. The one before it serves meanwhile.
    async fn ready_for_work(&self) -> Result<(), HandoverError> {
        let checks = self.readiness(&Latch::new());
        let failing = || checks.verdicts().into_iter().find(|(_, holds)| !holds);
        let ready = async {
            loop {
                // What it answers stands in the checks.
                let _ = self.renewal.application().discovery().available().await;
                if failing().is_none() {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(READINESS, ready).await.map_err(|_| {
            let failing = failing().map(|(name, _)| name).unwrap_or_default();
            HandoverError::NotReady(failing.to_owned())
        })
    }

    /// Second descriptors of every socket, where one may have to be handed over.
    pub(super) fn sockets(&self) -> Result<Vec<Passed>, StartError> {
        if !self.patience.hands_over() {
            return Ok(Vec::new());
        }
        let mut sockets = self.proxy.sockets().map_err(StartError::Descriptor)?;
        if let Some((configured, bound)) = &self.admin {
            sockets.push(private(configured, bound).map_err(StartError::Descriptor)?);
        }
        Ok(sockets)
    }
}

fn private(configured: &Listen, bound: &crate::admin::Bound) -> std::io::Result<Passed> {
    let fd = bound.duplicate()?.into();
    Ok(Passed { name: name("admin", configured), fd, opener: Opener::Gateway })
}
