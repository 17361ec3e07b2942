//! What pingora leaves open on a connection: how long a request head may take, how long a
//! connection may idle, and how large a head may grow.
//!
//! A [`Guarded`] watches every read until the head is complete. pingora itself bounds neither (a byte every few
//! seconds keeps a connection for ever) and lets a head grow to 1 MiB.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::http::ServerSession;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::client::certificate::Shown;
use crate::config::TlsListener;

/// Largest request head: request line and fields, in bytes.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The bounds of every connection.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) head: Duration,
    pub(super) idle: Duration,
    /// Turns true when no further request is waited for.
    pub(super) closing: watch::Receiver<bool>,
}

/// What is known of a connection since it was made.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Where TLS ends here, if it does.
    pub(super) tls: Option<TlsListener>,
    /// What the handshake showed.
    pub(super) certificate: Shown,
}

/// Tells the guard of `session`'s connection that the head is complete.
pub(super) fn head_is_complete(session: &ServerSession) {
    if let Some(guarded) = session.stream().and_then(guarded) {
        guarded.phase.store(OPEN, Ordering::Release);
    }
}

/// What is known of `session`'s connection.
pub(super) fn connection(session: &ServerSession) -> Option<&Connection> {
    session.stream().and_then(guarded).map(|guarded| &guarded.connection)
}

/// Tells the guard of `stream` that a new head is awaited.
pub(super) fn expect_head(stream: &Stream) {
    if let Some(guarded) = guarded(stream) {
        guarded.phase.store(NEXT, Ordering::Release);
    }
}

fn guarded(stream: &Stream) -> Option<&Guarded> {
    // Through the trait object itself: `Box<dyn IO>` would answer for the box.
    (**stream).as_any().downcast_ref()
}

/// Nothing of the next head has come yet.
const NEXT: u8 = 0;
/// Nothing of the first head has come yet: the client has just connected and has a request.
const FIRST: u8 = 3;
/// The head is coming.
const HEAD: u8 = 1;
/// The head is complete; bodies and answers are bounded elsewhere.
const OPEN: u8 = 2;

/// A downstream connection whose reads are bounded while a head is awaited.
pub(super) struct Guarded {
    inner: Stream,
    connection: Connection,
    bounds: Bounds,
    phase: AtomicU8,
    timer: Option<Pin<Box<Sleep>>>,
    /// The phase that the timer was set for.
    timed: u8,
    /// Bytes of the head so far.
    read: usize,
    /// Whether the request line has ended.
    line_ended: bool,
    /// What the client is told when the connection is shut down.
    refusal: Option<&'static [u8]>,
    /// The refusal is written and our half of the connection closed.
    told: bool,
    /// Made when a head is awaited for the first time.
    closing: Option<Closing>,
    /// The phase that it was made for.
    closing_of: u8,
}

/// Ends once no further request is waited for.
type Closing = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

impl Guarded {
    /// Awaits a head.
    pub(super) fn new(inner: Stream, bounds: Bounds, connection: Connection) -> Self {
        Self { phase: AtomicU8::new(FIRST), connection, ..Self::open(inner, bounds) }
    }

    /// Lets everything through: what comes is no HTTP yet.
    pub(super) fn open(inner: Stream, bounds: Bounds) -> Self {
        Self {
            inner,
            connection: Connection::default(),
            bounds,
            phase: AtomicU8::new(OPEN),
            timer: None,
            timed: OPEN,
            read: 0,
            line_ended: false,
            refusal: None,
            told: false,
            closing: None,
            closing_of: OPEN,
        }
    }

    /// Ready once the time for `phase` is over.
    fn poll_bound(&mut self, phase: u8, cx: &mut Context<'_>) -> Poll<()> {
        if self.timed != phase {
            self.timed = phase;
            let bound = if phase == HEAD { self.bounds.head } else { self.bounds.idle };
            self.timer = Some(Box::pin(tokio::time::sleep(bound)));
        }
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }

