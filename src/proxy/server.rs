//! Puts the parts together and runs them.

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
use super::listener::{Bound, unix_permissions};
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
        let foundation = Foundation { clock, connector };
        let gateway = Gateway::new(application, config, foundation, None)?;
        let current = Arc::new(Current::new(gateway));
        Ok(Self { public: listeners.public, mtls: listeners.mtls, current })
    }

    /// What changes the configuration while it serves.
    #[must_use]
    pub fn renewal(&self) -> Renewal<A> {
        Renewal(Arc::clone(&self.current))
    }

    /// Serves on the runtime it is called on until `shutdown` turns true: then no connection is
    /// accepted and idle ones are closed. Requests in flight are tasks of the runtime and go on
    /// for as long as it lives; counting them is the application's, in
    /// [`finished`](Application::finished).
    ///
    /// The upstream's name is looked up before the first request is taken and every ten seconds
    /// from then on.
    pub async fn serve(self, shutdown: watch::Receiver<bool>) {
        let current = self.current;
        let gateway = current.load();
        // Clients queue meanwhile; where the look-up hangs they get 503 until it succeeds.
        let patience = gateway.config.upstream.connect_timeout;
        let _ = tokio::time::timeout(patience, gateway.upstream.resolve()).await;
        drop(gateway);
        let phases = Phases(Arc::clone(&current));
        let front = Front::new(http_proxy(&Arc::new(settings()), phases), Arc::clone(&current));
        let mtls = async {
            if let Some(mtls) = self.mtls {
                listen(mtls, front.on(TlsListener::Mtls), shutdown.clone()).await;
            }
        };
        tokio::join!(
            listen(self.public, front.on(TlsListener::Public), shutdown.clone()),
            mtls,
            current.keep_resolved(shutdown.clone()),
        );
    }
}

async fn listen<A: Application>(bound: Bound, front: Front<A>, shutdown: watch::Receiver<bool>) {
    let sockets = bound.addresses();
    let fds = Arc::new(parking_lot::Mutex::new(bound.into_fds()));
    let mut service = Service::new("gateway".to_owned(), front);
    for socket in &sockets {
        match socket {
            Listen::Tcp(address) => service.add_tcp(&address.to_string()),
            Listen::Unix(path) => {
                service.add_uds(&path.to_string_lossy(), Some(unix_permissions()));
            }
        }
    }
    service.start_service(Some(fds), shutdown, 1).await;
    remove_unix_sockets(&sockets);
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

/// pingora leaves them behind.
fn remove_unix_sockets(sockets: &[Listen]) {
    for socket in sockets {
        if let Listen::Unix(path) = socket {
            let _ = std::fs::remove_file(path);
        }
    }
}
