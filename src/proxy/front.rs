//! What a listener does with a connection: if there is room it ends TLS, puts a guard around the
//! stream, and gives it to pingora's proxy.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::sync::{Semaphore, watch};

use super::guard::{Bounds, Connection, Guarded, expect_head};
use super::phase::{Connections, Words};
use super::tls::TlsEnd;
use crate::config::Limits;

/// The application that a listener serves.
pub(super) struct Front<P> {
    proxy: Arc<P>,
    room: Arc<Semaphore>,
    bounds: Bounds,
    connections: Connections,
    leaving: watch::Receiver<bool>,
    tls: Option<Arc<TlsEnd>>,
}

impl<P> Front<P> {
    /// A listener without TLS.
    pub(super) fn new(
        proxy: Arc<P>,
        limits: &Limits,
        connections: Connections,
        words: &Words,
    ) -> Self {
        let (head, idle) = (limits.header_timeout, limits.keepalive_timeout);
        Self {
            proxy,
            room: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            bounds: Bounds { head, idle, closing: words.closing.clone() },
            connections,
            leaving: words.leaving.clone(),
            tls: None,
        }
    }

    /// The count of connections that it keeps.
    pub(super) const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The same with another way to end TLS, or none; both share their room.
    pub(super) fn with(&self, tls: Option<Arc<TlsEnd>>) -> Self {
        Self {
            proxy: Arc::clone(&self.proxy),
            room: Arc::clone(&self.room),
            bounds: self.bounds.clone(),
            connections: self.connections.clone(),
            leaving: self.leaving.clone(),
            tls,
        }
    }

    /// `None` where the handshake failed or took longer than a head may.
    async fn guarded(&self, stream: Stream) -> Option<Guarded> {
        let Some(tls) = &self.tls else {
            return Some(Guarded::new(stream, self.bounds.clone(), Connection::default()));
        };
        let handshake = tls.handshake(Guarded::open(stream, self.bounds.clone()));
        let (stream, connection) =
            tokio::time::timeout(self.bounds.head, handshake).await.ok().flatten()?;
        Some(Guarded::new(stream, self.bounds.clone(), connection))
    }
}

#[async_trait]
impl<P> ServerApp for Front<P>
where
    P: HttpServerApp + Send + Sync + 'static,
{
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        _shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = self.connections.opened();
        // A connection above the cap is closed at once: to answer it would cost what the cap saves.
        let _permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let guarded: Stream = Box::new(self.guarded(stream).await?);
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
