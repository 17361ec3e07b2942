//! The store that the configuration asks for, and what it needs while the gateway runs: collecting,
//! or a connection that is kept.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::Readiness;
use crate::client::Ledger;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::snapshot::SnapshotFile;
use crate::store::observed::{Observed, System};
use crate::store::redis::Keeper;
use crate::store::snapshot::{SnapshotError, refused};
use crate::store::{MemoryStore, RedisStore, Store, Tally};
use crate::telemetry::metrics::meter;

/// Which store it is.
pub(super) enum Backend {
    Memory(Arc<MemoryStore>, Option<Saved>),
    Redis { store: Arc<RedisStore>, keeper: Option<Box<Keeper>>, ledger: Arc<Ledger> },
}

/// The store of this configuration, its calls watched for metrics and traces.
pub(super) fn open(config: &Config, clock: &Arc<dyn Clock>) -> (Backend, Arc<dyn Store>) {
    if let Some(redis) = config.store.redis.clone() {
        let issuer = config.server.issuer.as_str();
        let (store, keeper) = RedisStore::new(redis, issuer, Arc::clone(clock));
        let store = Arc::new(store.bounded(config.store.max_bytes));
        let observed = Observed::new(Arc::<RedisStore>::clone(&store), System::Redis);
        let (keeper, ledger) = (Some(Box::new(keeper)), Arc::new(Ledger::new(Arc::clone(clock))));
        return (Backend::Redis { store, keeper, ledger }, Arc::new(observed));
    }
    let store = Arc::new(MemoryStore::new(config.store.max_bytes, Arc::clone(clock)));
    meter().store_room(config.store.max_bytes);
    let issuer = config.server.issuer.as_str();
    let saved = config
        .store
        .snapshot
        .clone()
        .map(|file| Saved { file: Arc::new(ArcSwap::from_pointee(file)), issuer: issuer.into() });
    let observed = Observed::new(Arc::<MemoryStore>::clone(&store), System::Memory);
    (Backend::Memory(store, saved), Arc::new(observed))
}

/// Where the memory store outlasts a restart.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    /// Its key is that of the configuration in use, with which the next process reads.
    file: Arc<ArcSwap<SnapshotFile>>,
    issuer: Box<str>,
}

impl Saved {
    /// Takes the key of another configuration.
    pub(super) fn follow(&self, config: &Config) {
        if let Some(file) = &config.store.snapshot {
            self.file.store(Arc::new(file.clone()));
        }
    }
}

impl Backend {
    /// Collecting what has expired is the gateway's work for the memory store alone.
    pub(super) fn tidied(&self) -> Option<Arc<MemoryStore>> {
        match self {
            Self::Memory(store, _) => Some(Arc::clone(store)),
            Self::Redis { .. } => None,
        }
    }

    /// What is to be saved at the end and was saved at the last one.
    pub(super) fn memory(&self) -> Option<Memory> {
        match self {
            Self::Memory(store, Some(saved)) => {
                Some(Memory { store: Arc::clone(store), saved: saved.clone() })
            }
            Self::Memory(_, None) | Self::Redis { .. } => None,
        }
    }

    /// Where the memory store is saved, if it is.
    pub(super) fn saved(&self) -> Option<Saved> {
        match self {
            Self::Memory(_, saved) => saved.clone(),
            Self::Redis { .. } => None,
        }
    }

    /// Whether other processes see what is kept here.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self, Self::Redis { .. })
    }

    /// A gateway is ready while its store is.
    pub(super) fn readiness(&self, readiness: Readiness) -> Readiness {
        match self {
            Self::Memory(..) => readiness.check("store", || true),
            Self::Redis { store, .. } => {
                let store = Arc::clone(store);
                readiness
                    .check("store", move || store.is_ready())
                    .because("Redis does not answer, or throws out what it should keep")
            }
        }
    }

    /// Its name, and whether it does its work.
    pub(super) fn health(&self) -> (&'static str, Box<dyn Fn() -> bool + Send + Sync>) {
        match self {
            Self::Memory(..) => ("memory", Box::new(|| true)),
            Self::Redis { store, .. } => {
                let store = Arc::clone(store);
                ("redis", Box::new(move || store.is_ready()))
            }
        }
    }

    /// What the limits of all replicas have in common, where replicas have a store in common.
    pub(super) fn ledger(&self) -> Option<Arc<Ledger>> {
        match self {
            Self::Memory(..) => None,
            Self::Redis { ledger, .. } => Some(Arc::clone(ledger)),
        }
    }

    /// Starts what the store needs: the connection to Redis lives on the runtime whose requests use it,
    /// so that a call need not wake another thread on its way there and back.
    #[expect(clippy::disallowed_methods, reason = "`Keeping` stops it")]
    pub(super) fn keep(&mut self) -> Keeping {
        let (stop, stopped) = watch::channel(false);
        let task = match self {
            Self::Memory(..) => {
                meter().store_up(true);
                None
            }
            Self::Redis { store, keeper, ledger } => keeper.take().map(|keeper| {
                let (store, ledger) = (Arc::clone(store), Arc::clone(ledger));
                tokio::spawn(async move {
                    tokio::select! {
                        () = keeper.keep(stopped) => {}
                        () = ledger.keep(&store) => {}
                    }
                })
            }),
        };
        Keeping { stop, task }
    }
}

/// A memory store that outlasts restarts. Every call may block.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    store: Arc<MemoryStore>,
    saved: Saved,
}

impl Memory {
    /// Ends the store's work and writes down what it holds.
    pub(super) fn save(&self) -> Result<Tally, SnapshotError> {
        self.store.freeze();
        self.store.save(&self.saved.file.load(), &self.saved.issuer)
    }

    /// Makes what [`save`](Self::save) did undone. A snapshot of a store that goes on must not stay.
    pub(super) fn resume(&self) -> Result<(), SnapshotError> {
        let withdrawn = self.store.withdraw(&self.saved.file.load());
        self.store.thaw();
        withdrawn
    }

    /// Takes what the process before has written down, if it has.
    pub(super) fn restore(&self) -> Result<Option<Tally>, SnapshotError> {
        self.store.restore(&self.saved.file.load(), &self.saved.issuer)
    }

    /// The same for a start, which goes on without what cannot be read.
    pub(super) fn restore_or_tell(&self) {
        let path = &self.saved.file.load().path;
        match self.restore() {
            Ok(Some(tally)) => told("read", tally),
            Ok(None) => {}
            Err(error) if error.is_refusal() => {
                let aside = refused(path);
                tracing::error!(
                    snapshot = %path.display(), aside = %aside.display(), %error,
                    "the snapshot is refused and set aside; the store begins empty"
                );
            }
            Err(error) => tracing::error!(%error, "no snapshot; the store begins empty"),
        }
    }
}

/// Says what became of a snapshot.
pub(super) fn told(what: &str, tally: Tally) {
    let Tally { requests, expired, refused } = tally;
    tracing::info!(requests, expired, refused, "the snapshot was {what}");
}

/// What runs for the store.
pub(super) struct Keeping {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Keeping {
    /// Ends it.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(true);
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}
