//! The private listener: probes, metrics and a status page, on a thread and runtime of its own, so that it answers
//! however busy the gateway is.

mod host;
mod readiness;
mod routes;
pub mod status;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::header::HOST;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub use readiness::{Latch, Readiness};
use routes::{Asked, Routes};
pub use status::Status;

use crate::telemetry::Metrics;

/// Why there is no admin listener.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address} ([admin] listen): {problem}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        problem: io::Error,
    },
    /// No thread or no runtime.
    #[error("cannot start the admin thread: {0}")]
    Start(io::Error),
}

/// Takes the address, port 0 included, without serving yet.
pub fn bind(address: SocketAddr) -> Result<Bound, AdminError> {
    let bound = TcpListener::bind(address).and_then(Bound::new);
    bound.map_err(|problem| AdminError::Bind { address, problem })
}

/// An admin listener that does not serve yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    status: Option<Status>,
}

impl Bound {
    /// A socket that listens already.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, limits: LIMITS, status: None })
    }

    /// A second descriptor of the socket, for another process.
    ///
    /// # Errors
    /// What the system says.
    pub fn duplicate(&self) -> io::Result<TcpListener> {
        self.listener.try_clone()
    }

    /// Shows this at `/status`; without it there is no such page.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Where it listens, with the port the system chose.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is true or its sender is gone; then the thread ends within two
    /// seconds.
    pub fn run(
        self,
        checks: Readiness,
        metrics: &'static Metrics,
        shutdown: watch::Receiver<bool>,
    ) -> Result<JoinHandle<()>, AdminError> {
        let routes = Arc::new(Routes { readiness: checks, metrics, status: self.status });
        let server = Server { routes, shutdown, limits: self.limits };
        let (runtime, listener) = enter(self.listener).map_err(AdminError::Start)?;
        thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || runtime.block_on(server.serve(listener)))
            .map_err(AdminError::Start)
    }
}

/// A runtime, and the listener registered with it.
fn enter(listener: TcpListener) -> io::Result<(Runtime, tokio::net::TcpListener)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    Ok((runtime, listener))
}

/// What one peer may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: usize,
    /// For a request head, and between requests.
    head: Duration,
    /// A connection's life; a scraper simply connects again.
    connection: Duration,
}

const LIMITS: Limits =
    Limits { connections: 64, head: Duration::from_secs(20), connection: Duration::from_secs(120) };

/// How long answers under way may take at the end.
const DRAIN: Duration = Duration::from_secs(1);

struct Server {
    routes: Arc<Routes>,
    shutdown: watch::Receiver<bool>,
    limits: Limits,
}

impl Server {
    async fn serve(self, listener: tokio::net::TcpListener) {
        let mut shutdown = self.shutdown.clone();
        let mut connections = JoinSet::new();
        loop {
            let full = connections.len() >= self.limits.connections;
            tokio::select! {
                _ = shutdown.wait_for(|&stop| stop) => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if !full => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(self.connection(stream))),
                    // Out of descriptors or the like: the peer's loss, and no reason to spin.
                    Err(_) => sleep(Duration::from_millis(50)).await,
                },
            }
        }
        drop(listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        // What is still open is cut when the set is dropped.
        drop(timeout(DRAIN, drained).await);
    }

    fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        let (routes, limits) = (Arc::clone(&self.routes), self.limits);
        let mut shutdown = self.shutdown.clone();
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let asked = Asked {
                method: request.method(),
                target: request.uri(),
                host: request.headers().get(HOST),
            };
            let answer = routes.answer(&asked).map(Full::new);
            async { Ok::<_, Infallible>(answer) }
        });
        let mut connection = Box::pin(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service),
        );
        async move {
            let served = async {
                tokio::select! {
                    // A peer that breaks off is no event worth a line.
                    done = connection.as_mut() => return drop(done),
                    _ = shutdown.wait_for(|&stop| stop) => connection.as_mut().graceful_shutdown(),
                }
                drop(connection.as_mut().await);
            };
            drop(timeout(limits.connection, served).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::telemetry::meter;

    fn running(limits: Limits) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
        let (stop, stopped) = watch::channel(false);
        let bound = Bound { limits, ..bind(([127, 0, 0, 1], 0).into()).unwrap() };
        let address = bound.address();
        (address, stop, bound.run(Readiness::new(), meter(), stopped).unwrap())
    }

    fn connect(address: SocketAddr) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    const GET: &[u8] = b"GET /livez HTTP/1.1\r\nHost: admin\r\n\r\n";

    /// Everything the peer sends until it closes.
    fn rest(mut stream: std::net::TcpStream) -> String {
        let mut bytes = Vec::new();
        // A reset instead of an orderly end is an end, too; a timeout is not.
        if let Err(error) = stream.read_to_end(&mut bytes) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_peer_that_stalls_is_cut_off() {
        let limits = Limits { head: Duration::from_millis(80), ..LIMITS };
        let (address, stop, thread) = running(limits);
        let mut unfinished = connect(address);
        unfinished.write_all(b"GET /livez HTTP/1.1\r\nHost:").unwrap();
        let mut idle = connect(address);
        idle.write_all(GET).unwrap();
        assert!(!rest(unfinished).contains("200 OK"));
        assert!(rest(idle).starts_with("HTTP/1.1 200 OK"));
        rest(connect(address));
        stop.send(true).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn no_connection_outlives_its_time() {
        let (address, stop, thread) =
            running(Limits { connection: Duration::from_millis(80), ..LIMITS });
        rest(connect(address));
        stop.send(true).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn a_connection_over_the_cap_waits_for_a_free_place() {
        let (address, stop, thread) = running(Limits { connections: 1, ..LIMITS });
        let mut first = connect(address);
        first.write_all(GET).unwrap();
        assert_ne!(first.read(&mut [0; 512]).unwrap(), 0);
        let mut second = connect(address);
        second.write_all(GET).unwrap();
        second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert_eq!(second.read(&mut [0; 512]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        second.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_ne!(second.read(&mut [0; 512]).unwrap(), 0);
        stop.send(true).unwrap();
        thread.join().unwrap();
    }
}
