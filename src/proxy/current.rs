//! The public side as the configuration in use makes it, behind one pointer. A request is served from
//! its head to its end by the gateway that was current when its head was complete.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::application::Application;
use super::client_certificate::Forwarded;
use super::context::Context;
use super::guard::Connection;
use super::headers::ForwardingFields;
use super::phase::{Connections, Phase};
use super::server::SetupError;
use super::tls::TlsEnd;
use super::upstream_peer::UpstreamPeers;
use super::{Connector, Gateway};
use crate::client::certificate::Shown;
use crate::clock::{Clock, WallTime};
use crate::config::{Config, ServerTls, TlsListener};

/// The pointer. Whoever works in the background is told when it changes.
pub(super) struct Current<A> {
    gateway: ArcSwap<Gateway<A>>,
    changes: watch::Sender<()>,
}

/// What pingora carries from phase to phase: the request's state, and who serves it.
pub(super) struct Served<A> {
    pub(super) by: Arc<Gateway<A>>,
    pub(super) context: Context,
}

/// What every configuration's public side shares.
#[derive(Clone)]
pub(super) struct Foundation {
    pub(super) clock: Arc<dyn Clock>,
    /// For the exchanges whose page is looked at.
    pub(super) connector: Arc<Connector>,
    pub(super) connections: Connections,
}

/// Where TLS ends on each listener, if it does.
#[derive(Default)]
pub(super) struct TlsEnds {
    public: Option<Arc<TlsEnd>>,
    mtls: Option<Arc<TlsEnd>>,
}

impl<A> Current<A> {
    pub(super) fn new(gateway: Gateway<A>) -> Self {
        Self { gateway: ArcSwap::from_pointee(gateway), changes: watch::Sender::new(()) }
    }

    pub(super) fn load(&self) -> Arc<Gateway<A>> {
        self.gateway.load_full()
    }

    /// Keeps the upstream's name resolved, whichever upstream it is, until `phase` is over.
    pub(super) async fn keep_resolved(&self, phase: watch::Receiver<Phase>) {
        let mut changes = self.changes.subscribe();
        loop {
            let upstream = Arc::clone(&self.gateway.load().upstream);
            tokio::select! {
                () = upstream.keep_resolved(phase.clone()) => return,
                _ = changes.changed() => {}
            }
        }
    }
}

impl<A> Served<A> {
    pub(super) fn new(by: Arc<Gateway<A>>) -> Self {
        let context = Context::new(by.clock.now());
        Self { by, context }
    }
}

impl<A> Gateway<A> {
    /// What `config` makes; whatever of `last` is the same goes on as it is.
    pub(super) fn new(
        application: Arc<A>,
        config: Arc<Config>,
        foundation: Foundation,
        last: Option<&Self>,
    ) -> Result<Self, SetupError> {
        let Foundation { clock, connector, connections } = foundation;
        let tls = TlsEnds::new(&config, last, clock.wall())?;
        let upstream = UpstreamPeers::new(&config.upstream, Arc::clone(&clock))?;
        let upstream = match last.map(|last| &last.upstream) {
            Some(last) if last.is_like(&upstream) => Arc::clone(last),
            Some(last) => Arc::new(upstream.knowing_addresses_of(last)),
            None => Arc::new(upstream),
        };
        let certificates = config.server.client_certificate_header.map(|header| {
            let authorities = tls.all().find_map(|end| end.credentials().authorities());
            Forwarded { header, authorities }
        });
        let fields = ForwardingFields::new(&config)?;
        Ok(Self {
            application,
            config,
            clock,
            fields,
            upstream,
            certificates,
            connector,
            connections,
            tls,
        })
    }
}

