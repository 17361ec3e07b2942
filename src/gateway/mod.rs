//! Assembly: configuration → sockets → store → endpoints → proxy and admin → run → drain. The one
//! place where parts are wired; no part builds its collaborators.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::admin::{self, Latch, Readiness};
use crate::client::Limits;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Listen};
use crate::endpoints::{Endpoints, Shared};
use crate::proxy::listener::{self, Bound};
use crate::proxy::{Listeners, Proxy, Renewal, SetupError};
use crate::store::Store;
use crate::telemetry::Reloads;
use crate::telemetry::metrics::meter;
use crate::upstream::tls::TlsError;
use crate::upstream::{Discovery, HttpClient};

pub use reload::ReloadError;
pub use serve::{ServeError, serve};

use application::Joint;
use backend::Backend;
use chores::Chores;
use overview::Overview;

mod application;
mod backend;
mod chores;
mod observe;
mod overview;
mod page;
mod reload;
mod serve;

/// Longest wait for requests in flight after the listeners have closed.
const DRAIN: Duration = Duration::from_secs(30);

/// A gateway whose sockets are bound and whose parts are wired, not yet running.
pub struct Gateway {
    proxy: Proxy<Joint>,
    renewal: Renewal<Joint>,
    addresses: Vec<Listen>,
    mtls_addresses: Vec<Listen>,
    encrypted: bool,
    admin: Option<admin::Bound>,
    backend: Backend,
    shared: Shared,
    overview: Overview,
    reloads: Reloads,
}

