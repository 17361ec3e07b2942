//! Puts the parts together and runs them.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::v1::Connector;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::sync::watch;

use super::Gateway;
use super::application::Application;
use super::guard::Front;
use super::headers::ForwardingFields;
use super::listener::{Bound, unix_permissions};
use super::upstream_peer::{UpstreamPeers, UpstreamTlsError};
use crate::clock::Clock;
use crate::config::{Config, Listen};

/// Why the proxy cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file of `[upstream.tls]`.
    #[error("[upstream.tls]: {0}")]
    UpstreamTls(#[from] UpstreamTlsError),
    /// Issuer or upstream address with bytes that no header field can hold.
    #[error("an address does not fit into a header field")]
    Field(#[from] http::header::InvalidHeaderValue),
}

/// The public side, bound and checked, not yet running.
pub struct Proxy<A> {
    bound: Bound,
    gateway: Gateway<A>,
}

impl<A: Application> Proxy<A> {
    /// Checks everything that can be wrong at start.
    pub fn new(
        bound: Bound,
        application: Arc<A>,
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let gateway = Gateway {
            fields: ForwardingFields::new(&config)?,
            upstream: Arc::new(UpstreamPeers::new(&config.upstream, Arc::clone(&clock))?),
            connector: Connector::new(Some(ConnectorOptions::from_server_conf(&settings(&config)))),
            application,
            config,
            clock,
        };
        Ok(Self { bound, gateway })
    }

    /// Serves on the runtime it is called on until `shutdown` turns true: then no connection is
    /// accepted and idle ones are closed. Requests in flight are tasks of the runtime and go on
    /// for as long as it lives; counting them is the application's, in
    /// [`finished`](Application::finished).
    ///
    /// The upstream's name is looked up before the first request is taken and every ten seconds
    /// from then on.
    pub async fn serve(self, shutdown: watch::Receiver<bool>) {
        let upstream = Arc::clone(&self.gateway.upstream);
        // Clients queue meanwhile; where the look-up hangs they get 503 until it succeeds.
        let patience = self.gateway.config.upstream.connect_timeout;
        let _ = tokio::time::timeout(patience, upstream.resolve()).await;
        let sockets = self.bound.addresses();
        let fds = Arc::new(parking_lot::Mutex::new(self.bound.into_fds()));
        let conf = Arc::new(settings(&self.gateway.config));
        let limits = self.gateway.config.limits.clone();
        let front = Front::new(http_proxy(&conf, self.gateway), &limits);
        let mut service = Service::new("gateway".to_owned(), front);
        for socket in &sockets {
            match socket {
                Listen::Tcp(address) => service.add_tcp(&address.to_string()),
                Listen::Unix(path) => {
                    service.add_uds(&path.to_string_lossy(), Some(unix_permissions()));
                }
            }
        }
        tokio::join!(
            service.start_service(Some(fds), shutdown.clone(), 1),
            upstream.keep_resolved(shutdown),
        );
        remove_unix_sockets(&sockets);
    }
}

fn settings(config: &Config) -> ServerConf {
    let ca = config.upstream.tls.ca.as_ref().filter(|_| config.upstream.url.https);
    ServerConf {
        threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        // The default of 128 makes pingora reconnect all the time under 256 connections.
        upstream_keepalive_pool_size: 1024,
        ca_file: ca.map(|path: &PathBuf| path.display().to_string()),
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
