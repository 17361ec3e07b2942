//! The store that the configuration asks for, and what it needs while the gateway runs: collecting,
//! or a connection that is kept.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use super::StartError;
use crate::admin::Readiness;
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
    Redis(Arc<RedisStore>, Option<Box<Keeper>>),
}

/// The store of this configuration, its calls shown in traces where these are recorded.
pub(super) fn open(config: &Config, clock: &Arc<dyn Clock>) -> (Backend, Arc<dyn Store>) {
    let (backend, store) = bare(config, clock);
    if !trace::is_on() {
        return (backend, store);
    }
    let system = match &backend {
        Backend::Memory(_) => System::Memory,
        Backend::Redis(..) => System::Redis,
    };
    (backend, Arc::new(TracedStore::new(store, system)))
}

fn bare(config: &Config, clock: &Arc<dyn Clock>) -> (Backend, Arc<dyn Store>) {
    if let Some(redis) = config.store.redis.clone() {
        let issuer = config.server.issuer.as_str();
        let (store, keeper) = RedisStore::new(redis, issuer, Arc::clone(clock));
        let store = Arc::new(store);
        let measured = Measured::new(Arc::<RedisStore>::clone(&store));
        return (Backend::Redis(store, Some(Box::new(keeper))), Arc::new(measured));
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
            Self::Redis(..) => None,
        }
    }

    /// A gateway is ready while its store is.
    pub(super) fn readiness(&self, readiness: Readiness) -> Readiness {
        match self {
            Self::Memory(_) => readiness.check("store", || true),
            Self::Redis(store, _) => {
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
            Self::Redis(store, _) => {
                let store = Arc::clone(store);
                ("redis", Box::new(move || store.is_ready()))
            }
        }
    }

    /// Starts what the store needs. The connections to Redis live on a thread and a runtime of their
    /// own, as those of the proxy come and go with its services.
    pub(super) fn keep(&mut self) -> Result<Keeping, StartError> {
        let (stop, stopped) = watch::channel(false);
        let keeper = match self {
            Self::Memory(_) => {
                meter().store_up(true);
                None
            }
            Self::Redis(_, keeper) => keeper.take().map(|keeper| *keeper),
        };
        let thread = keeper.map(|keeper| spawn(keeper, stopped)).transpose();
        Ok(Keeping { stop, thread: thread.map_err(StartError::Store)? })
    }
}

fn spawn(keeper: Keeper, stopped: watch::Receiver<bool>) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || runtime.block_on(keeper.keep(stopped));
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