    /// Whether the wait for a head is over because the gateway leaves. Who has just connected gets a
    /// moment to send the first one, since nobody else would answer it.
    fn poll_closing(&mut self, phase: u8, cx: &mut Context<'_>) -> Poll<()> {
        if phase == HEAD {
            return Poll::Pending;
        }
        if self.closing.is_none() || self.closing_of != phase {
            let mut closing = self.bounds.closing.clone();
            self.closing_of = phase;
            self.closing = Some(Box::pin(async move {
                // Without a sender everything is over as well.
                let _ = closing.wait_for(|closing| *closing).await;
                if phase == FIRST {
                    tokio::time::sleep(FIRST_WORDS).await;
                }
            }));
        }
        let over = self.closing.as_mut().map_or(Poll::Pending, |closing| closing.as_mut().poll(cx));
        if over.is_ready() {
            self.closing = None;
        }
        over
    }

    /// Ends the reading of this head; the client is told why when the connection is shut down.
    fn refuse(&mut self, refusal: &'static [u8]) {
        self.refusal = Some(refusal);
        self.timer = Some(Box::pin(tokio::time::sleep(LAST_WORDS)));
    }

    /// Writes what is left of the refusal and takes what the client is still sending: a connection
    /// closed over unread bytes is reset, and the client never sees why. Whoever does not read must
    /// not hold the connection either.
    fn poll_refusal(&mut self, refusal: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.timer.as_mut().is_none_or(|timer| timer.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Ok(()));
        }
        let inner = Pin::new(&mut self.inner);
        if !refusal.is_empty() {
            let written = ready!(inner.poll_write(cx, refusal))?;
            self.refusal = self.refusal.and_then(|left| left.get(written..));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.told {
            ready!(inner.poll_shutdown(cx))?;
            self.told = true;
        }
        let mut piece = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Counts what came of the head; the first bytes start its clock.
    fn count(&mut self, phase: u8, piece: &[u8]) {
        if phase != HEAD {
            self.phase.store(HEAD, Ordering::Release);
            self.read = 0;
            self.line_ended = false;
            self.timed = OPEN;
        }
        self.read = self.read.saturating_add(piece.len());
        self.line_ended = self.line_ended || piece.contains(&b'\n');
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let phase = this.phase.load(Ordering::Acquire);
        if phase == OPEN {
            if this.timer.is_some() {
                this.timer = None;
                this.timed = OPEN;
            }
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        if phase == HEAD && this.read > MAX_HEAD_BYTES {
            this.refuse(if this.line_ended { HEAD_TOO_LARGE } else { TARGET_TOO_LONG });
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.inner).poll_read(cx, buf) {
            let piece = buf.filled().get(before..).unwrap_or_default();
            if result.is_ok() && !piece.is_empty() {
                this.count(phase, piece);
            }
            return Poll::Ready(result);
        }
        if this.poll_closing(phase, cx).is_ready() {
            // As if the client had closed.
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_bound(phase, cx));
        if phase == HEAD {
            this.refuse(HEAD_TIMED_OUT);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(refusal) = this.refusal else {
            return Pin::new(&mut this.inner).poll_shutdown(cx);
        };
        let told = ready!(this.poll_refusal(refusal, cx));
        this.refusal = None;
        Poll::Ready(told)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Guarded {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut *self.inner).await;
    }
}

impl UniqueID for Guarded {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Guarded {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Guarded {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Guarded {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Guarded {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

#[async_trait]
impl Peek for Guarded {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(buf).await
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// How long a client that has connected may take to begin its request when the gateway leaves.
const FIRST_WORDS: Duration = Duration::from_secs(2);

/// Longest time for the client to take [`Guarded::refusal`].
const LAST_WORDS: Duration = Duration::from_secs(1);

const HEAD_TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain\r\n\
    content-length: 41\r\ncache-control: no-store\r\nconnection: close\r\n\r\n\
    The request head did not arrive in time.\n";

const HEAD_TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
    content-type: text/plain\r\ncontent-length: 33\r\ncache-control: no-store\r\n\
    connection: close\r\n\r\nThe request head is over 64 KiB.\n";

const TARGET_TOO_LONG: &[u8] = b"HTTP/1.1 414 URI Too Long\r\ncontent-type: text/plain\r\n\
    content-length: 41\r\ncache-control: no-store\r\nconnection: close\r\n\r\n\
    The request target is over 65,000 bytes.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canned_refusals_count_their_bodies() {
        for refusal in [HEAD_TIMED_OUT, HEAD_TOO_LARGE, TARGET_TOO_LONG] {
            let text = std::str::from_utf8(refusal).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{text}");
        }
    }
}