/// Why a gateway does not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A public address.
    #[error("{0} (see [server] listen)")]
    Listen(#[from] listener::BindError),
    /// An address of the listener for certificates.
    #[error("{0} (see [server.mtls] listen)")]
    Mtls(listener::BindError),
    /// The private address or its thread.
    #[error(transparent)]
    Admin(#[from] admin::AdminError),
    /// `[upstream.tls]`
    #[error("[upstream.tls]: {0}")]
    Tls(#[from] TlsError),
    /// The thread that keeps the connection to the store.
    #[error("no thread for the store: {0}")]
    Store(std::io::Error),
    /// The proxy.
    #[error(transparent)]
    Proxy(#[from] SetupError),
}

impl Gateway {
    /// Binds every socket first, then wires the parts. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn bind(config: Config) -> Result<Self, StartError> {
        // Two providers are linked, so rustls wants to be told. Fails where it was told already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let public = listener::bind(&config.server.listen)?;
        let mtls = config.server.mtls.as_ref().map(|mtls| listener::bind(&mtls.listen));
        let listeners = Listeners { public, mtls: mtls.transpose().map_err(StartError::Mtls)? };
        let addresses = listeners.public.addresses();
        let mtls_addresses = listeners.mtls.as_ref().map(Bound::addresses).unwrap_or_default();
        let encrypted = config.server.tls.is_some();
        let admin = config.admin.map(admin::bind).transpose()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let client = HttpClient::new(&config.upstream, &config.server.issuer)?;
        let (backend, store) = backend::open(&config, &clock);
        let limits = Limits::new(&config.limits, Arc::clone(&clock)).shared_by(backend.ledger());
        let shared = Shared {
            store,
            discovery: Arc::new(Discovery::new(client, &config)),
            limits: Arc::new(limits),
            clock: Arc::clone(&clock),
        };
        let overview = Overview::new(&clock);
        let joint = Arc::new(Joint::new(Endpoints::new(&config, &shared), &config.server.issuer));
        let reloads = Reloads::new(&config.fingerprint, clock.now());
        let proxy = Proxy::new(listeners, joint, Arc::new(config), clock)?;
        let renewal = proxy.renewal();
        Ok(Self {
            proxy,
            renewal,
            addresses,
            mtls_addresses,
            encrypted,
            admin,
            backend,
            shared,
            overview,
            reloads,
        })
    }

    /// What the public listener is bound to, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// What the listener for certificates is bound to, in the order of the configuration.
    #[must_use]
    pub fn mtls_addresses(&self) -> &[Listen] {
        &self.mtls_addresses
    }

    /// Whether TLS ends on the public listener.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// What the admin listener is bound to.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(admin::Bound::address)
    }

    /// Looks for files that have changed, those that the parts in use follow themselves.
    fn reload(&self) -> impl Fn() + Send + 'static {
        let (renewal, clock) = (self.renewal.clone(), Arc::clone(&self.shared.clock));
        move || {
            renewal.application().reload();
            renewal.refresh_credentials(clock.now());
        }
    }

    /// What the status page shows.
    fn status(&self) -> admin::Status {
        let parts = (self.backend.health(), self.renewal.clone(), self.reloads.clone());
        self.overview.status(&self.shared, parts)
    }

    /// Ready means: the documents were fetched once, no published key has the name of another, the
    /// store does its work, and nobody is leaving. A refused reload is told beside it.
    fn readiness(&self, draining: &Latch) -> Readiness {
        let (documents, keys) = (self.renewal.clone(), self.renewal.clone());
        let (draining, reloads) = (draining.clone(), self.reloads.clone());
        let readiness = Readiness::new()
            .check("metadata", move || documents.application().discovery().current().is_some())
            .because("the upstream's metadata were not fetched yet")
            .check("keys", move || keys.application().discovery().key_names_differ())
            .because("a key of the upstream has the kid of a key that the gateway publishes")
            .check("serving", move || !draining.is_set())
            .because("the gateway is stopping")
            .fact("last_reload", move || reloads.is_last_good());
        self.backend.readiness(readiness)
    }

    /// Serves until `stop` ends, then fails readiness, takes no new connection and lets what is in
    /// flight end.
    ///
    /// # Errors
    /// [`StartError::Admin`] or [`StartError::Store`] where a thread cannot be started.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let reload = self.reload();
        let (stop_serving, serving) = watch::channel(false);
        let (stop_admin, admin_stopped) = watch::channel(false);
        let draining = Latch::new();
        let readiness = self.readiness(&draining);
        let (watched, status) = (self.overview.sampler(), self.status());
        let admin = self.admin.map(|admin| admin.with_status(status));
        let admin = admin.map(|admin| admin.run(readiness, meter(), admin_stopped)).transpose()?;
        let keeping = self.backend.keep()?;
        let (store, limits) = (Arc::clone(&self.shared.store), Arc::clone(&self.shared.limits));
        let tidied = self.backend.tidied();
        let slow = move || {
            reload();
            watched();
        };
        let chores = Chores::start(store, tidied, limits, slow);
        let renewal = self.renewal;
        let serve = self.proxy.serve(serving.clone());
        let work = async { tokio::join!(serve, keep_fresh(&renewal, serving)) };
        let stopping = async {
            stop.await;
            draining.set();
            tracing::info!("stopping: no new connections are taken");
            let _ = stop_serving.send(true);
        };
        tokio::join!(work, stopping);
        renewal.application().idle(DRAIN).await;
        let _ = stop_admin.send(true);
        chores.stop();
        keeping.stop();
        if let Some(admin) = admin {
            let _ = tokio::task::spawn_blocking(move || admin.join()).await;
        }
        Ok(())
    }
}

/// Keeps the upstream's documents fresh, whichever upstream it is, until `serving` changes.
async fn keep_fresh(renewal: &Renewal<Joint>, serving: watch::Receiver<bool>) {
    let mut changes = renewal.changes();
    loop {
        let discovery = Arc::clone(renewal.application().discovery());
        tokio::select! {
            () = discovery.keep_fresh(serving.clone()) => return,
            _ = changes.changed() => {}
        }
    }
}

/// What the metrics say of the store.
fn report(store: &dyn Store) {
    let usage = store.usage();
    meter().store_size(usage.requests, usage.bytes);
}
