//! Assembly: configuration → sockets → store → endpoints → proxy and admin → run → leave. The one
//! place where parts are wired; no part builds its collaborators.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::admin::{self, Latch, Readiness};
use crate::client::Limits;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Listen};
use crate::endpoints::{Endpoints, Shared};
use crate::proxy::listener::{self, Bound, Inherited};
use crate::proxy::{Listeners, Phase, Proxy, Renewal, SetupError};
use crate::store::Store;
use crate::store::snapshot::SnapshotError;
use crate::telemetry::Reloads;
use crate::telemetry::metrics::meter;
use crate::upstream::tls::TlsError;
use crate::upstream::{Discovery, HttpClient};

pub use handover::HandoverError;
pub use orders::{Order, Orders};
pub use reload::ReloadError;
pub use serve::{Read, ServeError, Start, serve};

use application::Joint;
use backend::Backend;
use chores::Chores;
use handover::Predecessor;
use leaving::{Leaving, Patience};
use overview::Overview;

mod application;
mod backend;
mod chores;
mod handover;
mod leaving;
mod observe;
mod orders;
mod overview;
mod page;
mod reload;
mod serve;
mod succession;
pub mod systemd;

/// A gateway whose sockets are bound and whose parts are wired, not yet running.
pub struct Gateway {
    proxy: Proxy<Joint>,
    renewal: Renewal<Joint>,
    addresses: Vec<Listen>,
    mtls_addresses: Vec<Listen>,
    encrypted: bool,
    admin: Option<(Listen, admin::Bound)>,
    backend: Backend,
    shared: Shared,
    patience: Patience,
    predecessor: Option<Predecessor>,
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
    /// The proxy.
    #[error(transparent)]
    Proxy(#[from] SetupError),
    /// A second descriptor of a socket.
    #[error("no second descriptor of a socket: {0}")]
    Descriptor(std::io::Error),
    /// The gateway whose place was to be taken.
    #[error("the running gateway was not replaced: {0}")]
    Handover(#[from] HandoverError),
    /// The end of a gateway that ran.
    #[error("what is pending could not be saved: {0}")]
    Snapshot(#[from] SnapshotError),
}

impl Gateway {
    /// Binds every socket first, then wires the parts. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn bind(config: Config) -> Result<Self, StartError> {
        Self::inherit(config, &mut Inherited::default())
    }

    /// The same with sockets that are open already, for as many listeners as there are.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn inherit(config: Config, inherited: &mut Inherited) -> Result<Self, StartError> {
        // Two providers are linked, so rustls wants to be told. Fails where it was told already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let public = inherited.bind("public", &config.server.listen)?;
        let mtls = config.server.mtls.as_ref().map(|mtls| inherited.bind("mtls", &mtls.listen));
        let listeners = Listeners { public, mtls: mtls.transpose().map_err(StartError::Mtls)? };
        let addresses = listeners.public.addresses();
        let mtls_addresses = listeners.mtls.as_ref().map(Bound::addresses).unwrap_or_default();
        let encrypted = config.server.tls.is_some();
        let admin = config.admin.map(|address| private(address, inherited)).transpose()?;
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
        let patience = Patience::of(&config.server);
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
            patience,
            predecessor: None,
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
        self.admin.as_ref().map(|(_, bound)| bound.address())
    }

    /// Looks for files that have changed, those that the parts in use follow themselves.
    fn reload(&self) -> impl Fn() + Send + 'static {
        let (renewal, clock) = (self.renewal.clone(), Arc::clone(&self.shared.clock));
        move || {
            renewal.application().reload();
            renewal.refresh_credentials(clock.wall());
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

    /// Serves until `orders` end that.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn run(mut self, mut orders: Orders) -> Result<(), StartError> {
        let keeping = self.backend.keep();
        let (store, limits) = (Arc::clone(&self.shared.store), Arc::clone(&self.shared.limits));
        let (reload, watched) = (self.reload(), self.overview.sampler());
        let slow = move || {
            reload();
            watched();
        };
        let chores = Chores::start(store, self.backend.tidied(), limits, slow);
        let served = self.serve(&mut orders).await;
        chores.stop();
        keeping.stop().await;
        served
    }

    async fn serve(mut self, orders: &mut Orders) -> Result<(), StartError> {
        let begun = self.begin(orders).await?;
        let Some(relieved) = begun else {
            return Ok(());
        };
        let (phase, told) = watch::channel(Phase::Serving);
        let (stop_admin, admin_stopped) = watch::channel(false);
        let (stop_fetching, fetching) = watch::channel(false);
        let draining = Latch::new();
        let (readiness, status) = (self.readiness(&draining), self.status());
        let mut leaving = Leaving {
            orders,
            phase,
            connections: self.proxy.connections(),
            sockets: self.sockets()?,
            memory: self.backend.memory(),
            patience: self.patience,
            draining,
            stop_admin,
        };
        let run_admin = |(_, admin): (_, admin::Bound)| {
            admin.with_status(status).run(readiness, meter(), admin_stopped)
        };
        let admin = self.admin.map(run_admin).transpose()?;
        let renewal = self.renewal;
        let serve = self.proxy.serve(told);
        let steer = async {
            relieved.tell();
            let left = leaving.steer().await;
            let _ = stop_fetching.send(true);
            left
        };
        let work = async { tokio::join!(steer, serve, keep_fresh(&renewal, fetching)).0 };
        let left = tokio::select! {
            left = work => left,
            () = systemd::watchdog() => Ok(()),
        };
        let _ = leaving.stop_admin.send(true);
        if let Some(admin) = admin {
            let _ = spawn_blocking(move || admin.join()).await;
        }
        left.map_err(StartError::from)
    }
}

/// The private listener: inherited, or taken.
fn private(
    address: SocketAddr,
    inherited: &mut Inherited,
) -> Result<(Listen, admin::Bound), StartError> {
    let wanted = Listen::Tcp(address);
    let bound = match inherited.tcp("admin", &wanted) {
        Some(listener) => admin::Bound::new(listener).map_err(StartError::Descriptor)?,
        None => admin::bind(address)?,
    };
    Ok((wanted, bound))
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
