//! What a listener does with a connection: if there is room it ends TLS, puts a guard around the
//! stream, and gives it to pingora's proxy.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::sync::Semaphore;

use super::guard::{Bounds, Connection, Guarded, expect_head};
use super::tls::TlsEnd;
use crate::config::Limits;
use crate::telemetry::metrics::{RateScope, meter};

/// The application that a listener serves.
pub(super) struct Front<P> {
    proxy: Arc<P>,
    room: Arc<Semaphore>,
    bounds: Bounds,
    tls: Option<TlsEnd>,
}

impl<P> Front<P> {
    /// A listener without TLS.
    pub(super) fn new(proxy: Arc<P>, limits: &Limits) -> Self {
        Self {
            proxy,
            room: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            bounds: Bounds { head: limits.header_timeout, idle: limits.keepalive_timeout },
            tls: None,
        }
    }

    /// The same with another way to end TLS, or none; both share their room.
    pub(super) fn with(&self, tls: Option<TlsEnd>) -> Self {
        Self {
            proxy: Arc::clone(&self.proxy),
            room: Arc::clone(&self.room),
            bounds: self.bounds,
            tls,
        }
    }

    /// `None` where the handshake failed or took longer than a head may.
    async fn guarded(&self, stream: Stream) -> Option<Guarded> {
        let Some(tls) = &self.tls else {
            return Some(Guarded::new(stream, self.bounds, Connection::default()));
        };
        let handshake = tls.handshake(Guarded::open(stream, self.bounds));
        let (stream, connection) =
            tokio::time::timeout(self.bounds.head, handshake).await.ok().flatten()?;
        Some(Guarded::new(stream, self.bounds, connection))
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
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        // A connection above the cap is closed at once: to answer it would cost what the cap saves.
        let Ok(_permit) = Arc::clone(&self.room).try_acquire_owned() else {
            meter().rate_limited(RateScope::Connections);
            return None;
        };
        let guarded: Stream = Box::new(self.guarded(stream).await?);
        let mut session = ServerSession::new_http1(guarded);
        // Zero is pingora's word for "no own timer": the guard bounds the wait.
        session.set_keepalive((!*shutdown.borrow()).then_some(0));
        while let Some(reused) = self.proxy.process_new_http(session, shutdown).await {
            let (stream, settings) = reused.consume();
            expect_head(&stream);
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
        }
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