impl TlsEnds {
    fn new<A>(
        config: &Config,
        last: Option<&Gateway<A>>,
        now: WallTime,
    ) -> Result<Self, SetupError> {
        let last = last.map(|last| &last.tls);
        let end = |listener: TlsListener, files: Option<&ServerTls>| {
            let Some(files) = files else { return Ok(None) };
            let kept = last.and_then(|last| last.of(listener));
            // Their content is followed elsewhere.
            if let Some(kept) = kept.filter(|kept| kept.credentials().are_of(files)) {
                return Ok(Some(Arc::clone(kept)));
            }
            TlsEnd::load(listener, files, now).map(|end| Some(Arc::new(end)))
        };
        let mtls = config.server.mtls.as_ref().map(|mtls| &mtls.tls);
        Ok(Self {
            public: end(TlsListener::Public, config.server.tls.as_ref())?,
            mtls: end(TlsListener::Mtls, mtls)?,
        })
    }

    pub(super) fn of(&self, listener: TlsListener) -> Option<&Arc<TlsEnd>> {
        match listener {
            TlsListener::Public => self.public.as_ref(),
            TlsListener::Mtls => self.mtls.as_ref(),
        }
    }

    /// What the handshake of this connection showed, as the authorities judge it that are in use now:
    /// a connection may be older than they are.
    pub(super) fn shown(&self, connection: &Connection) -> Shown {
        let end = connection.tls.and_then(|listener| self.of(listener));
        match (&connection.certificate, end) {
            (Shown::Certificate(certificate), Some(end)) => {
                Shown::Certificate(Arc::new(certificate.judged_by(end.trust())))
            }
            (shown, _) => shown.clone(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<TlsEnd>> {
        [&self.public, &self.mtls].into_iter().flatten()
    }
}

/// Makes the public side of another configuration beside the one that serves. Clones change the same.
pub struct Renewal<A>(pub(super) Arc<Current<A>>);

/// A public side that does not serve yet.
pub struct Prepared<A> {
    gateway: Gateway<A>,
    current: Arc<Current<A>>,
}

impl<A> Clone for Renewal<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Application> Renewal<A> {
    /// The application in use.
    #[must_use]
    pub fn application(&self) -> Arc<A> {
        Arc::clone(&self.0.gateway.load().application)
    }

    /// The configuration in use.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.gateway.load().config)
    }

    /// Told at each change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Reads the files of the TLS listeners again where they have changed.
    pub fn refresh_credentials(&self, now: WallTime) {
        for end in self.0.gateway.load().tls.all() {
            end.credentials().refresh(now);
        }
    }

    /// The TLS listeners, and when the certificate of each expires; `None` where that cannot be read.
    #[must_use]
    pub fn certificates(&self) -> Vec<(&'static str, Option<WallTime>)> {
        let gateway = self.0.gateway.load();
        let credentials = gateway.tls.all().map(|end| end.credentials());
        credentials.map(|it| (it.listener(), it.expires_at())).collect()
    }

    /// Makes the public side of `config`. Its listeners are those of the start, whatever it says of
    /// addresses.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn prepare(
        &self,
        application: Arc<A>,
        config: Arc<Config>,
    ) -> Result<Prepared<A>, SetupError> {
        let last = self.0.load();
        let foundation = Foundation {
            clock: Arc::clone(&last.clock),
            connector: Arc::clone(&last.connector),
            connections: last.connections.clone(),
        };
        let gateway = Gateway::new(application, config, foundation, Some(&last))?;
        Ok(Prepared { gateway, current: Arc::clone(&self.0) })
    }
}

impl<A> Prepared<A> {
    /// Looks the upstream's name up, at most for as long as a connection may take, so that the first
    /// request need not wait.
    pub async fn resolved(&self) {
        if self.gateway.upstream.count() == 0 {
            let patience = self.gateway.config.upstream.connect_timeout;
            let _ = tokio::time::timeout(patience, self.gateway.upstream.resolve()).await;
        }
    }

    /// Serves every request whose head is not complete yet.
    pub fn take_effect(self) {
        self.current.gateway.store(Arc::new(self.gateway));
        self.current.changes.send_replace(());
    }
}
