//! Puts the parts together and runs them.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::v1::Connector;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::sync::watch;

use super::application::Application;
use super::current::{Current, Foundation, Renewal};
use super::front::Front;
use super::listener::{Bound, Passed};
use super::phase::{Connections, Phase, Words};
use super::upstream_peer::UpstreamTlsError;
use super::{Gateway, Phases};
use crate::clock::Clock;
use crate::config::{Config, IdentityError, Listen, TlsListener};

/// Why the proxy cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file of `[upstream.tls]`.
    #[error("[upstream.tls]: {0}")]
    UpstreamTls(#[from] UpstreamTlsError),
    /// A file of `[server.tls]` or `[server.mtls]`.
    #[error("[server.{0}]: {1}")]
    Tls(&'static str, IdentityError),
    /// TLS itself.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
    /// Issuer or upstream address with bytes that no header field can hold.
    #[error("an address does not fit into a header field")]
    Field(#[from] http::header::InvalidHeaderValue),
}

/// The sockets of the public side.
#[derive(Debug)]
pub struct Listeners {
    /// Of `[server] listen`.
    pub public: Bound,
    /// Of `[server.mtls] listen`.
    pub mtls: Option<Bound>,
}

/// The public side, bound and checked, not yet running.
pub struct Proxy<A> {
    public: Bound,
    mtls: Option<Bound>,
    current: Arc<Current<A>>,
}

impl<A: Application> Proxy<A> {
    /// Checks everything that can be wrong at start.
    pub fn new(
        listeners: Listeners,
        application: Arc<A>,
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let options = ConnectorOptions::from_server_conf(&settings());
        let connector = Arc::new(Connector::new(Some(options)));
        let foundation = Foundation { clock, connector, connections: Connections::default() };
        let gateway = Gateway::new(application, config, foundation, None)?;
        let current = Arc::new(Current::new(gateway));
        Ok(Self { public: listeners.public, mtls: listeners.mtls, current })
    }

    /// What changes the configuration while it serves.
    #[must_use]
    pub fn renewal(&self) -> Renewal<A> {
        Renewal(Arc::clone(&self.current))
    }

    /// The connections of clients, to wait for their end.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.current.load().connections.clone()
    }

    /// Second descriptors of all sockets, for another process.
    ///
    /// # Errors
    /// What the system says.
    pub fn sockets(&self) -> io::Result<Vec<Passed>> {
        let listeners = [Some(&self.public), self.mtls.as_ref()];
        let passed = listeners.into_iter().flatten().map(Bound::passed);
        Ok(passed.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Serves on the runtime it is called on and does as `phase` says until that is over. Requests in
    /// flight are tasks of the runtime and go on for as long as it lives;
    /// [`connections`](Self::connections) knows how many are left.
    ///
    /// The upstream's name is looked up before the first request is taken and every ten seconds
    /// from then on.
    pub async fn serve(self, phase: watch::Receiver<Phase>) {
        let current = self.current;
        let gateway = current.load();
        // Clients queue meanwhile; where the look-up hangs they get 503 until it succeeds.
        let patience = gateway.config.upstream.connect_timeout;
        let _ = tokio::time::timeout(patience, gateway.upstream.resolve()).await;
        drop(gateway);
        let (phases, words) = (Phases(Arc::clone(&current)), Words::new());
        let proxy = http_proxy(&Arc::new(settings()), phases);
        let front = Front::new(proxy, Arc::clone(&current), &words);
        let mtls = async {
            if let Some(mtls) = self.mtls {
                listen(mtls, front.on(TlsListener::Mtls), phase.clone()).await;
            }
        };
        tokio::join!(
            listen(self.public, front.on(TlsListener::Public), phase.clone()),
            mtls,
            words.follow(phase.clone()),
            current.keep_resolved(phase.clone()),
        );
    }
}

/// Takes connections whenever the phase says so, until it is over.
async fn listen<A: Application>(bound: Bound, front: Front<A>, mut phase: watch::Receiver<Phase>) {
    loop {
        let now = *phase.borrow_and_update();
        if now.is_over() {
            break;
        }
        if now.accepts() {
            accept(&bound, &front, &mut phase).await;
        } else if phase.changed().await.is_err() {
            break;
        }
    }
    bound.close(*phase.borrow());
}

/// Takes connections for as long as the phase says so. pingora closes the descriptors that it gets,
/// so it gets second ones.
async fn accept<A: Application>(
    bound: &Bound,
    front: &Front<A>,
    phase: &mut watch::Receiver<Phase>,
) {
    let fds = match bound.to_fds() {
        Ok(fds) => Arc::new(parking_lot::Mutex::new(fds)),
        Err(error) => {
            tracing::error!(%error, "a listener cannot be used");
            let _ = phase.wait_for(|phase| !phase.accepts()).await;
            return;
        }
    };
    let _accepting = front.connections().accepting();
    let mut service = Service::new("gateway".to_owned(), front.again());
    for socket in &bound.addresses() {
        match socket {
            Listen::Tcp(address) => service.add_tcp(&address.to_string()),
            Listen::Unix(path) => {
                service.add_uds(&path.to_string_lossy(), Some(bound.permissions(path)));
            }
        }
    }
    let (stop, stopped) = watch::channel(false);
    let until = async {
        // Without a sender everything is over.
        let _ = phase.wait_for(|phase| !phase.accepts()).await;
        stop.send_replace(true);
    };
    tokio::join!(service.start_service(Some(fds), stopped, 1), until);
}

/// The upstream's authorities stand in each peer, as they may change.
fn settings() -> ServerConf {
    ServerConf {
        threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        // The default of 128 makes pingora reconnect all the time under 256 connections.
        upstream_keepalive_pool_size: 1024,
        ..ServerConf::default()
    }
}
