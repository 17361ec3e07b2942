//! What a listener does with a connection: if there is room it ends TLS, puts a guard around the
//! stream, and gives it to pingora's proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pingora::apps::{HttpServerApp as _, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::sync::watch;

use super::application::Application;
use super::current::Current;
use super::guard::{Bounds, Connection, Guarded, expect_head};
use super::phase::{Connections, Words};
use super::{Gateway, Phases};
use crate::config::TlsListener;
use crate::telemetry::metrics::{RateScope, meter};

/// The application that a listener serves. Limits and certificates are those of the configuration in
/// use when a connection is made.
pub(super) struct Front<A: Application> {
    proxy: Arc<HttpProxy<Phases<A>>>,
    current: Arc<Current<A>>,
    taken: Arc<AtomicUsize>,
    listener: TlsListener,
    connections: Connections,
    leaving: watch::Receiver<bool>,
    closing: watch::Receiver<bool>,
}

impl<A: Application> Front<A> {
    /// For the public listener.
    pub(super) fn new(
        proxy: HttpProxy<Phases<A>>,
        current: Arc<Current<A>>,
        words: &Words,
    ) -> Self {
        Self {
            proxy: Arc::new(proxy),
            connections: current.load().connections.clone(),
            current,
            taken: Arc::default(),
            listener: TlsListener::Public,
            leaving: words.leaving.clone(),
            closing: words.closing.clone(),
        }
    }

    /// The count of connections that it keeps.
    pub(super) const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The same for this listener; both share their room.
    pub(super) fn on(&self, listener: TlsListener) -> Self {
        Self {
            proxy: Arc::clone(&self.proxy),
            current: Arc::clone(&self.current),
            taken: Arc::clone(&self.taken),
            listener,
            connections: self.connections.clone(),
            leaving: self.leaving.clone(),
            closing: self.closing.clone(),
        }
    }

    /// The same.
    pub(super) fn again(&self) -> Self {
        self.on(self.listener)
    }

    /// `None` where the handshake failed or took longer than a head may.
    async fn guarded(&self, stream: Stream, gateway: Arc<Gateway<A>>) -> Option<Guarded> {
        let limits = &gateway.config.limits;
        let (head, idle) = (limits.header_timeout, limits.keepalive_timeout);
        let bounds = Bounds { head, idle, closing: self.closing.clone() };
        let Some(tls) = gateway.tls.of(self.listener) else {
            return Some(Guarded::new(stream, bounds, Connection::default()));
        };
        let handshake = tls.handshake(Guarded::open(stream, bounds.clone()));
        let (stream, connection) = tokio::time::timeout(head, handshake).await.ok().flatten()?;
        Some(Guarded::new(stream, bounds, connection))
    }
}

#[async_trait]
impl<A: Application> ServerApp for Front<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        _shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = self.connections.opened();
        let gateway = self.current.load();
        // A connection above the cap is closed at once: to answer it would cost what the cap saves.
        let Some(_place) = Place::take(&self.taken, gateway.config.limits.connections) else {
            meter().rate_limited(RateScope::Connections);
            return None;
        };
        let guarded: Stream = Box::new(self.guarded(stream, gateway).await?);
        let mut session = ServerSession::new_http1(guarded);
        // Zero is pingora's word for "no own timer": the guard bounds the wait.
        session.set_keepalive((!*self.leaving.borrow()).then_some(0));
        while let Some(reused) = self.proxy.process_new_http(session, &self.leaving).await {
            let (stream, settings) = reused.consume();
            expect_head(&stream);
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
        }
        None
    }

    /// Nothing: pingora's own way would drop connections whose request is on its way. The guard closes
    /// those that are idle.
    async fn cleanup(&self) {}
}

/// The place of one connection, free again when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    /// `None` where `most` are taken.
    fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let one_more = |taken: usize| (taken < most).then(|| taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_as_many_as_the_limit_says_now() {
        let taken = Arc::default();
        let first = Place::take(&taken, 2).unwrap();
        let second = Place::take(&taken, 2).unwrap();
        assert!(Place::take(&taken, 2).is_none());
        let third = Place::take(&taken, 3).unwrap();
        drop((first, second));
        assert!(Place::take(&taken, 1).is_none());
        drop(third);
        assert!(Place::take(&taken, 1).is_some());
    }
}
