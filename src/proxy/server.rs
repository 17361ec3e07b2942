//! Puts the parts together and runs them.

use std::io;
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
use super::listener::{Bound, Passed};
use super::phase::{Connections, Phase, Words};
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
    end: Option<Arc<TlsEnd>>,
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
            connections: Connections::default(),
        };
        Ok(Self { public, mtls: second, gateway })
    }

    /// What has to be refreshed when its files change.
    #[must_use]
    pub fn credentials(&self) -> Vec<Arc<Credentials>> {
        let listeners = [Some(&self.public), self.mtls.as_ref()];
        listeners.into_iter().flatten().filter_map(|listener| listener.tls.clone()).collect()
    }

    /// The connections of clients, to wait for their end.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.gateway.connections.clone()
    }

    /// Second descriptors of all sockets, for another process.
    ///
    /// # Errors
    /// What the system says.
    pub fn sockets(&self) -> io::Result<Vec<Passed>> {
        let listeners = [Some(&self.public), self.mtls.as_ref()];
        let passed = listeners.into_iter().flatten().map(|listener| listener.bound.passed());
        Ok(passed.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Serves on the runtime it is called on and does as `phase` says until that is over. Requests in
    /// flight are tasks of the runtime and go on for as long as it lives;
    /// [`connections`](Self::connections) knows how many are left.
    ///
    /// The upstream's name is looked up before the first request is taken and every ten seconds
    /// from then on.
    pub async fn serve(self, phase: watch::Receiver<Phase>) {
        let upstream = Arc::clone(&self.gateway.upstream);
        // Clients queue meanwhile; where the look-up hangs they get 503 until it succeeds.
        let patience = self.gateway.config.upstream.connect_timeout;
        let _ = tokio::time::timeout(patience, upstream.resolve()).await;
        let conf = Arc::new(settings(&self.gateway.config));
        let limits = self.gateway.config.limits.clone();
        let (words, connections) = (Words::new(), self.gateway.connections.clone());
        let proxy = Arc::new(http_proxy(&conf, self.gateway));
        let front = Front::new(proxy, &limits, connections, &words);
        let mtls = self.mtls.map(|mtls| mtls.serve(&front, phase.clone()));
        let mtls = async {
            if let Some(mtls) = mtls {
                mtls.await;
            }
        };
        tokio::join!(
            self.public.serve(&front, phase.clone()),
            mtls,
            words.follow(phase.clone()),
            upstream.keep_resolved(phase),
        );
    }
}

impl Listener {
    fn new(bound: Bound, tls: Option<Credentials>) -> Result<Self, rustls::Error> {
        let tls = tls.map(Arc::new);
        let end = tls.clone().map(TlsEnd::new).transpose()?.map(Arc::new);
        Ok(Self { bound, tls, end })
    }

    fn authorities(&self) -> Option<Arc<Authorities>> {
        self.tls.as_ref().and_then(|tls| tls.authorities())
    }

    async fn serve<P>(self, front: &Front<P>, mut phase: watch::Receiver<Phase>)
    where
        P: HttpServerApp + Send + Sync + 'static,
    {
        loop {
            let now = *phase.borrow_and_update();
            if now.is_over() {
                break;
            }
            if now.accepts() {
                self.accept(front, &mut phase).await;
            } else if phase.changed().await.is_err() {
                break;
            }
        }
        self.bound.close(*phase.borrow());
    }

    /// Takes connections for as long as the phase says so. pingora closes the descriptors that it
    /// gets, so it gets second ones.
    async fn accept<P>(&self, front: &Front<P>, phase: &mut watch::Receiver<Phase>)
    where
        P: HttpServerApp + Send + Sync + 'static,
    {
        let fds = match self.bound.to_fds() {
            Ok(fds) => Arc::new(parking_lot::Mutex::new(fds)),
            Err(error) => {
                tracing::error!(%error, "a listener cannot be used");
                let _ = phase.wait_for(|phase| !phase.accepts()).await;
                return;
            }
        };
        let _accepting = front.connections().accepting();
        let mut service = Service::new("gateway".to_owned(), front.with(self.end.clone()));
        for socket in &self.bound.addresses() {
            match socket {
                Listen::Tcp(address) => service.add_tcp(&address.to_string()),
                Listen::Unix(path) => {
                    service.add_uds(&path.to_string_lossy(), Some(self.bound.permissions(path)));
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
