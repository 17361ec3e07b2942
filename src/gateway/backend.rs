//! The store that the configuration asks for, and what it needs while the gateway runs: collecting,
//! or a connection that is kept.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use super::StartError;
use crate::admin::Readiness;
use crate::client::Ledger;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::redis::Keeper;
use crate::store::traced::{System, TracedStore};
use crate::store::{Measured, MemoryStore, RedisStore, Store};
use crate::telemetry::metrics::meter;
use crate::telemetry::trace;

/// Which store it is.
pub(super) enum Backend {
    Memory(Arc<MemoryStore>),
    Redis { store: Arc<RedisStore>, keeper: Option<Box<Keeper>>, ledger: Arc<Ledger> },
}

/// The store of this configuration, its calls shown in traces where these are recorded.
pub(super) fn open(config: &Config, clock: &Arc<dyn Clock>) -> (Backend, Arc<dyn Store>) {
    let (backend, store) = bare(config, clock);
    if !trace::is_on() {
        return (backend, store);
    }
    let system = match &backend {
        Backend::Memory(_) => System::Memory,
        Backend::Redis { .. } => System::Redis,
    };
    (backend, Arc::new(TracedStore::new(store, system)))
}

fn bare(config: &Config, clock: &Arc<dyn Clock>) -> (Backend, Arc<dyn Store>) {
    if let Some(redis) = config.store.redis.clone() {
        let issuer = config.server.issuer.as_str();
        let (store, keeper) = RedisStore::new(redis, issuer, Arc::clone(clock));
        let store = Arc::new(store);
        let measured = Measured::new(Arc::<RedisStore>::clone(&store));
        let (keeper, ledger) = (Some(Box::new(keeper)), Arc::new(Ledger::new(Arc::clone(clock))));
        return (Backend::Redis { store, keeper, ledger }, Arc::new(measured));
    }
    let store = Arc::new(MemoryStore::new(config.store.max_bytes, Arc::clone(clock)));
    meter().store_room(config.store.max_bytes);
    let measured = Measured::new(Arc::<MemoryStore>::clone(&store));
    (Backend::Memory(store), Arc::new(measured))
}

impl Backend {
    /// Collecting what has expired is the gateway's work for the memory store alone.
    pub(super) fn tidied(&self) -> Option<Arc<MemoryStore>> {
        match self {
            Self::Memory(store) => Some(Arc::clone(store)),
            Self::Redis { .. } => None,
        }
    }

    /// A gateway is ready while its store is.
    pub(super) fn readiness(&self, readiness: Readiness) -> Readiness {
        match self {
            Self::Memory(_) => readiness.check("store", || true),
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
            Self::Memory(_) => ("memory", Box::new(|| true)),
            Self::Redis { store, .. } => {
                let store = Arc::clone(store);
                ("redis", Box::new(move || store.is_ready()))
            }
        }
    }

    /// What the limits of all replicas have in common, where replicas have a store in common.
    pub(super) fn ledger(&self) -> Option<Arc<Ledger>> {
        match self {
            Self::Memory(_) => None,
            Self::Redis { ledger, .. } => Some(Arc::clone(ledger)),
        }
    }

    /// Starts what the store needs. The connections to Redis live on a thread and a runtime of their
    /// own, as those of the proxy come and go with its services.
    pub(super) fn keep(&mut self) -> Result<Keeping, StartError> {
        let (stop, stopped) = watch::channel(false);
        let thread = match self {
            Self::Memory(_) => {
                meter().store_up(true);
                None
            }
            Self::Redis { store, keeper, ledger } => keeper.take().map(|keeper| {
                let (store, ledger) = (Arc::clone(store), Arc::clone(ledger));
                spawn(async move {
                    tokio::select! {
                        () = keeper.keep(stopped) => {}
                        () = ledger.keep(&store) => {}
                    }
                })
            }),
        };
        let thread = thread.transpose().map_err(StartError::Store)?;
        Ok(Keeping { stop, thread })
    }
}

fn spawn(work: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || runtime.block_on(work);
    thread::Builder::new().name("store".to_owned()).spawn(work)
}

/// What runs for the store.
pub(super) struct Keeping {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeping {
    /// Ends it.
    pub(super) fn stop(self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
    }
}
