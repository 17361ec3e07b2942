//! Puts the parts together and runs them.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use pingora::apps::HttpServerApp;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::v1::Connector;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::sync::watch;

use super::Gateway;
use super::application::Application;
use super::client_certificate::Forwarded;
use super::front::Front;
use super::headers::ForwardingFields;
use super::listener::{Bound, unix_permissions};
use super::tls::{Credentials, TlsEnd};
use super::upstream_peer::{UpstreamPeers, UpstreamTlsError};
use crate::client::certificate::Authorities;
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
    public: Listener,
    mtls: Option<Listener>,
    gateway: Gateway<A>,
}

/// Sockets and the TLS that ends there.
struct Listener {
    bound: Bound,
    tls: Option<Arc<Credentials>>,
    end: Option<TlsEnd>,
}

impl<A: Application> Proxy<A> {
    /// Checks everything that can be wrong at start.
    pub fn new(
        listeners: Listeners,
        application: Arc<A>,
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let now = clock.now();
        let server = &config.server;
        let tls =
            server.tls.as_ref().map(|files| Credentials::load(TlsListener::Public, files, now));
        let tls = tls.transpose().map_err(|error| SetupError::Tls("tls", error))?;
        let mtls = server.mtls.as_ref();
        let mtls = mtls.map(|mtls| Credentials::load(TlsListener::Mtls, &mtls.tls, now));
        let mtls = mtls.transpose().map_err(|error| SetupError::Tls("mtls", error))?;
        let public = Listener::new(listeners.public, tls)?;
        let second = listeners.mtls.map(|bound| Listener::new(bound, mtls)).transpose()?;
        let certificates = server.client_certificate_header.map(|header| Forwarded {
            header,
            authorities: [Some(&public), second.as_ref()]
                .into_iter()
                .flatten()
                .find_map(Listener::authorities),
        });
        let gateway = Gateway {
            certificates,
            fields: ForwardingFields::new(&config)?,
            upstream: Arc::new(UpstreamPeers::new(&config.upstream, Arc::clone(&clock))?),
            connector: Connector::new(Some(ConnectorOptions::from_server_conf(&settings(&config)))),
            application,
            config,
            clock,
        };
        Ok(Self { public, mtls: second, gateway })
    }

    /// What has to be refreshed when its files change.
    #[must_use]
    pub fn credentials(&self) -> Vec<Arc<Credentials>> {
        let listeners = [Some(&self.public), self.mtls.as_ref()];
        listeners.into_iter().flatten().filter_map(|listener| listener.tls.clone()).collect()
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
        let conf = Arc::new(settings(&self.gateway.config));
        let limits = self.gateway.config.limits.clone();
        let front = Front::new(Arc::new(http_proxy(&conf, self.gateway)), &limits);
        let mtls = self.mtls.map(|mtls| mtls.serve(&front, shutdown.clone()));
        let mtls = async {
            if let Some(mtls) = mtls {
                mtls.await;
            }
        };
        tokio::join!(
            self.public.serve(&front, shutdown.clone()),
            mtls,
            upstream.keep_resolved(shutdown),
        );
    }
}

impl Listener {
    fn new(bound: Bound, tls: Option<Credentials>) -> Result<Self, rustls::Error> {
        let tls = tls.map(Arc::new);
        let end = tls.clone().map(TlsEnd::new).transpose()?;
        Ok(Self { bound, tls, end })
    }

    fn authorities(&self) -> Option<Arc<Authorities>> {
        self.tls.as_ref().and_then(|tls| tls.authorities())
    }

    async fn serve<P>(self, front: &Front<P>, shutdown: watch::Receiver<bool>)
    where
        P: HttpServerApp + Send + Sync + 'static,
    {
        let sockets = self.bound.addresses();
        let fds = Arc::new(parking_lot::Mutex::new(self.bound.into_fds()));
        let mut service = Service::new("gateway".to_owned(), front.with(self.end));
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
